"""The curated set of the toy world: repaired, filtered, decided; too few, unknown, repeated."""

import numpy as np
import pytest

from course_lib.curation.describing import CONTINUE, WISH, Described, Said
from course_lib.curation.proposing import Proposal
from course_lib.curation.toy_set import (
    BLOCK,
    SOURCES,
    Curated,
    counted,
    decide,
    repairs,
    toy_captions,
)
from course_lib.evaluation.captions import things_right
from course_lib.instructions.toy_rules import detail
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes

SCENES = sample_scenes(3 * BLOCK, 4, "train")


def whole(scene):
    return detail(scene, np.random.default_rng(0))[0].answer


def teacher(asked):
    """Says the truth of every even scene, something false of odd ones, and of each fifth nothing
    that speaks of a picture."""
    said = []
    for image, turns in asked:
        row = int(image)
        about = SCENES[row if row % 2 == 0 else (row + 1) % len(SCENES)]
        text = canonical_caption(about) if len(turns) == 1 else ""
        said.append(Said("click here for more pictures." if row % 5 == 0 else text, 5))
    return said


def test_what_is_right_is_accepted_and_anything_else_edited():
    texts = [canonical_caption(SCENES[0]), canonical_caption(SCENES[1]), "a red star is at"]
    made = decide([Proposal(str(row), text) for row, text in enumerate(texts)], SCENES)
    assert [made[str(row)].decision for row in range(2)] == ["accept", "accept"]
    assert made["2"].decision == "edit" and made["2"].caption == whole(SCENES[2])
    other = next(row for row in range(1, 9) if things_right(texts[0], SCENES[row])[0] == 0)
    assert decide([Proposal(str(other), texts[0])], SCENES)[str(other)].decision == "edit"


def test_repairs_leave_out_what_says_nothing():
    texts = ["a red star at top-left", "two", "the", "click here for more.", "a 7 a 7 a 7"]
    found = repairs([Described(str(row), text) for row, text in enumerate(texts)])
    kept = {p.image_id: p.caption for p in found}
    assert kept == {"0": "a red star is at top-left.", "4": "there is a 7."}


def test_every_kept_description_of_a_curated_set_is_wholly_right():
    found = toy_captions(teacher, SCENES, 100)
    assert len(found) == 100 and found == toy_captions(teacher, SCENES, 100)
    assert not any(int(row) % 5 == 0 for row in found)
    for row, text in found.items():
        right, named = things_right(text, SCENES[int(row)])
        assert right == named == len(SCENES[int(row)].things)


def test_without_people_what_is_wrong_stays_and_without_repair_everything_does():
    repaired = toy_captions(teacher, SCENES, 100, "repaired")
    described = toy_captions(teacher, SCENES, 100, "described")
    assert not any(int(row) % 5 == 0 for row in repaired)
    assert list(described) == [str(row) for row in range(100)]
    shares = [things_right(text, SCENES[int(row)]) for row, text in repaired.items()]
    assert 0.3 < sum(right == named for right, named in shares) / len(shares) < 0.7


def test_scenes_are_described_as_far_as_they_are_needed():
    asked = []

    def ask(turns):
        asked.extend(turns)
        return teacher(turns)

    toy_captions(ask, SCENES, 20)
    assert {image for image, _ in asked} == {str(row) for row in range(BLOCK)}
    assert asked[0][1] == (WISH,) and asked[-1][1][-1] == CONTINUE


def test_too_few_and_unknown_are_sentences():
    with pytest.raises(ValueError, match=r"64 scenes gave 51 descriptions that pass, not 60"):
        toy_captions(teacher, SCENES[:BLOCK], 60)
    with pytest.raises(ValueError, match=r"'curatd'.*curated"):
        toy_captions(teacher, SCENES, 1, "curatd")
    with pytest.raises(ValueError, match="0 descriptions are no set"):
        toy_captions(teacher, SCENES, 0)
    with pytest.raises(ValueError, match="3 scenes gave 0 descriptions"):
        toy_captions(lambda asked: [Said("", 0) for _ in asked], SCENES[:3], 1)
    assert SOURCES == ("curated", "repaired", "described")


def test_how_many_and_of_how_many_scenes():
    assert counted(Curated(), 400) == (Curated(400), 800)
    assert counted(Curated(25), 400) == (Curated(25), 50)
    assert counted(Curated(), 400, 70) == (Curated(35), 70)
    assert counted(Curated(25), 400, 70) == (Curated(25), 70)
    assert counted(Curated(folder="x"), 400) == (Curated(folder="x"), 0)
