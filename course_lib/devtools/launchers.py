"""Ways into the course without a set-up: links to Colab, Binder and Codespaces, and their cell.

    python course_lib/devtools/launchers.py links           # writes README's links anew
    python course_lib/devtools/launchers.py colab FOLDER    # the notebooks with Colab's first cell

The repository's address stands in one place, `repository-code` of CITATION.cff; in a workflow of
GitHub, which knows it, it need not. Standard library alone: the workflow installs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GITHUB = "https://github.com/"
FIRST = "notebooks/00_start_here.ipynb"
BRANCH = "colab"  # of the edition
BEGIN, END = "<!-- launchers -->", "<!-- launchers: end -->"
_ADDRESS = re.compile(r'^repository-code: *"?(\S+?)"? *$', re.MULTILINE)
_SAFE_REF = re.compile(r"[\w./-]+")
CELL_ID = "colab-set-up"

WITHOUT_ADDRESS = (
    "Links to Colab, Binder and Codespaces appear here once the repository has an address: "
    "`repository-code` of [CITATION.cff](CITATION.cff), then "
    "`python course_lib/devtools/launchers.py links`."
)
# A running kernel does not see an editable install, hence sys.path.
_CELL = """\
# Colab alone: fetches the course and installs it, some minutes once a session.
import os, subprocess, sys

def run(*words):
    subprocess.run(words, check=True)

course = os.path.expanduser("~/multimodal-course")
if not os.path.isdir(course + "/course_lib"):
    run("git", "init", "--quiet", course)
    run("git", "-C", course, "fetch", "--quiet", "--depth", "1", {address!r}, {ref!r})
    run("git", "-C", course, "checkout", "--quiet", "FETCH_HEAD")
run(sys.executable, "-m", "pip", "install", "--quiet", "--editable", course)
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, course)
os.chdir(course + "/{folder}")"""


def address(root: Path = ROOT, workflow: bool = True) -> str | None:
    """Returns the repository's address on GitHub, without a slash at its end.

    Args:
        root: the folder of CITATION.cff.
        workflow: whether a workflow of GitHub is asked where CITATION.cff does not say.

    Returns:
        The address, or None where nobody knows it.

    Raises:
        ValueError: for an address that is not https://github.com/OWNER/NAME.
    """
    file = root / "CITATION.cff"
    found = _ADDRESS.search(file.read_text(encoding="utf-8")) if file.exists() else None
    known = os.environ.get("GITHUB_REPOSITORY") if workflow else None
    if found is None and not known:
        return None
    url = found[1] if found else f"{GITHUB}{known}"
    url = url.removesuffix("/").removesuffix(".git")
    if not re.fullmatch(re.escape(GITHUB) + r"[\w.-]+/[\w.-]+", url):
        raise ValueError(
            f"The repository's address is {url!r}: Colab and Binder open {GITHUB}OWNER/NAME alone."
        )
    return url


def colab_link(url: str, notebook: str) -> str:
    """Returns the address that opens a notebook's edition in Colab.

    Args:
        url: see `address`.
        notebook: see `names_of`.
    """
    name = url.removeprefix(GITHUB)
    return f"https://colab.research.google.com/github/{name}/blob/{BRANCH}/notebooks/{notebook}"


def binder_link(url: str) -> str:
    """Returns the address that starts JupyterLab on Binder with the first notebook open."""
    return f"https://mybinder.org/v2/gh/{url.removeprefix(GITHUB)}/HEAD?urlpath=lab/tree/{FIRST}"


def codespace_link(url: str) -> str:
    """Returns the address that starts the dev container on GitHub."""
    return f"https://codespaces.new/{url.removeprefix(GITHUB)}"


def numbered(root: Path = ROOT) -> list[Path]:
    """Returns the course's notebooks in their order, then the bug clinics."""
    folder = root / "notebooks"
    found = [*folder.glob("[0-9]*.ipynb"), *folder.glob("clinics/[0-9]*.ipynb")]
    return sorted(found, key=lambda path: (path.parent != folder, path.name))


