"""Every official format becomes rows of the one format; what is broken becomes a reason."""

import json

import pytest

from course_lib.corpora import web_lists
from course_lib.corpora.coco import coco_rows, karpathy_rows, nocaps_rows
from course_lib.corpora.gqa import gqa_rows
from course_lib.corpora.json_entries import entries
from course_lib.corpora.pictures import from_coco_folders
from course_lib.corpora.rows import Bad, Row, features, record
from course_lib.corpora.scienceqa import scienceqa_rows
from course_lib.corpora.talks import alpaca_rows, llava_rows, minigpt4_rows, owl_eval_rows
from course_lib.corpora.visual_genome import visual_genome_rows
from course_lib.corpora.vqa import vqa_rows
from tests import official_files as files


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


def test_coco_captions_and_boxes(write):
    captions = write("captions.json", files.COCO_CAPTIONS)
    instances = write("instances.json", files.COCO_INSTANCES)
    first, second, third = coco_rows(captions, instances, "train2017")
    assert first == Row(
        "9",
        "train2017/000000000009.jpg",
        ("Four bowls of food.",),
        extra={"license": 3},
    )
    assert second.captions == ("A giraffe eats leaves.", "A giraffe in the shade.")
    assert second.boxes == (
        ("giraffe", (1.5, 2.0, 10.0, 20.25), False),
        ("giraffe", (0.0, 0.0, 5.0, 5.0), True),
    )
    assert third == Bad("no caption")
    assert [row.boxes for row in coco_rows(captions, None, "x") if isinstance(row, Row)] == [(), ()]


def test_karpathys_splits_and_where_their_images_lie(write, tmp_path):
    path = write("dataset_coco.json", files.KARPATHY)
    (train,) = karpathy_rows(path, "train")
    (rest,) = karpathy_rows(path, "restval")
    assert train.captions == ("A giraffe.", "Leaves") and train.id == "25"
    assert rest.picture == "val2014/COCO_val2014_000000000009.jpg"
    assert list(karpathy_rows(path, "test")) == [Bad("no caption")]
    assert list(karpathy_rows(path, "val")) == []
    (tmp_path / "train2017").mkdir()
    (tmp_path / "train2017/000000000009.jpg").write_bytes(b"nine")
    source = from_coco_folders(tmp_path / "train2017", tmp_path / "val2017")
    assert source(rest.picture) == b"nine" and source("000000000009.jpg") == b"nine"


def test_nocaps_with_its_domains(write):
    first, second = nocaps_rows(write("nocaps.json", files.NOCAPS))
    assert first.captions == ("A baby is standing.", "A child.")
    assert first.picture == "https://s3.amazonaws.com/nocaps/val/0013ea2087020901.jpg"
    assert (first.extra["domain"], second.extra["domain"]) == ("near-domain", "out-domain")


def test_vqa_questions_stand_with_their_image(write):
    questions, annotations = files.vqa("train", 900)
    extra = {"image_id": 9, "question": "?", "question_id": 1}
    questions["questions"].append(extra)
    paths = write("q.json", questions), write("a.json", annotations)
    first, second, bad = vqa_rows(*paths, "train2014")
    assert first.picture == "train2014/COCO_train2014_000000000009.jpg"
    assert [q.id for q in first.questions] == ["900", "902"] and len(second.questions) == 1
    assert first.questions[0].answers == ("food", "soup") * 5
    assert first.questions[0].extra["answer_confidence"] == ["yes", "maybe"] * 5
    assert first.questions[0].extra["answer_type"] == "other"
    assert bad == Bad("a question without answers")
    test = list(vqa_rows(paths[0], None, "test2015"))
    assert [len(row.questions) for row in test] == [3, 1] and test[0].questions[0].answers == ()


@pytest.mark.parametrize("content", ["[]", '{"questions": [{"image_id": 1}]}', '{"quest'])
def test_vqa_files_that_are_broken_are_refused(write, content):
    with pytest.raises(ValueError, match=r"no whole list|no question_id"):
        list(vqa_rows(write("q.json", content), None, "x"))


def test_gqa_questions_stand_with_their_image(write):
    first, second, bad = gqa_rows(write("train_balanced_questions.json", files.GQA))
    assert first.picture == "2375429.jpg" and second.picture == "n1.jpg"
    assert [(q.id, q.answers) for q in first.questions] == [
        ("07333408", ("pipe",)),
        ("07333405", ("no",)),
    ]
    assert first.questions[0].extra["fullAnswer"] == "The pipe is on the wall."
    assert bad == Bad("a question without image or words")


def test_a_large_object_is_read_piece_by_piece(write, monkeypatch):
    from course_lib.corpora import json_entries

    monkeypatch.setattr(json_entries, "_BLOCK", 3)
    told = {"a": 1.5, "b": [1, {"c": "d}"}], "e": "é\n", "f": None, "g": {}, "h": 123456789}
    for text in (json.dumps(told), json.dumps(told, indent=2, ensure_ascii=False) + "\n"):
        assert dict(entries(write("x.json", text))) == told
    assert dict(entries(write("x.json", " {} "))) == {}
    for text in ('{"a": 1', '{"a" 1}', '{"a": 1 "b": 2}', "[1]", "", '{"a": }', '{"a": 1,'):
        with pytest.raises(ValueError, match="no whole JSON object"):
            list(entries(write("x.json", text)))


