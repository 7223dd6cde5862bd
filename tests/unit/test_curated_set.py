"""The curated set in the released layout: written, read back, trained on, and its bad input."""

import json

import numpy as np
import pytest
from PIL import Image

from course_lib.curation.curated_set import read_curated, write_curated
from course_lib.curation.describing import Described
from course_lib.curation.description_files import read_descriptions, write_descriptions
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.conversation_batch import encode_conversations
from course_lib.data.curated_pairs import curated_conversations
from course_lib.data.prompts import typed_ids
from course_lib.recipes import minigpt4
from course_lib.world.draw import draw_scenes
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes
from tests.chat_examples import tokenizer_of

SCENES = sample_scenes(3, 0, "train")
PIXELS = dict(zip("abc", draw_scenes(SCENES), strict=True))
CAPTIONS = {name: canonical_caption(s) for name, s in zip("abc", SCENES, strict=True)}


def annotations(folder):
    return json.loads((folder / "filter_cap.json").read_text())["annotations"]


# --- writing and reading -------------------------------------------------------------------------


def test_the_layout_is_the_released_one(tmp_path):
    path = write_curated(CAPTIONS, PIXELS.get, tmp_path)
    assert path == tmp_path / "filter_cap.json"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["filter_cap.json", "image"]
    assert sorted(p.name for p in (tmp_path / "image").iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]
    assert annotations(tmp_path)[0] == {"image_id": "a", "caption": CAPTIONS["a"]}
    with Image.open(tmp_path / "image/a.jpg") as image:
        assert image.format == "JPEG" and image.size == (48, 48)


def test_png_loses_nothing_and_what_is_written_is_read(tmp_path):
    write_curated(CAPTIONS, PIXELS.get, tmp_path, ".png")
    pairs, troubles = read_curated(tmp_path)
    assert troubles == [] and [(p.image_id, p.caption) for p in pairs] == [*CAPTIONS.items()]
    for pair in pairs:
        with Image.open(pair.image) as image:
            assert np.array_equal(np.asarray(image), PIXELS[pair.image_id])


def test_files_that_have_the_format_are_copied_byte_for_byte_and_others_converted(tmp_path):
    files = {}
    for name, kind in (("a", "jpg"), ("b", "png"), ("c", "gif")):
        files[name] = tmp_path / f"{name}.{kind}"
        Image.fromarray(PIXELS[name]).save(files[name])
    write_curated(CAPTIONS, files.get, tmp_path / "out")
    written = {name: (tmp_path / f"out/image/{name}.jpg").read_bytes() for name in "abc"}
    assert written["a"] == files["a"].read_bytes()
    assert all(data[:2] == b"\xff\xd8" for data in written.values())


@pytest.mark.parametrize(
    ("captions", "ending", "words"),
    [
        ({}, ".jpg", "set is empty"),
        (CAPTIONS, ".gif", "not '.gif'"),
        ({"../a": "x"}, ".jpg", "cannot name a file"),
        ({"": "x"}, ".jpg", "cannot name a file"),
        ({".hidden": "x"}, ".jpg", "cannot name a file"),
        ({"none": "x"}, ".jpg", "is not there"),
    ],
)
def test_bad_sets_are_refused_before_a_list_is_written(tmp_path, captions, ending, words):
    with pytest.raises(ValueError, match=words):
        write_curated(captions, lambda id: tmp_path / f"{id}.jpg", tmp_path / "out", ending)
    assert not (tmp_path / "out/filter_cap.json").exists()


def test_broken_annotations_are_named_and_left_out(tmp_path):
    write_curated(CAPTIONS, PIXELS.get, tmp_path)
    rows = [
        *annotations(tmp_path)[:1],
        {"image_id": "a", "caption": "again."},
        {"image_id": "b", "caption": " "},
        {"caption": "nobody."},
        {"image_id": "../b", "caption": "outside."},
        {"image_id": "zz", "caption": "missing."},
        "no record",
        {"image_id": "c", "caption": "A red Star. "},
    ]
    (tmp_path / "filter_cap.json").write_text(json.dumps({"annotations": rows}))
    pairs, troubles = read_curated(tmp_path)
    assert [(p.image_id, p.caption) for p in pairs][1] == ("c", "A red Star.") and len(pairs) == 2
    assert [trouble.split()[1] for trouble in troubles] == ["2", "3", "4", "5", "6", "7"]
    for trouble, words in zip(
        troubles, ("before", "caption", "image_id", "image_id", "zz, which is not", ""), strict=True
    ):
        assert words in trouble


