"""Errors for people: the nearest known name, how a script ends, files that are written whole."""

import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Returns up to `count` known names that look like `name`, the likeliest first."""
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=count, cutoff=0.5)
    return [by_folded[match] for match in matches]


def unknown_name_error(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """Builds the error for a name that nobody knows; the caller raises it.

    Args:
        kind: what the name should have named, for example "recipe".
        name: what was given.
        known: every name that would have been right.

    Returns:
        A ValueError that suggests the nearest name, or lists the known ones when none is near.
    """
    known = list(known)
    close = nearest(name, known, count=1)
    if close:
        return ValueError(f"Unknown {kind} {name!r}: did you mean {close[0]!r}?")
    if not known:
        return ValueError(f"Unknown {kind} {name!r}: there is none to choose from.")
    listed = ", ".join(repr(candidate) for candidate in known[:20])
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return ValueError(f"Unknown {kind} {name!r}: choose one of {listed}{more}.")


def counted(count: int, name: str) -> str:
    """Returns a number with what it counts: "1 image", "2 images"; the plural takes an s."""
    return f"{count} {name}{'s' * (count != 1)}"


def disk_full_error(path: str | Path, error: BaseException) -> OSError | None:
    """Returns an OSError with one clear sentence when `error` says that no disk space is left.

    Some writers (safetensors) wrap the system's error and keep its number in the text alone, so
    the text is read too. For every other error the answer is None: re-raise the original.
    """
    codes = {f"(os error {code})" for code in _FULL}
    if getattr(error, "errno", None) not in _FULL and not any(c in str(error) for c in codes):
        return None
    full = OSError(
        f"No disk space is left for {path}: nothing half-written was kept; free some space, or "
        "choose a directory on another disk, and start again."
    )
    full.errno = errno.ENOSPC
    return full


def exit_code(name: str, work: Callable[[], int | None]) -> int:
    """Runs a script's work; what is refused becomes one sentence on the error stream.

    Args:
        name: of the script.
        work: returns an exit code, None for 0.

    Returns:
        The exit code; 1 where something was refused, 130 after an interruption.
    """
    try:
        return work() or 0
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: stopped; the same command goes on.", file=sys.stderr)
        return 130


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place only when the block succeeds.

    A reader therefore sees the old file or the whole new one, even if the process is killed.

    Raises:
        OSError: when the disk is full; the temporary file is gone and the old file is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        # safetensors puts a file of its own there that the owner alone may read.
        temporary.chmod(mode)
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        full = disk_full_error(path, error)
        if full is not None:
            raise full from error
        raise
