"""What a learner's process may not do: grow, write, call out, start others, read the answers.

A guard against accidents and cheap tricks, not a wall: Python code that sets out to break an audit
hook can. Whoever grades strangers runs the whole grading in a container.
"""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

_ENDED = "no answer may write, start, end or connect to anything outside of the notebook"
_CLOSED = "the answers of this exercise are closed while it is graded"
_FORBIDDEN = frozenset(
    (
        "os.system",
        "os.fork",
        "os.forkpty",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.kill",
        "os.killpg",
        "subprocess.Popen",
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "pty.spawn",
        "signal.pthread_kill",
        "webbrowser.open",
        "ctypes.dlopen",
        "ctypes.cdata",
        "gc.get_objects",
        "gc.get_referrers",
    )
)
_CHANGES = frozenset(
    (
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.mkdir",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.symlink",
        "os.truncate",
        "shutil.rmtree",
        "shutil.move",
    )
)
_LARGEST_FILE = 2**26


def confine(scratch: Path, secret: tuple[Path, ...], memory: int) -> None:
    """Confines this process for good.

    Args:
        scratch: the only folder it may write to.
        secret: folders it may not read.
        memory: bytes that it may take beyond what it has.
    """
    tempfile.tempdir = str(scratch)
    _limits(memory)
    closed = tuple(str(folder.resolve()) for folder in secret)
    own = (str(scratch.resolve()), "/dev/null")

    def watch(event: str, args: tuple) -> None:
        if event in _FORBIDDEN:
            raise PermissionError(f"{event}: {_ENDED}")
        if event != "open" and event not in _CHANGES:
            return
        if not isinstance(args[0], str | bytes):
            return
        path = args[0].decode(errors="replace") if isinstance(args[0], bytes) else args[0]
        path = str(Path(path).absolute())
        if (event in _CHANGES or _writes(*args[1:3])) and not path.startswith(own):
            raise PermissionError(f"{path}: {_ENDED}")
        if event == "open" and path.startswith(closed):
            raise PermissionError(_CLOSED)

    sys.addaudithook(watch)


def _writes(mode: Any, flags: Any) -> bool:
    """Says whether a file is opened for more than reading; `os.open` gives flags alone."""
    marks = mode if isinstance(mode, str) else ""
    return any(mark in marks for mark in "wax+") or bool(isinstance(flags, int) and flags & 3)


def _limits(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the watcher outside is the only limit there
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: _LARGEST_FILE}
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for limit, value in limits.items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))
