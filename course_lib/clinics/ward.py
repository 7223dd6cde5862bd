"""The patient of a clinic: a trained model of the zoo, a few held-out scenes, and what it says.

Letters: B batch, Q visual tokens of an image, S length, D width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from course_lib.commands.runs import Opened, open_run
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.captions import things_right
from course_lib.fusion.splice import splice
from course_lib.vlm import evaluating
from course_lib.world.questions import Question

SCENES, SEED = 12, 5


@dataclass(frozen=True)
class Ward:
    """A trained run and its scenes.

    Args:
        run: model, tokenizer and asker; frozen, in eval mode.
        data: held-out scenes with the features of the run's encoder.
        pixels: (B, 3, 48, 48), normalised as the encoder wants them.
    """

    run: Opened
    data: ToyScenes
    pixels: torch.Tensor


@cache
def ward(name: str) -> Ward:
    """Opens a run of the zoo once, with the clinic's scenes."""
    run = open_run(name)
    run.model.requires_grad_(False).eval()
    data = ToyScenes(SCENES, SEED, "test", run.encoder)
    return Ward(run, data, data.pixel_values(list(range(SCENES))))


def colour_questions(data: ToyScenes) -> list[Question]:
    """Returns one question a scene, all equally long: the colour of the thing at a place."""
    things = [scene.things[0] for scene in data.scenes]
    return [Question("colour", f"what colour is the thing at {t.place}?", t.colour) for t in things]


@torch.no_grad()
def write(run: Opened, prompts: torch.Tensor, visual: torch.Tensor, words: int = 40) -> list[str]:
    """Returns what a model writes behind prompts of one length.

    Args:
        run: the model.
        prompts: (B, S) ids with Q places an image.
        visual: (B, Q, D), what stands in these places.
        words: most new words.
    """
    model = run.model
    places = prompts == model.image_token_id
    with evaluating(model):
        embeds = model.language.embed(prompts.masked_fill(places, 0))
        embeds = splice(embeds, visual, places)
        rows = model.language.generate_greedy(embeds, torch.ones_like(prompts), words)
    return [run.tokenizer.decode(row, skip_special_tokens=True) for row in rows]


def colours_right(run: Opened, data: ToyScenes, visual: torch.Tensor) -> int:
    """Counts the colour questions of the scenes that a chatting model answers rightly."""
    asked = colour_questions(data)
    prompts = torch.tensor([run.asker.ids(question.text) for question in asked])
    said = write(run, prompts, visual)
    return sum(run.asker.is_right(text, q) for text, q in zip(said, asked, strict=True))


def things_named(texts: list[str], data: ToyScenes) -> float:
    """Returns the share of things that descriptions name rightly, see `things_right`."""
    pairs = [things_right(text, scene) for text, scene in zip(texts, data.scenes, strict=True)]
    return sum(right for right, _ in pairs) / sum(total for _, total in pairs)
