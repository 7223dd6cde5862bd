"""How well a chat-tuned run follows instructions about held-out scenes, type by type.

Conversation is the mean over six types of question about what is seen, reasoning the mean over
three that need a fact no picture states (`world.questions`), detail the share of things that a
description names wholly right. Reasoning by a fact that no instruction about an image held
(`instructions.facts.HELD_OUT`) is told apart: only the language model's own text can have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import Asker
from course_lib.evaluation.batched import write_behind
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.toy_answers import score_answer
from course_lib.instructions.facts import any_held_out
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS, KNOWN, SEEN, reasoning_turns
from course_lib.vlm import VLM
from course_lib.world.questions import Question, balanced_questions
from course_lib.world.scene import Scene

LONGEST = 96
Asked = Sequence[tuple[int, Question]]


class ChatAnswerer:
    """Asks a chat-tuned run about toy scenes.

    Args:
        model: in eval mode or not; generation switches it for itself.
        tokenizer: of its language model.
        data: the scenes and their features.
        asker: how a question becomes a prompt.
    """

    def __init__(
        self, model: VLM, tokenizer: PreTrainedTokenizerBase, data: ToyScenes, asker: Asker
    ) -> None:
        self.model, self.tokenizer, self.data, self.asker = model, tokenizer, data, asker

    def write(
        self, prompts: list[list[int]], rows: list[int], images: bool = True
    ) -> list[list[int]]:
        """Returns the ids that the model writes behind each prompt, its end token left out.

        Prompts of like length are answered together; the answers come in the order asked.
        """

        def shown(part: list[int]) -> dict:
            return self.data.image_inputs([rows[i] for i in part]) if images else {}

        return write_behind(self.model, self.tokenizer, prompts, shown, LONGEST)

    def answers(self, rows: list[int], questions: list[str], images: bool = True) -> list[str]:
        """Returns the answers to questions about scenes; images=False leaves the images out."""
        prompts = [self.asker.ids(question, int(images)) for question in questions]
        return [self._text(ids) for ids in self.write(prompts, rows, images)]

    def captions(self, rows: list[int], prompt: list[int]) -> list[str]:
        """Returns what the model writes behind one and the same prompt about each scene."""
        return [self._text(ids) for ids in self.write([prompt] * len(rows), rows)]

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def is_held_out(scene: Scene, question: Question) -> bool:
    """Tells whether a question needs a fact that no instruction held."""
    for turn in reasoning_turns(scene):
        if turn.question == question.text:
            return any_held_out(turn.facts)
    return False


def type_scores(answers: Sequence[str], asked: Asked, wanted: Callable) -> dict:
    """Scores answers by type of question.

    Args:
        answers: what the model said, in the order asked.
        asked: (row of a scene, question).
        wanted: position → whether that answer counts here.

    Returns:
        all: mean over types, each type counting the same; by_type: share right; nothing of both
        where no answer counts.
    """
    right: dict[str, list[bool]] = {}
    for index, ((_, question), answer) in enumerate(zip(asked, answers, strict=True)):
        if wanted(index):
            verdict = score_answer(question.answer, question.type, answer)
            right.setdefault(question.type, []).append(verdict)
    by_type = {type: sum(found) / len(found) for type, found in right.items()}
    return {"all": sum(by_type.values()) / len(by_type) if by_type else None, "by_type": by_type}


def split_scores(answers: Sequence[str], asked: Asked, scenes: Sequence[Scene]) -> dict:
    """Returns the scores of conversation, of reasoning, and of reasoning by held-out facts.

    Returns:
        {conversation, reasoning, held_out}, each as `type_scores` gives them.
    """
    untaught = [is_held_out(scenes[row], question) for row, question in asked]
    known = [question.type in KNOWN for _, question in asked]
    return {
        "conversation": type_scores(answers, asked, lambda i: asked[i][1].type in SEEN),
        "reasoning": type_scores(answers, asked, lambda i: known[i] and not untaught[i]),
        "held_out": type_scores(answers, asked, lambda i: known[i] and untaught[i]),
    }


def evaluate_instructions(
    answerer: ChatAnswerer, per_type: int, num_details: int, seed: int = 0
) -> dict:
    """Measures the three types of instruction on held-out scenes.

    Args:
        answerer: model, scenes and how they are asked.
        per_type: questions of each of the nine types.
        num_details: scenes to describe, from the first on.
        seed: of the questions.

    Returns:
        {conversation, reasoning, held_out} of `split_scores`; detail: {things_right,
        exact, cider} of the descriptions; blind: the first three again, without any image;
        words: {question type or "detail": mean words of an answer}.
    """
    data, rng = answerer.data, np.random.default_rng((seed, 5))
    asked = balanced_questions(data.scenes, per_type, rng)
    rows, texts = [row for row, _ in asked], [question.text for _, question in asked]
    answers = answerer.answers(rows, texts)
    found = split_scores(answers, asked, data.scenes)
    blind = answerer.answers(rows, texts, images=False)
    found["blind"] = split_scores(blind, asked, data.scenes)
    told = answerer.answers(list(range(num_details)), [DETAIL_QUESTIONS[0]] * num_details)
    found["detail"] = caption_scores(told, data.scenes[:num_details])
    by_kind: dict[str, list[int]] = {"detail": [len(text.split()) for text in told]}
    for (_, question), answer in zip(asked, answers, strict=True):
        by_kind.setdefault(question.type, []).append(len(answer.split()))
    found["words"] = {kind: sum(counts) / len(counts) for kind, counts in by_kind.items()}
    return found
