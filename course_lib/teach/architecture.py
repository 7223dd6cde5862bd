"""The course's sentence as a map, with the parts of one notebook lit.

    image → VPG (image encoder, head) → visual tokens → projector → splice → language model → answer

Below it stand what is read besides the image, and the losses that teach a part. What trains, what
is only used and what belongs to other notebooks differ by words and by line, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from course_lib.errors import unknown_name_error
from course_lib.teach.svg import HERE, LATER, PLAIN, Paint, box, document, text

WIDTH, HEIGHT = 940, 274
TRAINS, FROZEN, USED = "trains here", "frozen", ""
USED_PAINT: Paint = ("#dcebf5", "#004a75", "#222222", "")
# Left edge, top, width, height and words of each part.
PARTS = {
    "image": (12, 48, 66, 64, ("image",)),
    "encoder": (98, 48, 116, 64, ("image encoder",)),
    "head": (234, 48, 142, 64, ("head",)),
    "tokens": (396, 48, 90, 64, ("Q visual", "tokens")),
    "projector": (506, 48, 92, 64, ("projector",)),
    "fusion": (612, 48, 88, 64, ("splice",)),
    "language": (714, 48, 122, 64, ("language", "model")),
    "answer": (856, 48, 72, 64, ("answer",)),
    "contrast": (98, 138, 116, 44, ("contrast with", "captions")),
    "captions": (234, 138, 62, 44, ("captions",)),
    "stage1": (304, 138, 72, 44, ("ITC, ITM,", "ITG")),
    "words": (618, 138, 76, 44, ("words",)),
    "next_word": (746, 138, 90, 44, ("next-word", "loss")),
}
SENTENCE = tuple(PARTS)[:8]
# Upright arrows: from a part to another, at which x.
UPRIGHT = (
    ("encoder", "contrast", 156),
    ("captions", "head", 265),
    ("head", "stage1", 340),
    ("words", "fusion", 656),
    ("language", "next_word", 791),
)
# Which notebook builds a part.
BUILT = {"encoder": "01", "head": "03", "projector": "04", "fusion": "04", "language": "02"}
_BADGES, _KEY = 200, 250


@dataclass(frozen=True)
class Lit:
    """How a notebook uses a part.

    Args:
        state: TRAINS, FROZEN, or USED for what has no parameters.
        words: lines instead of the part's usual ones, such as ("Q-Former", "32 queries").
    """

    state: str = USED
    words: tuple[str, ...] = ()


def draw_architecture(
    number: str,
    lit: Mapping[str, Lit],
    there: set[str],
    built: Mapping[str, str] = BUILT,
) -> str:
    """Draws the map of a notebook as SVG.

    Args:
        number: of the notebook, such as "03".
        lit: the parts that it uses; all others are grey and dashed.
        there: numbers of the notebooks that are written; the others are grey and dashed.
        built: which notebook builds a part.

    Returns:
        The file's text. Nothing in it is a link.

    Raises:
        ValueError: for a part or a state that the map does not have.
    """
    for name, part in lit.items():
        if name not in PARTS:
            raise unknown_name_error("part of the map", name, PARTS)
        if part.state not in (TRAINS, FROZEN, USED):
            raise unknown_name_error("state", part.state, (TRAINS, FROZEN, USED))
    badges = _badges(number, built, there)
    parts = [*_bracket(), *_boxes(lit), *_arrows(lit), *badges, *_key()]
    missing = sorted({*built.values()} - there)
    about = alt_text(number, lit)
    if missing:
        about += f" Not written yet: notebook {', '.join(missing)}."
    title = f"Where notebook {number} stands on the map of the course"
    return document(WIDTH, HEIGHT, title, about, parts)


def alt_text(number: str, lit: Mapping[str, Lit]) -> str:
    """Returns one or two sentences that say what the map shows, for a Markdown image."""
    named = [_spoken(name, lit[name]) for name in PARTS if name in lit]
    grey = [_spoken(name, Lit()) for name in PARTS if name not in lit]
    words = f"The sentence of the course with the parts of notebook {number} lit: "
    words += f"{'; '.join(named)}."
    return words + (f" Grey, since other notebooks have them: {'; '.join(grey)}." if grey else "")


def _spoken(name: str, part: Lit) -> str:
    words = " ".join(part.words or PARTS[name][4])
    return f"{words}, {part.state}" if part.state else words


def _bracket() -> list[str]:
    left, right = PARTS["encoder"][0], PARTS["head"][0] + PARTS["head"][2]
    line = f'<path d="M{left} 42v-8H{right}v8" fill="none" stroke="#222222"/>'
    return [line, text((left + right) / 2, 26, "VPG, the visual prompt generator")]


def _boxes(lit: Mapping[str, Lit]) -> list[str]:
    parts = []
    for name, (x, y, width, height, usual) in PARTS.items():
        part = lit.get(name)
        if part is None:
            parts.append(box(x, y, width, height, usual, LATER))
            continue
        words: Sequence[str] = part.words or usual
        words = [*words, f"({part.state})"] if part.state else words
        paint = HERE if part.state == TRAINS else USED_PAINT
        parts.append(box(x, y, width, height, words, paint))
    return parts


def _arrows(lit: Mapping[str, Lit]) -> list[str]:
    """Returns arrows; one is black where both of its ends are lit."""
    parts = []
    for left, right in pairwise(SENTENCE):
        x, y, width, height, _ = PARTS[left]
        end = PARTS[right][0]
        parts.append(
            _arrow(x + width, y + height // 2, end - x - width, 0, {left, right} <= {*lit})
        )
    for start, end, x in UPRIGHT:
        downwards = PARTS[start][1] < PARTS[end][1]
        upper = PARTS[start if downwards else end]
        top, length = upper[1] + upper[3], PARTS["words"][1] - upper[1] - upper[3]
        y, way = (top, length) if downwards else (top + length, -length)
        parts.append(_arrow(x, y, 0, way, {start, end} <= {*lit}))
    return parts


def _arrow(x: int, y: int, across: int, down: int, lit: bool) -> str:
    """Returns an arrow along one axis, from (x, y); its tip touches what it points at."""
    colour, dashes = ("#222222", "") if lit else (LATER[1], ' stroke-dasharray="4 3"')
    sign = 1 if across + down > 0 else -1
    tip = f"M{x + across} {y + down}"
    head = f"l-4 {-6 * sign}h8z" if down else f"l{-6 * sign} -4v8z"
    return (
        f'<path d="M{x} {y}l{across} {down}" stroke="{colour}"{dashes}/>'
        f'<path d="{tip}{head}" fill="{colour}"/>'
    )


def _badges(number: str, built: Mapping[str, str], there: set[str]) -> list[str]:
    parts = [text(45, _BADGES + 15, "built in", "#444444")]
    for name, notebook in built.items():
        x, _, width, _, _ = PARTS[name]
        paint = HERE if notebook == number else PLAIN if notebook in there else LATER
        parts.append(box(x + width // 2 - 15, _BADGES, 30, 22, [notebook], paint))
    return parts


def _key() -> list[str]:
    key = (
        (72, HERE, "trains, or is built, in this notebook"),
        (352, USED_PAINT, "used in it"),
        (474, LATER, "not in it; a number: that notebook is not written yet"),
    )
    parts = []
    for x, paint, words in key:
        parts.append(box(x, _KEY - 9, 22, 14, [], paint))
        parts.append(text(x + 30, _KEY + 2, words, "#444444", ' text-anchor="start"'))
    return parts
