"""The exact teacher of photographs: it says what captions and boxes state, and never more.

The three types of LLaVA (arXiv 2304.08485, section 3) as far as rules carry them. It cannot explain
or guess, so its reasoning stays with what follows from the boxes and from the wider kinds that the
annotation file itself gives ("dog" is an "animal"): sums and comparisons. Nor does it say that
something is absent unless it is told that the boxes are exhaustive; a question that was only ever
answered "yes" would teach to say yes, so without that it asks none.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from course_lib.instructions.coco_view import View, part_of_image, side_of, view
from course_lib.instructions.english import are, counted, join, number, plural, sentence
from course_lib.instructions.symbols import Example
from course_lib.instructions.teacher import Turn

DETAIL_QUESTIONS = (
    "Describe this image as fully as you can.",
    "What can be seen here? Go through it in detail.",
    "Please give me a thorough account of this picture.",
    "Tell me about everything that this photograph shows.",
    "I cannot see the image. What is in it, in detail?",
    "Write a careful description of this scene.",
)


def _shared(one: str, other: str) -> float:
    """Returns the share of the shorter text's words that the other text has too."""
    a, b = ({word.strip(".,;:!?") for word in text.lower().split()} for text in (one, other))
    return len(a & b) / min(len(a), len(b))


def different_captions(captions: tuple[str, ...], most: int = 3) -> list[str]:
    """Picks captions that add words: the longest first, then those that share less than 0.6."""
    chosen: list[str] = []
    for text in sorted(captions, key=lambda text: (-len(text.split()), text)):
        if len(chosen) < most and all(_shared(text, other) < 0.6 for other in chosen):
            chosen.append(text)
    return chosen


def _count_turns(seen: View) -> list[Turn]:
    return [
        Turn(
            f"How many {plural(name)} are there?",
            f"There {are(count)} {counted(count, name)}.",
            number(count),
            "count",
        )
        for name, count in seen.counts.items()
    ]


def _place_turns(seen: View) -> list[Turn]:
    turns = []
    for name, box in seen.single.items():
        part = part_of_image(box)
        if part:
            answer = f"The {name} {_verb(name)} in {part} of the image."
            turns.append(Turn(f"Where {_verb(name)} the {name}?", answer, part, "where"))
    return turns


def _verb(name: str) -> str:
    """Returns "are" for what has no singular ("the scissors are"), else "is"."""
    return "are" if plural(name).endswith(f" of {name}") else "is"


def _side_turns(seen: View) -> list[Turn]:
    turns = []
    for (one, box), (other, other_box) in permutations(seen.single.items(), 2):
        words = side_of(box, other_box)
        if words:
            axis = "to the left or to the right of" if "to the" in words else "above or below"
            question = f"{_verb(one).capitalize()} the {one} {axis} the {other}?"
            answer = f"The {one} {_verb(one)} {words} the {other}."
            turns.append(Turn(question, answer, words, "side"))
    return turns


def _there_turns(example: Example, seen: View, categories: tuple[str, ...]) -> list[Turn]:
    """Asks for one category that is there and for one that no box and no caption names."""
    text = " ".join(example.captions).lower()
    missing = [
        name
        for name in categories
        if name not in seen.counts
        and name not in seen.crowds
        and not any(word in text for word in name.lower().split())
    ]
    yes = [
        Turn(
            f"Can you see any {plural(n)}?",
            f"Yes, there {are(c)} {counted(c, n)}.",
            "yes",
            "is_there",
        )
        for n, c in seen.counts.items()
    ]
    no = [
        Turn(f"Can you see any {plural(n)}?", f"No, there are no {plural(n)}.", "no", "is_there")
        for n in missing
    ]
    return yes + no if no else []


def conversation(
    example: Example, rng: np.random.Generator, most: int = 4, categories: tuple[str, ...] = ()
) -> list[Turn]:
    """Asks what the image shows, then how many, where, on which side.

    Args:
        example: captions, and boxes where there are any.
        rng: picks the caption and the questions.
        most: turns at most.
        categories: all categories whose absence the boxes prove; () where they prove none.

    Returns:
        Two turns or more; none where nothing but captions is known.
    """
    seen = view(example)
    first = sentence(example.captions[int(rng.integers(len(example.captions)))])
    turns = [Turn("What does the image show?", first, kind="caption")]
    kinds = [_count_turns(seen), _place_turns(seen), _side_turns(seen)]
    there = _there_turns(example, seen, categories)
    for answer in ("yes", "no"):
        if rng.random() < 0.5:  # Each as likely as the other, whatever their numbers.
            kinds.append([turn for turn in there if turn.key == answer])
    kinds = [kind for kind in kinds if kind]
    for index in rng.permutation(len(kinds))[: most - 1]:
        turns.append(kinds[index][int(rng.integers(len(kinds[index])))])
    return turns if len(turns) > 1 else []


def detail(example: Example, rng: np.random.Generator) -> list[Turn]:
    """Describes: captions that add words, then all counts, then what has a place of its own."""
    seen = view(example)
    sentences = [sentence(text) for text in different_captions(example.captions)]
    if seen.counts:
        names = [counted(count, name) for name, count in seen.counts.items()]
        first = next(iter(seen.counts.values()))
        sentences.append(f"There {are(first)} {join(names)}.")
    sentences += [f"There is a group of {plural(name)}." for name in seen.crowds]
    sentences += [turn.answer for turn in _place_turns(seen)]
    question = DETAIL_QUESTIONS[int(rng.integers(len(DETAIL_QUESTIONS)))]
    return [Turn(question, " ".join(sentences), kind="detail")] if len(sentences) > 1 else []


def _sum_turns(seen: View) -> list[Turn]:
    """Asks for a wider kind with two categories or more; the kinds are the file's knowledge."""
    turns = []
    for group, names in seen.groups.items():
        if len(names) < 2:
            continue
        parts = join([counted(seen.counts[name], name) for name in names])
        total = sum(seen.counts[name] for name in names)
        answer = (
            f"There {are(seen.counts[names[0]])} {parts}. All of these count as {group}, so there "
            f"are {number(total)} in all."
        )
        facts = tuple(f"{name} is {group}" for name in names)
        question = f"How many things of the kind {group} are there altogether?"
        turns.append(Turn(question, answer, number(total), "sum", facts))
    return turns


def _more_turns(seen: View) -> list[Turn]:
    turns = []
    for one, other in permutations(seen.counts, 2):
        a, b = seen.counts[one], seen.counts[other]
        start = f"There {are(a)} {counted(a, one)} and {counted(b, other)}"
        if a == b:
            answer, key = f"{start}, so there are as many of one as of the other.", "as many"
        else:
            key = plural(one if a > b else other)
            answer = f"{start}, so there are more {key}."
        question = f"Are there more {plural(one)} or more {plural(other)}?"
        turns.append(Turn(question, answer, key, "more"))
    return turns


def reasoning(example: Example, rng: np.random.Generator) -> list[Turn]:
    """Asks for a sum over a wider kind, or which of two categories there are more of.

    Returns:
        One turn; none where fewer than two categories are counted.
    """
    seen = view(example)
    kinds = [turns for turns in (_sum_turns(seen), _more_turns(seen)) if turns]
    if not kinds:
        return []
    turns = kinds[int(rng.integers(len(kinds)))]
    return [turns[int(rng.integers(len(turns)))]]
