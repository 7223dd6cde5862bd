"""Captions against the truth of a scene: which things are named wholly right.

No picture is needed here and no model: text goes in, shares come out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from course_lib.evaluation.cider import cider_d
from course_lib.world.language import canonical_caption, captions
from course_lib.world.scene import COLOURS, KINDS, PLACES, SIZES, Scene

_WORD = re.compile(r"[a-z]+-[a-z]+|[a-z]+|\d+")
_FIELDS = {
    **{word: "size" for word in SIZES},
    **{word: "colour" for word in COLOURS},
    **{word: "kind" for word in KINDS},
    **{word: "place" for word in PLACES},
}


def named_things(text: str) -> list[dict[str, str]]:
    """Reads the things that a caption names, each as the attributes it is given.

    A phrase ends at "and", at a comma or at a full stop. One that names a kind, a colour or a place
    names a thing, right or wrong.
    """
    things = []
    for part in re.split(r"\band\b|[,.;:]", text.lower()):
        found: dict[str, str] = {}
        for word in _WORD.findall(part):
            if word in _FIELDS:
                found.setdefault(_FIELDS[word], word)
        if found.keys() - {"size"}:
            things.append(found)
    return things


def things_right(text: str, scene: Scene) -> tuple[int, int]:
    """Counts the things of a scene that a caption names wholly right.

    Returns:
        (things with kind, colour, size and place right, max(things in the scene, things named)).
        A thing that is named twice counts once as right and twice as named.
    """
    named = named_things(text)
    truth = [
        {"kind": t.kind, "colour": t.colour, "size": t.size, "place": t.place} for t in scene.things
    ]
    right = sum(thing in named for thing in truth)
    return right, max(len(truth), len(named))


def caption_scores(texts: list[str], scenes: list[Scene]) -> dict[str, float]:
    """Scores one caption a scene.

    Args:
        texts: what the model wrote.
        scenes: what was there.

    Returns:
        things_right: wholly right things ÷ max(things there, things named), over all scenes;
        exact: share equal to the canonical caption;
        cider: CIDEr-D against the five captions of each scene.

    Raises:
        ValueError: when there are not as many captions as scenes, or fewer than two.
    """
    if len(texts) != len(scenes) or len(scenes) < 2:
        raise ValueError(
            f"{len(texts)} captions for {len(scenes)} scenes: give one caption for each of at "
            "least two scenes."
        )
    counts = [things_right(text, scene) for text, scene in zip(texts, scenes, strict=True)]
    exact = [text == canonical_caption(scene) for text, scene in zip(texts, scenes, strict=True)]
    references = [[_spaced(caption) for caption in captions(scene)] for scene in scenes]
    return {
        "things_right": sum(right for right, _ in counts) / sum(total for _, total in counts),
        "exact": sum(exact) / len(exact),
        "cider": float(cider_d([_spaced(text) for text in texts], references)[0]),
    }


def attribute_shares(texts: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """Tells attribute by attribute how much of its scene each caption names right.

    Args:
        texts: what the model wrote.
        scenes: what was there, as many.

    Returns:
        colour, size, shape, digit: of the things there, the share whose colour, size or kind is
        what the first thing named at their place has (shape and digit are the kinds of those that
        are one); a place that is not named counts as wrong;
        place: places named right ÷ places there or named, over all scenes.
        One of which nothing is there is left out.
    """
    right: dict[str, list[bool]] = {"colour": [], "size": [], "shape": [], "digit": [], "place": []}
    for text, scene in zip(texts, scenes, strict=True):
        named: dict[str | None, dict[str, str]] = {}
        for thing in named_things(text):
            named.setdefault(thing.get("place"), thing)
        for thing in scene.things:
            said = named.get(thing.place, {})
            right["colour"].append(said.get("colour") == thing.colour)
            right["size"].append(said.get("size") == thing.size)
            right["digit" if thing.is_digit else "shape"].append(said.get("kind") == thing.kind)
        there = {thing.place for thing in scene.things}
        places = named.keys() - {None}
        right["place"] += [place in there & places for place in there | places]
    return {name: sum(found) / len(found) for name, found in right.items() if found}


def _spaced(text: str) -> str:
    """Returns the words alone, as a caption metric reads them."""
    return " ".join(_WORD.findall(text.lower()))
