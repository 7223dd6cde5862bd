"""The script that curates: what it writes, how it goes on, and what it refuses."""

import json

import pytest
from PIL import Image

from course_lib.curation.curated_set import read_curated
from course_lib.curation.proposing import read_proposals
from course_lib.world.draw import draw_scenes
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes
from tests.chat_server import ChatServer
from tests.script_runner import run_script

SCRIPT = "data_scripts/curate_minigpt4.py"
SCENES = sample_scenes(6, 0, "train")


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the script in this process; gives (exit code, standard output, errors)."""

    def run_here(*words, key="none"):
        return run_script(SCRIPT, words, monkeypatch, capsys, key)

    return run_here


@pytest.fixture
def world(tmp_path):
    """A folder with six pictures and a file with what a stage-1 model said about five of them."""
    (tmp_path / "images").mkdir()
    for number, pixels in enumerate(draw_scenes(SCENES), start=1):
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
    said = [canonical_caption(scene) for scene in SCENES]
    said[1] = f"{said[1]} {said[1]} {said[1]}"
    said[2] = f"{said[2]} the other"
    said[3] = "click here for more pictures."
    rows = [{"image_id": n, "caption": text} for n, text in enumerate(said[:5], start=1)]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def words(world, *more):
    return [world / "said.jsonl", "--images", world / "images", "--out", world / "out", *more]


def decide(world, *rows):
    path = world / "decisions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_first_run_proposes_and_the_second_writes_what_people_kept(world, script):
    code, out, told = script(*words(world))
    assert (code, told) == (0, "") and "proposals: 4 of 5 descriptions" in out
    assert "rejected 1: nothing in the description speaks of a picture" in out
    proposals = read_proposals(world / "out/proposals.jsonl")
    assert [p.image_id for p in proposals] == ["1", "2", "3", "5"]
    assert not (world / "out/filter_cap.json").exists()
    journal = (world / "out/answers.jsonl").read_bytes()
    path = decide(
        world,
        {"image_id": 1, "decision": "accept", "of": proposals[0].code},
        {"image_id": "2", "decision": "reject"},
        {"image_id": "3", "decision": "edit", "caption": "a star, seen by people."},
    )
    with open(path, "ab") as stream:
        stream.write(b'{"image_id": "5", "deci')  # killed in the middle of a line
    code, out, told = script(*words(world, "--decisions", path, "--ending", ".png"))
    assert (code, told) == (0, "") and "curated pairs: 2" in out
    assert "decided: 3 of 4 (1 accept, 1 edit, 1 reject)" in out
    pairs, troubles = read_curated(world / "out")
    assert troubles == []
    assert [(p.image_id, p.caption) for p in pairs] == [
        ("1", proposals[0].caption),
        ("3", "a star, seen by people."),
    ]
    assert pairs[0].image.read_bytes() == (world / "images/1.png").read_bytes()
    assert (world / "out/answers.jsonl").read_bytes() == journal, "nothing was asked again"


def test_images_become_jpg_unless_asked_otherwise(world, script):
    path = decide(world, {"image_id": "1", "decision": "accept"})
    assert script(*words(world, "--decisions", path))[0] == 0
    with Image.open(world / "out/image/1.jpg") as image:
        assert image.format == "JPEG"


def test_images_that_are_missing_are_told_or_stop_the_run(world, script):
    (world / "images/2.png").unlink()
    code, out, told = script(*words(world))
    assert code == 0 and "proposals: 3 of 4" in out
    assert told == f"left out: image 2 is not in {world / 'images'}\n"
    code, _, told = script(*words(world, "--strict"))
    assert code == 1 and "--strict stops here; 1 in all" in told


def test_an_id_never_leads_out_of_the_folder(world, script):
    (world / "secret.png").write_bytes((world / "images/1.png").read_bytes())
    (world / "said.jsonl").write_text('{"image_id": "../secret", "caption": "a red star."}\n')
    code, _, told = script(*words(world))
    assert code == 1 and "No description of" in told


def test_coco_captions_serve_as_well(world, script):
    captions = {
        "images": [{"id": 1}],
        "annotations": [
            {"image_id": 1, "id": 7, "caption": canonical_caption(SCENES[0])},
            {"image_id": 1, "id": 8, "caption": "another one."},
        ],
    }
    (world / "coco.json").write_text(json.dumps(captions))
    code, out, told = script(world / "coco.json", *words(world)[1:], "--limit", 1)
    assert code == 0 and "proposals: 1 of 1" in out
    assert "left out: 1 further captions of images that have one" in told


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"image_id": "77", "decision": "accept"}], "line 1: Unknown image '77'"),
        ([{"image_id": "4", "decision": "accept"}], "line 1: Unknown image '4'"),
        ([{"image_id": "1", "decision": "accept"}] * 2, "line 2: Image '1' was decided already"),
        ([{"image_id": "1", "decision": "reject"}], "curated set is empty: of 4 proposals 1 are"),
        ([], "curated set is empty: of 4 proposals 0 are rejected and 4 undecided"),
        ([{"image_id": "1", "decision": "yes"}], "Unknown decision 'yes'"),
        ([{"image_id": "1", "decision": "accept", "of": "x"}], "another caption was proposed"),
    ],
)
def test_bad_decisions_are_refused_and_no_set_is_written(world, script, rows, said):
    code, _, told = script(*words(world, "--decisions", decide(world, *rows)))
    assert code == 1 and said in told and len(told.splitlines()) == 1
    assert not (world / "out/filter_cap.json").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--images", "nowhere"), "nowhere is no folder"),
        (("--limit", 0), "at least one description"),
        (("--decisions", "none.jsonl"), "none.jsonl is not there"),
        (("--world", "photographs"), "give --teacher endpoint"),
        (("--field", "words"), "holds no caption"),
        (("--image-field", "words"), "names no image"),
        (("--teacher", "endpoint"), "needs --model"),
        (("--teacher", "endpoint", "--model", "m"), "needs a budget"),
        (("--teacher", "endpoint", "--model", "m", "--budget-tokens", 9), "needs a key"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(world, script, more, said):
    code, _, told = script(*words(world, *more), key="")
    assert code == 1 and said in told, told
    assert len(told.splitlines()) == 1 and told.startswith("curate_minigpt4: ")


def test_other_settings_and_nothing_that_passes_are_refused(world, script):
    assert script(*words(world))[0] == 0
    code, _, told = script(*words(world, "--seed", 1))
    assert code == 1 and "begun with seed 0" in told
    with open(world / "said.jsonl", "a") as stream:
        stream.write('{"image_id": 6, "caption": "a red star."}\n')
    code, _, told = script(*words(world))
    assert code == 1 and "begun with descriptions" in told, "repairs of other texts are stale"
    (world / "said.jsonl").write_text('{"image_id": 1, "caption": "click here for more."}\n')
    code, _, told = script(*words(world)[:-2], "--out", world / "b")
    assert code == 1 and "No description passed the filters: 1 times nothing" in told


def test_the_endpoint_repairs_and_a_spent_budget_is_told(world, script):
    paid = ["--teacher", "endpoint", "--model", "m", "--concurrency", 1]

    def act(number, messages):
        return ("say", messages[-1]["content"].split(".")[0] + ".")

    with ChatServer(act) as server:
        more = [*paid, "--base-url", server.url, "--budget-tokens", 100_000]
        code, out, told = script(*words(world, *more))
        assert (code, told) == (0, "") and "proposals: 4 of 5" in out and "tokens: 500" in out
        assert "rejected 1: the caption fails as language (off_topic" in out
        assert script(*words(world, *more))[0] == 0 and len(server.script.requests) == 5
        assert server.script.requests[0]["temperature"] == 0.0
    with ChatServer(act) as server:
        more = [*paid, "--base-url", server.url, "--budget-tokens", 1_900]
        code, out, told = script(*words(world)[:-1], world / "b", *more)
        assert code == 1 and "budget would be passed" in told and "proposals: " in out
