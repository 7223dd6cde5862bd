"""Where things are, and the environment in which tests and notebooks run."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
CLINICS = NOTEBOOKS / "clinics"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"


def find_notebooks(names: list[str] | None = None, folder: Path = NOTEBOOKS) -> list[Path]:
    """Returns the notebooks whose file names begin with one of `names`, all of them without names.

    Raises:
        ValueError: when a name fits no notebook; it lists the ones there are.
    """
    known = sorted(folder.glob("*.ipynb"))
    if not names:
        return known
    for name in names:
        if not any(path.name.startswith(name) for path in known):
            listed = ", ".join(path.stem for path in known) or "none yet"
            raise ValueError(f"No notebook begins with {name!r}; there are: {listed}.")
    return [path for path in known if path.name.startswith(tuple(names))]


def find_with_clinics(names: list[str] | None = None) -> list[Path]:
    """Returns the course's notebooks and the bug clinics; "clinics/03" or "clinics" names those.

    Raises:
        ValueError: when a name fits none.
    """
    within = [name.partition("/")[2] for name in names or () if name.split("/")[0] == "clinics"]
    others = [name for name in names or () if name.split("/")[0] != "clinics"]
    found = find_notebooks(others) if others or not names else []
    if within or not names:
        found += find_notebooks([] if "" in within else within, CLINICS)
    return found


def number_of(path: Path) -> str:
    """Returns the number of a notebook, such as "03", or "09a" where a chapter has two files."""
    return path.stem.split("_")[0]


def chapter_of(number: str) -> str:
    """Returns by what exercises, questions and objectives are numbered: "09" for 09a and 09b."""
    return number[:2]


def cores() -> int:
    """Returns the number of cores this process may use; the variable WORKERS overrides it.

    Raises:
        ValueError: when WORKERS is not a number of at least 1.
    """
    asked = os.environ.get("WORKERS", "")
    if asked:
        if not asked.isdigit() or int(asked) < 1:
            raise ValueError(f"WORKERS must be a number of at least 1, not {asked!r}.")
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quiet_environment(scratch: Path) -> dict[str, str]:
    """Returns variables that keep a notebook's output the same on every machine.

    Args:
        scratch: an empty directory for what IPython and `datasets` write; a cached data set of an
            older version of the code would otherwise be read again.
    """
    return {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUTF8": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "HF_HOME": str(scratch / "huggingface"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def offline_environment(scratch: Path) -> dict[str, str]:
    """Returns `quiet_environment` and what keeps every child process off the network.

    `tests/offline` holds a `sitecustomize.py`, which Python imports at its start; that reaches
    notebook kernels, which are processes of their own.
    """
    inherited = os.environ.get("PYTHONPATH")
    path = [str(ROOT / "tests" / "offline")] + ([inherited] if inherited else [])
    return {
        **quiet_environment(scratch),
        "PYTHONPATH": os.pathsep.join(path),
        "COURSE_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
