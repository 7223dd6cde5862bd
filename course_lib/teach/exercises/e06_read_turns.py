"""A teacher's text, read into questions and answers; what does not alternate is refused."""

import re
from typing import Any

from course_lib.instructions.parsing import said_in
from course_lib.instructions.validate import alternation_fault
from course_lib.teach.task import Case, Exercise, Mistake, call


def read_turns(text: str) -> list[tuple[str, str]]:
    """Returns (question, answer) pairs; raises where they do not alternate."""
    said = []
    for line in text.splitlines():
        label, colon, rest = line.partition(":")
        if colon and label in ("Question", "Answer"):
            said.append([label, rest])
        elif said and line.strip("= "):
            said[-1][1] += f"\n{line}"
    labels = [label for label, _ in said]
    if not said or labels != ["Question", "Answer"] * (len(said) // 2):
        raise ValueError(f"the labels are {labels}: they should be Question, Answer by turns")
    bodies = [body.strip() for _, body in said]
    return list(zip(bodies[::2], bodies[1::2], strict=True))


def reference(text: str) -> list[tuple[str, str]]:
    """The library's reader, and its check of who speaks when."""
    said = said_in(text)
    fault = alternation_fault(said)
    if fault:
        raise ValueError(fault)
    bodies = ["\n".join(filter(str.strip, body.splitlines())) for _, body in said]
    return list(zip(bodies[::2], bodies[1::2], strict=True))


def _run(answer: Any, case: Case) -> Any:
    """Tells what was raised, where something should be."""
    if not alternation_fault(said_in(*case.args)):
        return call(answer, case)
    try:
        made = call(answer, case)
    except ValueError:
        return "raises ValueError"
    return made if made is ... else f"raises nothing and gives {made!r}"


def _unchecked(text):
    pieces = re.split(r"^(?:Question|Answer):", text, flags=re.MULTILINE)[1:]
    bodies = [re.sub(r"^[= ]*\n?", "", piece, flags=re.MULTILINE).strip() for piece in pieces]
    return list(zip(bodies[::2], bodies[1::2], strict=False))


def _count_checked(text):
    pairs = _unchecked(text)
    labels = re.findall(r"^(?:Question|Answer):", text, flags=re.MULTILINE)
    if not labels or len(labels) % 2:
        raise ValueError("a question without an answer")
    return pairs


def _asserts(text):
    labels = re.findall(r"^(Question|Answer):", text, flags=re.MULTILINE)
    assert labels, "nothing was said"
    assert labels == ["Question", "Answer"] * (len(labels) // 2)
    return _unchecked(text)


def _anywhere(text):
    pieces = re.split(r"(Question|Answer):", text)
    labels, bodies = pieces[1::2], [piece.strip("= \n") for piece in pieces[2::2]]
    if not labels or labels != ["Question", "Answer"] * (len(labels) // 2):
        raise ValueError("they do not alternate")
    return list(zip(bodies[::2], bodies[1::2], strict=True))


def _first_line(text):
    return [(q.splitlines()[0], a.splitlines()[0]) for q, a in read_turns(text)]


def _marks_kept(text):
    pairs = read_turns(text)  # raises where it should
    pieces = re.split(r"^(?:Question|Answer):", text, flags=re.MULTILINE)[1:]
    bodies = [piece.strip() for piece in pieces]
    return list(zip(bodies[::2], bodies[1::2], strict=True)) if pairs else []


def _not_stripped(text):
    return [(f" {question}", f" {answer}") for question, answer in read_turns(text)]


def _flat(text):
    return [part for pair in read_turns(text) for part in pair]


def _empty_list(text):
    try:
        return read_turns(text)
    except ValueError:
        return []


def _cases() -> list[Case]:
    def lines(*parts: str) -> tuple[str]:
        return ("\n".join(parts),)

    one = ("Question: what is there?", "Answer: a red star.")
    two = (*one, "Question: is it large?", "Answer: no, it is small.")
    ruled = (one[0], "===", one[1], "===", two[2], "===", two[3], "===")
    return [
        Case("one turn", lines(*one)),
        Case("two turns", lines(*two)),
        Case("two turns with rules of === between", lines(*ruled)),
        Case("an answer of two lines", lines(one[0], "Answer: a red star.", "it is small.")),
        Case("'Answer:' in a question", lines("Question: what does 'Answer: 7' mean?", one[1])),
        Case("an answer without a question first", lines(one[1], *two[2:])),
        Case("two questions, then two answers", lines(one[0], two[2], one[1], two[3])),
        Case("a question at the end", lines(*two[:3])),
        Case("no label at all", lines("i would rather not.")),
    ]


EXERCISE = Exercise(
    objective="06.4",
    title="from a teacher's text to turns",
    difficulty=2,
    minutes=10,
    contract=(
        "A line that begins with `Question:` or `Answer:` begins a question or an answer. The "
        "lines behind it, up to the next label, go on with it and stay lines. What stands in front "
        "of the first label is left out.",
        "Empty lines and lines of `=` are left out. Spaces at the ends of a question or an answer "
        "are, too.",
        "Gives (question, answer) pairs in order, without labels.",
        "Raises a `ValueError` unless question and answer alternate, from a question to an answer, "
        "at least one of each.",
    ),
    hints=(
        "A label counts at the beginning of a line and nowhere else. So read line by line, and let "
        "each line either begin something or go on with what was begun.",
        "Keep a list of [label, words]. A labelled line adds an entry, any other line goes to the "
        "last entry, if there is one and the line says something. Then look at the labels alone, "
        "raise if they are wrong, and pair the words.",
        '`line.partition(":")` gives what stands before the first colon, the colon, and the rest; '
        '`line.strip("= ")` is empty for a line of `=` or spaces. Right labels are '
        '`["Question", "Answer"] * (len(labels) // 2)`. `said[::2]` is every second entry.',
    ),
    solution=read_turns,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _unchecked,
            "what does not alternate raises",
            "nothing looks at the labels: questions would get the answers of others, or none",
        ),
        Mistake(
            _count_checked,
            "who speaks first matters",
            "only the number of labels was looked at, and not their order",
        ),
        Mistake(
            _asserts,
            "it raises a ValueError",
            "an assert raises an AssertionError, and Python drops asserts when it runs with -O",
        ),
        Mistake(
            _anywhere,
            "a label stands at the start of a line",
            "the text was split wherever the word and its colon stand, also inside a sentence",
        ),
        Mistake(
            _first_line,
            "an answer may have several lines",
            "only the first line of each question and answer was kept",
        ),
        Mistake(
            _marks_kept,
            "lines of = are left out",
            "the rules between the turns became part of what was said",
        ),
        Mistake(_not_stripped, "no spaces at the ends", "the space behind the colon was kept"),
        Mistake(_flat, "pairs", "questions and answers follow one another instead of being paired"),
        Mistake(
            _empty_list,
            "what does not alternate raises",
            "an empty list says nothing of what was wrong, and the answer was paid for",
        ),
    ),
)
