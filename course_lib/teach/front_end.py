"""Whether a person watches this kernel: JupyterLab does, a test or `make notebooks` does not."""

from __future__ import annotations

import os


def someone_watches() -> bool:
    """Tells whether a figure that is updated would be seen.

    A front end says with each cell whether it can ask its user for input (`allow_stdin` of the
    Jupyter protocol): JupyterLab and VS Code do; nbclient and nbval, which run notebooks for
    tests, cannot. A plain Python program has no front end at all.
    """
    if "PYTEST_CURRENT_TEST" in os.environ:
        return False
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))
