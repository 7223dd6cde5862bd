"""Makes `.venv` and installs the course into it; does nothing where that is already done.

Run as a script by whatever `python3` there is, so it uses the standard library alone and stays
readable by Pythons that are too old, which get a sentence instead of a traceback.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLDEST = (3, 11)


def stamp_text(root):
    """Returns what `.venv/.ready` must hold; it changes with the package lists and the folder."""
    digest = hashlib.sha256(root.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(root, name), "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest() + "\n"


def venv_python(root):
    """Returns the path of the environment's interpreter, which may not exist yet."""
    windows = os.path.join(root, ".venv", "Scripts", "python.exe")
    return windows if os.name == "nt" else os.path.join(root, ".venv", "bin", "python")


def stamp_file(root, extra=""):
    """Returns the file that says what is installed: the course, or one of its optional groups."""
    return os.path.join(root, ".venv", ".ready" + ("-" + extra if extra else ""))


def is_ready(root, extra=""):
    """Says whether the environment was made in this folder from the present lists of packages."""
    try:
        with open(stamp_file(root, extra)) as stream:
            return stream.read() == stamp_text(root) and os.path.exists(venv_python(root))
    except OSError:
        return False


def version_problem(version, executable, command="make lab"):
    """Returns the sentence for a Python that is too old, or None."""
    if tuple(version[:2]) >= OLDEST:
        return None
    newer = [n for n in ("python3.13", "python3.12", "python3.11") if _version_of(n) is not None]
    if newer:
        advice = f"You have {newer[0]}: run `{command} PYTHON={newer[0]}`."
    else:
        advice = f"Install one, then name it: `{command} PYTHON=python3.12`."
    oldest, found = "{}.{}".format(*OLDEST), "{}.{}".format(*version)
    return f"The course needs Python {oldest} or newer; {executable} is Python {found}. {advice}"


def _version_of(python):
    """Returns (major, minor) of an interpreter that really starts, else None."""
    if shutil.which(python) is None and not os.path.exists(python):
        return None
    script = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        answer = subprocess.check_output([python, "-c", script], stderr=subprocess.DEVNULL)
        return tuple(int(number) for number in answer.split())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def make_venv(root):
    """Makes `.venv`, or makes it anew where a first try was cut off, and makes sure of pip."""
    python = venv_python(root)
    found = _version_of(python)
    if found is None or found < OLDEST:
        half_made = os.path.isdir(os.path.join(root, ".venv"))
        print("set-up: " + ("making .venv anew, it was half-made" if half_made else "making .venv"))
        call = [sys.executable, "-m", "venv", "--clear", os.path.join(root, ".venv")]
        hint = "On Debian and Ubuntu it needs one package first: apt install python3-venv."
        _run(call, root, "Python could not make a virtual environment. " + hint)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.call([python, "-m", "pip", "--version"], **quiet) != 0:
        _run([python, "-m", "ensurepip", "--upgrade"], root, "pip is missing from .venv.")


def install(root, torch_index, extra="test"):
    """Installs the course with an optional group of packages, at the versions of constraints.txt.

    With the group of every set-up, `test`, it also registers the notebook kernel.
    """
    python = venv_python(root)
    call = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    call += ["-c", "constraints.txt", "-e", ".[" + extra + "]"]
    if torch_index:
        call += ["--extra-index-url", torch_index]
    if not sys.stdout.isatty():
        call += ["-qq"]  # in a log, errors alone; a person sees the progress
    print("set-up: installing (several minutes the first time)")
    _run(call, root, "The installation stopped; pip's own message is above.")
    if extra != "test":
        return
    kernel = [python, "-m", "ipykernel", "install", "--sys-prefix", "--name", "python3"]
    # One thread: two threads beside another busy process can take many times as long as one.
    _run([*kernel, "--env", "OMP_NUM_THREADS", "1"], root, "The kernel could not be registered.")


def _run(call, root, problem):
    if subprocess.call(call, cwd=root) != 0:
        sys.exit(f"set-up: {problem} Nothing is lost: the same command goes on from here.")


def main():
    """Brings `.venv` to the state that the lists of packages ask for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--torch-index", default="", help="an extra index, for torch's CPU build")
    parser.add_argument("--extra", default="", help="an optional group: classroom, book, browser")
    options = parser.parse_args()
    wanted = [extra for extra in ("", options.extra) if not is_ready(ROOT, extra)]
    if not wanted:
        return
    problem = version_problem(sys.version_info, sys.executable)
    if problem:
        sys.exit("set-up: " + problem)
    try:
        make_venv(ROOT)
        for extra in dict.fromkeys(wanted):
            install(ROOT, options.torch_index, extra or "test")
            with open(stamp_file(ROOT, extra), "w") as stream:
                stream.write(stamp_text(ROOT))
    except KeyboardInterrupt:
        sys.exit("\nset-up: interrupted; the same command goes on from here.")
    print("set-up: done")


if __name__ == "__main__":
    main()
