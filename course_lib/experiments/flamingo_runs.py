"""What the experiments with Flamingo share: one way is built, trained on documents and measured.

All ways have the frozen host of the recipe, a LLaMA that binds in words, and read the same scenes
of a seed. The curve of a run holds the gates as they open.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch

from course_lib.commands.runs import Opened
from course_lib.data.binding import draw_episode, rows_by_kind, unused_symbols
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE, ToyScenes
from course_lib.data.toy_interleaved import Interleaved, ToyDocuments
from course_lib.evaluation.few_shot import FewShotAnswerer, binding_curve, evaluate_few_shot
from course_lib.evaluation.interleaved_asking import InterleavedAsker
from course_lib.experiments.stage2_runs import HELD_OUT, fit, last_loss
from course_lib.experiments.step_time import step_ratio
from course_lib.recipes import flamingo
from course_lib.training.stages import Stage, apply_stage
from course_lib.zoo.load import zoo_language, zoo_vision

HOST = "llama-shots"
BATCH_SIZE = flamingo.scale("toy").stage.batch_size
SCENES = 4_000  # a third of the recipe's
# Half of the documents are about symbols, more than in the recipe, since a run is short. What
# decided: 8 shots of a trial with this mix gave .60 after 100 steps, .73 after 300, .82 after 500
# (chance .50); 300 tell ways apart, and leave all runs together under 50 core-minutes.
READING = Interleaved(mix=(0.15, 0.35, 0.5), questions=2)
STEPS = 300
# Where the gates are read, in thirtieths of the steps: densely where they open.
PLACES = (0, 1, 2, 4, 6, 10, 15, 20, 25, 30)
MORE_SHOTS = 16  # twice as many as any document of the training shows
CAPTIONS, PER_TYPE, EPISODES = 150, 60, 200
TIMED = 6  # steps of each
OPEN = 20.0  # tanh is 1 here, to the last bit, and its slope 0


@dataclass(frozen=True)
class Way:
    """How a short Flamingo is built and what it reads; the usual one is the recipe's but for mix.

    Args:
        reading: what is read.
        batch_size: documents a step.
        every: n, a gated layer in front of every n-th block.
        first: the block with the first of them, from 0.
        gated: False leaves the tanh gates out: they are 1 from the first step to the last, and the
            last matrices of the layers begin at their usual size (gain 1).
    """

    reading: Interleaved = READING
    batch_size: int = BATCH_SIZE
    every: int = 1
    first: int = 0
    gated: bool = True


USUAL = Way()


@lru_cache(maxsize=1)
def scenes_of(seed: int) -> ToyScenes:
    """Returns a seed's scenes: all ways read the same."""
    return ToyScenes(SCENES, seed, "train", zoo_vision("clip", drop_cls=True), CACHE)


@lru_cache(maxsize=1)
def held_out(seed: int) -> ToyScenes:
    """Returns held-out scenes of unseen digit scans that no bar and no notebook uses."""
    return ToyScenes(600, HELD_OUT + seed, "test", zoo_vision("clip", drop_cls=True))


def begin(way: Way, seed: int) -> Opened:
    """Builds the model with which a way begins; it reads features, which are computed once."""
    numbers = flamingo.scale("toy")
    gated = replace(numbers.gated, every=way.every, first=way.first)
    numbers = replace(numbers, gated=gated, gain=numbers.gain if way.gated else 1.0)
    language, tokenizer = zoo_language(HOST)
    model = flamingo.build(numbers, None, language, image_token_id(tokenizer), seed)
    if not way.gated:
        with torch.no_grad():
            for name in flamingo.gate_names(model):
                model.get_parameter(name).fill_(OPEN)
    return Opened(model.eval(), scenes_of(seed).encoder, tokenizer, {}, InterleavedAsker(tokenizer))


def stage_of(way: Way, steps: int) -> Stage:
    """Returns the recipe's stage with so many steps, and the batch of this way."""
    return replace(flamingo.scale("toy").stage.shortened(steps), batch_size=way.batch_size)


def documents_of(way: Way, opened: Opened, seed: int) -> ToyDocuments:
    """Returns what a way reads, as far as its language model can."""
    limit = opened.model.language.max_positions
    return ToyDocuments(scenes_of(seed), opened.tokenizer, way.reading, limit)


class GateWatch:
    """Reads the gates at several places of a training, and counts its processor seconds.

    Args:
        opened: the model that trains.
        steps: of the whole run.
        batch_size: documents a step.
    """

    def __init__(self, opened: Opened, steps: int, batch_size: int) -> None:
        self.gated, self.batch_size = opened.model.gated, batch_size
        self.places = {round(steps * place / PLACES[-1]) for place in PLACES}
        self.points: list[dict[str, float]] = []
        self.spent, self.started = 0.0, time.process_time()

    def look(self, step: int, row: dict | None = None) -> None:
        """Reads after so many steps, where it is one of the places."""
        now = time.process_time()
        self.spent, self.started = self.spent + now - self.started, now
        if step in self.places:
            point = {"samples": step * self.batch_size, "seconds": round(self.spent, 1)}
            self.points.append(point | gates_of(self.gated))


