"""What `teardown.yml` leaves of a platform on a server; the last one, after test_rotation.py."""

from __future__ import annotations

from prod_fixtures import changed


def containers(server):
    return server.host.check_output("docker ps --all --format '{{.Names}}'").split()


def test_check_mode_foretells_and_changes_nothing(server):
    before = containers(server)
    result = server.playbook("teardown.yml", "--check", push=False)
    assert result.returncode == 0, result.stdout
    assert changed(result) > 0
    assert containers(server) == before != []


def test_the_cluster_goes_and_what_has_to_outlive_it_stays(server):
    secrets = server.names(server.secrets)
    result = server.playbook("teardown.yml", push=False)
    assert result.returncode == 0, result.stdout
    assert containers(server) == []
    assert not server.host.file(str(server.cluster_dir / "record.json")).exists
    assert server.names(server.secrets) == secrets != []


def test_a_second_time_there_is_nothing_to_do(server):
    result = server.playbook("teardown.yml", push=False)
    assert result.returncode == 0, result.stdout
    assert changed(result) == 0
