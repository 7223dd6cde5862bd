"""One question, six answers: a run of each recipe beside the others, and what it read.

A map is what one model reads of the patches while it answers, and it is another thing for each
kind of head: the mean over queries (Q-Former, abstractor), what the answer's words read through
latents (Flamingo), or from the patches themselves (LLaVA). `six_widget` asks with it.

Letters: Q queries or latents, N patches and, where it is there, CLS, T words of the answer.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.data.prompts import typed_ids
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import OpenedRun, answer_to
from course_lib.gated_vlm import GatedVLM
from course_lib.teach import style
from course_lib.teach.attention_maps import patch_maps
from course_lib.teach.chat_figure import INK, RIGHT, known_questions, sign_of
from course_lib.teach.gated_gaze import gated_gaze, on_patches, resampler_gaze, through_latents
from course_lib.teach.query_strip import has_queries_that_read, last_gaze
from course_lib.teach.word_gaze import word_gaze
from course_lib.world.questions import Question

DARK = 0.25  # how much of the picture is left where nothing is read
COLUMN, PANEL, LINE = 1.5, 1.3, 0.145  # inches: a model's column, its map, a line of words
LETTERS, LINES = 26, 4  # of an answer in its column
_WORDS = {"fontsize": 7.5, "parse_math": False, "va": "top", "linespacing": 1.1}


@dataclass(frozen=True)
class Answered:
    """What one model answered.

    Args:
        answer: its words.
        sign: ✓ or ✗, "" where nobody knows the right answer.
        weights: (N,), what was read of the patches; None where nothing reads patches, where no
            picture was shown, or where no word was said.
    """

    answer: str
    sign: str
    weights: torch.Tensor | None


@torch.no_grad()
def answer_gaze(
    opened: OpenedRun, pixel_values: torch.Tensor, prompt: str, answer: str
) -> torch.Tensor | None:
    """Computes what a model reads of the patches for an answer.

    Args:
        opened: an opened run with a language model.
        pixel_values: (1, 3, height, width), normalised.
        prompt: what was asked.
        answer: what was said.

    Returns:
        (N,), not negative; None where nothing that can be looked at reads patches.
    """
    if has_queries_that_read(opened):
        return last_gaze(opened, pixel_values).mean(0)
    said = typed_ids(opened.tokenizer, answer)
    if not said:
        return None
    model, ids = opened.model, opened.asker.ids(prompt, 1)
    features = model.vpg.features(pixel_values)
    if isinstance(model, GatedVLM):
        batch = {"input_ids": torch.tensor([[*ids, *said]]), "image_features": features}
        words = gated_gaze(model, batch)[0].mean(0)[:, 0]  # (S, Q)
        latents = on_patches(resampler_gaze(model.vpg.head, features)[0].mean(0))
        # The state in front of a word is the one that says it.
        return through_latents(words[len(ids) - 1 : -1], latents).mean(0)
    if ids.count(model.image_token_id) != features.shape[1]:
        return None
    return word_gaze(model, features, ids, said).mean(0)


def ask_one(
    opened: OpenedRun,
    pixel_values: torch.Tensor | None,
    prompt: str,
    known: Question | None = None,
    gaze: bool = True,
) -> Answered:
    """Asks one model.

    Args:
        opened: an opened run with a language model.
        pixel_values: (1, 3, height, width), normalised; None asks without the picture.
        prompt: a question, or "describe".
        known: the question with its right answer, where the scene states it.
        gaze: whether what was read is computed.

    Raises:
        ValueError: for an empty prompt, or one beyond the context.
    """
    answer = answer_to(opened, pixel_values, prompt)[0].strip()
    weights = None
    if gaze and pixel_values is not None:
        weights = answer_gaze(opened, pixel_values, prompt, answer)
    return Answered(answer, "" if known is None else sign_of(opened, answer, known), weights)


def draw_six(
    six: Mapping[str, OpenedRun],
    data: ToyScenes,
    row: int = 0,
    questions: Sequence[Question] | None = None,
) -> Figure:
    """Draws a held-out scene, questions about it, and each model's answers in a column of its own.

    Args:
        six: name of a model for people → its opened run.
        data: held-out scenes.
        row: which one.
        questions: with their right answers; None takes the caption and two more.

    Returns:
        The figure: the scene with the questions on top, then a column a model, answers under a
        map of what was read for the last of them. All words are text artists.

    Raises:
        ValueError: for no model or no question.
    """
    asked = known_questions(data.scenes[row], row)[:3] if questions is None else list(questions)
    if not six or not asked:
        raise ValueError("There is nothing to draw: give at least one model and one question.")
    pixels = data.pixel_values([row])
    answers = {
        name: [ask_one(opened, pixels, q.text, q, gaze=q is asked[-1]) for q in asked]
        for name, opened in six.items()
    }
    image = data.images[row]
    numbered = [f"{number}. {q.text}  ({q.answer})" for number, q in enumerate(asked, 1)]
    return draw_columns(image, numbered, answers)


def draw_columns(
    image: np.ndarray, head: Sequence[str], answers: Mapping[str, Sequence[Answered]]
) -> Figure:
    """Draws a picture with lines beside it, and below it a column of answers a model.

    Args:
        image: (height, width, 3), 0 to 255.
        head: lines beside the picture.
        answers: model → its answers; the weights of the last one become its map.

    Returns:
        The figure.
    """
    most = max(map(len, answers.values()))
    below = PANEL + (most * (LINES + 0.4) + 1.6) * LINE
    width, height = COLUMN * max(len(answers), 3), PANEL + 0.2 + below
    figure, axis = style.figure(width, height)
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    top = height - 0.1
    axis.imshow(image, extent=(0.1, PANEL + 0.1, top - PANEL, top), interpolation="nearest")
    room = int((width - PANEL - 0.4) / 0.062)
    lines = [part for line in head for part in textwrap.wrap(line, room, break_on_hyphens=False)]
    large = _WORDS | {"fontsize": 9, "linespacing": 1.3}
    axis.text(PANEL + 0.3, top, "\n".join(lines), color=style.INK, **large)
    for number, (title, said) in enumerate(answers.items()):
        _draw_column(axis, 0.1 + number * COLUMN, below, image, title, said)
    axis.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axis.axis("off")
    return figure


def _draw_column(
    axis: Axes, left: float, top: float, image: np.ndarray, title: str, said: Sequence[Answered]
) -> None:
    axis.text(left, top, title, color=style.INK, **_WORDS | {"fontweight": "bold", "fontsize": 9})
    top -= 1.3 * LINE
    extent = (left, left + PANEL, top - PANEL, top)
    weights = said[-1].weights
    if weights is None:
        axis.text(left, top, "no map", color=style.INK, **_WORDS)
    else:
        axis.imshow(lit(image, weights), extent=extent, interpolation="nearest")
    top -= PANEL + 0.3 * LINE
    for number, one in enumerate(said, 1):
        short = textwrap.shorten(one.answer, 95, placeholder=" …") or "(nothing)"
        words = f"{number}. {one.sign} {short}"
        lines = textwrap.wrap(words, LETTERS, break_on_hyphens=False)[:LINES]
        ink = INK[one.sign] if one.sign else style.INK
        axis.text(left, top, "\n".join(lines), color=ink, **_WORDS)
        top -= (LINES + 0.4) * LINE


def lit(image: np.ndarray, weights: torch.Tensor) -> np.ndarray:
    """Darkens a picture where little is read; the patch that is read most stays as it is.

    Args:
        image: (height, width, 3), 0 to 255.
        weights: (N,); a class token's share is left out.

    Returns:
        The picture, uint8.

    Raises:
        ValueError: for weights that are no square of patches, or no numbers.
    """
    (weight,), _ = patch_maps(weights[None])
    size = math.ceil(image.shape[0] / len(weight))
    share = np.kron(weight / max(float(weight.max()), 1e-12), np.ones((size, size)))
    share = share[: image.shape[0], : image.shape[1], None]
    return (image * (DARK + (1 - DARK) * share)).astype(np.uint8)


def said_in_words(answers: Mapping[str, Answered]) -> list[str]:
    """Tells the answers, one line a model: for those who do not see the figure."""
    mark = {RIGHT: "right", "": ""}
    lines = []
    for title, one in answers.items():
        word = mark.get(one.sign, "wrong")
        lines.append(f"{title}{f' ({word})' if word else ''}: {one.answer or '(nothing)'}")
    return lines