def gates_of(gated: torch.nn.Module) -> dict[str, float]:
    """Returns how far each gate is open, |tanh|, by the block behind it: `attention.3` for one."""
    values = gated.gate_values().tolist()
    return {
        f"{part}.{place}": round(value, 4)
        for place, pair in zip(gated.places, values, strict=True)
        for part, value in zip(("attention", "feed_forward"), pair, strict=True)
    }


def run_way(way: Way, seed: int, steps: int) -> dict:
    """Trains a way and measures it.

    Args:
        way: what it is.
        seed: of initialisation, scenes, documents and what is asked.
        steps: of training.

    Returns:
        What `measured` and `gates_of` give; gate.start and gate.least, the least open gate before
        and after; loss.first and loss, means of the first and last 10 steps; grad_norm.most,
        the longest gradient before clipping; layers; millions (parameters that train); time (see
        `relative_time`); and the curve, points with samples, seconds and gates.
    """
    opened, stage = begin(way, seed), stage_of(way, steps)
    batches = documents_of(way, opened, seed).batch
    watch = GateWatch(opened, steps, way.batch_size)
    watch.look(0)
    reads = partial(batches, batch_size=way.batch_size, seed=seed)
    log = fit(opened.model, stage, reads, seed, log_every=1, on_step=watch.look)
    scores = {"gate.start": _least(watch.points[0]), "gate.least": _least(watch.points[-1])}
    scores |= gates_of(opened.model.gated) | measured(opened, seed)
    scores |= {"loss.first": last_loss(log[:10]), "loss": last_loss(log)}
    scores["grad_norm.most"] = round(max(row["grad_norm"] for row in log), 4)
    trained = sum(p.numel() for p in opened.model.parameters() if p.requires_grad)
    scores |= {"layers": float(len(opened.model.gated.places)), "millions": round(trained / 1e6, 4)}
    scores["time"] = relative_time(way, seed, TIMED)
    return scores | {"curve": watch.points}


def _least(point: dict[str, float]) -> float:
    return min(value for name, value in point.items() if "." in name)


@torch.no_grad()
def measured(opened: Opened, seed: int) -> dict[str, float]:
    """Measures captions, questions and symbols on held-out scenes.

    Returns:
        things_right and exact of captions; vqa, blind (without the image), over_blind (their
        difference) and `vqa.TYPE`; `shots.N`, questions behind N examples, where 0 are two in words
        alone; `binding.N`, symbols written behind N shots, where 0 are two symbols without their
        images; `either.N`, one of the episode's two was; `chosen.N` and `shuffled.N`, the choice
        between the two, behind true shots and behind shots with their images in another order:
        chance is .50 there.
    """
    answerer = FewShotAnswerer(opened.model, opened.tokenizer, held_out(seed))
    found = evaluate_few_shot(answerer, PER_TYPE, CAPTIONS, EPISODES, seed)
    vqa, binding = found["vqa"], found["binding"]
    binding |= binding_curve(answerer, EPISODES, seed, (MORE_SHOTS,))
    scores = {key: found["captions"][key] for key in ("things_right", "exact")}
    blind = vqa["blind"]["all"]
    scores |= {"vqa": vqa["all"], "blind": blind, "over_blind": vqa["all"] - blind}
    scores |= {f"vqa.{kind}": share for kind, share in vqa["by_type"].items()}
    scores |= {f"shots.{count}": share for count, share in found["shots"].items()}
    scores["binding.0"] = bound_in_words(answerer, EPISODES, seed)
    names = {"binding": "right", "either": "one of the two"}
    names |= {name: name for name in ("chosen", "shuffled")}
    for name, key in names.items():
        scores |= {f"{name}.{count}": shares[key] for count, shares in binding.items()}
    return {key: round(float(value), 4) for key, value in scores.items()}


def bound_in_words(answerer: FewShotAnswerer, episodes: int, seed: int) -> float:
    """Returns the share of queries that got their symbol behind two symbols without an image.

    It is the paper's zero-shot prompt (v1, section 3.3): the words are known, their meaning is not.
    """
    rng = np.random.default_rng((seed, 0, 16))
    rows = rows_by_kind(answerer.data.scenes)
    drawn = [draw_episode(rng, rows, unused_symbols(), 2) for _ in range(episodes)]
    prompts = []
    for episode in drawn:
        *shots, query = episode.prompt_chunks()
        prompts.append([*(replace(shot, images=()) for shot in shots), query])
    said = answerer.write(prompts, longest=2)
    return sum(text == one.answer for text, one in zip(said, drawn, strict=True)) / episodes


def relative_time(way: Way, seed: int, steps: int) -> float:
    """Returns the processor seconds of a step ÷ those with a layer in front of every block.

    Both read the usual documents; see `step_time.step_ratio`.

    Args:
        way: only its places count.
        seed: of the documents.
        steps: of each.
    """
    if (way.every, way.first) == (USUAL.every, USUAL.first):
        return 1.0
    pair = [begin(one, seed) for one in (way, USUAL)]
    for opened in pair:
        apply_stage(opened.model, stage_of(USUAL, steps))
    documents = documents_of(USUAL, pair[0], seed)
    batches = (documents.batch(step, USUAL.batch_size, seed) for step in range(steps + 1))
    ours, usual = (opened.model for opened in pair)
    return round(step_ratio(ours, usual, ((batch, batch) for batch in batches)), 4)
