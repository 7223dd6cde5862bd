"""Waits that end: each has its limit, and says what it waited for and what the page showed then."""

import threading
from contextlib import contextmanager

import psutil

UI = 60  # seconds for whatever a page shows at once on a quiet machine
RUN = 180  # seconds for all cells of a notebook
WHOLE = 280  # seconds for everything that a test does with its page

CURRENT = "window.jupyterapp?.shell?.currentWidget"
STATE = f"""() => {{
    const shown = {CURRENT};
    const cells = shown?.content?.widgets ?? [];
    const waits = cells.filter(cell => cell.promptNode?.textContent.includes('*')).length;
    const dialogs = [...document.querySelectorAll('.jp-Dialog')].map(d => d.textContent);
    return `address: ${{location.pathname}}; in front: ${{shown?.context?.path}}; ` +
        `kernel: ${{shown?.sessionContext?.session?.kernel?.status}}; ` +
        `cells that wait: ${{waits}} of ${{cells.length}}; ` +
        `dialogs: ${{dialogs.join(' | ').slice(0, 400) || 'none'}}`;
}}"""


def until(page, condition: str, what: str, seconds: int = UI, arg: object = None) -> None:
    """Waits until a condition in JavaScript holds on a page.

    Args:
        page: Playwright's page.
        condition: a function in JavaScript.
        what: is waited for, in words for the failure.
        seconds: at most.
        arg: what the function is called with.

    Raises:
        AssertionError: when it does not come to hold.
    """
    from playwright.sync_api import TimeoutError as Late

    try:
        page.wait_for_function(condition, arg=arg, timeout=seconds * 1000, polling=200)
    except Late:
        raise AssertionError(f"After {seconds} s no {what}. {state_of(page)}") from None


def seen(locator, what: str, count: int = 1, seconds: int = UI) -> None:
    """Waits until so many elements are there, and the last of them can be seen.

    Raises:
        AssertionError: when there are others.
    """
    from playwright.sync_api import expect

    try:
        expect(locator).to_have_count(count, timeout=seconds * 1000)
        expect(locator.nth(count - 1)).to_be_visible(timeout=seconds * 1000)
    except AssertionError:
        found = f"{locator.count()} instead of {count}"
        raise AssertionError(
            f"After {seconds} s no {what}: {found}. {state_of(locator.page)}"
        ) from None


def state_of(page) -> str:
    """Says in one line what a page of JupyterLab, or of the book, shows now."""
    return page.evaluate(STATE)


@contextmanager
def ends_within(seconds: float):
    """Ends the browser that this process started once a time is over, and yields whether it did.

    Playwright asks some things of a page without a limit; an ended browser answers all of them
    with an error.
    """
    ended = threading.Event()

    def end() -> None:
        ended.set()
        for process in psutil.Process().children(recursive=True):
            if "chrom" in process.name().lower() or "edge" in process.name().lower():
                process.kill()

    clock = threading.Timer(seconds, end)
    clock.daemon = True
    clock.start()
    try:
        yield ended
    finally:
        clock.cancel()
