"""Made-up things: what a description names and its scene does not hold.

CHAIR (arXiv 1809.02156, section 2.1) counts objects that a caption mentions and the image's
annotations lack: per mention (CHAIR_i) and per caption (CHAIR_s). MiniGPT-4 reports CHAIR_i beside
the length of captions (table 6): longer ones make up more. In the toy world the truth is whole, so
that a mention with wrong attributes can be told apart from a thing that is not there at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.evaluation.captions import named_things
from course_lib.evaluation.scene_grammar import is_denial
from course_lib.world.scene import Scene

_FIELDS = ("size", "colour", "kind", "place")
_PART = re.compile(r"\band\b|[,.;:!?]")


@dataclass(frozen=True)
class MadeUp:
    """What a text names, sorted by what its scene says.

    Args:
        mentions: how many things are named.
        made_up: those that are not there: no thing of the scene has the kind, or, where no kind is
            named, all the attributes.
        wrong: those whose kind is there, but with other attributes.
    """

    mentions: int
    made_up: tuple[str, ...]
    wrong: tuple[str, ...]


def made_up_things(text: str, scene: Scene) -> MadeUp:
    """Compares what a text names with its scene.

    A phrase that denies something ("there is no circle") names nothing; a thing that is named
    twice counts twice, as in CHAIR.

    Args:
        text: a description.
        scene: what was there.
    """
    told = [part for part in _PART.split(text.lower()) if not is_denial(part)]
    named = named_things(". ".join(told))
    truth = [{field: getattr(thing, field) for field in _FIELDS} for thing in scene.things]
    made_up, wrong = [], []
    for thing in named:
        if any(thing.items() <= real.items() for real in truth):
            continue
        there = "kind" in thing and any(real["kind"] == thing["kind"] for real in truth)
        (wrong if there else made_up).append(_in_words(thing))
    return MadeUp(len(named), tuple(made_up), tuple(wrong))


def _in_words(thing: dict[str, str]) -> str:
    """Returns "small red circle at top-left", with "thing" where no kind is named."""
    words = [thing[field] for field in ("size", "colour") if field in thing]
    words.append(thing.get("kind", "thing"))
    return " ".join(words) + (f" at {thing['place']}" if "place" in thing else "")


def hallucination(texts: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """Measures how much descriptions make up, and how long they are.

    Args:
        texts: one a scene.
        scenes: what was there.

    Returns:
        chair_i: made-up mentions ÷ mentions, over all texts (0 where nothing is named);
        chair_s: share of texts with a made-up mention;
        wrong_i: mentions with wrong attributes ÷ mentions;
        mentions: mean of a text;
        words: mean of a text.

    Raises:
        ValueError: when there are not as many texts as scenes, or none.
    """
    if len(texts) != len(scenes) or not texts:
        raise ValueError(
            f"{len(texts)} texts for {len(scenes)} scenes: give one text for each of at least one "
            "scene."
        )
    found = [made_up_things(text, scene) for text, scene in zip(texts, scenes, strict=True)]
    mentions = sum(one.mentions for one in found)
    of = max(mentions, 1)
    return {
        "chair_i": sum(len(one.made_up) for one in found) / of,
        "chair_s": sum(bool(one.made_up) for one in found) / len(texts),
        "wrong_i": sum(len(one.wrong) for one in found) / of,
        "mentions": mentions / len(texts),
        "words": sum(len(text.split()) for text in texts) / len(texts),
    }
