"""From a teacher's text to turns: "Question:" and "Answer:" stand at the start of their lines.

LLaVA's teacher separates them by lines of "===" (`playground/data/prompts` of its repository); we
ask for none and read over them, so that both ways of writing are understood.
"""

from __future__ import annotations

import re

from course_lib.instructions.teacher import Turn

_LABEL = re.compile(r"^[ \t>*#]*(question|answer)[ \t*]*:[ \t*]*", re.IGNORECASE | re.MULTILINE)
_RULE = re.compile(r"^\s*(={3,}|-{3,})\s*$", re.MULTILINE)


def said_in(text: str) -> list[tuple[str, str]]:
    """Splits a text at its labels.

    Returns:
        ("human", question) and ("gpt", answer) in the order of the text, whatever that order is.
    """
    parts = _LABEL.split(_RULE.sub("", text))
    labels, bodies = parts[1::2], parts[2::2]
    return [
        ("human" if label.lower() == "question" else "gpt", body.strip())
        for label, body in zip(labels, bodies, strict=True)
    ]


def turns_of(said: list[tuple[str, str]]) -> tuple[Turn, ...]:
    """Pairs questions with answers; the list alternates (`validate.alternation_fault`)."""
    return tuple(
        Turn(question, answer)
        for (_, question), (_, answer) in zip(said[::2], said[1::2], strict=True)
    )


def written_as_questions(turns: list[dict]) -> str:
    """Writes turns as a teacher should: the form of the examples it is shown."""
    return "\n".join(f"Question: {turn['question']}\nAnswer: {turn['answer']}" for turn in turns)
