"""What holds for every test: no network, one thread, folders that give a marker; `course`."""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import pytest

from course_lib.devtools.environment import offline_environment

HERE = Path(__file__).parent
FOLDER_MARKERS = {"slow": "slow", "browser": "slow", "bars": "bars"}


def _block_network() -> None:
    """Does for a bare `pytest` what the Makefile's targets did before Python started."""
    if os.environ.get("COURSE_OFFLINE") == "1":
        return
    scratch = tempfile.mkdtemp(prefix="course-tests-")
    os.environ.update(offline_environment(Path(scratch)))
    spec = importlib.util.spec_from_file_location("_offline", HERE / "offline/sitecustomize.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


# At import and not in a fixture: torch reads the number of threads when it is first imported.
if "torch" in sys.modules:
    raise RuntimeError("A pytest plugin imported torch before OMP_NUM_THREADS was set; disable it.")
_block_network()


def pytest_collection_modifyitems(items):
    """Marks the tests of FOLDER_MARKERS' folders; skips gpu tests where there is no GPU."""
    for item in items:
        for folder, marker in FOLDER_MARKERS.items():
            if (HERE / folder) in item.path.parents:
                item.add_marker(marker)
        if item.get_closest_marker("gpu") is not None and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture
def course(monkeypatch, capsys):
    """Runs the console script in this process; gives (exit code, standard output, errors)."""
    from course_lib import cli

    def run(*words):
        monkeypatch.setattr("sys.argv", ["course", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            raise SystemExit(0)
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return run
