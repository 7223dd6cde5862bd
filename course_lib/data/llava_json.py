"""LLaVA's data files: a list of {"id", "image", "conversations": [{"from", "value"}, …]}.

The format is that of llava_instruct_150k.json, blip_laion_cc_sbu_558k.json and llava_v1_5_mix665k
(docs/Finetune_Custom_Data.md; read by LazySupervisedDataset in llava/train/train.py). LLaVA's own
reader crashes in the middle of an epoch, or trains on a record whose image and placeholder do not
fit. Here each record is checked when it is read, and a broken one is named and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from course_lib.backbones.tokenizers import IMAGE_TOKEN
from course_lib.data.chat_templates import Turn, check_turns, data_turn
from course_lib.data.json_records import Broken, records


@dataclass(frozen=True)
class Conversation:
    """One record.

    Args:
        id: as the file has it, as text.
        images: names of its images, in reading order; none for text alone.
        turns: human and gpt by turns, an answer at the end.
    """

    id: str
    images: tuple[str, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Problem:
    """Why a record is left out.

    Args:
        line: where it begins, from 1.
        record: its number in the file, from 1.
        id: of the record, "" where it has none.
        reason: a sentence.
    """

    line: int
    record: int
    id: str
    reason: str

    def __str__(self) -> str:
        name = f" (id {self.id!r})" if self.id else ""
        return f"line {self.line}, record {self.record}{name}: {self.reason}"


def stream_conversations(
    path: str | Path, image_folder: str | Path | None = None, strict: bool = False
) -> Iterator[Conversation | Problem]:
    """Reads a file record by record, in little memory.

    Args:
        path: a JSON list, or `.jsonl` with a record a line.
        image_folder: where the images are; None does not look whether they are there.
        strict: True stops at the first broken record.

    Yields:
        A `Conversation`, or a `Problem` in the place of a broken one.

    Raises:
        ValueError: for a file that cannot be read at all; when strict, at the first broken record.
    """
    folder = None if image_folder is None else Path(image_folder)
    if folder is not None and not folder.is_dir():
        raise ValueError(f"{folder} is not a directory: give the folder that holds the images.")
    for number, (line, record) in enumerate(records(path), 1):
        try:
            yield _conversation(record, folder)
        except ValueError as error:
            problem = Problem(line, number, _id(record), str(error))
            if strict:
                raise ValueError(f"{path}, {problem}") from None
            yield problem


def read_conversations(
    path: str | Path, image_folder: str | Path | None = None, strict: bool = False
) -> tuple[list[Conversation], list[Problem]]:
    """Reads a whole file; see `stream_conversations`.

    Returns:
        (what can be trained on, why each of the others cannot).

    Raises:
        ValueError: also when no record is left.
    """
    return sorted_out(stream_conversations(path, image_folder, strict), path, "conversation")


def sorted_out(
    items: Iterable[Conversation | Problem], path: str | Path, what: str
) -> tuple[list[Conversation], list[Problem]]:
    """Parts what a reader gives into what can be used and what cannot.

    Args:
        items: of a whole file.
        path: of the file.
        what: one record of it, in a word or two.

    Raises:
        ValueError: when no record is left.
    """
    good: list[Conversation] = []
    problems: list[Problem] = []
    for item in items:
        (problems if isinstance(item, Problem) else good).append(item)
    if not good:
        why = f"the first problem is in {problems[0]}" if problems else "the list is empty"
        raise ValueError(f"{path} holds no {what} that can be used: {why}")
    return good, problems


def _id(record: object) -> str:
    value = record.get("id") if isinstance(record, dict) else None
    return str(value) if isinstance(value, str | int) else ""


def _conversation(record: object, folder: Path | None) -> Conversation:
    if isinstance(record, Broken):
        raise ValueError(record.reason)
    if not isinstance(record, dict):
        raise ValueError(f"A {type(record).__name__} where an object with conversations should be.")
    said = record.get("conversations")
    if not isinstance(said, list):
        raise ValueError("It has no list 'conversations': add one with a human's and gpt's turn.")
    turns = tuple(_turn(entry, number) for number, entry in enumerate(said, 1))
    check_turns(turns)
    images = _image_names(record.get("image"))
    _check_images(images, sum(turn.num_images for turn in turns), folder)
    return Conversation(_id(record), images, turns)


def _turn(entry: object, number: int) -> Turn:
    role, value = (entry.get("from"), entry.get("value")) if isinstance(entry, dict) else (0, 0)
    if not isinstance(role, str) or not isinstance(value, str):
        raise ValueError(f"Turn {number} needs the texts 'from' and 'value': it is {entry!r:.60}.")
    if _has_surrogate(value):
        raise ValueError(f"Turn {number} holds bytes that are no UTF-8: save the file as UTF-8.")
    return data_turn(role, value)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _image_names(value: object) -> tuple[str, ...]:
    names = [] if value is None else value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not name.strip() or _has_surrogate(name) or "\0" in name:
            raise ValueError(
                f"'image' is {name!r}: give a file name, a list of them, or leave out."
            )
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"The image {name!r} lies outside the image folder: move it there.")
    return tuple(names)


def _check_images(images: tuple[str, ...], places: int, folder: Path | None) -> None:
    """Placeholders and images have to be as many; in which turn and where in it is free."""
    if places != len(images):
        raise ValueError(
            f"Its images are {len(images)}, its {IMAGE_TOKEN} placeholders {places}: write one for "
            "each image."
        )
    for name in images if folder is not None else ():
        if not _is_file(folder / name):
            raise ValueError(f"The image {name!r} is not in {folder}: fetch it, or go on without.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file system takes
        return False
