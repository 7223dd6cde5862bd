"""The teacher that ships: rules instead of a language model. Exact, offline, free.

It stands where LLaVA (arXiv 2304.08485, section 3) has text-only GPT-4, behind the same interface
as `endpoint`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course_lib.errors import unknown_name_error
from course_lib.instructions import coco_rules, toy_rules
from course_lib.instructions.symbols import TYPES, Example
from course_lib.instructions.teacher import Answer, Turn, Usage
from course_lib.instructions.toy_reading import read_scene

_NOTHING = {
    "conversation": "neither boxes nor captions give a second question",
    "detail": "one caption and no box give no more than the caption itself",
    "reasoning": "fewer than two categories can be counted",
}


class RuleTeacher:
    """Writes answers by rule: toy scenes are recognised by their captions, the rest is COCO's.

    Args:
        most_turns: of a conversation.
        categories: names whose absence boxes prove, as COCO's 80 do on its own images; () where a
            missing box proves nothing, and then nothing is ever said to be absent.
    """

    name = "rules"
    concurrency = 0

    def __init__(self, most_turns: int = 4, categories: tuple[str, ...] = ()) -> None:
        if most_turns < 2:
            raise ValueError(f"A conversation of {most_turns} turns is none: allow two or more.")
        self.most_turns = most_turns
        self.categories = categories

    def answer(
        self,
        example: Example,
        type: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None] | None = None,
    ) -> Answer:
        """Answers about one example; the same generator state gives the same answer.

        Raises:
            ValueError: for an unknown type.
        """
        if type not in TYPES:
            raise unknown_name_error("type of instruction", type, TYPES)
        scene = read_scene(example)
        if scene is None:
            turns = self._about_photograph(example, type, rng)
            reason = _NOTHING[type]
        else:
            turns = toy_rules.turns_about(scene, type, rng, self.most_turns)
            reason = "every fact that this scene needs is held out"
        return Answer(tuple(turns)) if turns else Answer(rejected=reason)

    def spent_before(self, file: str, usage: Usage) -> None:
        """Rules cost nothing."""

    def _about_photograph(
        self, example: Example, type: str, rng: np.random.Generator
    ) -> list[Turn]:
        if type == "conversation":
            return coco_rules.conversation(example, rng, self.most_turns, self.categories)
        return (coco_rules.detail if type == "detail" else coco_rules.reasoning)(example, rng)