def test_scienceqa_with_and_without_an_image(write):
    path = write("problems.json", files.SCIENCEQA)
    first, second, bad = scienceqa_rows(path, "train")
    assert (first.picture, second.picture) == ("train/1/image.png", "")
    assert first.questions[0].choices[0] == "West Virginia" == first.questions[0].answers[0]
    assert first.questions[0].extra["lecture"] == "Maps have four cardinal directions."
    assert second.questions[0].extra == {"hint": "Think.", "answer_number": 0}
    assert bad == Bad("no choice is the answer")
    assert [row.questions[0].answers for row in scienceqa_rows(path, "test")] == [("b",)]


def test_visual_genome_phrases_are_captions_and_boxes(write):
    paths = write("image_data.json", files.VG_IMAGES), write("regions.json", files.VG_REGIONS)
    first, second, bad = visual_genome_rows(*paths)
    assert first.picture == "VG_100K_2/1.jpg" and second.picture == "VG_100K/2.jpg"
    assert first.captions == ("the clock is green", "shade is white")
    assert first.boxes[2] == ("the clock is green", (9.0, 9.0, 2.0, 2.0), False)
    assert second.extra == {"coco_id": 77} and bad == Bad("an unknown image")


URL = "http://one.example/{}.jpg"


def pairs(rows):
    return [(r.id, r.picture, r.captions[0]) if isinstance(r, Row) else r.reason for r in rows]


EXPECTED = [
    ("000000000", URL.format("a"), "a red bus"),
    "a line without address or caption",
    ("000000002", URL.format("b"), "a cat \u2028 sleeps".replace(" \u2028 ", " ")),
]


@pytest.mark.parametrize("first", [True, False])
def test_lists_with_a_pair_a_line(write, first):
    lines = [
        ("a red bus", URL.format("a")),
        ("no address",),
        ("a cat \u2028 sleeps", URL.format("b")),
    ]
    text = "".join("\t".join(line if first else line[::-1]) + "\n" for line in lines)
    assert pairs(web_lists.lines(write("list.tsv", text), caption_first=first)) == EXPECTED


def test_sbu(write):
    told = {
        "image_urls": [URL.format("a"), "", URL.format("b")],
        "captions": ["a red bus", "x", "a cat sleeps"],
        "user_ids": ["1", "2", "3"],
    }
    assert pairs(web_lists.sbu(write("sbu.json", told))) == EXPECTED


@pytest.mark.parametrize("keys", [("url", "caption"), ("URL", "TEXT")])
def test_blips_and_laions_lists(write, keys, tmp_path):
    values = [(URL.format("a"), "a red bus"), (None, "x"), (URL.format("b"), "a cat sleeps")]
    told = [dict(zip(keys, pair, strict=True)) for pair in values]
    assert pairs(web_lists.any_list(write("list.json", told))) == EXPECTED
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(told), tmp_path / "list.parquet")
    assert pairs(web_lists.any_list(tmp_path / "list.parquet")) == EXPECTED
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "list.parquet")
    with pytest.raises(ValueError, match="needs a column"):
        list(web_lists.any_list(tmp_path / "list.parquet"))
    with pytest.raises(ValueError, match="a list ends with"):
        web_lists.any_list(tmp_path / "list.csv")


def test_llava_records_as_they_stand(write):
    first, text, broken, gone = llava_rows(write("llava.json", files.LLAVA))
    assert first.picture == "000000000009.jpg" and text.picture == ""
    assert first.conversations[0] == ("human", "What is in the bowls?\n<image>")
    assert [who for who, _ in first.conversations] == ["human", "gpt", "human", "gpt"]
    assert broken == Bad("a broken record") and gone.id == "gone"


def test_minigpt4s_curated_pairs(write, tmp_path):
    write("filter_cap.json", files.MINIGPT4)
    (tmp_path / "image").mkdir()
    for name in ("2", "3"):
        (tmp_path / f"image/{name}.jpg").write_bytes(files.jpeg())
    first, second, bad = minigpt4_rows(tmp_path)
    assert first == Row("2", "2.jpg", ("The image shows a man who fishes on a lawn.",))
    assert second.id == "3" and bad == Bad("an annotation without image or caption")


def test_alpaca_is_text_alone(write):
    first, second, bad = alpaca_rows(write("alpaca.json", files.ALPACA))
    assert first.conversations[0] == ("human", "Give three tips.") and first.picture == ""
    assert second.conversations == (("human", "Sort these.\nb, a"), ("gpt", "a, b"))
    assert bad == Bad("no instruction or no output")


def test_owl_eval_questions_stand_with_their_image(write):
    text = "".join(json.dumps(row) + "\n" for row in files.OWL_QUESTIONS)
    first, second = owl_eval_rows(write("questions.jsonl", text))
    assert (first.picture, second.picture) == ("1.jpg", "2.jpg")
    assert [q.extra["ability"] for q in first.questions] == [["a", "b"], ["a", "b", "f"]]
    assert first.questions[0].answers == ()


def test_a_row_has_every_column():
    made = record(Row("1", "a.jpg", ("é",), extra={"k": "é"}), b"x", 3, 2)
    assert set(made) == set(features()) and json.loads(made["extra"]) == {"k": "é"}
    assert record(Row("1"), None, 0, 0)["image"] is None
