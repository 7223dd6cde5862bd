"""Which browser the tests drive, how one is installed, and what is said where there is none."""

import sys

import pytest

from course_lib.devtools import checks, install_browser
from course_lib.devtools.install_browser import (
    browser_problem,
    find_browser,
    install,
    line_to_run,
    main,
    ways,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


def put_program(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A machine with one folder of programs, empty, and no browser anywhere else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(install_browser.NAMED, raising=False)
    monkeypatch.setattr(install_browser, "PLACES", {})
    monkeypatch.setattr(install_browser, "_downloaded", lambda: None)
    monkeypatch.setattr(install_browser, "DRIVER", "json")  # a module that is always there
    return tmp_path


@posix
def test_chromium_comes_before_chrome_and_a_stub_that_advises_is_no_browser(empty):
    chrome = put_program(empty, "google-chrome", "echo Google Chrome 150.0")
    assert find_browser() == chrome
    put_program(empty, "chromium-browser", "echo 'install the snap of chromium' >&2; exit 1")
    assert find_browser() == chrome
    chromium = put_program(empty, "chromium", "echo Chromium 156.0")
    assert find_browser() == chromium


@posix
def test_a_named_browser_wins_and_a_wrong_name_is_told(empty, monkeypatch):
    put_program(empty, "chromium", "echo Chromium 156.0")
    mine = put_program(empty, "mine", "echo Mine 1.0")
    monkeypatch.setenv("COURSE_BROWSER", "mine")
    assert find_browser() == mine
    monkeypatch.setenv("COURSE_BROWSER", "nothing-here")
    with pytest.raises(ValueError, match="COURSE_BROWSER is 'nothing-here', which is no program"):
        find_browser()
    assert "correct or unset it" in browser_problem()


def test_without_a_browser_or_a_driver_the_line_to_run_is_told(empty, monkeypatch):
    assert find_browser() is None
    assert browser_problem().endswith(f"Run: {line_to_run()}")
    with pytest.raises(ValueError, match=r"-m course_lib\.devtools\.install_browser"):
        checks.test_slow(empty)
    monkeypatch.setattr(install_browser, "DRIVER", "no_such_driver")
    assert browser_problem().endswith("Run: make ready-browser")
    assert main([]) == 1


def programs(*names):
    return lambda name: name in names


def test_the_system_s_packages_come_before_a_download():
    last = [sys.executable, "-m", "playwright", "install", "chromium"]
    root = ways("Linux", programs("apt-get"), is_root=True)
    assert [command[:2] for command in root[0]] == [["apt-get", "update"], ["apt-get", "install"]]
    assert root[-1] == [[*last[:-1], "--with-deps", "chromium"]]
    user = ways("Linux", programs("apt-get", "sudo"), is_root=False)
    assert user[0][0] == ["sudo", "apt-get", "update"] and user[-1] == [last]
    assert ways("Linux", programs("apt-get"), is_root=False) == [[last]]
    assert ways("Darwin", programs("brew"), False)[0][0][:2] == ["brew", "install"]
    windows = ways("Windows", programs("choco", "winget"), False)
    assert [way[0][0] for way in windows] == ["winget", "choco", sys.executable]


def test_a_dry_run_prints_every_command_and_runs_none(empty, monkeypatch, capsys):
    def no_command(command):
        raise AssertionError(command)

    monkeypatch.setattr(install_browser, "_status", no_command)
    assert main(["--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "browser: none is here"
    assert all(line.startswith("browser: would run: ") for line in lines[1:]) and lines[1:]


@posix
def test_a_way_that_fails_is_followed_by_the_next(empty, monkeypatch, capsys):
    bad = put_program(empty, "bad", "exit 3")
    body = f"printf '#!/bin/sh\\necho Chromium 156.0\\n' > {empty}/chromium"
    good = put_program(empty, "good", f"{body}; /bin/chmod +x {empty}/chromium")
    tried = [[[str(bad)], ["never"]], [["missing-program"]], [[str(good)]]]
    monkeypatch.setattr(install_browser, "ways", lambda *_: tried)
    assert install() == empty / "chromium"
    said = capsys.readouterr().out
    assert "never" not in said and said.count("that did not work") == 2
