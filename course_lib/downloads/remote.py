"""What a data set consists of: its files, their sizes and checksums, its licence.

A number stands here only if somebody published it. What nobody published is None or "", and is
recorded at the first download: from then on it is verified like a published one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Remote:
    """A file at a server.

    Args:
        url: where it is; a file: address names one that a person has fetched already.
        path: where it goes, below the data folder, with "/".
        size: in bytes, exact; None where it is not published.
        about: in bytes, rounded as somebody wrote it down; 0 where not even that is known.
        sha256: published, or "".
        md5: published, or "".
        into: the folder, below the data folder, that its contents go to; "" for no archive.
        strip: how many leading folders of the archive's names are taken away.
        only: patterns (`*`) of the members wanted; () takes all of them.
    """

    url: str
    path: str
    size: int | None = None
    about: int = 0
    sha256: str = ""
    md5: str = ""
    into: str = ""
    strip: int = 0
    only: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """The size as well as it is known, 0 where it is not."""
        return self.size or self.about

    @property
    def published(self) -> bool:
        """Whether a checksum is known before the first download."""
        return bool(self.sha256 or self.md5)


@dataclass(frozen=True)
class Card:
    """What a person should know before a download begins.

    Args:
        name: of the data set, also of its folder.
        title: its full name.
        licence: of annotations and of images, one sentence each.
        page: where its owners describe it.
        files: everything that may be fetched.
        pictures: about pictures that are fetched one by one, "" where none are.
        notes: what could not be confirmed, and what is odd.
    """

    name: str
    title: str
    licence: str
    page: str
    files: tuple[Remote, ...] = ()
    pictures: str = ""
    notes: tuple[str, ...] = ()


def at_hand(files: Sequence[Remote], folder: Path) -> tuple[Remote, ...]:
    """Takes files that lie in a folder already from there; checksums are compared all the same.

    Args:
        files: of a card.
        folder: with files under their official names.
    """
    own = [folder.resolve() / PurePosixPath(file.path).name for file in files]
    return tuple(
        replace(file, url=path.as_uri()) if path.is_file() else file
        for file, path in zip(files, own, strict=True)
    )


def mirrored(files: Sequence[Remote], rules: Sequence[str]) -> tuple[Remote, ...]:
    """Sends downloads to another server that has the same files; checksums stay as they are.

    Args:
        files: of a card.
        rules: "BEGINNING=OTHER": an address that begins with the first gets the second.

    Raises:
        ValueError: for a rule without "=", or whose two sides are no addresses.
    """
    return tuple(replace(file, url=mirrored_url(file.url, rules)) for file in files)


def mirrored_url(url: str, rules: Sequence[str]) -> str:
    """Applies the first rule that fits; see `mirrored`."""
    for rule in rules:
        old, _, new = rule.partition("=")
        if not all(side.startswith(("http://", "https://")) for side in (old, new)):
            raise ValueError(
                f"The mirror {rule!r} is not of the form http://one.server=http://another.server."
            )
        if url.startswith(old):
            return new + url[len(old) :]
    return url
