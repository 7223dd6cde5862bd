"""The 595K recipe: phrases, counts, what stays, and every form of caption file."""

import json
import runpy
import subprocess
import sys
from collections import Counter

import pytest
from PIL import Image

from course_lib.instructions.caption_files import read_captions
from course_lib.instructions.concept_filter import filter_captions, phrase_counts
from course_lib.instructions.noun_phrases import noun_phrases

SCRIPT = "data_scripts/filter_captions.py"


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        ("A man riding a wave on top of a surfboard.", ["man", "wave", "top", "surfboard"]),
        (
            "Two young children playing with a small brown dog in the park",
            ["young children", "small brown dog", "park"],
        ),
        (
            "a smiling man wearing a red hat and sunglasses",
            ["smiling man", "red hat", "sunglasses"],
        ),
        ("Dining table with 3 chairs", ["dining table", "chairs"]),
        ("a black-and-white photo, the sea", ["black-and-white photo", "sea"]),
        ("It is there.", []),
        ("", []),
    ],
)
def test_phrases_of_captions(caption, phrases):
    assert noun_phrases(caption) == phrases


def test_the_limits_that_the_docstring_states():
    assert noun_phrases("a wooden dining table") == ["wooden", "table"]
    assert noun_phrases("the dog digs") == ["dog digs"]


def test_a_phrase_counts_once_a_caption():
    assert phrase_counts([["a", "a", "b"], ["a"]]) == {"a": 2, "b": 1}


def captions_of(**numbers):
    return [word for word, count in numbers.items() for _ in range(count)]


def test_rare_phrases_go_middling_ones_stay_and_frequent_ones_are_drawn():
    texts = captions_of(zebra=2, cow=3, cat=100, dog=400)
    found = filter_captions(texts)
    kept = Counter(texts[row] for row in found.kept)
    assert kept == {"cow": 3, "cat": 100, "dog": 100}
    assert found.before == {"zebra": 2, "cow": 3, "cat": 100, "dog": 400}
    assert found.after == kept and list(found.kept) == sorted(found.kept)
    assert found == filter_captions(texts) != filter_captions(texts, seed=1)


def test_a_rare_phrase_keeps_a_caption_beside_the_hundred_of_a_frequent_one():
    texts = ["dog"] * 300 + ["dog and zebra"] * 5
    found = filter_captions(texts, least=3, most=20)
    assert set(range(300, 305)) <= set(found.kept)
    assert 20 <= found.after["dog"] <= 25 and found.after["zebra"] == 5


def test_another_chunker_can_be_given():
    found = filter_captions(["x y", "x z", "w"], least=2, most=5, phrases_of=str.split)
    assert found.kept == (0, 1)


@pytest.mark.parametrize(("least", "most"), [(0, 5), (3, 0), (-1, 100)])
def test_limits_that_keep_nothing_are_refused(least, most):
    with pytest.raises(ValueError, match="one or more"):
        filter_captions(["a dog"], least, most)


TEXTS = ["a dog", "a dog runs", "a dog", "a cat", ""]


def written(tmp_path, form):
    if form == "jsonl":
        text = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(TEXTS))
    elif form == "tsv":
        text = "".join(f"{t}\thttp://{i}\n" for i, t in enumerate(TEXTS))
    else:
        rows = [{"image_id": i, "caption": t} for i, t in enumerate(TEXTS)]
        whole = {"images": [{"id": i} for i in range(5)], "annotations": rows, "info": 1}
        text = json.dumps(whole if form == "coco" else rows)
    path = tmp_path / f"captions.{'json' if form in ('coco', 'list') else form}"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["jsonl", "tsv", "coco", "list"])
def test_the_script_writes_what_stays_in_the_form_it_came_in(tmp_path, form):
    path = written(tmp_path, form)
    out, plot = tmp_path / f"out{path.suffix}", tmp_path / "plot.png"
    command = [sys.executable, SCRIPT, path, "--out", out, "--plot", plot]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "captions: 3 of 4 stay",
        "noun phrases in at least 3: 1 before, 1 after",
    ]
    assert "has no caption" in done.stderr and len(done.stderr.splitlines()) == 1
    assert read_captions(out).captions == ("a dog", "a dog runs", "a dog")
    if form in ("jsonl", "tsv"):
        lines = path.read_text().splitlines()
        assert out.read_text().splitlines() == lines[:3], "rows stay as they stood"
    if form == "coco":
        whole = json.loads(out.read_text())
        assert whole["info"] == 1 and [image["id"] for image in whole["images"]] == [0, 1, 2]
    with Image.open(plot) as image:
        assert image.format == "PNG" and len(set(image.convert("L").tobytes())) > 10


@pytest.mark.parametrize(
    ("name", "text", "more", "said"),
    [
        ("a.csv", "a dog", (), "Unknown kind of caption file '.csv'"),
        ("a.json", "[{", (), "not whole JSON"),
        ("a.json", "3", (), "neither a list"),
        ("a.jsonl", '{"name": "x"}\n{broken\n', (), "holds no caption"),
        ("a.tsv", "a dog\n", ("--field", "caption"), "a number from 0"),
        ("a.tsv", "a dog\n\tx\n", ("--strict",), "line 2 has no caption"),
        ("a.tsv", "a dog\n", ("--most", "0"), "one or more"),
        (None, None, (), "No such file"),
    ],
)
def test_bad_files_and_arguments_are_refused_in_one_sentence(
    tmp_path, monkeypatch, capsys, name, text, more, said
):
    path = tmp_path / (name or "none.tsv")
    if name:
        path.write_text(text)
    words = [SCRIPT, str(path), "--out", str(tmp_path / "out"), *more]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(SCRIPT, run_name="__main__")
    told = capsys.readouterr().err
    assert stopped.value.code == 1 and said in told
    assert told.startswith("filter_captions: ") and len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_file_that_is_read_is_not_written_over(tmp_path):
    path = written(tmp_path, "tsv")
    command = [sys.executable, SCRIPT, path, "--out", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "choose another name" in done.stderr
