"""Made-up things against a scene by hand, and against whole truths of many scenes."""

import numpy as np
import pytest

from course_lib.evaluation.made_up import hallucination, made_up_things
from course_lib.instructions.toy_rules import detail
from course_lib.world.language import captions
from course_lib.world.scene import COLOURS, KINDS, Scene, Thing, sample_scenes

SCENE = Scene(
    (
        Thing("circle", "red", "small", "top-left", (0, 0, 16, 16)),
        Thing("7", "blue", "large", "bottom-right", (24, 24, 22, 22), 1400),
    )
)


@pytest.mark.parametrize(
    ("text", "mentions", "made_up", "wrong"),
    [
        ("a small red circle at top-left and a large blue 7 at bottom-right.", 2, [], []),
        ("a red circle and a blue 7.", 2, [], []),
        ("a green star at top-right.", 1, ["green star at top-right"], []),
        ("a small red square at top-left.", 1, ["small red square at top-left"], []),
        ("a large red circle at top-left.", 1, [], ["large red circle at top-left"]),
        ("a red circle at top-right and a 9.", 2, ["9"], ["red circle at top-right"]),
        ("a star, a star and a circle.", 3, ["star", "star"], []),
        ("the thing at top-right is yellow.", 1, ["yellow thing at top-right"], []),
        ("the thing at top-left is red.", 1, [], []),
        ("a circle is at top-left. it is green.", 2, ["green thing"], []),
        ("there is no star. nothing is at top-right, and there isn't a 3.", 0, [], []),
        ("there is no star and a green 4.", 1, ["green 4"], []),
        ("the picture shows two things. the other two places are empty.", 0, [], []),
        ("click here for more pictures.", 0, [], []),
        ("", 0, [], []),
    ],
)
def test_mentions_are_sorted_by_what_the_scene_says(text, mentions, made_up, wrong):
    found = made_up_things(text, SCENE)
    assert (found.mentions, list(found.made_up), list(found.wrong)) == (mentions, made_up, wrong)


def test_what_is_true_makes_nothing_up():
    rng = np.random.default_rng(0)
    for scene in sample_scenes(300, 3, "combos"):
        for text in [*captions(scene), detail(scene, rng)[0].answer]:
            found = made_up_things(text, scene)
            assert not found.made_up and not found.wrong and found.mentions >= len(scene.things)


def test_another_scenes_description_is_mostly_made_up():
    scenes = sample_scenes(300, 3, "test")
    texts = [captions(scene)[0] for scene in scenes]
    assert hallucination(texts, scenes)["chair_i"] == 0
    other = hallucination(texts, scenes[1:] + scenes[:1])
    assert 0.7 < other["chair_i"] < 0.95 and other["wrong_i"] > 0.02
    assert 0 < other["chair_i"] + other["wrong_i"] <= 1


def test_the_measure_counts_mentions_texts_and_words():
    texts = ["a red circle and a star.", "a blue 7.", "a star, a square and a 3."]
    found = hallucination(texts, [SCENE] * 3)
    assert found["chair_i"] == pytest.approx(4 / 6) and found["chair_s"] == pytest.approx(2 / 3)
    assert (found["mentions"], found["words"]) == (2, pytest.approx(16 / 3))
    assert found["wrong_i"] == 0
    assert hallucination(["nothing."], [SCENE])["chair_i"] == 0


def test_one_wrong_word_is_seen_wherever_it_is():
    for scene in sample_scenes(40, 9, "test"):
        text, thing = captions(scene)[0], scene.things[0]
        seen = {t.kind for t in scene.things}
        kind = next(k for k in KINDS if k not in seen)
        wrong = text.replace(f"{thing.kind} at {thing.place}", f"{kind} at {thing.place}")
        assert len(made_up_things(wrong, scene).made_up) == 1
        colour = next(c for c in COLOURS if c not in {t.colour for t in scene.things})
        painted = text.replace(f"{thing.colour} {thing.kind} at", f"{colour} {thing.kind} at", 1)
        assert len(made_up_things(painted, scene).wrong) == 1


def test_texts_and_scenes_have_to_be_as_many():
    for texts, scenes in (([], []), (["a"], [])):
        with pytest.raises(ValueError, match=f"{len(texts)} texts for 0 scenes"):
            hallucination(texts, scenes)
