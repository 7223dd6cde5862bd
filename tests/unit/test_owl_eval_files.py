"""OwlEval's files: the dirt of the released ones, in our own words, and the toy folder."""

import json

import pytest
from PIL import Image

from course_lib.evaluation.owl_eval import OwlAnswer, exact_scores
from course_lib.evaluation.owl_eval_files import read_answers, read_questions
from course_lib.evaluation.owl_eval_folder import (
    ANSWERS,
    IMAGES,
    KEYS,
    QUESTIONS,
    SCENES,
    find_pictures,
    read_owl_folder,
    write_answers,
    write_owl_eval,
)
from course_lib.evaluation.owl_eval_toy import make_owl_eval
from tests.script_runner import run_script

SCRIPT = "data_scripts/make_owl_eval.py"
ASKED = [
    {
        "image": "1.jpg",
        "question_id": 1,
        "question": "What is odd here?",
        "ability": "a,b,e",
        "category": ["single_turn"],
    },
    {
        "image": "2.jpg",
        "question_id": 2,
        "question": "What does the sign say?",
        "ability": "a,c",
        "category": ["single_turn", "multi_turn"],
    },
    {
        "image": "2.jpg",
        "question_id": 3,
        "question": "And in which (real) language is it?",
        "ability": "a,c,d,f",
        "category": ["multi_turn"],
    },
]
SAID = [
    {"image": "1.png", "question": "What is odd here? ", "answer": "A cat drives."},
    {"image": "2.png", "question": "Whatdoes the sign say?", "answer": " Stop. \n"},
    {"image": "2.png", "question": "And in which al) language is it？", "answer": "模型放弃回答"},
]
SAID = [{**row, "question_id": i, "model_id": "m-13b"} for i, row in enumerate(SAID, start=1)]


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    """A clone in small: three questions, two models, two images, one of them a PNG called .jpg."""
    root = tmp_path / "OwlEval"
    write_lines(root / QUESTIONS, ASKED)
    write_lines(root / ANSWERS / "m_13b_answer.jsonl", SAID)
    clean = [{**a, "image": q["image"], "question": q["question"]} for a, q in zip(SAID, ASKED)]  # noqa: B905
    write_lines(root / ANSWERS / "other_7b_answer.jsonl", clean)
    (root / IMAGES).mkdir()
    Image.new("RGB", (40, 30), "red").save(root / IMAGES / "1.jpg", format="JPEG")
    Image.new("RGB", (40, 30), "blue").save(root / IMAGES / "2.jpg", format="PNG")
    return root


@pytest.fixture
def owl(folder):
    return read_questions(folder / QUESTIONS)[0]


@pytest.fixture
def script(monkeypatch, capsys):
    return lambda *words: run_script(SCRIPT, words, monkeypatch, capsys)


def test_questions_have_their_abilities_and_categories(owl):
    third = owl.question(3)
    assert (third.image, third.abilities) == ("2.jpg", ("a", "c", "d", "f"))
    assert third.text == "And in which (real) language is it?"
    assert owl.groups()["multi_turn"] == (2, 3) and owl.groups()["c"] == (2, 3)
    assert [q.question_id for q in owl.before(3)] == [2]


def test_dirt_is_counted_and_joined_by_the_id_alone(folder, owl):
    path = folder / ANSWERS / "m_13b_answer.jsonl"
    write_lines(path, SAID[::-1])  # nothing hangs on the order of lines
    found = read_answers(path, owl, strict=True)
    assert found.name == "m_13b" and list(found.answers) == [1, 2, 3]
    assert found.answers[1] == OwlAnswer(1, "A cat drives.", "m-13b")
    assert found.other_endings == (1, 2, 3) == found.other_texts
    assert found.other_words == (3,) and found.empty == (3,)
    assert found.unanswered == () == found.troubles
    clean = read_answers(folder / ANSWERS / "other_7b_answer.jsonl", owl)
    assert (clean.other_endings, clean.other_texts, clean.other_words) == ((), (), ())


