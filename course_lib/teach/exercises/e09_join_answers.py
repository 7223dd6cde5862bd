"""Questions and a model's answers, joined by the one field that can be trusted."""

from copy import deepcopy
from operator import itemgetter
from typing import Any

from course_lib.teach.task import Case, Exercise, Mistake, call

Rows = list[dict]
_id = itemgetter("question_id")


def join_answers(questions: list[dict], answers: list[dict]) -> tuple[list[dict], list[int]]:
    """Returns the questions' rows, each with its answer, and the ids of those without one."""
    said: dict[int, str] = {}
    for row in answers:
        said.setdefault(row["question_id"], row["answer"])
    asked = [row["question_id"] for row in questions]
    strangers = sorted(said.keys() - set(asked))
    if strangers:
        raise ValueError(f"no question has the ids {strangers}")
    joined = [
        {**row, "answer": said[row["question_id"]]}
        for row in questions
        if row["question_id"] in said
    ]
    return joined, [id for id in asked if id not in said]


def reference(questions: Rows, answers: Rows) -> tuple[Rows, list[int]]:
    """Looks through all answers for each question."""
    if not {row["question_id"] for row in answers} <= {row["question_id"] for row in questions}:
        raise ValueError("an answer to another question")
    joined, missing = [], []
    for question in questions:
        id = question["question_id"]
        texts = [row["answer"] for row in answers if row["question_id"] == id]
        if texts:
            joined.append(question | {"answer": texts[0]})
        else:
            missing.append(id)
    return joined, missing


def _strangers(questions, answers):
    return {*map(_id, answers)} - {*map(_id, questions)}


def _run(answer: Any, case: Case) -> Any:
    """Where an answer belongs to no question, the output is what was raised."""
    if not _strangers(*case.args):
        return call(answer, case)
    try:
        made = call(answer, case)
    except ValueError:
        return "raises ValueError"
    return made if made is ... else "raises nothing"


def _joined_on(key):
    """Joins on any key of a row; the first answer of a key counts, strangers are lost."""

    def answer(questions, answers):
        said = {key(row): row["answer"] for row in answers[::-1]}
        joined = [{**row, "answer": said[key(row)]} for row in questions if key(row) in said]
        return joined, [row["question_id"] for row in questions if key(row) not in said]

    return answer


def _by_order(questions, answers):
    pairs = zip(questions, answers, strict=False)
    joined = [{**question, "answer": row["answer"]} for question, row in pairs]
    return joined, [row["question_id"] for row in questions[len(answers) :]]


def _answers_fields(questions, answers):
    joined, missing = join_answers(questions, answers)
    firsts = {row["question_id"]: row for row in answers[::-1]}
    return [{**row, **firsts[row["question_id"]]} for row in joined], missing


def _empty_answer(questions, answers):
    joined, missing = join_answers(questions, answers)
    return [*joined, *({**row, "answer": ""} for row in questions if _id(row) in missing)], missing


def _fails_at_a_gap(questions, answers):
    said = {_id(row): row["answer"] for row in answers[::-1]}
    return [{**row, "answer": said[_id(row)]} for row in questions], []


def _strangers_raise(kind):
    def answer(questions, answers):
        if _strangers(questions, answers):
            raise kind
        return join_answers(questions, answers)

    return answer


def _empty_is_none(questions, answers):
    joined = [row for row in join_answers(questions, answers)[0] if row["answer"]]
    return joined, [id for id in map(_id, questions) if id not in map(_id, joined)]


def _in_place(questions, answers):
    joined, missing = join_answers(questions, answers)
    for row in questions:
        row |= next((made for made in joined if _id(made) == _id(row)), {})
    return [row for row in questions if "answer" in row], missing


def _cases() -> list[Case]:
    def asked(id: int, image: str, question: str, ability: str) -> dict:
        return {"question_id": id, "image": image, "question": question, "ability": ability}

    def said(id: int, image: str, question: str, answer: str) -> dict:
        return {"question_id": id, "image": image, "question": question, "answer": answer}

    colour, odd = "What colour is the star?", "Is the number odd?"
    questions = [asked(1, "1.jpg", colour, "a,b"), asked(2, "2.jpg", odd, "a,c,e")]
    more = [*questions, asked(3, "2.jpg", "Why?", "a,e,f"), asked(4, "4.jpg", colour, "a,b")]
    clean = [said(1, "1.jpg", colour, "Red."), said(2, "2.jpg", odd, "Yes, 7 is odd.")]
    dirty = [said(1, "1.png", f"{colour} ", "Red."), said(2, "2.png", "Is thenumber odd?", "Yes.")]
    why, blue = said(3, "2.jpg", "Why?", "It is 7."), said(4, "4.jpg", colour, "Blue.")
    twice = [clean[1], said(2, "2.jpg", odd, "No."), why, clean[0], blue]
    cases = [
        ("2 clean answers", questions, clean),
        ("other endings, other wording", questions, dirty),
        ("4 answers in another order", more, [blue, why, *clean]),
        ("question 3 has no answer", more, [*clean, blue]),
        ("question 2 is answered twice", more, twice),
        ("an empty answer, then another", questions, [said(1, "1.jpg", colour, ""), *clean]),
        ("questions 4, 3, 1 in this order", [more[3], more[2], more[0]], [why, clean[0]]),
        ("an answer to question 9", questions, [*clean, said(9, "9.jpg", "How?", "So.")]),
    ]
    return [Case(says, deepcopy(tuple(args))) for says, *args in cases]


