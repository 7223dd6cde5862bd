"""The toy world: reproducible, split as promised, drawn where the boxes say, answered exactly."""

import json
import subprocess
import sys

import numpy as np
import pytest

from course_lib.world import (
    COLOURS,
    HELD_OUT,
    KINDS,
    PLACES,
    SPLITS,
    Scene,
    sample_scene,
    sample_scenes,
)
from course_lib.world.dataset import scene_dataset, scene_of
from course_lib.world.draw import RGB, digit_labels, draw_scene, draw_scenes
from course_lib.world.language import (
    SCENE_FORMS,
    canonical_caption,
    captions,
    noisy_caption,
    scene_in_words,
)
from course_lib.world.questions import QUESTION_TYPES, ask, balanced_questions
from course_lib.world.scene import FIRST_TEST_SCAN, QUADRANT


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(600, seed=0)


def test_scenes_repeat_and_a_longer_list_starts_with_the_shorter():
    assert sample_scenes(5, 3) == sample_scenes(9, 3)[:5]
    assert sample_scenes(5, 3) != sample_scenes(5, 4)
    assert sample_scenes(5, 3, "test") != sample_scenes(5, 3, "train")


def test_splits_keep_scans_and_combinations_apart():
    for split in SPLITS:
        for scene in sample_scenes(300, 1, split):
            for thing in scene.things:
                assert ((thing.colour, thing.kind) in HELD_OUT) == (split == "combos")
                if thing.scan is not None:
                    assert (thing.scan < FIRST_TEST_SCAN) == (split == "train")
                    assert digit_labels()[thing.scan] == int(thing.kind)


def test_held_out_combinations_take_one_kind_of_each_colour():
    assert sorted(colour for colour, _ in HELD_OUT) == sorted(COLOURS)
    assert len({kind for _, kind in HELD_OUT}) == len(COLOURS)


def test_every_thing_lies_inside_its_quadrant(scenes):
    for scene in scenes:
        assert [PLACES.index(t.place) for t in scene.things] == sorted(
            PLACES.index(t.place) for t in scene.things
        )
        for thing in scene.things:
            left, top, width, height = thing.box
            x, y = (
                QUADRANT * thing.place.endswith("right"),
                QUADRANT * thing.place.startswith("bottom"),
            )
            assert x <= left and left + width <= x + QUADRANT
            assert y <= top and top + height <= y + QUADRANT


