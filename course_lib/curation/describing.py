"""Descriptions by a stage-1 model: asked for every detail, and asked to go on where it says little.

MiniGPT-4, arXiv 2304.10592, section 3.2, step 1: an answer of at most 80 tokens is taken for
unfinished; "Continue" is then put as the next turn of the same conversation, and both answers are
joined. How a model is asked is a callable's affair: `stage1_model` has the one for ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WISH = "describe the picture in detail, with everything you see in it."
CONTINUE = "Continue"
SHORT = 80


@dataclass(frozen=True)
class Said:
    """What a model answered.

    Args:
        text: without special tokens.
        tokens: how many it wrote, the stop left out.
        ended: whether its stop came.
    """

    text: str
    tokens: int
    ended: bool = True


# From (image, what was said so far: human, model, human, …) to an answer each, in the same order.
Ask = Callable[[list[tuple[str, tuple[str, ...]]]], list[Said]]


@dataclass(frozen=True)
class Described:
    """A description that waits to be repaired.

    Args:
        id: of the image.
        text: the whole of it.
        continued: whether the model was asked to go on.
        tokens: of both answers together; 0 where nobody counted.
        ended: whether the stop of the last answer came.
    """

    id: str
    text: str
    continued: bool = False
    tokens: int = 0
    ended: bool = True


def describe(
    images: Sequence[str], ask: Ask, wish: str = WISH, short: int = SHORT
) -> list[Described]:
    """Lets a model describe images.

    Args:
        images: their ids.
        ask: the model.
        wish: what it is asked.
        short: tokens; an answer of at most so many is continued. An empty one is not: there is
            nothing to go on from.

    Returns:
        One description an image, in the same order.

    Raises:
        ValueError: for an image that comes twice, or when `ask` gives another number of answers.
    """
    check_once(images)
    first = _asked(ask, [(image, (wish,)) for image in images])
    brief = [i for i, said in enumerate(first) if said.text.strip() and said.tokens <= short]
    turns = [(images[i], (wish, first[i].text.strip(), CONTINUE)) for i in brief]
    more = dict(zip(brief, _asked(ask, turns), strict=True))
    return [_joined(images[i], said, more.get(i)) for i, said in enumerate(first)]


def check_once(images: Sequence[str]) -> None:
    """Refuses an image that comes twice.

    Raises:
        ValueError: names it.
    """
    image, count = Counter(images).most_common(1)[0] if images else ("", 0)
    if count > 1:
        raise ValueError(f"Image {image!r} comes {count} times: give each image one description.")


def _asked(ask: Ask, turns: list[tuple[str, tuple[str, ...]]]) -> list[Said]:
    if not turns:
        return []
    answers = ask(turns)
    if len(answers) != len(turns):
        raise ValueError(f"{len(turns)} images were asked about and {len(answers)} answers came.")
    return answers


def _joined(image: str, first: Said, more: Said | None) -> Described:
    if more is None:
        return Described(image, first.text.strip(), False, first.tokens, first.ended)
    text = f"{first.text.strip()} {more.text.strip()}".strip()
    return Described(image, text, True, first.tokens + more.tokens, more.ended)
