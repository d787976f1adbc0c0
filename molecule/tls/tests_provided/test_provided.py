"""A certificate that somebody else made."""

from __future__ import annotations

import json

import pytest
from platform_fixtures import verdict_of
from tls_fixtures import DOMAIN, changed, eventually, fingerprint, https


@pytest.fixture(scope="module")
def run(platform, tmp_path_factory):
    """A playbook with variables in a file: arguments can be read by everybody."""
    path = tmp_path_factory.mktemp("variables") / "variables.json"

    def playbook(name, *arguments, **variables):
        path.touch(mode=0o600)
        path.write_text(json.dumps({"platform_tls": "provided", **variables}))
        return platform.playbook(name, f"--extra-vars=@{path}", *arguments)

    return playbook


@pytest.fixture(scope="module")
def files(platform):
    def of(certificate, key=""):
        folder = platform.work_dir
        return {"tls_certificate_file": str(folder / f"{certificate}.pem"), "tls_private_key_file": str(folder / f"{key or certificate}.key")}

    return of


def test_it_is_served(platform):
    wanted = fingerprint(platform.work_dir / "first.pem")
    assert eventually(lambda: https(platform.work_dir / "authority.pem")[1] == wanted)


def test_second_run_changes_nothing(run, files):
    assert changed(run("local.yml", **files("first"))) == 0


def test_status_trusts_it_by_itself(run):
    result = run("status.yml", output="json")
    assert result.rc == 0, result.stdout
    assert f"certificate {DOMAIN}" in [item["subject"] for item in verdict_of(result.stdout)["checks"]]


def test_a_key_of_another_is_refused_and_nothing_is_changed(platform, run, files):
    result = run("local.yml", **files("second", "first"))
    assert result.rc != 0
    assert "does not belong to the certificate" in " ".join(result.stdout.split())
    assert "changed=0    unreachable" in result.stdout
    assert https(platform.work_dir / "authority.pem")[1] == fingerprint(platform.work_dir / "first.pem")


def test_another_one_from_a_vault_is_noticed_and_shown_nowhere(platform, run):
    folder = platform.work_dir
    texts = {"tls_certificate": (folder / "second.pem").read_text(), "tls_private_key": (folder / "second.key").read_text()}
    result = run("local.yml", "-vvv", "--diff", **texts)
    assert changed(result) > 0
    assert not [line for line in texts["tls_private_key"].splitlines()[1:-1] if line in result.stdout]
    wanted = fingerprint(folder / "second.pem")
    assert eventually(lambda: https(folder / "authority.pem")[1] == wanted)
    assert changed(run("local.yml", **texts)) == 0


def test_its_key_is_in_the_cluster_alone(platform):
    line = (platform.work_dir / "second.key").read_text().splitlines()[1]
    assert not [path for path in platform.cluster_dir.rglob("*") if path.is_file() and line in path.read_bytes().decode(errors="replace")]
