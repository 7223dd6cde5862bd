"""What is measured of every contestant, on the same held-out scenes and by the same rules.

Each is asked in its own way (a bare image, "question: … answer:", a chat), and whatever it says is
read by the same reader of claims, so that a sentence and a word count the same. A measure that a
recipe has no place for is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.commands.blip2 import open_run, retrieval
from course_lib.commands.runs import Opened
from course_lib.curation.describing import Said
from course_lib.data.prompts import typed_ids
from course_lib.data.toy_owl import OwlScenes
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.evaluation.descriptions import description_scores, scene_asker
from course_lib.evaluation.few_shot import SHOTS, FewShotAnswerer, binding_curve, shot_curve
from course_lib.evaluation.instructions import ChatAnswerer
from course_lib.evaluation.joint import JointAsker, several_scores
from course_lib.evaluation.toy import Answerer
from course_lib.evaluation.toy_answers import score_answer
from course_lib.experiments.stage2_runs import HELD_OUT
from course_lib.gated_vlm import GatedVLM
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.world.questions import Question, balanced_questions
from course_lib.zoo.gates import lm_scores
from course_lib.zoo.load import zoo_language

CAPTION_LIMIT = 48  # tokens of a caption and of an answer without a chat
Asked = Sequence[tuple[int, Question]]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        captions: scenes that are captioned and described.
        per_type: questions of each of the nine types.
        several: questions of each kind for each number of pictures.
        episodes: of symbol binding, for each number of shots.
        text: documents of each kind of the text-only gate.
        retrieved: scenes among which retrieval looks.
    """

    captions: int = 150
    per_type: int = 50
    several: int = 50
    episodes: int = 100
    text: int = 50
    retrieved: int = 64


USUAL = Sizes()


def held_out(opened: Opened, seed: int, sizes: Sizes = USUAL) -> OwlScenes:
    """Returns held-out scenes of unseen digit scans that no bar and no notebook uses."""
    return OwlScenes(4 * max(sizes.captions, 75), HELD_OUT + seed, "test", opened.encoder)


class Subject:
    """One trained contestant, asked in its own way about held-out scenes.

    Args:
        opened: of a contestant's `train`.
        data: scenes and what its encoder makes of them.
    """

    def __init__(self, opened: Opened, data: OwlScenes) -> None:
        self.opened, self.data = opened, data
        parts = (opened.model, opened.tokenizer, data)
        self.chats = isinstance(opened.asker, ChatAsker)
        self.gated = isinstance(opened.model, GatedVLM)
        if self.chats:
            self.answerer = ChatAnswerer(*parts, opened.asker)
        else:
            self.answerer = (FewShotAnswerer if self.gated else Answerer)(*parts)

    def captions(self, count: int) -> list[str]:
        """Returns captions of the first scenes, behind an image and no word."""
        rows = list(range(count))
        if self.chats:
            return self.answerer.captions(rows, self.opened.asker.caption_ids())
        return self.answerer.captions(rows)

    def described(self, count: int) -> list[Said]:
        """Returns what is said where a description is wished for; without a chat, the caption."""
        if self.chats:
            ask = scene_asker(self.opened.model, self.opened.asker, self.data)
            return ask([(str(row), (DETAIL_QUESTIONS[0],)) for row in range(count)])
        tokenizer, found = self.opened.tokenizer, []
        for text in self.captions(count):
            tokens = len(typed_ids(tokenizer, text))
            found.append(Said(text, tokens, tokens < CAPTION_LIMIT))
        return found

    def answers(self, asked: Asked, images: bool = True) -> list[str]:
        """Returns answers to questions about scenes, with or without the image."""
        if self.gated:
            return self.answerer.answers(asked, images=images)
        rows, texts = [row for row, _ in asked], [question.text for _, question in asked]
        return self.answerer.answers(rows, texts, images=images)

    def visual_tokens(self) -> int:
        """Returns how many tokens the language model is shown of one image, queries or patches.

        Spliced ones stand in its context, an end token included; a Flamingo's latents do not.
        """
        with torch.no_grad():
            model = self.opened.model
            visual = model.projector(model.vpg(**self.data.image_inputs([0])))
        return visual.shape[-2]


def _by_type(answers: Sequence[str], asked: Asked) -> dict[str, float]:
    right: dict[str, list[bool]] = {}
    for (_, question), answer in zip(asked, answers, strict=True):
        verdict = score_answer(question.answer, question.type, answer)
        right.setdefault(question.type, []).append(verdict)
    return {kind: sum(found) / len(found) for kind, found in right.items()}


def _mean(shares: dict[str, float]) -> float:
    return sum(shares.values()) / len(shares)


