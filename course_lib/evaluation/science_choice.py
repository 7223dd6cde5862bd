"""ScienceQA: which letter an answer chooses, and how often it is the right one, by class.

Lu et al. 2022 (arXiv 2209.09513). The letter is read as LLaVA reads it (llava/eval/
eval_science_qa.py): an answer that is a letter; one that begins with a letter, a full stop and a
space; or one that says "The answer is B" exactly once, with any sign behind it (the full stop of
the official pattern is not escaped). Anything else is wrong, as is a letter beyond the choices.
LLaVA's first version knew the last way alone and guessed at random where it failed, which gives a
model that never answers the score of chance: numbers of April 2023 are not exactly comparable.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

LETTERS = "ABCDE"
NOTHING = -1
_SAYS = re.compile(r"The answer is ([A-Z]).")
_SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}
_GRADE = re.compile(r"grade(\d+)$")


def chosen(answer: str, choices: int) -> int:
    """Reads the choice out of an answer.

    Args:
        answer: what the model said.
        choices: how many there are.

    Returns:
        Its number from 0 on, or -1 where the answer chooses none.
    """
    text = answer.strip()
    letter = ""
    if text in LETTERS and len(text) == 1:
        letter = text
    elif len(text) >= 3 and text[0] in LETTERS and text[1:3] == ". ":
        letter = text[0]
    else:
        said = _SAYS.findall(text)
        letter = said[0] if len(said) == 1 else ""
    place = LETTERS.find(letter) if letter else NOTHING
    return place if 0 <= place < choices else NOTHING


def options(choices: Sequence[str]) -> str:
    """Writes choices as LLaVA does: "(A) a rock (B) rain"."""
    return " ".join(f"({LETTERS[place]}) {choice}" for place, choice in enumerate(choices))


def classes(told: Mapping, has_image: bool) -> list[str]:
    """Returns the classes of a problem: subject, what it comes with, grades 1 to 6 or 7 to 12.

    Args:
        told: what the official file says: subject, hint, grade.
        has_image: whether it has one.
    """
    found = [_SUBJECTS[told["subject"]]] if told.get("subject") in _SUBJECTS else []
    found += ["TXT"] if told.get("hint") else []
    found += ["IMG"] if has_image else []
    found += [] if told.get("hint") or has_image else ["NO"]
    grade = _GRADE.match(str(told.get("grade", "")))
    return found + ([("G1-6" if int(grade[1]) <= 6 else "G7-12")] if grade else [])


def science_accuracy(
    picked: Sequence[int], truths: Sequence[int], kinds: Sequence[Sequence[str]]
) -> dict:
    """Scores choices.

    Args:
        picked: number of the choice, -1 for none.
        truths: number of the right one.
        kinds: classes of each problem.

    Returns:
        accuracy: share, 0 to 1; unread: share of answers that choose nothing; by_type: share right
        in each class.

    Raises:
        ValueError: when there are not as many of both, or none.
    """
    if len(picked) != len(truths) or not picked:
        raise ValueError(
            f"{len(picked)} choices for {len(truths)} problems: give one choice for each of at "
            "least one problem."
        )
    right = [one == truth for one, truth in zip(picked, truths, strict=True)]
    by_type = defaultdict(list)
    for hit, names in zip(right, kinds, strict=True):
        for name in names:
            by_type[name].append(hit)
    return {
        "accuracy": sum(right) / len(right),
        "unread": sum(one == NOTHING for one in picked) / len(picked),
        "by_type": {name: sum(found) / len(found) for name, found in sorted(by_type.items())},
    }