def test_the_branch_v0_has_no_abilities(folder):
    bare = [{k: v for k, v in row.items() if k not in ("ability", "category")} for row in ASKED]
    owl, troubles = read_questions(write_lines(folder / QUESTIONS, bare), strict=True)
    assert troubles == () and owl.groups() == {"all": (1, 2, 3)}
    assert owl.question(2).abilities == () == owl.question(2).categories


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("{", "No JSON"),
        ("[1]", "A list where an object should be"),
        ({"question_id": None}, "'question_id' is None: give a whole number"),
        ({"question_id": "2"}, "'question_id' is '2'"),
        ({"question_id": True}, "'question_id' is True"),
        ({"question_id": 1}, "Question 1 stands in line 1, too"),
        ({"question": "  "}, "'question' is empty"),
        ({"question": 7}, "'question' is 7"),
        ({"ability": "a,g"}, "Unknown ability 'g'"),
        ({"ability": ""}, "Unknown ability ''"),
        ({"ability": None}, "'ability' is None"),
        ({"category": "multi_turn"}, "'category' is 'multi_turn', where a list"),
        ({"category": ["multiturn"]}, "Unknown category 'multiturn': did you mean 'multi_turn'"),
        ({"category": [["multi_turn"]]}, "Unknown category"),
        ({"image": "../2.jpg"}, "lies outside the image folder"),
        ({"image": "/2.jpg"}, "lies outside the image folder"),
        ({"image": None}, "'image' is None"),
    ],
)
def test_a_broken_question_is_named_with_its_line_and_left_out(folder, change, reason):
    line = change if isinstance(change, str) else {**ASKED[1], **change}
    path = write_lines(folder / QUESTIONS, [ASKED[0], line, ASKED[2]])
    owl, troubles = read_questions(path)
    assert [q.question_id for q in owl.questions] == [1, 3]
    (trouble,) = troubles
    assert trouble.startswith(f"{path}, line 2: ") and reason in trouble
    with pytest.raises(ValueError, match=r"questions\.jsonl, line 2: "):
        read_questions(path, strict=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('{"image": "2.png", "que', "No JSON"),
        ({"question_id": 9}, "No question has the id 9: this OwlEval has 3 questions, 1 to 3"),
        ({"question_id": 1}, "It is about image '2.png', question 1 about '1.jpg'"),
        ({"question_id": 3}, "Question 3 stands in line 1, too"),
        ({"image": "3.png"}, "It is about image '3.png', question 2 about '2.jpg'"),
        ({"answer": None}, "'answer' is None"),
        ({"question": None}, "'question' is None"),
        ({"answer": "\udcff"}, "'answer' holds bytes that are no UTF-8"),
    ],
)
def test_a_broken_answer_is_named_with_its_line_and_left_out(folder, owl, change, reason):
    path = folder / ANSWERS / "m_13b_answer.jsonl"
    lines = [SAID[2], change if isinstance(change, str) else {**SAID[1], **change}, SAID[0]]
    path.write_bytes(
        b"\n".join(
            (x if isinstance(x, str) else json.dumps(x, ensure_ascii=False)).encode(
                errors="surrogateescape"
            )
            for x in lines
        )
    )
    found = read_answers(path, owl)
    assert list(found.answers) == [1, 3] and found.unanswered == (2,)
    (trouble,) = found.troubles
    assert trouble.startswith(f"{path}, line 2: ") and reason in trouble
    with pytest.raises(ValueError, match="line 2: "):
        read_answers(path, owl, strict=True)


def test_blank_lines_and_a_byte_order_mark_do_no_harm(folder, owl):
    path = folder / ANSWERS / "m_13b_answer.jsonl"
    path.write_text("\ufeff\n" + path.read_text(encoding="utf-8") + "\n\n", encoding="utf-8")
    assert len(read_answers(path, owl, strict=True).answers) == 3


