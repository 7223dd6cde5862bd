"""Questions and a model's answers, joined by the one field that can be trusted."""

import copy
from typing import Any

from course_lib.teach.task import Case, Exercise, Mistake, call

Rows = list[dict]
Joined = tuple[list[dict], list[int]]


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


def reference(questions: Rows, answers: Rows) -> Joined:
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


def _run(answer: Any, case: Case) -> Any:
    """Tells what is raised for an answer to no question, and whether rows got a field more."""
    questions, answers = case.args
    before = copy.deepcopy(questions)
    fits = {row["question_id"] for row in answers} <= {row["question_id"] for row in questions}
    try:
        made = call(answer, case)
    except ValueError:
        if fits:
            raise
        return "raises ValueError"
    if made is ... or not fits:
        return made if made is ... else "raises nothing"
    return {"result": made, "the questions' own rows are changed": questions != before}


def _known(questions, answers):
    """Returns the answers, once it is clear that all belong to these questions."""
    if {row["question_id"] for row in answers} - {row["question_id"] for row in questions}:
        raise ValueError("others")
    return answers


def _joined(questions, answers, key):
    """Joins on any key of a row; the first answer of a key counts."""
    said = {}
    for row in _known(questions, answers):
        said.setdefault(key(row), row["answer"])
    joined = [{**row, "answer": said[key(row)]} for row in questions if key(row) in said]
    return joined, [row["question_id"] for row in questions if key(row) not in said]


def _by_text(questions, answers):
    return _joined(questions, answers, lambda row: row["question"])


def _by_image(questions, answers):
    return _joined(questions, answers, lambda row: row["image"][:-4])


def _by_order(questions, answers):
    pairs = zip(questions, _known(questions, answers), strict=False)
    joined = [{**question, "answer": row["answer"]} for question, row in pairs]
    return joined, [row["question_id"] for row in questions[len(answers) :]]


def _last_answer(questions, answers):
    return join_answers(questions, answers[::-1])


def _both_answers(questions, answers):
    _, missing = join_answers(questions, answers)
    key = "question_id"
    pairs = [(q, row) for q in questions for row in answers if row[key] == q[key]]
    return [{**question, "answer": row["answer"]} for question, row in pairs], missing


def _answers_fields(questions, answers):
    joined, missing = join_answers(questions, answers)
    firsts = {row["question_id"]: row for row in answers[::-1]}
    return [{**row, **firsts[row["question_id"]]} for row in joined], missing


def _empty_answer(questions, answers):
    joined, missing = join_answers(questions, answers)
    said = {row["question_id"]: row["answer"] for row in joined}
    return [{**row, "answer": said.get(row["question_id"], "")} for row in questions], missing


def _fails_at_a_gap(questions, answers):
    said = {row["question_id"]: row["answer"] for row in _known(questions, answers)[::-1]}
    return [{**row, "answer": said[row["question_id"]]} for row in questions], []


def _gap_unsaid(questions, answers):
    return join_answers(questions, answers)[0], []


def _strangers_left_out(questions, answers):
    ids = {row["question_id"] for row in questions}
    return join_answers(questions, [row for row in answers if row["question_id"] in ids])


def _in_place(questions, answers):
    joined, missing = join_answers(questions, answers)
    for row in questions:
        row.update(next((j for j in joined if j["question_id"] == row["question_id"]), {}))
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
    return [
        Case("2 clean answers", (questions, clean)),
        Case("other endings, other wording", (questions, dirty)),
        Case("4 answers in another order", (more, [blue, why, *clean])),
        Case("question 3 has no answer", (more, [*clean, blue])),
        Case("question 2 is answered twice", (more, twice)),
        Case("an answer to question 9", (questions, [*clean, said(9, "9.jpg", "How?", "So.")])),
    ]


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
        "order of the questions: its four fields as `questions` has them, and `answer`. The second "
        "has the ids of the questions without an answer, in the same order.",
        "Where an id is answered twice the first answer counts.",
        "Raises a `ValueError` when an answer has an id that no question has: the file belongs to "
        "other questions. The rows that came in do not change.",
    ),
    hints=(
        "Six files, and in each of them some questions are worded otherwise. Which field means "
        "the same in all of them? Make a table from it to what was said, and ask the table.",
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
            _by_text,
            "the id joins",
            "rows were joined by the question's text: a space more and the answer is lost, and two "
            "questions of one wording share an answer",
        ),
        Mistake(
            _by_image,
            "the id joins",
            "rows were joined by the image: a dialogue has several questions about one",
        ),
        Mistake(
            _by_order,
            "the id joins",
            "the first answer went to the first question, whatever id it has",
        ),
        Mistake(
            _last_answer,
            "the first answer counts",
            "of two answers to one question the later one was taken; a dictionary that is simply "
            "filled does that",
        ),
        Mistake(
            _both_answers,
            "one row a question",
            "a question that was answered twice has two rows, and counts twice from here on",
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
            _gap_unsaid,
            "gaps are listed",
            "the questions without an answer are nowhere listed, so nobody notices that they are "
            "fewer",
        ),
        Mistake(
            _strangers_left_out,
            "a stranger raises",
            "an answer to none of these questions was left out without a word",
        ),
        Mistake(
            _in_place,
            "the rows stay as they were",
            "the answer was written into the question's own row, and the next model finds it there",
        ),
    ),
)
