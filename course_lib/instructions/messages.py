"""What a language model is sent: an instruction, a few examples as a dialogue, then the image.

The order is that of LLaVA, arXiv 2304.08485, table 13: one system message for each type, examples
as alternating user and assistant messages, the new context as the last user message. The paper's
teacher had two examples of conversation, three of detail and three of reasoning; so has ours. All
words in `seeds.json` are our own.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from course_lib.instructions.parsing import written_as_questions
from course_lib.instructions.symbols import TYPES, WITH_BOXES, Box, Example, symbolic_prompt

# Marks around one message in a chat template take a few tokens that no text shows.
_TOKENS_A_MESSAGE = 16


@cache
def seeds() -> dict[str, dict]:
    """Returns for each type its `system` words and its `examples`."""
    found = json.loads((Path(__file__).parent / "seeds.json").read_text(encoding="utf-8"))
    return {type: found[type] for type in TYPES}


def seed_example(seed: dict) -> Example:
    """Returns the captions and boxes of one example."""
    boxes = tuple(Box(name, tuple(corners)) for name, corners in seed["boxes"])
    return Example("seed", "", tuple(seed["captions"]), boxes)


@cache
def _shown(type: str) -> tuple[dict[str, str], ...]:
    messages = [{"role": "system", "content": " ".join(seeds()[type]["system"])}]
    for seed in seeds()[type]["examples"]:
        given = symbolic_prompt(seed_example(seed), WITH_BOXES[type])
        said = seed["answer"] if type == "detail" else written_as_questions(seed["turns"])
        messages += [
            {"role": "user", "content": given},
            {"role": "assistant", "content": said},
        ]
    return tuple(messages)


def messages_for(example: Example, type: str) -> list[dict[str, str]]:
    """Returns the messages that ask for one answer."""
    last = {"role": "user", "content": symbolic_prompt(example, WITH_BOXES[type])}
    return [*_shown(type), last]


def most_tokens(messages: list[dict[str, str]]) -> int:
    """Returns a number of tokens that no tokenizer of bytes passes: a token is at least a byte."""
    return sum(len(m["content"].encode()) + _TOKENS_A_MESSAGE for m in messages)
