"""Quizzes: every file is sound, a faulty one is refused by name, and the widget is clicked."""

import ast
import html
import json
import re
import textwrap

import pytest
from IPython.core.formatters import DisplayFormatter

from course_lib.devtools.environment import NOTEBOOKS
from course_lib.teach.progress import attempts
from course_lib.teach.quiz import Quiz, quiz
from course_lib.teach.quizzes import load_quiz, quiz_names, quiz_objectives

NAMES = quiz_names()
# Chapters whose questions two notebooks share, or whose quiz is there before its notebook.
FILES_OF = {"05": ("05",), "09": ("09a", "09b"), "10": ("10",), "11": ("11",), "12": ("12",)}
LETTERS = "abcd"


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "kept" / "progress.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    return path


def right_of(question):
    return [option.right for option in question.options].index(True)


@pytest.mark.parametrize("name", NAMES)
class TestEveryQuiz:
    def test_it_is_long_enough_and_asks_for_every_objective_of_its_notebooks(self, name):
        questions, paths = load_quiz(name), sorted(NOTEBOOKS.glob(f"{name}*_*.ipynb"))
        assert 6 <= len(questions) <= 8 * (len(paths) or len(FILES_OF.get(name, "x")))
        listed, asked = set(), []
        for path in paths:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
            own = set(re.findall(rf"^\| ({name}\.\d+) \|", text, re.MULTILINE))
            code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
            (call,) = re.findall(r"^quiz\((.*?)\)$", code, re.MULTILINE | re.DOTALL)
            shown = quiz(*ast.literal_eval(f"({call},)"))
            assert own and {question.objective for question in shown.questions} == own, path.name
            listed, asked = listed | own, [*asked, *shown.numbers]
        assert paths or name in FILES_OF
        if paths:  # a quiz of two files may be there before them
            assert {question.objective for question in questions} == listed
            assert sorted(asked) == list(range(1, len(questions) + 1))

    def test_nothing_but_understanding_gives_the_answer_away(self, name):
        questions = load_quiz(name)
        places = [right_of(question) for question in questions]
        assert len(set(places)) >= 3 and max(map(places.count, places)) <= len(places) / 2
        longest = [
            max(question.options, key=lambda option: len(option.text)).right
            for question in questions
        ]
        assert sum(longest) < len(questions) / 2

    def test_every_reason_says_more_than_right_or_wrong(self, name):
        options = [option for question in load_quiz(name) for option in question.options]
        reasons = [option.reason for option in options]
        assert all(len(reason.split()) >= 8 for reason in reasons)
        assert len(set(reasons)) == len(reasons)
        texts = [question.question for question in load_quiz(name)]
        for text in [*texts, *reasons, *(option.text for option in options)]:
            assert text == text.strip() and "  " not in text and text[-1] in ".?"
            assert not set(text) & set("`$<\\") or "<image>" in text  # shown as it stands

    def test_each_right_answer_counts_and_each_wrong_one_does_not(self, name):
        shown = quiz(name)
        for number, question in enumerate(shown.questions):
            for letter in range(len(question.options)):
                answer(shown, number, letter)
                sign = "✓ right:" if letter == right_of(question) else "✗ not this one:"
                assert reason_of(shown, number) == f"{sign} {question.options[letter].reason}"
        assert (
            shown.score.value == f"<b>{len(shown.questions)} of {len(shown.questions)} right.</b>"
        )
        kept = [f"quiz {name}.{number + 1}" for number in range(len(shown.questions))]
        assert attempts() == dict.fromkeys(kept, True)

    def test_the_stored_form_holds_all_questions_and_no_answer(self, name):
        text = repr(quiz(name))
        flat = " ".join(text.split())
        for number, question in enumerate(load_quiz(name), start=1):
            assert f"{number}. {question.question}" in flat
            for letter, option in zip(LETTERS, question.options, strict=False):
                assert f" {letter}) {option.text}" in flat and option.reason not in flat
        assert "✓" not in text and "✗" not in text and "0x" not in text
        assert all(len(line) <= 100 for line in text.splitlines())
        assert text == repr(quiz(name))


def answer(shown, number, letter):
    """Chooses an option and clicks; the first question has number 0."""
    shown.choices[number].value = letter
    shown.buttons[number].click()


def reason_of(shown, number):
    return html.unescape(re.sub("<[^>]+>", "", shown.reasons[number].value))


def make(options=None, count=2):
    """Returns the content of a quiz file that is sound but for `options`."""
    good = [{"text": t, "right": t == "no", "reason": f"since {t}"} for t in ("yes", "no", "<b>")]
    questions = [
        {"objective": "03.1", "question": f"Is it {i}?", "options": good} for i in range(count)
    ]
    if options is not None:
        questions[-1] = questions[-1] | {"options": options}
    return {"questions": questions}


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "q03.json").write_text(text, encoding="utf-8")
    return folder


def test_a_choice_is_needed_and_a_new_one_takes_the_old_reason_away(folder):
    shown = Quiz("03", load_quiz("03", write(folder, make())))
    shown.buttons[0].click()
    assert shown.reasons[0].value == "Choose an option first." and attempts() == {}
    answer(shown, 0, 0)
    assert reason_of(shown, 0) == "✗ not this one: since yes" and attempts() == {"quiz 03.1": False}
    assert "0 of 2" in shown.score.value
    shown.choices[0].value = 1
    assert shown.reasons[0].value == ""
    shown.buttons[0].click()
    answer(shown, 1, 0)
    assert "1 of 2" in shown.score.value
    assert attempts() == {"quiz 03.1": True, "quiz 03.2": False}
    answer(shown, 0, 0)
    assert attempts()["quiz 03.1"] and "1 of 2" in shown.score.value


