"""The console script: what it prints, what it refuses, and that a small run goes all the way."""

import json

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from course_lib.commands import chat
from course_lib.evaluation.unlike import UNLIKE
from course_lib.world.draw import draw_scene
from course_lib.world.scene import sample_scenes


@pytest.fixture(scope="module")
def stage1(tmp_path_factory):
    from course_lib.commands.blip2 import train_stage

    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        train_stage("1", root / "stage1", steps=2, scenes=70, progress=False)
    return root / "stage1"


@pytest.fixture(scope="module")
def stage2(stage1):
    from course_lib.commands.blip2 import train_stage

    out = stage1.parent / "stage2"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(stage1.parent)
        train_stage("2", out, init=str(stage1), steps=2, scenes=70, progress=False)
    return out


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "scene.png"
    Image.fromarray(draw_scene(sample_scenes(1, 0, "test")[0])).save(path)
    return path


def test_stage_1_is_measured_by_retrieval_alone(course, stage1):
    code, out, _ = course("evaluate", stage1, "--json", "--n", 10)
    found = json.loads(out)
    assert code == 0 and found["recipe"] == "blip2" and found["stage"] == "1"
    assert set(found) >= {"recipe", "scale", "split", "seed", "n", "captions", "vqa", "retrieval"}
    assert found["captions"] is None and 0 <= found["retrieval"]["r_at_1"] <= 1


def test_stage_2_is_measured_by_captions_questions_and_its_stage_1(course, stage2):
    code, out, _ = course("evaluate", stage2, "--json", "--n", 10)
    found = json.loads(out)
    assert code == 0 and set(found["captions"]) == {"things_right", "exact", "cider"}
    assert set(found["vqa"]) == {"all", "by_type", "blind", "after_caption"}
    assert len(found["vqa"]["by_type"]) == 9 and found["retrieval"] is not None


def test_a_run_holds_trained_weights_alone(stage2):
    from safetensors import safe_open

    with safe_open(stage2 / "model.safetensors", "pt") as file:
        roots = {".".join(key.split(".")[:2]) for key in file.keys()}  # noqa: SIM118
    assert roots == {"vpg.head", "projector.linear"} or {r.split(".")[0] for r in roots} == {
        "vpg",
        "projector",
    }


def test_chat_answers_and_json_is_one_object(course, stage2, picture):
    code, out, _ = course(
        "chat", stage2, "--image", picture, "--prompt", "what is at top-left?", "--json"
    )
    assert code == 0 and set(json.loads(out)) == {"answer", "notes"}


def test_chat_names_unknown_words_and_still_answers(stage2, picture):
    found = chat.reply(str(stage2), picture, "is there a cirkle?")
    assert "circle" in found["notes"][0] and isinstance(found["answer"], str)


def test_a_picture_unlike_the_toy_world_is_said(stage2, tmp_path):
    noise = torch.randint(0, 256, (200, 300, 3), dtype=torch.uint8).numpy()
    for index, picture in enumerate([noise, *load_sample_images().images]):
        path = tmp_path / f"{index}.png"
        Image.fromarray(picture).save(path)
        assert UNLIKE in chat.reply(str(stage2), path, "describe")["notes"]


def test_toy_scenes_are_not_called_unlike(stage2, tmp_path):
    for index, scene in enumerate(sample_scenes(5, 9, "test")):
        path = tmp_path / f"{index}.png"
        Image.fromarray(draw_scene(scene)).save(path)
        assert UNLIKE not in chat.reply(str(stage2), path, "describe")["notes"]


def test_a_typed_placeholder_is_text(stage2, picture):
    assert isinstance(chat.reply(str(stage2), picture, "what is <image> here?")["answer"], str)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "blip3"], "did you mean 'blip2'"),
        (["train", "blip2", "--scale", "toyy"], "did you mean 'toy'"),
        (["train", "blip2", "--stage", "3"], "Unknown stage '3'"),
        (["train", "blip2", "--scale", "a100"], "say --stage 1 or 2"),
        (["train", "blip2", "--stage", "2", "--language", "opq"], "did you mean 'opt'"),
        (["evaluate", "nowhere"], "Unknown run directory or zoo model"),
        (["evaluate", "opt", "--split", "tests"], "did you mean 'test'"),
        (["evaluate", "clip"], "clip is a backbone of the zoo"),
        (["zoo", "build", "clop"], "did you mean 'clip'"),
        (["zoo", "build", "clip", "opt", "--first-round", "2"], "not for clip, opt"),
        (["zoo", "check", "clop"], "did you mean 'clip'"),
    ],
)
def test_wrong_names_get_one_sentence_and_an_exit_code(
    course, words, sentence, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = course(*words)
    assert code == 1 and sentence in err and out == "" and len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_empty_prompt_a_missing_and_a_truncated_picture_are_refused(
    course, stage2, picture, tmp_path
):
    code, _, err = course("chat", stage2, "--image", picture, "--prompt", " ")
    assert code == 1 and "empty" in err
    code, _, err = course("chat", stage2, "--image", tmp_path / "no.png", "--prompt", "describe")
    assert code == 1 and "no.png" in err
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:60])
    code, _, err = course("chat", stage2, "--image", broken, "--prompt", "describe")
    assert code == 1 and "broken.png" in err


def test_a_prompt_beyond_the_context_is_refused(stage2, picture):
    with pytest.raises(ValueError, match="384"):
        chat.reply(str(stage2), picture, "red " * 400)


def test_chat_with_a_stage_1_run_is_refused(stage1, picture):
    with pytest.raises(ValueError, match="stage-2"):
        chat.reply(str(stage1), picture, "describe")


def test_doctor_says_what_is_missing(course):
    code, out, _ = course("doctor", "--json")
    found = json.loads(out)
    assert code == (0 if found["ok"] else 1)
    assert all(row["ok"] or row["advice"] for row in found["checks"])


def test_a_zoo_file_cut_short_is_named(tmp_path, monkeypatch):
    import shutil

    from course_lib.zoo import load, paths

    copy = tmp_path / "models"
    shutil.copytree(paths.MODELS / "clip", copy / "clip")
    weights = copy / "clip" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    monkeypatch.setattr(load, "MODELS", copy)
    monkeypatch.setattr(paths, "MODELS", copy)
    with pytest.raises(ValueError, match="clip cannot be read: fetch or make them again"):
        load.zoo_vision()
