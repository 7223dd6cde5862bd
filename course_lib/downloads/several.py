"""Several files at once: what fails is told at the end, and stops nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from course_lib.downloads.fetch import fetch
from course_lib.downloads.inside import inside
from course_lib.downloads.marker import Finished, seems_finished
from course_lib.downloads.patience import Stopped, Trouble
from course_lib.downloads.remote import Remote
from course_lib.downloads.session import Net
from course_lib.training.progress import progress_bar

AT_ONCE = 3  # files of one server: more are not faster, and some servers refuse them
_MEGABYTE = 1_000_000


class Unfetched(ValueError):
    """Files that did not come; the others did."""


def fetch_all(
    remotes: Sequence[Remote],
    folder: Path,
    net: Net,
    *,
    deep: bool = False,
    at_once: int = AT_ONCE,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Finished]:
    """Gets all files of a data set, or what is missing of them.

    Args:
        remotes: the files.
        folder: the data folder.
        net: the way to the servers.
        deep: True verifies files that are there already by reading them.
        at_once: how many at a time.
        say: told a line for each file that is whole.

    Returns:
        path → what the file is.

    Raises:
        Unfetched: with the reason for each file that did not come.
        OSError: when the disk is full, or would be.
    """
    _check_room(remotes, folder)
    found: dict[str, Finished] = {}
    troubles: dict[str, str] = {}
    total = sum(remote.bytes for remote in remotes) // _MEGABYTE
    with progress_bar("fetching, MB", total) as advance, ThreadPoolExecutor(at_once) as pool:

        def gained(count: int) -> None:
            if net.stop.is_set():
                raise Stopped
            advance(count / _MEGABYTE)

        jobs = {pool.submit(fetch, remote, folder, net, gained, deep): remote for remote in remotes}
        try:
            for job in as_completed(jobs):
                remote = jobs[job]
                try:
                    found[remote.path] = note = job.result()
                    say(f"whole: {remote.path}, {note.size:,} bytes, sha256 {note.sha256[:12]}…")
                except (Trouble, ValueError) as error:
                    troubles[remote.path] = f"{remote.url}: {error}"
        except BaseException:
            # What is under way ends at its next block, and keeps what it has.
            net.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    if troubles:
        lines = "\n  ".join(troubles[path] for path in sorted(troubles))
        raise Unfetched(
            f"{len(troubles)} of {len(remotes)} files did not come:\n  {lines}\n"
            "What came is kept; the same command goes on with the rest."
        )
    return {remote.path: found[remote.path] for remote in remotes}


def _check_room(remotes: Sequence[Remote], folder: Path) -> None:
    """Refuses to begin what cannot end: archives and their contents need about twice their size."""
    missing = [r for r in remotes if not seems_finished(inside(folder, r.path), r)]
    needed = sum(r.bytes * (2 if r.into else 1) for r in missing)
    parent = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise OSError(
            f"{folder} needs about {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free: "
            "choose a folder on another disk, or fewer images with --limit."
        )
