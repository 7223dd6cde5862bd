"""How well a model sees the toy world: captions and questions on held-out scenes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from transformers import PreTrainedTokenizerBase

from course_lib.data.prompts import blip2_prompt, generation_batch, typed_ids
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import question_in_words
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.vqa import vqa_scores
from course_lib.vlm import VLM
from course_lib.world.questions import Question, balanced_questions

BATCH = 64
Prompt = Callable[[str], list[int]]


class Answerer:
    """Asks a BLIP-2 about toy scenes.

    Args:
        model: in eval mode or not; generation switches it for itself.
        tokenizer: of its language model.
        data: the scenes and their features.
    """

    def __init__(self, model: VLM, tokenizer: PreTrainedTokenizerBase, data: ToyScenes) -> None:
        self.model, self.tokenizer, self.data = model, tokenizer, data
        self.queries = model.vpg.head.config.num_query_tokens
        self.short = model.language.is_encoder_decoder

    def question_prompt(self, question: str) -> str:
        """Returns the paper's wording: "Question: … Answer:", or "Short answer:" for T5."""
        return question_in_words(question, self.short)

    def write(self, prompts: list[list[int]], rows: list[int], images: bool = True) -> list[str]:
        """Returns what the model writes behind each prompt, about the scene of each row."""
        texts = []
        for start in range(0, len(rows), BATCH):
            batch = generation_batch(self.tokenizer, prompts[start : start + BATCH], self.short)
            if images:
                batch |= self.data.image_inputs(rows[start : start + BATCH])
            for ids in self.model.generate(batch, max_new_tokens=48):
                texts.append(self.tokenizer.decode(ids, skip_special_tokens=True))
        return texts

    def captions(self, rows: list[int]) -> list[str]:
        """Returns the canonical caption that the model writes of each scene, without a prompt."""
        prompt = blip2_prompt(self.tokenizer, "", self.queries)
        return self.write([prompt] * len(rows), rows)

    def answers(
        self,
        rows: list[int],
        questions: list[str],
        images: bool = True,
        context: list[str] | None = None,
    ) -> list[str]:
        """Returns the answers to questions.

        Args:
            rows: the scene of each question.
            questions: as a person would ask them.
            images: False asks the language model alone.
            context: what stands before each question, such as the model's own caption.
        """
        count = 1 if images else 0
        prompts = []
        for index, question in enumerate(questions):
            prompt = blip2_prompt(self.tokenizer, "", self.queries, count)
            words = typed_ids(self.tokenizer, self.question_prompt(question))
            before = typed_ids(self.tokenizer, context[index]) if context else []
            if self.short:
                prompts.append([*prompt[:-1], *before, *words, prompt[-1]])
            else:
                mark = [self.tokenizer.eos_token_id] if context else []
                prompts.append([*prompt, *before, *mark, *words])
        return self.write(prompts, rows, images)


def evaluate_toy(answerer: Answerer, per_type: int, num_captions: int, seed: int = 0) -> dict:
    """Measures captions and zero-shot questions.

    Args:
        answerer: model and held-out scenes.
        per_type: questions of each of the nine types.
        num_captions: scenes to caption, from the first on.
        seed: of the questions.

    Returns:
        captions: {things_right, exact, cider}; vqa: {all, by_type, blind, after_caption}, where
        `blind` has the scores of the language model without the image, and `after_caption` those
        of questions that follow the model's own caption.
    """
    data = answerer.data
    rng = np.random.default_rng((seed, 5))
    asked: list[tuple[int, Question]] = balanced_questions(data.scenes, per_type, rng)
    rows = [row for row, _ in asked]
    questions = [question for _, question in asked]
    texts = [question.text for question in questions]
    needed = sorted(set(rows) | set(range(num_captions)))
    written = dict(zip(needed, answerer.captions(needed), strict=True))
    own = [written[row] for row in rows]
    vqa = vqa_scores(answerer.answers(rows, texts), questions)
    vqa["blind"] = vqa_scores(answerer.answers(rows, texts, images=False), questions)
    vqa["after_caption"] = vqa_scores(answerer.answers(rows, texts, context=own), questions)
    scenes = data.scenes[:num_captions]
    return {
        "captions": caption_scores([written[row] for row in range(num_captions)], scenes),
        "vqa": vqa,
    }
