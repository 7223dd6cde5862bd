"""Text-only tasks, several pictures, moves: one right answer each, held-out means held out."""

import numpy as np
import pytest

from course_lib.backbones.tokenizers import build_tokenizer, unknown_words
from course_lib.evaluation.joint import is_right
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.teacher import Turn
from course_lib.instructions.toy_several import (
    compared_in_words,
    frame_parts,
    in_one_picture,
    move,
    picture_parts,
    which_picture,
)
from course_lib.instructions.toy_text import text_task, text_turns, told_question, told_turns
from course_lib.world.questions import QUESTION_TYPES, ask
from course_lib.world.scene import PLACES, sample_scenes

TASKS = ("repeat", "pick", "facts")
SCENES = sample_scenes(120, 3, "test")


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(kind, held_out, count=400, seed=0):
    draw = rng(seed)
    return [text_task(kind, draw, held_out) for _ in range(count)]


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_held_out_is_never_taught(kind):
    taught = {turn.question for turn in drawn(kind, False, 3000)}
    kept = {turn.question for turn in drawn(kind, True)}
    assert kept and not taught & kept


def test_every_fact_is_taught_in_two_wordings_of_three():
    taught = {turn.question for turn in drawn("facts", False, 6000)}
    kept = {turn.question for turn in drawn("facts", True, 6000)}
    for asked in (f"{d} odd or even" for d in range(10)):
        assert any(asked in question for question in taught | kept)
    assert len(taught) == 2 * len(kept) == 2 * (10 + 90 + 4)


@pytest.mark.parametrize("kind", TASKS)
def test_a_tasks_own_answer_is_right_and_another_ones_is_not(kind):
    turns = drawn(kind, False, 60)
    wrong = 0
    for turn, other in zip(turns, [*turns[1:], turns[0]], strict=True):
        assert is_right(turn, turn.answer) and not is_right(turn, "hello")
        wrong += not is_right(turn, other.answer)
    assert wrong > 20


def test_a_scene_in_words_opens_the_first_question_alone():
    for type in TYPES:
        turns = told_turns(SCENES[1], type, rng())
        assert all(place.place in turns[0].question for place in SCENES[1].things)
        assert len(turns[0].question) > 40 and all(len(t.question) < 70 for t in turns[1:])
    for type in QUESTION_TYPES:
        scene = next(scene for scene in SCENES if ask(scene, rng(), type))
        turn = told_question(scene, ask(scene, rng(), type), rng())
        assert turn.kind == type and is_right(turn, turn.key)


def test_every_word_is_one_that_the_toy_models_know():
    tokenizer, draw, texts = build_tokenizer("llama"), rng(), []
    for index in range(80):
        texts += [f"{t.question} {t.answer}" for t in text_turns(draw, SCENES, (1,) * 5, (1,) * 3)]
        for kind in TASKS:
            turn = text_task(kind, draw, held_out=bool(index % 2))
            texts.append(f"{turn.question} {turn.answer}")
        pair = SCENES[index : index + 2]
        found = [which_picture(pair, draw), in_one_picture(pair, draw), move(SCENES[index], draw)]
        turns = [getattr(one, "turn", one) for one in found if one is not None]
        texts += [f"{turn.question} {turn.answer}" for turn in turns]
    texts += [*picture_parts(4, "?"), *frame_parts(4)]
    assert {word for text in texts for word in unknown_words(tokenizer, text)} == set()


# --- several pictures ----------------------------------------------------------------------------


def test_the_asked_thing_is_in_one_picture_alone_and_every_picture_is_asked_for():
    draw, keys = rng(), []
    for start in range(100):
        scenes = SCENES[start : start + 2 + start % 3]
        turn = which_picture(scenes, draw)
        if turn is None:
            continue
        words = turn.question.removeprefix("which picture has ").rstrip("?").split()[1:]
        has = [
            any(all(w in (t.colour, t.kind, "thing") for w in words) for t in scene.things)
            for scene in scenes
        ]
        index = ("first", "second", "third", "fourth").index(turn.key)
        assert has.count(True) == 1 and has[index]
        assert is_right(turn, turn.answer) and not is_right(turn, "the tenth picture")
        keys.append(turn.key)
    assert set(keys) == {"first", "second", "third", "fourth"}
    assert keys.count("first") < 60 and keys.count("second") > 20


def test_two_ordinals_are_no_answer():
    turn = Turn("which?", "the second picture has it.", "second", "which")
    assert is_right(turn, "Second.") and not is_right(turn, "the first or the second picture")


def test_numbers_of_pictures():
    assert len(picture_parts(3, "why?")) == 4 and picture_parts(2, "why?")[-1] == " why?"
    assert len(frame_parts(4)) == 5 and frame_parts(4)[1:4] == ("", "", "")
    for count in (0, 1, 5):
        with pytest.raises(ValueError, match=f"{count} pictures"):
            which_picture(SCENES[:count], rng())
    assert which_picture([SCENES[0], SCENES[0]], rng()) is None


def test_scenes_in_words_stand_where_the_pictures_would():
    draw, kinds = rng(), set()
    for start in range(60):
        scenes = SCENES[start : start + 3]
        turn = compared_in_words(scenes, draw)
        if turn is None:
            continue
        kinds.add(turn.kind)
        shown = scenes if turn.kind == "which" else scenes[:1]
        for scene in shown:
            assert all(thing.kind in turn.question for thing in scene.things)
        start = {"which": "first picture: ", "moved": "frames: "}[turn.kind]
        assert turn.question.startswith(start) and turn.question.endswith("?")
        assert is_right(turn, turn.answer)
    assert kinds == {"which", "moved"}


# --- moves ---------------------------------------------------------------------------------------


def test_one_thing_moves_to_a_place_that_was_empty_and_the_rest_stays():
    draw, moves = rng(), 0
    for scene in SCENES:
        made = move(scene, draw)
        if made is None:
            continue
        moves += 1
        stayed = set(scene.things) & set(made.after.things)
        (gone,), (come,) = set(scene.things) - stayed, set(made.after.things) - stayed
        assert len(stayed) == len(scene.things) - 1 and scene.at(come.place) is None
        assert (gone.kind, gone.colour, gone.size, gone.scan) == (
            come.kind,
            come.colour,
            come.size,
            come.scan,
        )
        left, top, width, height = come.box
        assert (left >= 24) == come.place.endswith("right") and left + width <= 48
        assert (top >= 24) == come.place.startswith("bottom") and top + height <= 48
        order = [PLACES.index(thing.place) for thing in made.after.things]
        assert order == sorted(order) and made.after.background == scene.background
        assert made.turn.key == f"{gone.colour} {gone.kind}"
        assert is_right(made.turn, made.turn.answer)
        still = next(iter(stayed))
        assert not is_right(made.turn, f"the {still.colour} {still.kind} moved.")
        assert not is_right(made.turn, f"the {made.turn.key} and the red 9 moved.")
    assert moves > 60


def test_no_move_where_nothing_could_be_confused_or_told_apart():
    single = next(scene for scene in SCENES if len(scene.things) == 1)
    assert move(single, rng()) is None
