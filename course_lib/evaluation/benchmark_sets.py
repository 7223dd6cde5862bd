"""The data sets of `course evaluate --data`: where `data_scripts` put them, and their examples.

What a script wrote is read as it is, in the one format of `course_lib/corpora`. An example is one
image to caption, or one question; its picture stays on the disk until it is asked about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.corpora.corpus import INDEX
from course_lib.corpora.reading import open_corpus
from course_lib.errors import unknown_name_error
from course_lib.evaluation.vqa_accuracy import PEOPLE

CAPTIONS, ANSWERS, EXACT, CHOICES = "captions", "answers", "exact", "choices"


@dataclass(frozen=True)
class DataSet:
    """A data set that runs are measured on.

    Args:
        name: as `--data` takes it.
        kind: what is compared: captions, ten answers, the one answer, or a choice.
        folders: of its rows below the data folder, the usual one first.
        splits: the one that papers report on first.
        script: the command that gets it.
        metric: in words.
    """

    name: str
    kind: str
    folders: tuple[str, ...]
    splits: tuple[str, ...]
    script: str
    metric: str


_CIDER, _VQA = "CIDEr-D, times 100", "VQA accuracy, mean over nine of ten people, percent"
SETS = {
    one.name: one
    for one in (
        DataSet(
            "coco",
            CAPTIONS,
            ("coco/rows/karpathy", "coco/rows/2017"),
            ("test", "val"),
            "get_coco.py --part karpathy --split test",
            _CIDER,
        ),
        DataSet("nocaps", CAPTIONS, ("nocaps/rows",), ("val",), "get_nocaps.py", _CIDER),
        DataSet("vqav2", ANSWERS, ("vqav2/rows",), ("val",), "get_vqav2.py --split val", _VQA),
        DataSet("okvqa", ANSWERS, ("okvqa/rows",), ("val",), "get_okvqa.py --split val", _VQA),
        DataSet(
            "gqa",
            EXACT,
            ("gqa/rows",),
            ("testdev", "val"),
            "get_gqa.py --split testdev",
            "exact match, percent",
        ),
        DataSet(
            "scienceqa",
            CHOICES,
            ("scienceqa/rows",),
            ("test", "val"),
            "get_scienceqa.py --split test",
            "the right letter, percent",
        ),
    )
}


@dataclass(frozen=True)
class Example:
    """One image to caption, or one question.

    Args:
        id: of the image or the question, as the official files number it.
        row: of the split, where its picture is.
        has_image: False for text alone.
        truth: captions or answers of people.
        question: "" for a caption.
        choices: among which the answer is.
        told: everything else that the official file says.
    """

    id: str
    row: int
    has_image: bool
    truth: tuple[str, ...]
    question: str = ""
    choices: tuple[str, ...] = ()
    told: dict = field(default_factory=dict)


class Split:
    """The examples of a split, and their pictures.

    Args:
        data: name of the data set.
        folder: its rows, the folder that a script got it into, or the data folder.
        split: its name; "" takes the one that papers report on.
        limit: so many examples from its beginning; None takes all.

    Raises:
        ValueError: for an unknown data set or split, a folder that no script wrote or that holds
            another data set, a limit below 1, an empty split, or answers that are missing.
    """

    def __init__(self, data: str, folder: Path, split: str = "", limit: int | None = None) -> None:
        if data not in SETS:
            raise unknown_name_error("data set", data, SETS)
        if limit is not None and limit < 1:
            raise ValueError(f"--limit {limit}: give a number from 1 on, or leave it out for all.")
        from datasets import Image

        self.set = SETS[data]
        path, index = found_rows(self.set, folder)
        self.name = split or _usual(self.set, path, index)
        rows = open_corpus(path, self.name)
        self._rows = rows.cast_column("image", Image(decode=False))
        every = list(_examples(self.set, self._rows.remove_columns("image")))
        self.total, self.examples = len(every), every[:limit]
        if not every:
            raise ValueError(f"{path}/{self.name} holds no example: run {self.set.script} again.")
        _check_truth(self.set, self.examples, f"{path}/{self.name}")
        told = index["splits"][self.name]
        self.left_out = told["listed"] - told["rows"]
        self.whole = limit is None and told["limit"] is None and not self.left_out

    def picture(self, row: int) -> bytes:
        """Returns the bytes of a row's picture file."""
        return self._rows[row]["image"]["bytes"]


def found_rows(one: DataSet, folder: Path) -> tuple[Path, dict]:
    """Finds the rows of a data set in a folder.

    Returns:
        (the folder that holds `dataset.json`, what that file says).

    Raises:
        ValueError: when no script wrote it, or it holds another data set.
    """
    inner = [str(Path(*Path(name).parts[1:])) for name in one.folders]
    for path in (folder, *(folder / name for name in (*one.folders, *inner))):
        if (path / INDEX).is_file():
            try:
                index = json.loads((path / INDEX).read_text(encoding="utf-8"))
                name, _ = index["name"], index["splits"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path / INDEX} is damaged ({error!r}): run data_scripts/{one.script} again."
                ) from error
            if Path(name).parts[0] != one.name:
                raise ValueError(f"{path} holds {name}, not {one.name}: give the other folder.")
            return path, index
    raise ValueError(
        f"{folder} holds no rows of {one.name} (no {INDEX} there or in {one.folders[0]}): get them "
        f"with `python data_scripts/{one.script}`, then give its --data folder."
    )


def _usual(one: DataSet, path: Path, index: dict) -> str:
    for name in one.splits:
        if name in index["splits"]:
            return name
    raise ValueError(
        f"{path} has the splits {', '.join(index['splits']) or 'none'}, of which papers report on "
        f"none: name one with --split, or run data_scripts/{one.script}."
    )


def _examples(one: DataSet, rows) -> Iterator[Example]:
    for number, row in enumerate(rows):
        has_image = row["width"] > 0
        if one.kind == CAPTIONS:
            told = json.loads(row["extra"] or "{}")
            yield Example(row["id"], number, has_image, tuple(row["captions"]), told=told)
            continue
        for asked in row["questions"]:
            yield Example(
                asked["id"],
                number,
                has_image,
                tuple(asked["answers"]),
                asked["question"],
                tuple(asked["choices"]),
                json.loads(asked["extra"] or "{}"),
            )


def _check_truth(one: DataSet, examples: list[Example], where: str) -> None:
    """Refuses, before anything is asked, what could not be scored afterwards."""
    if one.kind == CAPTIONS and len(examples) < 2:
        raise ValueError(
            f"{where} with this limit is {len(examples)} image: CIDEr-D is 0 for a single one by "
            "construction; take at least two."
        )
    wanted = PEOPLE if one.kind == ANSWERS else 1
    if one.kind == CHOICES:
        short = [x for x in examples if not isinstance(x.told.get("answer_number"), int)]
    else:
        short = [x for x in examples if len(x.truth) < wanted]
    if short:
        what = f"{wanted} answers of people" if one.kind == ANSWERS else "an answer or a caption"
        raise ValueError(
            f"{len(short)} of {len(examples)} examples of {where} lack {what} (the first is "
            f"{short[0].id!r}): nothing to compare with. Test splits keep their answers secret; "
            f"use {' or '.join(one.splits)}."
        )
