"""`python -m course_lib.book` makes the book; `… slides` the slides; numbers choose notebooks."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from course_lib.book.site import site_problems
from course_lib.book.slides import stage_slides
from course_lib.book.stage import BOOK, stage
from course_lib.devtools.environment import ROOT, offline_environment

BUILD = ROOT / "build"
PAGES, SLIDES = BUILD / "book", BUILD / "slides"


def run_sphinx(builder: str, conf: Path, source: Path, target: Path, words: list[str]) -> None:
    """Runs Sphinx in a process of its own, off the network.

    Args:
        builder: Sphinx's name of what is made.
        conf: the folder of conf.py.
        source: the texts; Sphinx's cache lies beside it.
        target: where the pages go.
        words: more words for Sphinx.

    Raises:
        RuntimeError: when Sphinx fails; its own message stands above.
    """
    call = [sys.executable, "-m", "sphinx", "-q", "-b", builder]
    call += ["-c", str(conf), "-d", str(source.with_name(source.name + "-cache")), *words]
    with tempfile.TemporaryDirectory(prefix="course-") as scratch:
        environment = {**os.environ, **offline_environment(Path(scratch))}
        done = subprocess.run([*call, str(source), str(target)], cwd=ROOT, env=environment)
    if done.returncode:
        raise RuntimeError("Sphinx stopped or warned; its own words are above.")


def make_book(only: list[str] | None = None, api: bool = True, target: Path = PAGES) -> Path:
    """Builds the website and checks its links, pictures and addresses.

    Args:
        only: begin of the names of the notebooks to take; without, all.
        api: whether the library's pages are made.
        target: where the website goes; its sources and cache lie beside it.

    Returns:
        The first page.

    Raises:
        ValueError: where a page is not whole; every fault is named.
        RuntimeError: when Sphinx fails.
    """
    source = target.with_name(target.name + "-source")
    stage(source, only, api)
    # A part of the book has links to pages that it lacks; the whole has none.
    strict = [] if only else ["-W", "--keep-going"]
    run_sphinx("html", BOOK, source, target, strict)
    if (problems := site_problems(target)) and not only:
        raise ValueError("\n".join(problems))
    return target / "index.html"


def make_slides(only: list[str] | None = None, target: Path = SLIDES) -> Path:
    """Builds one deck of slides a notebook, of the cells that carry the tags of `slides`.

    Args:
        only: begin of the names of the notebooks to take; without, all.
        target: where they go.

    Returns:
        The page that names the decks.

    Raises:
        ValueError: where no cell is tagged, or a deck is not whole.
        RuntimeError: when Sphinx fails.
    """
    source = target.with_name(target.name + "-source")
    stage_slides(source, only)
    run_sphinx("revealjs", BOOK / "slides", source, target, ["-W", "--keep-going"])
    if problems := site_problems(target, search=False):
        raise ValueError("\n".join(problems))
    return target / "index.html"


def main(words: list[str] | None = None) -> int:
    """Makes what was asked for and says where it is; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("book", "slides"), default="book")
    parser.add_argument("numbers", nargs="*", help="notebooks by number, all without")
    parser.add_argument("--no-api", action="store_true", help="leave the library's pages out")
    options = parser.parse_args(words)
    started = time.monotonic()
    try:
        if options.what == "slides":
            first = make_slides(options.numbers or None)
        else:
            first = make_book(options.numbers or None, not options.no_api)
    except (ValueError, RuntimeError) as error:
        print(f"{options.what}: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    print(f"{options.what}: open {first.relative_to(ROOT)} in a browser ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
