"""The toy LLaVA-Bench: what it asks, its files in the released layout, exact scores."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from course_lib.evaluation.bench_exact import exact_score, exact_scores
from course_lib.evaluation.llava_bench import (
    CATEGORIES,
    SEED,
    Bench,
    BenchAnswer,
    BenchQuestion,
    ask,
    make_bench,
)
from course_lib.evaluation.llava_bench_files import (
    CONTEXTS,
    QUESTIONS,
    REFERENCES,
    read_answers,
    read_bench,
    read_bench_folder,
    write_answers,
    write_bench,
)
from course_lib.instructions.facts import any_held_out
from course_lib.instructions.symbols import Example, symbolic_prompt
from course_lib.instructions.toy_reading import read_scene
from course_lib.instructions.toy_rules import KNOWN, SEEN
from course_lib.world.draw import draw_scene
from course_lib.world.scene import sample_scenes

BENCH = make_bench()


def reference_texts(questions):
    return [BENCH.references[question.question_id].text for question in questions]


def kinds(bench, category):
    asked = [q.question_id for q in bench.questions if q.category == category]
    return Counter(bench.references[id].metadata["kind"] for id in asked)


def test_thirty_scenes_are_asked_in_three_ways_and_every_kind_comes_equally_often():
    assert [q.question_id for q in BENCH.questions] == list(range(90))
    assert Counter(q.category for q in BENCH.questions) == dict.fromkeys(CATEGORIES, 30)
    assert len({q.image for q in BENCH.questions}) == 30
    for i in range(0, 90, 3):
        assert len({q.image for q in BENCH.questions[i : i + 3]}) == 1
    assert kinds(BENCH, "conv") == dict.fromkeys(SEEN, 5)
    assert kinds(BENCH, "complex") == dict.fromkeys(KNOWN, 10)
    answers = [r.metadata["key"] for r in BENCH.references.values()]
    assert {answers.count("yes"), answers.count("no")} == {2, 3}


def test_the_bench_is_always_the_same_and_another_seed_gives_another():
    assert make_bench() == BENCH
    assert make_bench(6, seed=1) != make_bench(6, seed=2)
    assert len(make_bench(1).questions) == 3


def test_scenes_are_unseen_and_an_image_names_its_row():
    scenes = sample_scenes(max(q.row for q in BENCH.questions) + 1, SEED, "test")
    for question in BENCH.questions:
        assert BENCH.scenes[question.image] == scenes[question.row]
    scans = [thing.scan for scene in BENCH.scenes.values() for thing in scene.things]
    assert all(scan is None or scan >= 1347 for scan in scans)


def test_no_question_needs_a_fact_that_no_instruction_holds():
    assert not any(any_held_out(r.metadata["facts"]) for r in BENCH.references.values())


def test_the_references_are_wholly_right_and_each_category_is_scored_by_itself():
    whole = dict.fromkeys([*CATEGORIES, "all"], 1.0)
    assert exact_scores(BENCH, ask(BENCH, reference_texts)) == whole

    def only_conv(questions):
        pairs = zip(reference_texts(questions), questions, strict=True)
        return [text if question.category == "conv" else "" for text, question in pairs]

    scores = exact_scores(BENCH, ask(BENCH, only_conv))
    assert scores == {"conv": 1.0, "detail": 0.0, "complex": 0.0, "all": pytest.approx(1 / 3)}


def test_answers_that_slip_by_one_line_are_mostly_wrong():
    """What the released evaluation would judge without a word where one line is missing."""

    def slipped(questions):
        texts = reference_texts(questions)
        return [*texts[1:], texts[0]]

    assert exact_scores(BENCH, ask(BENCH, slipped))["all"] < 0.2


def test_answers_are_counted_and_joined_by_id():
    with pytest.raises(ValueError, match="89 answers to 90"):
        ask(BENCH, lambda questions: reference_texts(questions)[1:])
    with pytest.raises(ValueError, match="one text for each"):
        ask(BENCH, lambda questions: [None] * 90)
    answers = ask(BENCH, reference_texts, "m")
    assert answers[7] == BenchAnswer(7, BENCH.references[7].text, "m-7", "m")
    assert exact_scores(BENCH, answers[::-1])["all"] == 1
    with pytest.raises(ValueError, match="2 of 90 questions have no answer: 0, 1"):
        exact_scores(BENCH, answers[2:])
    with pytest.raises(ValueError, match="No question has the id 'x'"):
        exact_scores(BENCH, [*answers, BenchAnswer("x", "red")])


def test_a_photograph_has_no_exact_score():
    question = BenchQuestion(0, "a.jpg", "what is it?", "conv")
    photo = Example("a", "a.jpg", ("a dog.",))
    with pytest.raises(ValueError, match="only a judge"):
        exact_score(question, BenchAnswer(0, "a dog."), photo, "a dog.")
    toy = BENCH.contexts[BENCH.questions[0].image]
    with pytest.raises(ValueError, match="only a judge"):
        exact_score(BENCH.questions[0], BenchAnswer(0, "red"), toy, "red")


def test_bad_numbers_and_a_bench_with_holes_are_refused():
    with pytest.raises(ValueError, match="0 scenes"):
        make_bench(0)
    question = BenchQuestion(0, "a.jpg", "what is it?", "conv")
    answers, contexts = {0: BenchAnswer(0, "x")}, {"a.jpg": Example("a", "a.jpg", ("x",))}
    assert Bench((question,), answers, contexts).questions == (question,)
    with pytest.raises(ValueError, match="without a question"):
        Bench((), answers, contexts)
    with pytest.raises(ValueError, match="'0' stands 2 times"):
        Bench((question, question), answers, contexts)
    with pytest.raises(ValueError, match="reference answers nothing to 0"):
        Bench((question,), {}, contexts)
    with pytest.raises(ValueError, match=r"No captions and boxes are given of 'a\.jpg'"):
        Bench((question,), answers, {})


def test_the_files_have_the_released_layout_and_come_back_as_they_were(tmp_path):
    write_bench(BENCH, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / QUESTIONS).read_text().splitlines()]
    assert [*rows[0]] == ["question_id", "image", "text", "category"]
    context = json.loads((tmp_path / CONTEXTS).read_text().splitlines()[0])
    assert [*context] == ["id", "image", "captions", "instances"] and len(context["captions"]) == 5
    assert [*context["instances"][0]] == ["category", "bbox"]
    found = read_bench_folder(tmp_path)
    assert found.questions == BENCH.questions
    for image, known in BENCH.contexts.items():
        assert symbolic_prompt(found.contexts[image]) == symbolic_prompt(known)
    for id, answer in BENCH.references.items():
        assert found.references[id].text == answer.text
        assert found.references[id].metadata == answer.metadata
    for image, scene in BENCH.scenes.items():
        with Image.open(tmp_path / "images" / image) as picture:
            assert (np.asarray(picture) == draw_scene(scene)).all()
        assert read_scene(found.contexts[image]).things[0].kind == scene.things[0].kind
    write_answers(tmp_path / "a.jsonl", BENCH, ask(BENCH, reference_texts, "m"))
    row = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    keys = ["question_id", "prompt", "text", "answer_id", "model_id", "metadata"]
    assert [*row] == keys and row["prompt"] == BENCH.questions[0].text
    assert exact_scores(found, read_answers(tmp_path / "a.jsonl", found).values())["all"] == 1


# Lines as the released files have them; the words are our own.
RELEASED = {
    QUESTIONS: [
        {"question_id": 0, "image": "000000000042.jpg", "text": "What is it?", "category": "conv"},
        {"question_id": 1, "image": "000000000042.jpg", "text": "Tell all.", "category": "detail"},
        {"question_id": 2, "image": "000000000042.jpg", "text": "Why?", "category": "complex"},
    ],
    REFERENCES: [
        {"question_id": 2, "text": "It is tired.", "category": "complex"},
        {"question_id": 0, "text": "A dog.", "category": "conv"},
        {"question_id": 1, "text": "A dog sleeps.", "category": "detail"},
    ],
    CONTEXTS: [
        {
            "id": "000000000042",
            "image": "000000000042.jpg",
            "captions": ["A dog sleeps.", "A dog."],
            "instances": [{"category": "dog", "bbox": [0.1, 0.2, 0.93, 1.0]}],
        },
        {"id": "7", "image": "7.jpg", "captions": ["A road."], "instances": []},
    ],
}


@pytest.fixture
def released(tmp_path):
    """Writes the released layout, one line changed on demand; gives the three paths."""

    def write(file=None, line=0, change=None, text=None):
        for name, rows in RELEASED.items():
            lines = [json.dumps(row) for row in rows]
            if name == file:
                lines[line] = text if text is not None else json.dumps({**rows[line], **change})
            (tmp_path / name).write_text("\n".join(lines) + "\n")
        return [tmp_path / name for name in (QUESTIONS, REFERENCES, CONTEXTS)]

    return write


def test_real_files_are_read_by_the_same_code(released):
    bench = read_bench(*released())
    assert [q.category for q in bench.questions] == [*CATEGORIES]
    assert bench.references[2].text == "It is tired." and bench.references[2].answer_id is None
    box = bench.contexts["000000000042.jpg"].boxes[0]
    assert (box.category, box.corners) == ("dog", (0.1, 0.2, 0.93, 1.0))


@pytest.mark.parametrize(
    ("file", "line", "change", "match"),
    [
        (QUESTIONS, 1, {"category": "convs"}, "line 2: Unknown category 'convs': did you mean"),
        (QUESTIONS, 1, {"question_id": 0}, "line 2: 0 stands in line 1"),
        (QUESTIONS, 2, {"question_id": None}, "line 3: 'question_id' is None"),
        (QUESTIONS, 2, {"question_id": True}, "line 3: 'question_id' is True"),
        (QUESTIONS, 2, {"text": 5}, "line 3: 'text' is 5"),
        (QUESTIONS, 0, {"image": "8.jpg"}, r"No captions and boxes are given of '8\.jpg'"),
        (REFERENCES, 1, {"question_id": 9}, "reference answers nothing to 0"),
        (REFERENCES, 1, {"text": "\udcff"}, "line 2: 'text' holds bytes"),
        (CONTEXTS, 0, {"captions": "A dog."}, "line 1: 'captions' is 'A dog.'"),
        (CONTEXTS, 0, {"instances": [{"category": "dog"}]}, "line 1: the instance .* no bbox"),
        (CONTEXTS, 0, {"instances": [{"bbox": [0, 0, 1, 1]}]}, "line 1: 'category' is None"),
        (CONTEXTS, 0, {"instances": [{"bbox": [0, 0, 1, None]}]}, "line 1: the instance"),
    ],
)
def test_a_wrong_line_is_named(released, file, line, change, match):
    with pytest.raises(ValueError, match=match):
        read_bench(*released(file, line, change))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            '{"question_id": 1, "text": "A do',
            "line 2: No JSON .* one whole record",
        ),
        ("[1, 2]", "line 2: a list where an object should be"),
    ],
)
def test_a_truncated_line_is_named(released, text, match):
    for file in (QUESTIONS, REFERENCES, CONTEXTS):
        if len(RELEASED[file]) > 1:
            with pytest.raises(ValueError, match=match):
                read_bench(*released(file, 1, text=text))


def test_files_that_are_missing_or_empty_are_named(released, tmp_path):
    paths = released()
    with pytest.raises(ValueError, match=r"none\.jsonl is not there"):
        read_bench(tmp_path / "none.jsonl", *paths[1:])
    paths[0].write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        read_bench(*paths)


def test_answers_that_do_not_fit_are_named_with_their_file(released, tmp_path):
    bench, path = read_bench(*released()), tmp_path / "answers.jsonl"

    def read(*rows):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_answers(path, bench)

    rows = [{"question_id": i, "text": f"answer {i}"} for i in (2, 0, 1)]
    assert read(*rows)[1].text == "answer 1"
    with pytest.raises(ValueError, match=r"answers\.jsonl: 1 of 3 questions have no answer: 0"):
        read(rows[0], rows[2])
    with pytest.raises(ValueError, match=r"answers\.jsonl: No question has the id 3"):
        read(*rows, {"question_id": 3, "text": ""})
    with pytest.raises(ValueError, match="line 4: 2 stands in line 1, too"):
        read(*rows, rows[0])
    with pytest.raises(ValueError, match="line 1: 'text' is None"):
        read({"question_id": 0}, *rows[1:])