EXERCISE = Exercise(
    objective="09.7",
    title="join by id",
    difficulty=2,
    minutes=10,
    contract=(
        "`questions` are rows with `question_id`, `image`, `question` and `ability`; no id stands "
        "twice. `answers` are rows of one model with `question_id`, `image`, `question` and "
        "`answer`, in any order. Their `image` may have another ending and their `question` "
        "another wording: of an answer's row only `question_id` and `answer` can be trusted.",
        "Gives two lists. The first has a new row for each question that was answered, in the "
        "order of the questions: all its fields as `questions` has them, and `answer`. The second "
        "has the ids of the questions without an answer, in the same order.",
        "Where an id is answered twice the first answer counts. An empty answer is an answer.",
        "Raises a `ValueError` when an answer has an id that no question has: the file belongs to "
        "other questions. The rows that came in do not change.",
    ),
    hints=(
        "Each model has a file of answers, and in each some questions are worded otherwise. Which "
        "field is safe? Make a table from it to what was said, and ask the table.",
        "Go through the answers and note the text by id, unless that id has one already. If an id "
        "is nobody's, raise. Then go through the questions: those in the table get a new row with "
        "the text, the ids of the others go into the second list.",
        "`said.setdefault(id, text)` keeps what is there already. `said.keys() - set(asked)` are "
        'the strangers. `{**row, "answer": text}` is a new row with one field more.',
    ),
    solution=join_answers,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _joined_on(itemgetter("question")),
            "the id joins",
            "rows were joined by the question's text: one space more, and the answer is lost",
        ),
        Mistake(
            _joined_on(lambda row: " ".join(row["question"].split())),
            "the id joins",
            "rows were joined by the text without spaces too many; the words may differ, too",
        ),
        Mistake(
            _by_order,
            "the id joins",
            "the first answer went to the first question, whatever id it has",
        ),
        Mistake(
            lambda asked, said: join_answers(asked, said[::-1]),
            "the first answer counts",
            "the later of two answers was taken, as a dictionary that is simply filled does",
        ),
        Mistake(
            _answers_fields,
            "the question's own fields",
            "the answer's row was laid over the question's, and its image and wording came along",
        ),
        Mistake(
            _empty_answer,
            "no answer, no row",
            "a question without an answer got an empty one, which somebody will rate D",
        ),
        Mistake(
            _fails_at_a_gap,
            "a question may have no answer",
            "a question without an answer raises a KeyError",
        ),
        Mistake(
            lambda asked, said: (join_answers(asked, said)[0], []),
            "gaps are listed",
            "the questions without an answer are nowhere listed, so nobody notices the gap",
        ),
        Mistake(
            _strangers_raise(KeyError),
            "a stranger raises a ValueError",
            "a KeyError names an id that a table does not have, and not what is wrong",
        ),
        Mistake(
            _strangers_raise(AssertionError),
            "a stranger raises a ValueError",
            "`assert` raises an AssertionError, and with `python -O` nothing at all",
        ),
        Mistake(
            _joined_on(_id),
            "a stranger raises",
            "an answer to none of these questions was left out without a word",
        ),
        Mistake(
            _empty_is_none,
            "an empty answer is an answer",
            "an empty answer was taken for none: empty text counts as False, so ask `in`",
        ),
        Mistake(
            lambda asked, said: join_answers(
                asked, sorted(said, key=lambda row: not row["answer"])
            ),
            "an empty answer is an answer",
            "an empty answer gave way to a later one: empty text counts as False, so ask `in`",
        ),
        Mistake(
            lambda asked, said: join_answers(sorted(asked, key=_id), said),
            "the order of the questions",
            "rows were sorted by their ids; the questions have an order of their own",
        ),
        Mistake(
            _in_place,
            "the rows stay as they were",
            "the answer was written into the question's own row; the next model finds it there",
        ),
    ),
)
