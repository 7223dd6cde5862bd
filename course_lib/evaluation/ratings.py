"""Ratings of answers by people, A to D: blind, in a shuffled order, and safe when interrupted.

mPLUG-Owl, arXiv 2304.14178, section 4.2, has its OwlEval answers rated on four levels after
Self-Instruct (arXiv 2212.10560); its single ratings are not released. Here an answer is known to
raters by a code, which hides whose it is, also in the file. A file has one JSON object a line and
is only ever appended to:

    {"rater": "r1", "question_id": 3, "code": "5a0f…", "rating": "B"}

What is decided: a line that a kill cut short does not count, all lines before it do. Who rates an
answer twice has changed their mind: in one file the last line wins. The same rater in two files is
refused where they differ. A code belongs to the very words of an answer and of the turns before
it, so that ratings of answers that were made again are refused as well.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from course_lib.data.line_file import append_line, finished_lines
from course_lib.errors import atomic_path
from course_lib.evaluation.owl_eval import OwlAnswer, OwlEval, Said

GRADES = {
    "A": "right and satisfying",
    "B": "good enough, with small flaws",
    "C": "about the question, but with serious errors",
    "D": "beside the question, or no valid answer",
}
AGAIN = "rate its answer again"  # once a damaged line is taken out
_FIELDS = ("rater", "question_id", "code", "rating")
_RATER = re.compile(r"[\w-]{1,40}")


@dataclass(frozen=True)
class Item:
    """One answer that is to be rated.

    Args:
        code: what raters know it by.
        question_id: of the question.
        model: whose it is; never shown while it is rated.
        text: the answer.
        said: (question, this model's answer) of the turns before it in the same dialogue.
    """

    code: str
    question_id: int
    model: str
    text: str
    said: Said = ()


@dataclass(frozen=True)
class Rating:
    """What one rater thinks of one answer."""

    rater: str
    code: str
    grade: str


def items_of(owl: OwlEval, answers: Mapping[str, Mapping[int, OwlAnswer]]) -> dict[str, Item]:
    """Makes an item of every answer.

    Args:
        owl: the questions.
        answers: name of a model → question id → answer; what a model did not answer has no item.

    Returns:
        code → item, model by model.

    Raises:
        ValueError: for an answer to none of the questions, or without any answer.
    """
    found: dict[str, Item] = {}
    for model, texts in answers.items():
        for id, answer in texts.items():
            before = [turn for turn in owl.before(id) if turn.question_id in texts]
            said = tuple((turn.text, texts[turn.question_id].text) for turn in before)
            code = sha256(json.dumps([model, id, answer.text, said]).encode()).hexdigest()[:12]
            found[code] = Item(code, id, model, answer.text, said)
    if not found:
        raise ValueError("There is no answer to rate: give the answers of one model at least.")
    return found


def blind_order(items: Iterable[Item], seed: int) -> list[Item]:
    """Shuffles items; the same seed gives the same order, wherever the answers came from."""
    ordered = sorted(items, key=lambda item: item.code)
    return [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]


def _check_rater(rater: object) -> str:
    if not isinstance(rater, str) or not _RATER.fullmatch(rater):
        raise ValueError(
            f"{rater!r:.60} names no rater: give 1 to 40 letters, digits, hyphens or underscores."
        )
    return rater


def _check_grade(grade: object) -> str:
    if grade not in list(GRADES):  # a list of JSON cannot be looked up in a dictionary
        raise ValueError(f"The rating {grade!r:.60} is none of {', '.join(GRADES)}: choose one.")
    return str(grade)


def _rating(row: object, items: Mapping[str, Item]) -> Rating:
    if not isinstance(row, dict) or not set(_FIELDS) <= set(row):
        raise ValueError(f"It is no rating: a line holds {', '.join(_FIELDS)}.")
    rater, grade = _check_rater(row["rater"]), _check_grade(row["rating"])
    code, id = row["code"], row["question_id"]
    item = items.get(code) if isinstance(code, str) else None
    if item is None:
        asked = {item.question_id for item in items.values()}
        what = f"question {id!r:.60}" if id not in list(asked) else f"the answer {code!r:.60}"
        raise ValueError(
            f"It rates {what}, which is not here: are the questions others, or were the answers "
            "made again?"
        )
    if item.question_id != id:
        raise ValueError(f"It rates an answer to question {item.question_id} as one to {id!r:.60}.")
    return Rating(rater, item.code, grade)


def _read(path: Path, items: Mapping[str, Item]) -> dict[tuple[str, str], Rating]:
    found = {}
    for number, row in finished_lines(path, AGAIN):
        try:
            rating = _rating(row, items)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        found[rating.rater, rating.code] = rating
    return found


def read_ratings(paths: Sequence[Path], items: Mapping[str, Item]) -> list[Rating]:
    """Reads the ratings of all raters, one for each rater and answer.

    Raises:
        ValueError: with file and line, for a file that is not there, a damaged line, a rating out
            of range, an unknown question or answer; for a rater whose files differ.
    """
    found: dict[tuple[str, str], Rating] = {}
    for path in map(Path, paths):
        if not path.is_file():
            raise ValueError(f"{path} is not there: give the path of a file with ratings.")
        for key, rating in _read(path, items).items():
            known = found.setdefault(key, rating)
            if known != rating:
                raise ValueError(
                    f"{path} has a {rating.grade} of rater {rating.rater!r} for an answer to "
                    f"question {items[rating.code].question_id} that another file rates "
                    f"{known.grade}: leave one file out, or rename one of two raters."
                )
    return list(found.values())


class RatingFile:
    """The ratings of one rater, on disk after each one; opening it again goes on.

    Args:
        path: of the file; it may not be there yet, and may hold other raters' lines, too.
        items: code → item.
        rater: a name or a number.

    Raises:
        ValueError: for a file that cannot be trusted, see `read_ratings`, or no name of a rater.
    """

    def __init__(self, path: Path, items: Mapping[str, Item], rater: str) -> None:
        self.path, self.items, self.rater = Path(path), items, _check_rater(rater)
        known = _read(self.path, items).values()
        self.grades = {rating.code: rating.grade for rating in known if rating.rater == rater}

    def rate(self, code: str, grade: str) -> None:
        """Appends a rating; of an answer that is rated already this one counts from now on.

        Raises:
            ValueError: for a rating out of range or an unknown answer.
            OSError: when it cannot be written; then it does not count.
        """
        row = {"rater": self.rater, "question_id": None, "code": code, "rating": grade}
        row["question_id"] = self.items[code].question_id if code in self.items else None
        rating = _rating(row, self.items)
        append_line(self.path, row)
        self.grades[rating.code] = rating.grade


def export_ratings(
    path: Path, ratings: Iterable[Rating], items: Mapping[str, Item], owl: OwlEval
) -> None:
    """Writes ratings as CSV, now with the model of each answer: nobody is blind afterwards."""
    head = ("rater", "model", "question_id", "image", "ability", "category", "rating")
    with atomic_path(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as to:
        writer = csv.writer(to)
        writer.writerow(head)
        for rating in ratings:
            item = items[rating.code]
            question = owl.question(item.question_id)
            groups = (" ".join(question.abilities), " ".join(question.categories))
            where = (item.model, item.question_id, question.image)
            writer.writerow([rating.rater, *where, *groups, rating.grade])
