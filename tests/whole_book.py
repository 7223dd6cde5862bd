"""The whole book, built once for every test that reads it, in whichever process that runs."""

import os
from pathlib import Path

from filelock import FileLock


def whole_book(tmp_path_factory) -> Path:
    """Returns the folder of the book; the first worker that asks builds it, the others wait.

    Sphinx's warnings are errors, and so are faults of pages.
    """
    from course_lib.book.__main__ import make_book

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    done = shared / "book-is-whole"
    with FileLock(shared / "book.lock"):
        if not done.exists():
            make_book(target=shared / "book")
            done.touch()
    return shared / "book"
