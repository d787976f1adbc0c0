"""The web page in a real browser, as a user on a laptop and on a phone.

LUCKYPLANS_URL        address of the platform, such as http://localhost
LUCKYPLANS_PICTURES   directory for pictures of the page; none are taken without it
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parents[2] / "apps/e2e/node_modules/axe-core/axe.min.js"
URL = os.environ.get("LUCKYPLANS_URL", "")
UNKNOWN = "/nothing-is-here"
# the narrowest phone that is still about, and what WCAG 1.4.10 asks for
PHONE = {"width": 320, "height": 640}
# px; what a thumb hits
TOUCH_TARGET = 44

if not URL:
    pytest.skip("LUCKYPLANS_URL is not set: no platform to look at", allow_module_level=True)
if not Path(CHROMIUM).exists():
    pytest.skip(f"{CHROMIUM} is missing: install the Debian package chromium", allow_module_level=True)

from playwright.sync_api import BrowserType, ConsoleMessage, Locator, Page, Route, expect, sync_playwright  # noqa: E402

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REFUSED = {"errors": [{"message": "The plans service does not answer. Try again in a moment."}], "data": None}


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserType]:
    """Playwright's way to the browser, started once."""
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def page(chromium: BrowserType, tmp_path: Path) -> Iterator[Page]:
    """A page of a browser that has never run before; an error in the page or its console fails the test."""
    browser = chromium.launch_persistent_context(tmp_path / "profile", executable_path=CHROMIUM, args=FLAGS)
    page = browser.pages[0]
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # violations of the Content-Security-Policy are among them; so is the answer that one test asks for
        if message.type in ("error", "warning") and message.location["url"] != f"{URL}{UNKNOWN}":
            errors.append(message.text)

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", on_console)
    yield page
    browser.close()
    assert errors == []


def add_plan(page: Page, title: str) -> None:
    page.get_by_test_id("plan-title").fill(title)
    page.get_by_test_id("plan-submit").click()
    expect(plan(page, title)).to_have_count(1)


def plan(page: Page, title: str) -> Locator:
    return page.get_by_test_id("plan-list").get_by_test_id("plan-item").filter(has_text=title)


def picture(page: Page, name: str) -> None:
    if pictures := os.environ.get("LUCKYPLANS_PICTURES"):
        page.screenshot(path=Path(pictures) / f"{name}.png", full_page=True)


def answer(page: Page, *bodies: Any) -> None:
    """Answers the page's requests in the API's place, one body after the other and the last one for good."""
    left = list(bodies)

    def fulfill(route: Route) -> None:
        route.fulfill(json=left.pop(0) if len(left) > 1 else left[0])

    page.route("**/graphql", fulfill)


def nothing_yet(page: Page) -> None:
    page.route("**/graphql", lambda _route: None)
    page.goto(URL)
    expect(page.get_by_text("Loading the plans…")).to_be_visible()


def no_plans(page: Page) -> None:
    answer(page, {"data": {"plans": []}})
    page.goto(URL)
    expect(page.get_by_text("No plans yet.")).to_be_visible()


def some_plans(page: Page) -> None:
    titles = ["Learn to juggle", "学会游泳", "🍀" * 40, "Pneumonoultramicroscopicsilicovolcanoconiosis" * 2]
    plans = [{"id": str(index), "title": title, "createdAt": "2026-01-02T03:04:05.000Z"} for index, title in enumerate(titles)]
    answer(page, {"data": {"plans": plans}})
    page.goto(URL)
    expect(page.get_by_test_id("plan-item")).to_have_count(len(titles))


def failed(page: Page) -> None:
    answer(page, REFUSED)
    page.goto(URL)
    expect(page.get_by_test_id("plan-error")).to_be_visible()


def no_title(page: Page) -> None:
    no_plans(page)
    page.get_by_test_id("plan-submit").click()
    expect(page.get_by_test_id("plan-error")).to_be_visible()


STATES = [nothing_yet, no_plans, some_plans, failed, no_title]
each_state = pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)


def test_plan_is_there_after_a_reload(page):
    title = f"Learn to juggle {uuid.uuid4()}"
    page.goto(URL)
    add_plan(page, title)
    expect(page.get_by_test_id("plan-title")).to_have_value("")
    page.reload()
    expect(plan(page, title)).to_have_count(1)
    picture(page, "plan")


def test_session_is_in_a_cookie_that_no_script_reads(page):
    page.goto(URL)
    add_plan(page, f"Learn to swim {uuid.uuid4()}")
    cookies = page.context.cookies()
    # the other one is Traefik's, by which a page and its scripts come from one pod
    assert {cookie["name"] for cookie in cookies} == {"luckyplans_session", "luckyplans_web"}
    assert all((cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax") for cookie in cookies)
    assert page.evaluate("document.cookie") == ""


def test_session_that_is_no_longer_good_is_replaced(page):
    page.goto(URL)
    page.context.add_cookies([{"name": "luckyplans_session", "value": "from.another.secret", "url": URL, "httpOnly": True}])
    add_plan(page, f"Learn to sail {uuid.uuid4()}")
    expect(page.get_by_test_id("plan-error")).to_have_count(0)


def test_title_is_asked_for(page):
    page.goto(URL)
    page.get_by_test_id("plan-title").fill("   ")
    page.get_by_test_id("plan-submit").click()
    expect(page.get_by_test_id("plan-error")).to_be_visible()


def test_failed_list_is_loaded_again_when_asked(page):
    answer(page, REFUSED, {"data": {"plans": []}})
    page.goto(URL)
    expect(page.get_by_test_id("plan-error")).to_have_text(REFUSED["errors"][0]["message"])
    page.get_by_role("button", name="Load the plans again").click()
    expect(page.get_by_text("No plans yet.")).to_be_visible()
    expect(page.get_by_test_id("plan-error")).to_have_count(0)


def test_a_plan_needs_no_mouse(page):
    title = f"Learn to type {uuid.uuid4()}"
    page.goto(URL)
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("plan-title")).to_be_focused()
    page.keyboard.type(title)
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("plan-submit")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    expect(plan(page, title)).to_have_count(1)
    expect(page.get_by_test_id("plan-title")).to_be_focused()
    # and what a screen reader says of it
    expect(page.get_by_role("status").filter(has_text=f"Added: {title}")).to_have_count(1)


@each_state
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone(page: Page, state: Callable[[Page], None], scheme: str):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    state(page)
    picture(page, f"phone-{state.__name__}-{scheme}")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], f"the page is {wide} px wide on a phone of {PHONE['width']} px"
    for target in page.locator("a, button, input").all():
        box = target.bounding_box()
        assert box and box["height"] >= TOUCH_TARGET and box["width"] >= TOUCH_TARGET, (target.inner_text(), box)


@each_state
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(page: Page, state: Callable[[Page], None], scheme: str):
    if not AXE.exists():
        pytest.skip(f"{AXE} is missing: run pnpm install")
    page.emulate_media(color_scheme=scheme)
    state(page)
    picture(page, f"{state.__name__}-{scheme}")
    # not by a script element, which the page's policy refuses
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    problems = {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in [*found["violations"], *found["incomplete"]]}
    assert problems == {}, json.dumps(problems, indent=1)
    assert {rule["id"] for rule in found["passes"]} >= {"color-contrast", "label", "html-has-lang", "document-title"}


def test_unknown_address_leads_back(page):
    response = page.goto(f"{URL}{UNKNOWN}")
    assert response and response.status == 404
    page.get_by_role("link", name="To the plans").click()
    expect(page.get_by_role("heading", name="luckyplans")).to_be_visible()
