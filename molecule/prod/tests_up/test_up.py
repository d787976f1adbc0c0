"""After the first run, before a second one could have mended anything."""

from __future__ import annotations


def test_argo_cd_has_deployed_what_git_says_and_it_answers(server):
    assert server.state() == ("Synced", "Healthy")
    assert server.ask("/graphql", {"query": "{ health }"}) == (200, {"data": {"health": "API Gateway is running"}})


def test_no_pod_has_restarted(server):
    restarts = {name: [status["restartCount"] for status in item["status"]["containerStatuses"]] for name, item in server.pods().items()}
    assert restarts
    assert {count for counts in restarts.values() for count in counts} == {0}, restarts