def names_of(notebooks: list[Path], root: Path = ROOT) -> list[str]:
    """Returns paths below the folder of all notebooks, such as "clinics/03_llava.ipynb"."""
    return [path.relative_to(root / "notebooks").as_posix() for path in notebooks]


def links_block(url: str | None, notebooks: list[str]) -> str:
    """Returns README's lines between its two marks.

    Args:
        url: see `address`; None gives a sentence that says what is missing.
        notebooks: see `names_of`.
    """
    if url is None:
        return f"{BEGIN}\n{WITHOUT_ADDRESS}\n{END}"
    colab = " · ".join(f"[{n.split('_')[0]}]({colab_link(url, n)})" for n in notebooks)
    lines = [f"**Colab**, each with a first cell that installs the course: {colab}", ""]
    lines += [f"**JupyterLab on Binder**, about 2 GB of memory: [start]({binder_link(url)})", ""]
    lines += [f"**Codespaces**, the dev container of this folder: [start]({codespace_link(url)})"]
    return "\n".join([BEGIN, *lines, END])


def with_links(text: str, url: str | None, notebooks: list[str]) -> str:
    """Returns README with its links written anew.

    Raises:
        ValueError: where the two marks are not there once each, in this order.
    """
    parts = re.split(f"{BEGIN}.*?{END}", text, flags=re.DOTALL)
    if len(parts) != 2 or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md needs the lines {BEGIN} and {END} once each, in this order.")
    return parts[0] + links_block(url, notebooks) + parts[1]


def set_up_cell(url: str, ref: str, folder: str = "notebooks") -> dict:
    """Returns the first cell of a Colab notebook, as JSON.

    Args:
        url: what git fetches from.
        ref: branch, tag or commit: code and notebooks are then of one state.
        folder: of the notebook, in which its cells run.

    Raises:
        ValueError: for a ref that is not one.
    """
    if not _SAFE_REF.fullmatch(ref) or ref.startswith("-"):
        raise ValueError(f"{ref!r} is no branch, tag or commit: give one, such as main.")
    source = _CELL.format(address=url, ref=ref, folder=folder).splitlines(keepends=True)
    cell = {"cell_type": "code", "id": CELL_ID, "metadata": {}, "source": source}
    return cell | {"execution_count": None, "outputs": []}


def write_colab(target: Path, url: str, ref: str, root: Path = ROOT) -> list[Path]:
    """Writes the notebooks with one cell more, at the top, and the pictures beside them.

    Args:
        target: folder that is made; one that holds anything is refused.
        url: see `set_up_cell`.
        ref: see `set_up_cell`.
        root: of the course.

    Returns:
        The written notebooks.

    Raises:
        ValueError: for a folder that is not empty, or without notebooks to write.
    """
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty: name a new folder.")
    if not (sources := numbered(root)):
        raise ValueError(f"{root} holds no notebooks: run this in the course's own folder.")
    for path in sources:
        own = path.relative_to(root)
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"].insert(0, set_up_cell(url, ref, own.parent.as_posix()))
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        (target / own).parent.mkdir(parents=True, exist_ok=True)
        (target / own).write_text(text, encoding="utf-8")
    if (root / "notebooks" / "images").is_dir():
        shutil.copytree(root / "notebooks" / "images", target / "notebooks" / "images")
    return numbered(target)


def main(words: list[str] | None = None, root: Path = ROOT) -> int:
    """Writes what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("links", help="write README's links anew")
    colab = what.add_parser("colab", help="write the notebooks for Colab")
    colab.add_argument("folder", type=Path)
    colab.add_argument("--ref", default="main", help="branch or commit that the cell fetches")
    options = parser.parse_args(words)
    try:
        url = address(root, workflow=options.what == "colab")
        if options.what == "links":
            readme = root / "README.md"
            text, names = readme.read_text(encoding="utf-8"), names_of(numbered(root), root)
            readme.write_text(with_links(text, url, names), encoding="utf-8")
            print(f"README.md: links to {url}" if url else "README.md: no address yet, no links")
        elif url is None:
            raise ValueError("no address: write `repository-code` into CITATION.cff first.")
        else:
            print(f"{len(write_colab(options.folder, url, options.ref, root))} notebooks written")
    except ValueError as error:
        print(f"launchers: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
