"""The second application: built, deployed and reached by the same conventions."""

from __future__ import annotations

import re
import time


def test_api_answers_and_reaches_redis(platform):
    assert platform.graphql("{ health }") == {"health": "Shop API is running, Redis says PONG"}


def test_page_is_served_with_its_build_argument(platform):
    page = platform.page()
    assert "<h1>Shop</h1>" in page
    assert 'data-url="/graphql"' in page


def test_worker_works(platform):
    before = platform.graphql("{ ticks }")["ticks"]
    deadline = time.monotonic() + 30
    while platform.graphql("{ ticks }")["ticks"] <= before:
        assert time.monotonic() < deadline, f"the worker stopped at {before}"
        time.sleep(0.5)


def test_every_image_has_a_content_tag(platform):
    images = platform.images()
    cron_job = platform.get("cronjob/luckyplans-shop-cron-mailer")
    images["cron-mailer"] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"]
    for name in ("api", "front-page", "worker", "cron-mailer"):
        image = images.get(f"luckyplans-shop-{name}", images.get(name))
        assert re.fullmatch(rf"luckyplans/{name}:c-[0-9a-f]{{16}}", image)


def test_folder_without_a_dockerfile_is_no_image(platform):
    assert platform.host.check_output("docker image ls --quiet luckyplans/mobile") == ""


def test_cron_job_runs(platform):
    job = f"by-hand-{time.time_ns()}"
    platform.kubectl("--namespace=luckyplans", "create", "job", job, "--from=cronjob/luckyplans-shop-cron-mailer")
    platform.kubectl("--namespace=luckyplans", "wait", f"job/{job}", "--for=condition=complete", "--timeout=60s")
    assert re.fullmatch(r"mail number \d+ is sent\n?", platform.kubectl("--namespace=luckyplans", "logs", f"job/{job}"))


def test_labels_from_the_chart_version_are_valid(platform):
    # the chart writes its version into them unchanged, and a label holds no "+"
    deployment = platform.get("deployment/luckyplans-shop-api")
    assert re.fullmatch(r"shop-0\.1\.0[-.a-z0-9]*", deployment["metadata"]["labels"]["helm.sh/chart"])
