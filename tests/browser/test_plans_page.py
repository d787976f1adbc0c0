"""The web page in a real browser, as a user on a laptop and on a phone.

LUCKYPLANS_URL        address of the platform, such as http://localhost
LUCKYPLANS_PICTURES   directory for a picture of the page; none is taken without it
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = "/usr/bin/chromium"
URL = os.environ.get("LUCKYPLANS_URL", "")
PHONE = {"width": 360, "height": 740}

if not URL:
    pytest.skip("LUCKYPLANS_URL is not set: no platform to look at", allow_module_level=True)
if not Path(CHROMIUM).exists():
    pytest.skip(f"{CHROMIUM} is missing: install the Debian package chromium", allow_module_level=True)

from playwright.sync_api import BrowserType, Locator, Page, expect, sync_playwright  # noqa: E402

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserType]:
    """Playwright's way to the browser, started once."""
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def page(chromium: BrowserType, tmp_path: Path) -> Iterator[Page]:
    """A page of a browser that has never run before; an uncaught error in the page fails the test."""
    browser = chromium.launch_persistent_context(tmp_path / "profile", executable_path=CHROMIUM, args=FLAGS)
    page = browser.pages[0]
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    browser.close()
    assert errors == []


def add_plan(page: Page, title: str) -> None:
    page.get_by_test_id("plan-title").fill(title)
    page.get_by_test_id("plan-submit").click()
    expect(plan(page, title)).to_have_count(1)


def plan(page: Page, title: str) -> Locator:
    return page.get_by_test_id("plan-list").get_by_test_id("plan-item").filter(has_text=title)


def test_plan_is_there_after_a_reload(page):
    title = f"Learn to juggle {uuid.uuid4()}"
    page.goto(URL)
    add_plan(page, title)
    expect(page.get_by_test_id("plan-title")).to_have_value("")
    page.reload()
    expect(plan(page, title)).to_have_count(1)
    if pictures := os.environ.get("LUCKYPLANS_PICTURES"):
        page.screenshot(path=Path(pictures) / "plan.png", full_page=True)


def test_title_is_asked_for(page):
    page.goto(URL)
    page.get_by_test_id("plan-title").fill("   ")
    page.get_by_test_id("plan-submit").click()
    expect(page.get_by_test_id("plan-error")).to_be_visible()


def test_phone_does_not_scroll_sideways(page):
    page.set_viewport_size(PHONE)
    page.goto(URL)
    # no browser breaks such a word by itself
    add_plan(page, uuid.uuid4().hex * 3)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], f"the page is {wide} px wide on a phone of {PHONE['width']} px"
