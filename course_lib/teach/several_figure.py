"""Questions about several pictures on paper: pictures in a row, the answer, what a head reads.

Of "which picture has a red star?" the state at "red" is looked at, the first word of the name: how
much it reads from each picture, in one head of the language model. That says what was read, not
what it was used for. Letters: H heads, I images.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.data.chat_templates import HUMAN, Turn, chat_pieces
from course_lib.data.prompts import typed_ids
from course_lib.data.toy_owl import OwlScenes, frames_of, several_turn
from course_lib.evaluation.joint import JointAsker, is_right
from course_lib.instructions import teacher
from course_lib.instructions.toy_several import MOST_PICTURES, frame_parts
from course_lib.teach import style
from course_lib.teach.chat_figure import INK, RIGHT, WRONG
from course_lib.teach.word_gaze import picture_gaze
from course_lib.world.documents import ORDINALS

CLIP = "clip"
SIDE = 1.25  # inches of a picture
LINE = 82  # characters; a longer answer gives way to the right one
_WIDTH, _ROOM, _BELOW = 6.3, 0.62, 0.4  # inches: of the figure, above and below the pictures
_WORDS = {"fontsize": 9, "parse_math": False, "va": "top", "ha": "left", "color": style.INK}
_SMALL = _WORDS | {"fontsize": 8}


@dataclass(frozen=True)
class Asked:
    """A question about several pictures, with what is right.

    Args:
        parts: the words between the pictures, one more than pictures.
        rows: of the pictures in an `OwlScenes`, in reading order.
        turn: question, answer and key.
    """

    parts: tuple[str, ...]
    rows: tuple[int, ...]
    turn: teacher.Turn

    @property
    def prompt(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """What `JointAsker.answers` takes."""
        return self.parts, self.rows


def draw_question(data: OwlScenes, count: int | str, rng: np.random.Generator) -> Asked:
    """Draws a question at random.

    Args:
        data: scenes, with clips where they are asked for.
        count: 2 to 4 pictures for "which picture has …?", or "clip" for "what moved?".
        rng: of every choice.

    Raises:
        ValueError: for another count, or where there is no clip.
    """
    if count == CLIP:
        if not data.clips:
            raise ValueError("These scenes have no clip: make them with clips=1 or more.")
        clip = data.clips[int(rng.integers(len(data.clips)))]
        rows = frames_of(clip, rng)
        return Asked(frame_parts(len(rows)), tuple(rows), clip.turn)
    if count not in range(2, MOST_PICTURES + 1):
        raise ValueError(f"{count!r} pictures: ask about 2 to {MOST_PICTURES}, or a {CLIP!r}.")
    while True:
        rows = [int(row) for row in rng.integers(len(data), size=count)]
        found = several_turn(data, rows, rng, which=True)
        if found is not None:
            return Asked(found[0], tuple(rows), found[1])


def answered(asker: JointAsker, asked: Sequence[Asked]) -> list[tuple[Asked, str, bool]]:
    """Returns (question, answer, whether it is right) of each."""
    answers = asker.answers([one.prompt for one in asked])
    return [(a, said, is_right(a.turn, said)) for a, said in zip(asked, answers, strict=True)]


def name_gaze(asker: JointAsker, asked: Asked) -> tuple[str, torch.Tensor]:
    """Computes what the first word of the name in "which picture has …?" reads from each picture.

    Args:
        asker: the run.
        asked: such a question.

    Returns:
        (the word, its shares (blocks, H, I), which sum to at most 1 over the pictures).

    Raises:
        ValueError: for another question.
    """
    if asked.turn.kind != "which":
        raise ValueError(f"{asked.turn.question!r} names nothing: ask which picture has something.")
    word = asked.turn.question.removesuffix("?").split()[4]  # which picture has a …
    prompt = asker.chat(chat_pieces(asker.template, [Turn(HUMAN, asked.parts)], answered=False)).ids
    own = typed_ids(asker.chat.tokenizer, f"a {word}")[-1]
    place = max(i for i, id in enumerate(prompt) if id == own)
    images = asker.data.image_inputs(list(asked.rows))
    return word, picture_gaze(asker.model, images, prompt)[:, :, place]


def right_most(asker: JointAsker, asked: Sequence[Asked]) -> torch.Tensor:
    """Counts how often each head reads more from the right picture than from any other.

    Args:
        asker: the run.
        asked: questions "which picture has …?".

    Returns:
        (blocks, H), shares of the questions.
    """
    found = []
    for one in asked:
        shares = name_gaze(asker, one)[1]
        found.append(shares.argmax(2) == ORDINALS.index(one.turn.key))
    return torch.stack(found).float().mean(0)


def draw_several(
    asker: JointAsker, asked: Sequence[Asked], head: tuple[int, int] | None = None
) -> Figure:
    """Draws questions below each other: question, answer, and the pictures with what a head reads.

    Args:
        asker: the run.
        asked: one or more; three or four fit a page.
        head: block and head, counted from 0, whose shares stand under the pictures of "which
            picture has …?"; a clip says that it has none. None draws the pictures alone.

    Returns:
        The figure, one axes a question; all words are text artists.

    Raises:
        ValueError: when nothing is asked.
    """
    if not asked:
        raise ValueError("There is nothing to draw: give at least one question.")
    figure, axes = style.figure(
        _WIDTH, len(asked) * (SIDE + _ROOM + _BELOW), rows=len(asked), squeeze=False
    )
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0, hspace=0)
    for axis, one in zip(axes.flat, answered(asker, asked), strict=True):
        _draw(axis, asker.data, *one)
        if head is not None:
            _draw_shares(axis, asker, one[0], head)
    return figure


def _left(number: int) -> float:
    return 0.1 + number * (SIDE + 0.25)


def _draw(axis: Axes, data: OwlScenes, asked: Asked, answer: str, right: bool) -> None:
    """Draws one question; the unit is an inch, the pictures stand at the bottom."""
    sign, top = (RIGHT if right else WRONG), SIDE + _ROOM + _BELOW - 0.05
    truth = "" if right else f" (right: {asked.turn.answer})"
    axis.text(0.1, top, asked.turn.question, **_WORDS)
    said = textwrap.shorten(answer, LINE - len(truth), placeholder=" …") or "(nothing)"
    bold = _WORDS | {"color": INK[sign], "fontweight": "bold"}
    axis.text(0.1, top - 0.22, f"{sign} {said}{truth}", **bold)
    thing = "frame" if asked.turn.kind == "moved" else "picture"
    for number, row in enumerate(asked.rows):
        left = _left(number)
        extent = (left, left + SIDE, _BELOW, _BELOW + SIDE)
        axis.imshow(data.images[row], extent=extent, interpolation="nearest")
        axis.text(left, _BELOW + 0.15 + SIDE, f"{ORDINALS[number]} {thing}", **_SMALL)
    axis.set(xlim=(0, _WIDTH), ylim=(0, SIDE + _ROOM + _BELOW), aspect="equal")
    axis.axis("off")


def _draw_shares(axis: Axes, asker: JointAsker, asked: Asked, head: tuple[int, int]) -> None:
    """Draws a bar under each picture, as long as the picture is wide for a share of 100 %."""
    if asked.turn.kind != "which":
        axis.text(0.1, _BELOW - 0.06, "no bars: this question names no thing", **_SMALL)
        return
    word, shares = name_gaze(asker, asked)
    for number, share in enumerate(shares[head].tolist()):
        left = _left(number)
        axis.barh(_BELOW - 0.12, SIDE * share, 0.12, left, **style.look("picture").bar())
        axis.text(left + SIDE * share + 0.03, _BELOW - 0.04, f"{share:.0%}", **_WORDS)
    words = f"bars: what “{word}” reads, of 100 %, in block {head[0]}, head {head[1]} (from 0)"
    axis.text(0.1, 0.19, words, **_SMALL)
