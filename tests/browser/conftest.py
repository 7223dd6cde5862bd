"""A browser without a window for the tests of this folder; without one they fail, never skip."""

import contextlib
import re

import pytest

from course_lib.devtools.environment import ROOT
from course_lib.devtools.install_browser import browser_problem, find_browser, launch_words
from tests.browser.waiting import UI, WHOLE, ends_within

SCREENSHOTS = ROOT / "build" / "screenshots"


@pytest.fixture(scope="session")
def driver():
    """What drives browsers, started once a test process."""
    if problem := browser_problem():
        pytest.fail(problem)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture
def limit():
    """Seconds that a test may spend with its page."""
    return WHOLE


@pytest.fixture
def browser(driver, limit):
    """Chromium, for one test; it ends when the test's time is over."""
    options = {"executable_path": find_browser(), "args": launch_words()}
    with ends_within(limit) as ended:
        started = driver.chromium.launch(**options, timeout=UI * 1000)
        yield started
        with contextlib.suppress(Exception if ended.is_set() else ()):
            started.close()
    assert not ended.is_set(), f"The test took more than {limit} s, and its browser was ended."


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Keeps what the page showed when a test of it failed."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if page is None or report.when != "call":
        return report
    name = re.sub(r"[^\w-]+", "-", item.name)
    path = SCREENSHOTS / f"failed-{name}.png"
    path.unlink(missing_ok=True)
    if report.failed:
        with contextlib.suppress(Exception):  # the test's own failure is what counts
            page.screenshot(path=path, timeout=10_000)
    return report


@pytest.fixture
def page(browser):
    """A page of its own, 1280 by 900; a script that fails on it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(UI * 1000)
    page = context.new_page()
    broken = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    assert broken == []


@pytest.fixture(scope="session")
def screenshot():
    """Keeps a picture of a page under build/screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def keep(page, name):
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return keep
