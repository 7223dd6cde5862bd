"""What all of `data_scripts/get_*.py` share: options, the question, fetching, unpacking, rows.

A script says what its data set consists of (a `Job`); the order of the work is the same for all,
and the same command again goes on where a run was stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.corpora.corpus import Split, told, write_corpus
from course_lib.corpora.shards import Settings
from course_lib.downloads.consent import ask, statement
from course_lib.downloads.extract import extract
from course_lib.downloads.inside import make_folder
from course_lib.downloads.links import Links
from course_lib.downloads.patience import Patience
from course_lib.downloads.remote import Card, Remote, at_hand, mirrored
from course_lib.downloads.session import Net
from course_lib.downloads.several import fetch_all
from course_lib.errors import exit_code


@dataclass(frozen=True)
class Job:
    """What a script wants this time.

    Args:
        card: of the data set.
        name: of the folder for the rows, below the data folder.
        splits: (data folder, getter of pictures by address) → what is to be written; called when
            all files are there.
        files: of the card, those that are needed.
    """

    card: Card
    name: str
    splits: Callable[[Path, Links], Sequence[Split]]
    files: tuple[Remote, ...] = ()


def parser(description: str, splits: Iterable[str] = ()) -> argparse.ArgumentParser:
    """Returns a command line with the options that every script has.

    Args:
        description: its first line is shown.
        splits: of a data set of which some may be left out; `wanted_splits` reads the answer.
    """
    found = argparse.ArgumentParser(description=description.splitlines()[0])
    add = found.add_argument
    add("--data", type=Path, default=Path("data"), help="folder of all data sets")
    add("--limit", type=int, metavar="N", help="the first N rows of each split")
    add("--yes", action="store_true", help="the answer to the question before it begins")
    add("--show", action="store_true", help="size and licence, nothing else")
    add("--verify", action="store_true", help="read what is there again and compare checksums")
    add("--drop-archives", action="store_true", help="delete archives once they are unpacked")
    add("--max-side", type=int, metavar="PIXELS", help="scale pictures with a longer side")
    add("--shard-rows", type=int, default=1000, help="of the official list in one shard")
    add("--workers", type=int, default=16, help="pictures at a time")
    add("--mirror", action="append", default=[], metavar="URL=URL", help="another server")
    add("--have", type=Path, metavar="DIR", help="folder with files that you fetched before")
    add("--allow-private", action="store_true", help="also addresses of your own network")
    if splits:
        add("--split", nargs="+", choices=tuple(splits), help="some splits alone")
    return found


def wanted_splits(args: argparse.Namespace, splits: Iterable[str]) -> list[str]:
    """Returns the splits that are asked for, in the data set's own order; all where none is."""
    return [split for split in splits if not args.split or split in args.split]


def one_file(folder: Path, name: str) -> Path:
    """Finds a file that an archive may hold in a folder or not.

    Raises:
        ValueError: where it is missing or there are several.
    """
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise ValueError(f"{folder} holds {len(found)} files named {name}, and not one.")
    return found[0]


def run(job: Callable[[argparse.Namespace], Job], args: argparse.Namespace) -> int:
    """Does the work of a script; what is refused becomes one sentence on the error stream.

    Args:
        job: makes the job of the command line.
        args: the command line.

    Returns:
        0; 1 where something was refused or did not come; 130 after an interruption.
    """

    def work() -> None:
        _check(args)
        _work(job(args), args)

    return exit_code(Path(sys.argv[0]).stem, work)


def _check(args: argparse.Namespace) -> None:
    for option in ("limit", "max_side", "shard_rows", "workers"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise ValueError(f"--{option.replace('_', '-')} {value}: give a number from 1 on.")


def _work(job: Job, args: argparse.Namespace) -> None:
    files = mirrored(job.files, args.mirror)
    job = replace(job, files=at_hand(files, args.have) if args.have else files)
    text = statement(job.card, job.files, args.data, args.limit)
    if args.show:
        print(text)
        return
    ask(text, args.yes)
    net = Net(Patience(), args.allow_private)
    links = Links(Net(Patience(attempts=3, read=15.0), args.allow_private), mirror=args.mirror)
    with _locked(args.data, job):
        files = fetch_all(job.files, args.data, net, deep=args.verify, say=print)
        for remote in job.files:
            if remote.into:
                extract(remote, args.data, drop=args.drop_archives, say=print)
        index = write_corpus(
            job.card,
            job.splits(args.data, links),
            args.data,
            job.name,
            Settings(args.shard_rows, args.max_side, args.workers),
            limit=args.limit,
            files=files,
            say=print,
        )
    print("\n".join(told(index)))


@contextlib.contextmanager
def _locked(data: Path, job: Job):
    """Keeps a second run out of the same folders."""
    from filelock import FileLock, Timeout

    paths = sorted({name.split("/")[0] for name in (job.name, *(f.path for f in job.files))})
    with contextlib.ExitStack() as stack:
        for path in paths:
            folder = make_folder(data, path)
            try:
                stack.enter_context(FileLock(folder / ".lock", timeout=0))
            except Timeout as error:
                raise ValueError(f"{folder} is in use by another run: wait for it.") from error
        yield