def test_a_released_id_may_be_a_number(tmp_path):
    write_curated({"2": "x y z."}, lambda id: PIXELS["a"], tmp_path)
    (tmp_path / "filter_cap.json").write_text(
        json.dumps({"annotations": [{"image_id": 2, "caption": "x y z."}]})
    )
    assert read_curated(tmp_path)[0][0].image_id == "2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is not there"),
        ('{"annotations": [', "not whole JSON"),
        ("[]", "no list of 'annotations'"),
        ('{"annotations": {}}', "no list of 'annotations'"),
        ('{"annotations": []}', r"no pair that can be used\."),
        ('{"annotations": [{}]}', "no pair that can be used: annotation 1 has no image_id"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(tmp_path, text, words):
    if text is not None:
        (tmp_path / "filter_cap.json").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_curated(tmp_path)


def test_pairs_become_conversations_of_stage_2(tmp_path):
    write_curated(CAPTIONS, PIXELS.get, tmp_path, ".png")
    pairs, _ = read_curated(tmp_path)
    wishes = ("describe the picture.", "what is in it?")
    talks = curated_conversations(pairs * 20, wishes, seed=1)
    assert talks == curated_conversations(pairs * 20, wishes, seed=1)
    assert {talk.turns[0].parts[-1] for talk in talks} == set(wishes)
    tokenizer = tokenizer_of("toy")
    template = minigpt4.STAGE2_TEMPLATE
    rows, report = encode_conversations(talks[:3], template, ChatTokenizer(tokenizer, 4))
    assert report.conversations == 3 and [row.images for row in rows] == [
        ("a.png",),
        ("b.png",),
        ("c.png",),
    ]
    for row, caption in zip(rows, CAPTIONS.values(), strict=True):
        learned = [id for id in row.labels if id != -100]
        assert learned == typed_ids(tokenizer, f"{caption} ###")
    with pytest.raises(ValueError, match="at least one"):
        curated_conversations(pairs, ())


# --- descriptions in any caption file ------------------------------------------------------------

DESCRIBED = [Described("1", "a red star.", True, 9, False), Described("2", "a blue 7.")]


def test_descriptions_go_there_and_back(tmp_path):
    path = tmp_path / "described.jsonl"
    write_descriptions(DESCRIBED, path)
    assert read_descriptions(path) == (DESCRIBED, [])


@pytest.mark.parametrize(
    ("name", "text", "fields"),
    [
        ("a.json", '[{"image": "f/1.jpg", "text": "a red star."}]', (None, None)),
        ("a.json", '{"annotations": [{"image_id": 1, "caption": "a red star."}]}', (None, None)),
        ("a.jsonl", '{"name": "1.PNG", "said": "a red star."}\n', ("said", "name")),
        ("a.tsv", "a red star.\tx\t1.webp\n", (None, "2")),
        ("a.tsv", "1\ta red star.\n", ("1", "0")),
    ],
)
def test_every_form_gives_image_and_caption(tmp_path, name, text, fields):
    (tmp_path / name).write_text(text)
    found, troubles = read_descriptions(tmp_path / name, *fields)
    assert [(one.id, one.text) for one in found] == [("1", "a red star.")] and troubles == []


def test_rows_without_an_image_and_further_captions_are_told(tmp_path):
    rows = [
        {"image_id": 1, "caption": "a red star."},
        {"image_id": 1, "caption": "a second one."},
        {"caption": "nobody's."},
        {"image_id": 2, "caption": ""},
        {"image_id": True, "caption": "no id."},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows))
    found, troubles = read_descriptions(path)
    assert [one.text for one in found] == ["a red star."]
    assert len(troubles) == 4 and troubles[-1].startswith("1 further captions")
    with pytest.raises(ValueError, match="names no image"):
        read_descriptions(path, image_field="nothing")
    tsv = tmp_path / "a.tsv"
    tsv.write_text("a red star.\t1\n")
    with pytest.raises(ValueError, match="the one with the image"):
        read_descriptions(tsv)
