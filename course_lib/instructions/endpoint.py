"""The teacher that is a language model behind any OpenAI-compatible chat endpoint.

LLaVA, arXiv 2304.08485, section 3, used text-only GPT-4 in this way (the official repository keeps
its prompts and no client). `chat_endpoint` sends and pays, here a reply becomes turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from course_lib.errors import unknown_name_error
from course_lib.instructions import coco_rules, toy_rules
from course_lib.instructions.chat_endpoint import ChatEndpoint, EndpointRefuses, Patience, Reply
from course_lib.instructions.messages import messages_for
from course_lib.instructions.parsing import said_in, turns_of
from course_lib.instructions.symbols import TYPES, Example
from course_lib.instructions.teacher import Answer, Turn, Usage
from course_lib.instructions.toy_reading import read_scene
from course_lib.instructions.validate import alternation_fault

__all__ = ["EndpointRefuses", "EndpointTeacher", "Patience"]


class EndpointTeacher(ChatEndpoint):
    """Asks a language model for each answer; one that is cut off at max_tokens is rejected."""

    def answer(
        self,
        example: Example,
        type: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None] = lambda most: None,
    ) -> Answer:
        """Asks for one answer, again where that may help.

        Raises:
            Unanswered: after the last attempt.
            BudgetSpent: when asking could pass the budget.
            EndpointRefuses: when no request would be answered.
            ValueError: for an unknown type.
        """
        if type not in TYPES:
            raise unknown_name_error("type of instruction", type, TYPES)
        pick = rng.random()
        reply = self.reply(messages_for(example, type), rng, asking)
        return replace(self._read(reply, example, type, pick), usage=reply.usage)

    @staticmethod
    def _read(reply: Reply, example: Example, type: str, pick: float) -> Answer:
        """Turns a reply into turns, or says why it cannot be."""
        if reply.rejected:
            return Answer(rejected=reply.rejected)
        text = reply.text or ""
        if not text.strip():
            return Answer(rejected="the endpoint's answer is empty")
        if reply.cut_off:
            return Answer(rejected="the answer was cut off at max_tokens", raw=text)
        if type == "detail":
            toy = read_scene(example) is not None
            questions = (toy_rules if toy else coco_rules).DETAIL_QUESTIONS
            question = questions[int(pick * len(questions))]
            return Answer((Turn(question, text.strip(), kind="detail"),), raw=text)
        said = said_in(text)
        fault = alternation_fault(said) if said else "holds no 'Question:' and 'Answer:'"
        return Answer(rejected=fault, raw=text) if fault else Answer(turns_of(said), raw=text)
