"""Every deployment of the application is rolled while requests come in, and not one of them fails."""

from __future__ import annotations

import threading
import time

import pytest

PAUSE_SECONDS = 0.02


class Load:
    """Asks over and over in threads of its own, and counts."""

    def __init__(self, *questions) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(question,)) for question in questions]

    def ask(self, question) -> None:
        while not self.over.wait(PAUSE_SECONDS):
            try:
                question()
                self.answered += 1
            except Exception as error:  # noqa: BLE001 (any failure is one)
                self.failures.append(repr(error))

    def goes_on(self, requests: int = 30, seconds: float = 60) -> None:
        """Waits until so many more are answered: what nobody asks cannot fail."""
        wanted, deadline = self.answered + requests, time.monotonic() + seconds
        while self.answered < wanted:
            assert time.monotonic() < deadline, (self.answered, self.failures)
            time.sleep(PAUSE_SECONDS)

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("component", ["web", "api-gateway", "service-core"])
def test_no_request_fails(platform, component):
    before = set(platform.pods())
    with Load(platform.page, lambda: platform.graphql("{ health }"), lambda: platform.graphql("{ plans { id } }")) as load:
        load.goes_on()
        platform.kubectl("--namespace=luckyplans", "rollout", "restart", f"deployment/{component}")
        platform.kubectl("--namespace=luckyplans", "rollout", "status", f"deployment/{component}", "--timeout=180s")
        # the old pod is still there for a while, and answers what it was sent
        for pod in before - set(platform.pods()):
            platform.kubectl("--namespace=luckyplans", "wait", "--for=delete", f"pod/{pod}", "--timeout=60s")
        load.goes_on()
    replaced = {pod.rsplit("-", 2)[0] for pod in before - set(platform.pods())}
    assert replaced == {component}
    assert load.failures == [], f"{len(load.failures)} of {load.answered + len(load.failures)} requests failed"