def test_two_notebooks_share_a_quiz_and_attempts_are_kept_by_its_numbers():
    objectives = [question.objective for question in load_quiz("03")]
    second = objectives[-1]
    places = [number for number, name in enumerate(objectives, start=1) if name == second]
    shown = quiz("03", (second,))
    assert list(shown.numbers) == places and {q.objective for q in shown.questions} == {second}
    answer(shown, 0, right_of(shown.questions[0]))
    assert attempts() == {f"quiz 03.{places[0]}": True}
    assert repr(shown).startswith("Quiz of notebook 03, ") and "\n1. " in repr(shown)
    whole = set(objectives) - {second}
    assert sorted([*quiz("03", tuple(whole)).numbers, *places]) == list(quiz("03").numbers)
    with pytest.raises(ValueError, match=r"Unknown objective of quiz 03 '03\.99': did you mean"):
        quiz("03", ("03.99",))


def test_words_are_shown_as_they_stand(folder):
    content = make(count=1)
    content["questions"][0]["question"] = "Is <b> & < text?"
    shown = Quiz("03", load_quiz("03", write(folder, content)))
    assert shown.choices[0].options[2] == ("<b>", 2)  # a radio button's label is text already
    assert "Is &lt;b&gt; &amp; &lt; text?" in shown.box.children[1].value
    answer(shown, 0, 2)
    assert "since &lt;b&gt;" in shown.reasons[0].value
    assert repr(shown) == textwrap.dedent("""\
        Quiz of notebook 03, 1 question. In JupyterLab: choose an option, then check; each has its reason.

        1. Is <b> & < text?
           a) yes
           b) no
           c) <b>""")  # noqa: E501


def test_a_place_that_cannot_be_written_is_said_and_stops_nothing(progress_file):
    progress_file.parent.mkdir()
    progress_file.mkdir()
    shown = quiz("03")
    answer(shown, 0, right_of(shown.questions[0]))
    assert "✓ right" in reason_of(shown, 0) and "progress was not kept" in reason_of(shown, 0)
    assert "1 of" in shown.score.value


def test_what_a_notebook_stores_is_the_same_everywhere():
    one, view = quiz("03"), "application/vnd.jupyter.widget-view+json"
    answer(one, 0, 0)
    data, metadata = DisplayFormatter().format(one)
    assert set(data) == {"text/plain", view} and metadata == {}
    assert data["text/plain"] == repr(one) == repr(quiz("03"))
    assert data[view]["model_id"] == one.box.model_id


def test_every_question_is_listed_for_the_progress():
    found = quiz_objectives()
    assert len(found) == sum(len(load_quiz(name)) for name in NAMES)
    assert found["quiz 03.1"] == load_quiz("03")[0].objective


GOOD = make()["questions"][0]["options"]
FAULTS = [
    (make([*GOOD[:2], GOOD[2] | {"right": True}]), "2 options are right, exactly one has to be"),
    (make([o | {"right": False} for o in GOOD]), "0 options are right"),
    (make(GOOD[:2]), "2 options, it needs 3 or 4"),
    (make([*GOOD, *GOOD]), "6 options"),
    (make([GOOD[0], GOOD[1], GOOD[2] | {"text": "yes"}]), "two options have the same text"),
    (make([GOOD[0], GOOD[1], GOOD[2] | {"reason": "since no"}]), "the same reason"),
    (make([GOOD[0], GOOD[1], GOOD[2] | {"reason": " "}]), "reason of option c has to be some text"),
    (make([GOOD[0], GOOD[1] | {"right": "yes"}, GOOD[2]]), "right of option b has to be true or"),
    (make([{"text": "yes", "right": True}, *GOOD[1:]]), "option a has the fields text, right; it"),
    (make(["yes", *GOOD[1:]]), "option a has to be an object with text, right, reason"),
    (make("yes"), "options of it has to be a list"),
]


@pytest.mark.parametrize(("content", "says"), FAULTS)
def test_a_fault_names_its_question(content, says, folder):
    with pytest.raises(ValueError) as raised:
        load_quiz("03", write(folder, content))
    assert str(raised.value).startswith("q03.json, question 2 ('Is it 1?'): ")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "q03.json is no JSON"),
        ("[]", "at least one question"),
        ({"questions": []}, "at least one question"),
        ({"questions": ["Is it?"]}, "q03.json, question 1: it has to be an object"),
        ({"questions": make()["questions"] * 2}, r"question 3 \('Is it 0\?'\): is asked twice"),
        (
            {"questions": [make()["questions"][0] | {"objective": "04.1"}]},
            "objective '04.1' should be one of this notebook, as 03.1",
        ),
        ({"questions": [make()["questions"][0] | {"question": ""}]}, "question 1: question of it"),
        ({"questions": [make()["questions"][0] | {"hint": "no"}]}, "has the fields objective, q"),
    ],
)
def test_a_faulty_file_gets_a_sentence(content, says, folder):
    with pytest.raises(ValueError, match=says):
        load_quiz("03", write(folder, content))


def test_bytes_that_are_no_text_and_unknown_notebooks_get_a_sentence(folder):
    (folder / "q03.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match="is no JSON"):
        load_quiz("03", folder)
    with pytest.raises(ValueError, match="Unknown quiz '3': did you mean '03'"):
        load_quiz("3", folder)
    with pytest.raises(ValueError, match="Unknown quiz 'Flamingo'"):
        quiz("Flamingo")
