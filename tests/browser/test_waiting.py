"""Nothing here can wait for ever: a frozen page is ended, and a wait says what it waited for."""

import time

import pytest

from course_lib.devtools.install_browser import find_browser, launch_words
from tests.browser.waiting import ends_within, seen, until


def test_a_page_that_never_answers_is_ended(driver):
    from playwright.sync_api import Error

    began = time.monotonic()
    with ends_within(4) as ended:
        started = driver.chromium.launch(executable_path=find_browser(), args=launch_words())
        with pytest.raises(Error, match="closed"):
            started.new_page().evaluate("() => { for (;;) {} }")
    assert ended.is_set() and time.monotonic() - began < 60


def test_a_wait_that_is_over_says_what_for_and_what_is_shown(page):
    page.set_content("<p>one</p><p>two</p>")
    until(page, "() => document.querySelectorAll('p').length === 2", "two paragraphs")
    seen(page.locator("p"), "paragraph", count=2)
    with pytest.raises(AssertionError, match=r"After 1 s no third paragraph\. address: .*kernel"):
        until(page, "() => document.querySelectorAll('p').length === 3", "third paragraph", 1)
    with pytest.raises(AssertionError, match="After 1 s no paragraph: 2 instead of 1"):
        seen(page.locator("p"), "paragraph", seconds=1)