def test_a_picture_shows_the_colour_inside_the_box_and_the_background_outside(scenes):
    scene = next(s for s in scenes if len(s.things) == 1 and s.things[0].kind == "square")
    image, thing = draw_scene(scene), scene.things[0]
    left, top, width, height = thing.box
    assert tuple(image[top + height // 2, left + width // 2]) == RGB[thing.colour]
    outside = np.ones(image.shape[:2], dtype=bool)
    outside[top : top + height, left : left + width] = False
    assert (image[outside] == scene.background).all()


def test_drawing_many_equals_drawing_each(scenes):
    images = draw_scenes(scenes[:7])
    assert images.shape == (7, 48, 48, 3) and images.dtype == np.uint8
    assert all(
        (image == draw_scene(scene)).all() for image, scene in zip(images, scenes, strict=False)
    )


def test_a_scene_survives_json(scenes):
    for scene in scenes[:20]:
        assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


def test_five_different_captions_and_articles(scenes):
    for scene in scenes:
        five = captions(scene)
        assert len(set(five)) == 5 and five[0] == canonical_caption(scene)
        assert " a orange" not in " ".join(five)


def test_noise_spoils_about_as_many_captions_as_asked(scenes):
    rng = np.random.default_rng(0)
    spoiled = [noisy_caption(scene, rng, 0.5) != canonical_caption(scene) for scene in scenes]
    assert 0.4 < np.mean(spoiled) < 0.6
    assert all(noisy_caption(scene, rng, 0.0) == canonical_caption(scene) for scene in scenes[:50])


def test_every_form_names_every_attribute(scenes):
    rng = np.random.default_rng(0)
    for form in SCENE_FORMS:
        words = scene_in_words(scenes[3], rng, form).split()
        for thing in scenes[3].things:
            assert {thing.kind, thing.colour, thing.size, thing.place} <= set(words)


def _truth(scene, question):
    """Answers a question from the scene alone, by another road than the maker's."""
    words = question.text.rstrip("?").split()
    place = next((p for p in PLACES if p in words), None)
    match question.type:
        case "colour" | "kind" | "size":
            return getattr(scene.at(place), question.type)
        case "where":
            key = words[3]
            return next(t.place for t in scene.things if key in (t.colour, t.kind))
        case "is_there":
            key = words[3]
            return "yes" if any(key in (t.colour, t.kind) for t in scene.things) else "no"
        case "how_many":
            return {1: "one", 2: "two", 3: "three"}[len(scene.things)]
        case "larger":
            return max(t.kind for t in scene.things if t.kind.isdigit())
        case "parity":
            return ("even", "odd")[int(scene.at(place).kind) % 2]
        case "sides":
            sides = {"circle": "zero", "triangle": "three", "square": "four", "star": "ten"}
            return sides[scene.at(place).kind]


def test_answers_are_right(scenes):
    rng = np.random.default_rng(0)
    for index, question in balanced_questions(scenes, 100, rng):
        assert question.answer == _truth(scenes[index], question), question


def test_yes_and_no_are_balanced(scenes):
    rng = np.random.default_rng(0)
    answers = [ask(scene, rng, "is_there").answer for scene in scenes]
    assert 0.44 < np.mean([answer == "yes" for answer in answers]) < 0.56


def test_a_where_question_has_one_answer(scenes):
    rng = np.random.default_rng(0)
    for scene in scenes:
        question = ask(scene, rng, "where")
        if question is not None:
            key = question.text.rstrip("?").split()[3]
            assert sum(key in (t.colour, t.kind) for t in scene.things) == 1


def test_too_few_scenes_for_the_questions_is_said():
    with pytest.raises(ValueError, match="1 scenes hold"):
        balanced_questions(sample_scenes(1, 0), 5, np.random.default_rng(0))


@pytest.mark.parametrize("count", [0, 4])
def test_a_wrong_number_of_things_is_refused(count):
    with pytest.raises(ValueError, match=f"not {count}"):
        sample_scene(np.random.default_rng(0), num_things=count)


def test_a_wrong_split_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'train'"):
        sample_scenes(1, 0, "trian")


def test_the_data_set_holds_images_captions_and_scenes():
    data = scene_dataset(6, seed=2, split="test")
    row = data[4]
    assert row["image"].size == (48, 48) and len(row["captions"]) == 5
    assert scene_of(row) == sample_scenes(6, 2, "test")[4]
    assert (np.asarray(row["image"]) == draw_scene(scene_of(row))).all()


def test_question_types_are_the_nine_of_the_design():
    assert set(QUESTION_TYPES) == {
        "colour", "kind", "size", "where", "is_there", "how_many", "larger", "parity", "sides",
    }  # fmt: skip


def _script(*args):
    command = [sys.executable, "data_scripts/make_toy_world.py", *args]
    return subprocess.run(command, capture_output=True, text=True)


def test_coco_files_open_in_pycocotools(tmp_path):
    from pycocotools.coco import COCO

    assert _script("--out", str(tmp_path), "--count", "4", "--split", "test").returncode == 0
    scenes = sample_scenes(4, 0, "test")
    coco = COCO(str(tmp_path / "annotations/captions_test.json"))
    texts = [a["caption"] for a in coco.loadAnns(coco.getAnnIds(imgIds=2))]
    assert texts == captions(scenes[1])
    coco = COCO(str(tmp_path / "annotations/instances_test.json"))
    boxes = [tuple(a["bbox"]) for a in coco.loadAnns(coco.getAnnIds(imgIds=3))]
    assert boxes == [thing.box for thing in scenes[2].things]
    names = {c["name"] for c in coco.loadCats(coco.getCatIds())}
    assert names == set(KINDS)
    again = _script("--out", str(tmp_path), "--count", "4", "--split", "test")
    assert again.returncode == 1 and "already" in again.stderr
