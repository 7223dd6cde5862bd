"""Measures a model while it trains: captions along the way, what its VPG still tells, questions."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np

from course_lib.commands.runs import Opened
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.toy import Answerer
from course_lib.evaluation.vpg_probe import vpg_probe
from course_lib.evaluation.vqa import vqa_scores
from course_lib.experiments.stage2_runs import HELD_OUT
from course_lib.world.questions import balanced_questions
from course_lib.zoo.load import zoo_vision

# Where a curve is measured, in thirtieths of the steps: densely where it rises.
PLACES = (0, 1, 2, 3, 4, 6, 9, 12, 15, 20, 25, 30)
EARLY = 6  # the warm-up ends there
CAPTIONS, PER_TYPE = 100, 20


@lru_cache(maxsize=1)
def held_out(seed: int) -> ToyScenes:
    """Returns held-out scenes of a seed; the captions are those of the first of them."""
    return ToyScenes(400, HELD_OUT + seed, "test", zoo_vision("clip"))


@lru_cache(maxsize=1)
def probe_scenes(seed: int) -> ToyScenes:
    """Returns the training scenes on which a probe is fitted; no arm trains on them."""
    return ToyScenes(1_500, HELD_OUT + seed, "train", zoo_vision("clip"))


class Watch:
    """Keeps what one arm was worth at several places of its training.

    Args:
        opened: the model, in whatever mode.
        seed: of the held-out scenes.
        steps: of the whole arm.
        batch_size: samples a step.
    """

    def __init__(self, opened: Opened, seed: int, steps: int, batch_size: int) -> None:
        self.opened, self.seed, self.steps, self.batch_size = opened, seed, steps, batch_size
        # Few steps: two places may be one step, and these three are never the ones left out.
        ranked = (*PLACES, EARLY, PLACES[-1], 0)
        self.places = {round(steps * place / PLACES[-1]): place for place in ranked}
        self.points: dict[int, dict] = {}
        self.probes: dict[str, float] = {}
        self.spent, self.started = 0.0, time.process_time()

    def look(self, step: int) -> None:
        """Measures after so many steps, where it is one of the places; the clock stands still."""
        place = self.places.get(step)
        if place is None or place in self.points:
            return
        self.spent += time.process_time() - self.started
        self.opened.model.eval()
        seen = {"samples": step * self.batch_size, "seconds": round(self.spent, 1)}
        self.points[place] = seen | {"things_right": round(self._captions(), 4)}
        names = {0: "start", EARLY: "early", PLACES[-1]: "end"}
        if place in names:
            data = probe_scenes(self.seed), held_out(self.seed)
            read = vpg_probe(self.opened.model.vpg.head, *data)
            self.probes[f"probe.{names[place]}"] = round(sum(read.values()) / len(read), 4)
        self.started = time.process_time()

    def _captions(self) -> float:
        data = held_out(self.seed)
        answerer = Answerer(self.opened.model, self.opened.tokenizer, data)
        written = answerer.captions(list(range(CAPTIONS)))
        return caption_scores(written, data.scenes[:CAPTIONS])["things_right"]

    def _questions(self) -> float:
        data, rng = held_out(self.seed), np.random.default_rng((self.seed, 5))
        asked = balanced_questions(data.scenes, PER_TYPE, rng)
        answerer = Answerer(self.opened.model, self.opened.tokenizer, data)
        said = answerer.answers([row for row, _ in asked], [q.text for _, q in asked])
        return vqa_scores(said, [question for _, question in asked])["all"]

    def scores(self) -> dict:
        """Returns what `run_arm` promises; the questions are asked now."""
        self.opened.model.eval()
        at = {place: point["things_right"] for place, point in self.points.items()}
        scores = {"things_right": at[PLACES[-1]], "at_start": at[0], "early": at[EARLY]}
        scores["vqa"] = round(self._questions(), 4)
        return scores | self.probes | {"curve": list(self.points.values())}
