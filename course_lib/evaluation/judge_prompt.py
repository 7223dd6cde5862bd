"""What the judge of LLaVA-Bench reads: context, question, two answers, and the category's rule.

LLaVA, arXiv 2304.08485, section 5.1; official files `llava/eval/eval_gpt_review_visual.py` (prompt)
and `llava/eval/table/rule.json` (rules, which `read_rules` reads). The rules of `judge_rules.json`
are our own. Released reviews always have the reference first; here either answer can be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from course_lib.errors import unknown_name_error
from course_lib.evaluation.llava_bench import Bench, BenchAnswer, BenchQuestion, check_answered
from course_lib.instructions.symbols import Example, symbolic_prompt

REFERENCE_FIRST, CANDIDATE_FIRST = ORDERS = ("reference first", "candidate first")
SYSTEM = "You compare two answers to one question about an image and score each of them fairly."


@dataclass(frozen=True)
class Rule:
    """What a judge is asked to do for one category: an entry of the released `rule.json`."""

    role: str
    prompt: str


@dataclass(frozen=True)
class Comparison:
    """Two answers to one question, and what is known about its image."""

    question: BenchQuestion
    reference: BenchAnswer
    candidate: BenchAnswer
    context: Example
    rule: Rule

    @property
    def id(self) -> str:
        return str(self.question.question_id)

    def answers(self, order: str) -> tuple[BenchAnswer, BenchAnswer]:
        """Returns the two answers in the order in which the judge reads them."""
        if order not in ORDERS:
            raise unknown_name_error("order", order, ORDERS)
        both = self.reference, self.candidate
        return both if order == REFERENCE_FIRST else both[::-1]


def read_rules(path: Path) -> dict[str, Rule]:
    """Reads a file in the layout of `rule.json`: category → role and prompt.

    Raises:
        ValueError: when it is something else.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return {name: Rule(rule["role"], rule["prompt"]) for name, rule in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no rule file ({error!r:.80}): it maps each category to 'role' and 'prompt'."
        ) from error


@cache
def own_rules() -> Mapping[str, Rule]:
    """Returns the course's own rules."""
    return read_rules(Path(__file__).parent / "judge_rules.json")


def comparisons(
    bench: Bench,
    answers: Mapping[int | str, BenchAnswer] | Iterable[BenchAnswer],
    rules: Mapping[str, Rule] | None = None,
) -> list[Comparison]:
    """Puts a model's answers beside the reference's, by question id.

    Args:
        bench: questions, references, contexts.
        answers: one to each question.
        rules: for each category; None takes the course's own.

    Raises:
        ValueError: for a question without an answer, or a category without a rule.
    """
    rules = own_rules() if rules is None else rules
    given = answers.values() if isinstance(answers, Mapping) else answers
    by_id = {answer.question_id: answer for answer in given}
    check_answered(bench, by_id)
    for question in bench.questions:
        if question.category not in rules:
            raise unknown_name_error("category (no rule is for it)", question.category, rules)
    return [
        Comparison(
            question,
            bench.references[question.question_id],
            by_id[question.question_id],
            bench.contexts[question.image],
            rules[question.category],
        )
        for question in bench.questions
    ]


def judge_prompt(comparison: Comparison, order: str = REFERENCE_FIRST) -> str:
    """Writes what the judge reads: context, question, two answers, the category's rule.

    The marks are those that the released rules speak of; boxes have three decimals always.
    """
    role = comparison.rule.role
    parts = [
        f"[Context]\n{symbolic_prompt(comparison.context)}",
        f"[Question]\n{comparison.question.text}",
    ]
    for number, answer in enumerate(comparison.answers(order), start=1):
        parts += [f"[{role} {number}]\n{answer.text}", f"[End of {role} {number}]"]
    return "\n\n".join([*parts, f"[System]\n{comparison.rule.prompt}"]) + "\n\n"


def judge_messages(comparison: Comparison, order: str = REFERENCE_FIRST) -> list[dict[str, str]]:
    """Returns the messages that ask for one review."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": judge_prompt(comparison, order)},
    ]