def question_scores(subject: Subject, asked: Asked) -> dict:
    """Measures questions with the picture and without it.

    Returns:
        vqa, blind (means over the types, each type counting the same), over_blind, and
        vqa_by_type, blind_by_type.
    """
    seen = _by_type(subject.answers(asked), asked)
    blind = _by_type(subject.answers(asked, images=False), asked)
    scores = {"vqa": _mean(seen), "blind": _mean(blind)}
    scores["over_blind"] = scores["vqa"] - scores["blind"]
    return scores | {"vqa_by_type": seen, "blind_by_type": blind}


def said_scores(subject: Subject, count: int) -> dict:
    """Measures captions and descriptions.

    Returns:
        things_right and exact of captions; of descriptions described (things right), failing,
        made_up (mentions of a thing that is not there), wrong (mentions with a wrong attribute) and
        words. A contestant without a chat describes by its caption.
    """
    scenes = subject.data.scenes[:count]
    captions = caption_scores(subject.captions(count), scenes)
    scores = {key: captions[key] for key in ("things_right", "exact")}
    found = description_scores(subject.described(count), scenes)
    scores["described"] = found["descriptions"]["things_right"]
    scores["failing"] = found["failures"]["rate"]
    made = found["made_up"]
    return scores | {"made_up": made["chair_i"], "wrong": made["wrong_i"], "words": made["words"]}


def text_kept(opened: Opened, language: str, per_type: int) -> dict[str, float]:
    """Measures the text-only gate of the language model before and after the training.

    Returns:
        text (mean over captions and nine types, scenes in words), text_before, text_kept (their
        ratio: 1 = nothing was lost).
    """
    after = _mean(lm_scores(opened.model.language.model, opened.tokenizer, per_type))
    first, tokenizer = zoo_language(language)
    before = _mean(lm_scores(first.model, tokenizer, per_type))
    return {"text": after, "text_before": before, "text_kept": after / before if before else 0.0}


def picture_scores(subject: Subject, count: int, seed: int) -> dict:
    """Measures "which picture has …?" of two to four pictures, for those that chat.

    Returns:
        several: {"2": share right, …}, several_in_words: the same with scenes in words. Both None
        where a prompt has one picture alone, or a question looks at the last picture (Flamingo).
    """
    if not subject.chats:
        return {"several": None, "several_in_words": None}
    asker = subject.opened.asker
    joint = JointAsker(subject.opened.model, asker.chat, asker.template, subject.data)
    found = several_scores(joint, count, seed)
    return {"several": found["which"], "several_in_words": found["in_words"]}


def shot_scores(subject: Subject, asked: Asked, episodes: int, seed: int) -> dict:
    """Measures learning from examples, for the recipe that trains on interleaved documents.

    Returns:
        shots: {"0": VQA, …}, of a quarter of the questions; symbols: {"2": share right, …}, by
        chance .50. None for others.
    """
    if not subject.gated:
        return {"shots": None, "symbols": None}
    # Eight shots are eight other questions.
    fewer = asked[::4] if len(asked) > 4 * max(SHOTS) else asked
    curve = shot_curve(subject.answerer, fewer, seed)
    bound = binding_curve(subject.answerer, episodes, seed)
    return {"shots": curve, "symbols": {count: row["right"] for count, row in bound.items()}}


@torch.no_grad()
def measured(
    name: str, opened: Opened, language: str, seed: int, sizes: Sizes = USUAL
) -> dict[str, object]:
    """Measures a trained contestant.

    Args:
        name: of its recipe.
        opened: as its `train` gave it.
        language: zoo name of its language model.
        seed: of held-out scenes and questions.
        sizes: how much is measured.

    Returns:
        All that the functions above return, retrieval (r@1 of BLIP-2's stage 1, else None),
        visual_tokens and per_type (questions behind each share).
    """
    opened.model.eval()
    subject = Subject(opened, held_out(opened, seed, sizes))
    rng = np.random.default_rng((seed, 5))
    asked = balanced_questions(subject.data.scenes, sizes.per_type, rng)
    scores = said_scores(subject, sizes.captions) | question_scores(subject, asked)
    scores |= text_kept(opened, language, sizes.text)
    scores |= picture_scores(subject, sizes.several, seed)
    scores |= shot_scores(subject, asked, sizes.episodes, seed)
    scores["retrieval"] = None
    if name == "blip2":
        first, place = open_run("blip2-stage1"), HELD_OUT + seed
        scores["retrieval"] = retrieval(first, place, "test", sizes.retrieved)["r_at_1"]
    scores |= {"visual_tokens": subject.visual_tokens(), "per_type": sizes.per_type}
    return _rounded(scores)


def _rounded(found: object) -> object:
    if isinstance(found, dict):
        return {key: _rounded(value) for key, value in found.items()}
    return round(found, 4) if isinstance(found, float) else found
