"""Runs a script of `data_scripts` in the test's own process, as the command line would."""

import runpy

import pytest


def run_script(path, words, monkeypatch, capsys, key="none"):
    """Returns (exit code, standard output, errors); `key` is the endpoint's key."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setattr("sys.argv", [path, *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(path, run_name="__main__")
    printed = capsys.readouterr()
    return stopped.value.code, printed.out, printed.err
