"""After the teardown: nothing of the cluster is left but its data."""

from __future__ import annotations

import os
import re
import socket

import pytest
from platform_fixtures import HTTP_PORT, verdict_of


def test_no_container_is_left(platform):
    assert platform.containers() == []


@pytest.mark.parametrize("port", [HTTP_PORT, 18443])
def test_port_is_free(port):
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))


@pytest.mark.parametrize("record", ["kubeconfig", "record.json", "report.json", "settled.json"])
def test_record_is_gone(platform, record):
    assert not platform.host.file(str(platform.cluster_dir / record)).exists


def test_data_is_kept(platform):
    assert platform.host.file(str(platform.cluster_dir / "data/kept")).content_string == "by the teardown"


def test_status_says_that_there_is_none(platform):
    result = platform.playbook("status.yml", "--extra-vars=output=json")
    assert result.rc != 0, result.stdout
    assert verdict_of(result.stdout)["verdict"] == "absent"


def test_second_teardown_changes_nothing(platform):
    result = platform.playbook("teardown.yml")
    assert result.rc == 0, result.stdout
    assert re.findall(r"changed=(\d+) .* failed=(\d+)", result.stdout) == [("0", "0")]


def test_the_host_no_longer_starts_it(platform):
    service = f"luckyplans-cluster-{platform.name}"
    assert not [place for place in (f"/etc/systemd/system/{service}.service", f"/etc/init.d/{service}") if os.path.lexists(place)]


def test_check_mode_says_what_a_run_would_do(platform):
    """Docker and the tools are there, the cluster is not."""
    result = platform.playbook("local.yml", "--check", "--diff")
    assert result.rc == 0, result.stdout
    assert "A run would bring it up" in " ".join(result.stdout.split())
    assert platform.containers() == []


def test_data_goes_when_asked_as_the_readme_says(platform):
    result = platform.playbook("teardown.yml", "--extra-vars=teardown_data=true")
    assert result.rc == 0, result.stdout
    assert not platform.cluster_dir.exists()
