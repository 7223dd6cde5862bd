"""Finds Chromium or Chrome, or installs it: `python -m course_lib.devtools.install_browser`.

The tests of tests/browser drive JupyterLab and the book with it. What is there already is taken;
else the machine's own package manager is asked, and where that does not help, playwright's own
download. Every command is printed before it runs; `--dry-run` prints them alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NAMED = "COURSE_BROWSER"
PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
# Edge is a Chromium too, and every Windows has it.
PLACES = {
    "Darwin": (
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    "Windows": (
        r"%ProgramFiles%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Google\Chrome\Application\chrome.exe",
        r"%LocalAppData%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Microsoft\Edge\Application\msedge.exe",
    ),
}
DRIVER = "playwright"
# A container has little shared memory, and Chromium's sandbox refuses root.
FLAGS = ("--disable-dev-shm-usage", "--disable-gpu")
Command = list[str]


def line_to_run() -> str:
    """Returns the line that brings a browser, for this interpreter."""
    return f"{sys.executable} -m course_lib.devtools.install_browser"


def browser_problem() -> str | None:
    """Returns what keeps the browser tests from running, with the line to run; None for nothing."""
    if importlib.util.find_spec(DRIVER) is None:
        return "The browser tests need packages that are not there. Run: make ready-browser"
    try:
        if find_browser() is None:
            return f"The browser tests need Chromium, and there is none. Run: {line_to_run()}"
    except ValueError as error:
        return str(error)
    return None


def find_browser() -> Path | None:
    """Returns the browser that the tests drive, or None where there is none.

    Raises:
        ValueError: where the variable COURSE_BROWSER names no program.
    """
    named = os.environ.get(NAMED)
    if named:
        if shutil.which(named) is None:
            raise ValueError(f"{NAMED} is {named!r}, which is no program: correct or unset it.")
        return Path(str(shutil.which(named)))
    found = [shutil.which(name) for name in PROGRAMS]
    found += [os.path.expandvars(place) for place in PLACES.get(platform.system(), ())]
    here = [path for path in found if path and _is_browser(path)]
    return Path(here[0]) if here else _downloaded()


def _downloaded() -> Path | None:
    """Returns the browser that playwright downloaded, or None."""
    if importlib.util.find_spec(DRIVER) is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        path = driver.chromium.executable_path
    return Path(path) if _is_browser(path) else None


def _is_browser(path: str) -> bool:
    """Says whether a program is there and tells its version; Ubuntu has one that only advises."""
    if not os.path.isfile(path):
        return False
    if platform.system() == "Windows":
        return True  # asked for its version, Chrome opens a window there
    call = [path, "--version"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and any(character.isdigit() for character in done.stdout)


def launch_words() -> list[str]:
    """Returns the flags that Chromium needs on this machine."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*FLAGS, "--no-sandbox"] if is_root else [*FLAGS]


def started_version(browser: Path) -> str:
    """Starts a browser without a window, opens an empty page, and returns its version.

    Args:
        browser: the program.

    Raises:
        RuntimeError: when it does not start; the message holds the reason.
    """
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=browser, args=launch_words())
        except Error as error:
            raise RuntimeError(
                f"{browser} does not start: {error.message.splitlines()[0]}"
            ) from None
        started.new_page()
        version = started.version
        started.close()
    return version


def ways(system: str, has: Callable[[str], bool], is_root: bool) -> list[list[Command]]:
    """Returns the ways to install a browser, the first to be tried first.

    Args:
        system: "Linux", "Darwin" or "Windows".
        has: whether a program of that name is there.
        is_root: whether this process may install packages of the system.
    """
    found: list[list[Command]] = []
    if system == "Linux" and (is_root or has("sudo")):
        sudo = [] if is_root else ["sudo"]
        fresh = [*sudo, "apt-get", "update"]
        # Without fonts a page's letters are boxes.
        apt = [*sudo, "apt-get", "install", "-y", "--no-install-recommends"]
        apt += ["chromium", "fonts-liberation"]
        known = {
            "apt-get": [fresh, apt],
            "dnf": [[*sudo, "dnf", "install", "-y", "chromium"]],
            "pacman": [[*sudo, "pacman", "-S", "--noconfirm", "chromium"]],
        }
        found += [commands for program, commands in known.items() if has(program)]
    if system == "Darwin" and has("brew"):
        found.append([["brew", "install", "--cask", "chromium"]])
    if system == "Windows":
        agree = ["--accept-source-agreements", "--accept-package-agreements"]
        winget = ["winget", "install", "-e", "--id", "Google.Chrome", *agree]
        found += [[winget]] if has("winget") else []
        found += [[["choco", "install", "-y", "googlechrome"]]] if has("choco") else []
    # Its own download needs nothing but the network; as root it brings the system's libraries too.
    wanted = ["--with-deps"] if system == "Linux" and is_root and has("apt-get") else []
    return [*found, [[sys.executable, "-m", DRIVER, "install", *wanted, "chromium"]]]


def install(dry_run: bool = False) -> Path | None:
    """Tries one way after the other until a browser is found; returns it, or None.

    Args:
        dry_run: print the commands and run none.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    for commands in ways(platform.system(), lambda name: shutil.which(name) is not None, is_root):
        for command in commands:
            print(f"browser: {'would run' if dry_run else 'running'}: {' '.join(command)}")
            sys.stdout.flush()
            if not dry_run and _status(command) != 0:
                print("browser: that did not work; its own words are above")
                break
        if not dry_run and (found := find_browser()) is not None:
            return found
    return None


def _status(command: Command) -> int:
    try:
        return subprocess.call(command)
    except OSError as error:
        print(f"browser: {command[0]}: {error.strerror or error}")
        return 1


def main(words: list[str] | None = None) -> int:
    """Finds or installs a browser, starts it once and says which it is; returns the status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    options = parser.parse_args(words)
    if importlib.util.find_spec(DRIVER) is None:
        print("browser: first run `make ready-browser`, which brings what drives it")
        return 1
    try:
        found = find_browser()
        if found is None:
            print("browser: none is here")
            found = install(options.dry_run)
        if found is not None:
            print(f"browser: {found} starts, version {started_version(found)}")
            return 0
    except (ValueError, RuntimeError) as error:
        print(f"browser: {error}")
        return 1
    if options.dry_run:
        return 0
    print(f"browser: none was installed. Install Chromium or Chrome, or name one in {NAMED}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