def test_unanswered_questions_are_named_and_refused_when_strict(folder, owl):
    path = write_lines(folder / ANSWERS / "m_13b_answer.jsonl", SAID[:1])
    assert read_answers(path, owl).unanswered == (2, 3)
    with pytest.raises(ValueError, match="no answer to 2 of 3 questions"):
        read_answers(path, owl, strict=True)


def test_files_without_anything_are_refused(tmp_path, owl):
    with pytest.raises(ValueError, match="is not there"):
        read_questions(tmp_path / QUESTIONS)
    with pytest.raises(ValueError, match="without a question"):
        read_questions(write_lines(tmp_path / "a.jsonl", []))
    with pytest.raises(ValueError, match=r"no question that can be read: .*line 1"):
        read_questions(write_lines(tmp_path / "b.jsonl", ["{"]))
    with pytest.raises(ValueError, match="is not there"):
        read_answers(tmp_path / "x.jsonl", owl)


def test_images_are_found_missing_ones_named_and_counted(folder, owl):
    whole = find_pictures(owl, folder / IMAGES)
    assert set(whole.found) == {"1.jpg", "2.jpg"} and whole.complaint() == ""
    assert whole.faults() == ({"2.jpg": "PNG"}, {})
    (folder / IMAGES / "1.jpg").rename(folder / IMAGES / "1.png")
    (folder / IMAGES / "2.jpg").unlink()
    found = find_pictures(owl, folder / IMAGES)
    assert found.other_endings == ("1.jpg",) and found.missing == ("2.jpg",)
    assert "1 of 2 images are not in" in found.complaint() and "2.jpg" in found.complaint()
    assert found.faults()[0] == {"1.jpg": "JPEG"}
    nowhere = find_pictures(owl, folder / "nothing")
    assert nowhere.missing == ("1.jpg", "2.jpg") and "2 of 2 images" in nowhere.complaint()


def test_a_picture_that_is_none_is_told(folder, owl):
    (folder / IMAGES / "1.jpg").write_bytes(b"<html>not found</html>")
    mislabelled, broken = find_pictures(owl, folder / IMAGES).faults()
    assert set(mislabelled) == {"2.jpg"} and "not an image" in broken["1.jpg"]


def test_a_whole_folder_is_read(folder):
    found = read_owl_folder(folder, strict=True)
    assert list(found.answers) == ["m_13b", "other_7b"] and found.troubles == ()
    assert found.owl.keys == {} and len(found.pictures.found) == 2
    write_lines(folder / ANSWERS / "m_13b.jsonl", SAID[:1])
    (trouble,) = read_owl_folder(folder).troubles
    assert "another file holds answers of 'm_13b'" in trouble
    write_lines(folder / ANSWERS / "m_13b.jsonl", SAID)
    with pytest.raises(ValueError, match="another file holds answers of 'm_13b'"):
        read_owl_folder(folder, strict=True)
    (folder / IMAGES / "1.jpg").unlink()
    (folder / ANSWERS / "m_13b.jsonl").unlink()
    with pytest.raises(ValueError, match="1 of 2 images are not in"):
        read_owl_folder(folder, strict=True)
    assert read_owl_folder(folder).pictures.missing == ("1.jpg",)


def test_the_toy_folder_has_the_released_layout_and_comes_back_whole(tmp_path):
    owl = make_owl_eval()
    answers = {id: OwlAnswer(id, key.key or "a star.", "m") for id, key in owl.keys.items()}
    write_owl_eval(owl, tmp_path)
    path = write_answers(tmp_path, "m", owl, answers)
    row = json.loads((tmp_path / QUESTIONS).read_text().splitlines()[3])
    assert list(row) == ["image", "question_id", "question", "ability", "category"] == [*ASKED[0]]
    assert (row["ability"], row["category"]) == ("a,c", ["single_turn", "multi_turn"])
    row = json.loads(path.read_text().splitlines()[0])
    assert list(row) == ["image", "question_id", "question", "answer", "model_id"]
    found = read_owl_folder(tmp_path, strict=True)
    assert found.owl == owl and found.answers["m"].answers == answers
    assert found.pictures.faults() == ({}, {}) and len(found.pictures.found) == 50
    assert not found.answers["m"].other_texts and not found.answers["m"].other_endings
    assert exact_scores(found.owl, found.answers["m"].answers)["f"] == 1


