"""A browser without a window for the tests of this folder; without one they fail, never skip."""

import contextlib
import re

import pytest

from course_lib.devtools.environment import ROOT
from course_lib.devtools.install_browser import browser_problem, find_browser, launch_words
from tests.browser.lab import PATIENCE

SCREENSHOTS = ROOT / "build" / "screenshots"


@pytest.fixture(scope="session")
def browser():
    """Chromium, started once a test process."""
    if problem := browser_problem():
        pytest.fail(problem)
    from playwright.sync_api import sync_playwright

    path = find_browser()
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=launch_words())
        yield started
        started.close()


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
            page.screenshot(path=path)
    return report


@pytest.fixture
def page(browser):
    """A page of its own, 1280 by 900; a script that fails on it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    broken = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    context.close()
    assert broken == []


@pytest.fixture(scope="session")
def screenshot():
    """Keeps a picture of a page under build/screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def keep(page, name):
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return keep
