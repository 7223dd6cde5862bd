"""The machine, checked in one go: what the course needs, what is there, what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

from course_lib.zoo.load import names

PACKAGES = {
    "torch": "2.11",
    "transformers": "5.17",
    "accelerate": "1.0",
    "datasets": "3.0",
    "scikit-learn": "1.3",
    "jupyterlab": "4.2",
    "ipywidgets": "8.0",
    "matplotlib": "3.8",
    "nbval": "0.11",
}
ZOO = ("clip", "opt", "t5")


def _version(text: str) -> tuple[int, ...]:
    digits = text.split("+")[0].split(".")[:3]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in digits)


def _package(name: str, least: str) -> dict:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return {"name": name, "ok": False, "found": "missing", "advice": "run the set-up again"}
    ok = _version(found) >= _version(least)
    advice = "" if ok else f"needs {least} or newer: run the set-up again"
    return {"name": name, "ok": ok, "found": found, "advice": advice}


def _machine() -> list[dict]:
    python = sys.version_info >= (3, 11)
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return [
        {
            "name": "python",
            "ok": python,
            "found": platform.python_version(),
            "advice": "" if python else "needs Python 3.11 or newer",
        },
        {
            "name": "free disk (GB)",
            "ok": free > 2,
            "found": f"{free:.0f}",
            "advice": "" if free > 2 else "free about 2 GB for the feature cache and runs",
        },
        {
            "name": "OMP_NUM_THREADS",
            "ok": True,
            "found": threads or "not set",
            "advice": "" if threads == "1" else "set it to 1 for results that repeat exactly",
        },
    ]


def checks() -> list[dict]:
    """Checks Python, packages, disk, threads and the zoo.

    Returns:
        Rows {name, ok, found, advice}; `ok` is False where the course cannot run as it is.
    """
    here = names()
    zoo = [
        {
            "name": f"zoo: {name}",
            "ok": name in here,
            "found": "there" if name in here else "missing",
            "advice": "" if name in here else f"course zoo build {name}",
        }
        for name in ZOO
    ]
    return _machine() + [_package(name, least) for name, least in PACKAGES.items()] + zoo