def test_keys_that_are_damaged_are_refused(tmp_path):
    owl = make_owl_eval()
    write_owl_eval(owl, tmp_path)
    lines = (tmp_path / KEYS).read_text().splitlines()
    write_lines(tmp_path / KEYS, lines[:-1])
    with pytest.raises(ValueError, match="lacks the keys of questions 82"):
        read_owl_folder(tmp_path)
    write_lines(tmp_path / KEYS, [*lines[:-1], '{"question_id": 82}'])
    with pytest.raises(ValueError, match="line 82: it is not as it was written"):
        read_owl_folder(tmp_path)
    write_lines(tmp_path / KEYS, lines)
    write_lines(tmp_path / SCENES, ['{"image": "1.png", "scene": {"things": 3}}'])
    with pytest.raises(ValueError, match="line 1: it is not as it was written"):
        read_owl_folder(tmp_path)
    (tmp_path / SCENES).unlink()
    with pytest.raises(ValueError, match=r"scenes\.jsonl is not there"):
        read_owl_folder(tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "../x"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="names no model"):
        write_answers(tmp_path, name, make_owl_eval(), {})


def test_the_script_writes_once_and_checks(tmp_path, script, folder):
    out = tmp_path / "toy"
    assert script("--out", out) == (0, f"{out}\n", "")
    assert script("--out", out)[0] == 0  # the same again does no harm
    code, told, wrong = script("--out", out, "--seed", 3)
    assert code == 1 and "another OwlEval already" in wrong
    assert script("--out", folder)[0] == 1  # nobody's clone is overwritten
    assert json.loads((folder / QUESTIONS).read_text().splitlines()[0]) == ASKED[0]
    code, told, wrong = script("--check", out, "--strict")
    assert code == 0 and wrong == ""
    assert "questions: 82 about 50 images; single-turn only 30, multi-turn only 32, both 20" in told
    assert "a 82, b 63, c 30, d 24, e 35, f 20; the mix is the released one" in told
    assert "images: 50 of 50 are here" in told


def test_the_script_tells_dirt_and_names_what_is_broken(script, folder):
    code, told, wrong = script("--check", folder)
    assert code == 0 and wrong == "" and "the mix is not the released one" in told
    assert (
        "answers of m_13b: 3 of 3; 3 under another file ending; 3 with the question worded "
        "otherwise; 1 of them in more than white space; 1 place-holders\n"
    ) in told
    assert "answers of other_7b: 3 of 3; 1 place-holders\n" in told
    assert "2.jpg is PNG by its content" in told
    (folder / IMAGES / "1.jpg").unlink()
    write_lines(folder / ANSWERS / "m_13b_answer.jsonl", [*SAID[:2], "{"])
    code, told, wrong = script("--check", folder)
    assert code == 1 and "no answer to question 3" in told
    assert "m_13b_answer.jsonl, line 3: No JSON" in wrong and "1 of 2 images" in wrong
    code, told, wrong = script("--check", folder, "--strict")
    assert code == 1 and told == "" and "line 3: No JSON" in wrong
    assert script("--check", folder / "nothing")[0] == 1


def test_the_script_scores_answers_of_the_toy_world(tmp_path, script):
    owl = make_owl_eval()
    write_owl_eval(owl, tmp_path)
    write_answers(tmp_path, "m", owl, {id: OwlAnswer(id, "red") for id in owl.keys})
    code, told, _ = script("--check", tmp_path)
    assert code == 0 and "exact, in percent: all " in told and "f 0.0" not in told.split("all")[0]
