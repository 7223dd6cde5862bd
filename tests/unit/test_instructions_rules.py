"""The rule teacher: in the toy world every sentence is checked against the scene itself."""

import re

import numpy as np
import pytest

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.evaluation.captions import things_right
from course_lib.instructions.facts import HELD_OUT, any_held_out, held_out_in_text
from course_lib.instructions.rules import RuleTeacher
from course_lib.instructions.symbols import (
    TYPES,
    Box,
    Example,
    example_of_scene,
    examples_of_scenes,
    symbolic_prompt,
)
from course_lib.instructions.toy_reading import read_scene
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS, reasoning_turns
from course_lib.instructions.validate import answer_fault, unknown_words
from course_lib.world.language import NUMBER_WORDS
from course_lib.world.scene import DIGITS, PLACES, SHAPES, Scene, Thing, sample_scenes

TEACHER = RuleTeacher()
COUNTS = {1: "one", 2: "two", 3: "three"}
SIDES = {"circle": "zero", "triangle": "three", "square": "four", "star": "ten"}


@pytest.fixture(scope="module")
def scenes():
    return [
        scene for split in ("train", "test", "combos") for scene in sample_scenes(400, 5, split)
    ]


@pytest.fixture(scope="module")
def answered(scenes):
    """Returns (scene, type, answer) for every scene and type."""
    found = []
    for index, example in enumerate(examples_of_scenes(scenes)):
        for number, type in enumerate(TYPES):
            rng = np.random.default_rng((index, number))
            found.append((scenes[index], type, TEACHER.answer(example, type, rng)))
    return found


def thing(kind, place, colour="red", size="small"):
    left, top = 24 * place.endswith("right") + 4, 24 * place.startswith("bottom") + 4
    return Thing(kind, colour, size, place, (left, top, 16, 16))


def about(*things):
    return example_of_scene(Scene(tuple(things)), "1", "1.png")


def test_the_symbolic_prompt_holds_captions_then_boxes():
    example = about(thing("circle", "top-left"), thing("7", "bottom-right", "blue", "small"))
    text = symbolic_prompt(example)
    assert text.splitlines()[:5] == list(example.captions)
    assert text.splitlines()[5:] == [
        "",
        "circle: [0.083, 0.083, 0.417, 0.417]",
        "7: [0.583, 0.583, 0.917, 0.917]",
    ]
    assert symbolic_prompt(example, boxes=False) == "\n".join(example.captions)


def test_a_scene_is_read_back_from_words_and_numbers_alone(scenes):
    for scene, example in zip(scenes, examples_of_scenes(scenes), strict=True):
        found = read_scene(example)
        plain = [{**vars(t), "scan": None} for t in scene.things]
        assert [vars(t) for t in found.things] == plain


def test_an_example_of_another_world_is_none_of_the_toy_world():
    caption = "a small red circle at top-left."
    box = Box("circle", (0.1, 0.1, 0.4, 0.4))
    assert read_scene(Example("1", "1.png", (caption,), (box,))) is not None
    assert read_scene(Example("1", "1.png", (caption,))) is None
    assert read_scene(Example("1", "1.png", (caption,), (Box("star", box.corners),))) is None
    assert read_scene(Example("1", "1.png", ("a dog.",), (box,))) is None
    assert read_scene(Example("1", "1.png", (f"look: {caption}",), (box,))) is None


def seen_truth(scene, question):
    """Answers a question about what is seen by another road than the teacher's."""
    words = question.rstrip("?").split()
    place = next((p for p in PLACES if p in words), None)
    there = scene.at(place) if place else None
    named = words[3] if len(words) > 3 else ""
    holders = [t for t in scene.things if named in (t.colour, t.kind)]
    if question.startswith("what colour"):
        return f"the thing at {place} is {there.colour}."
    if question.startswith("what size"):
        return f"the thing at {place} is {there.size}."
    if question.startswith("what is at"):
        name = f"the number {there.kind}" if there.is_digit else f"a {there.kind}"
        return f"{name} is at {place}."
    if question.startswith("where"):
        assert len(holders) == 1
        return f"the {' '.join(words[3:])} is at {holders[0].place}."
    if question.startswith("how many things"):
        verb, noun = ("is", "thing") if len(scene.things) == 1 else ("are", "things")
        return f"there {verb} {COUNTS[len(scene.things)]} {noun}."
    assert question.startswith("is there a ")
    name = " ".join(words[3:])
    if not holders:
        return f"no, there is no {name}."
    if named in DIGITS:
        return f"yes, there is the number {name}."
    return f"yes, there is {'an' if named == 'orange' else 'a'} {name}."


def known_truth(scene, question):
    """Answers a reasoning question by another road than the teacher's."""
    words = question.rstrip("?").split()
    place = next((p for p in PLACES if p in words), None)
    there = scene.at(place) if place else None
    if question.startswith("is the number"):
        what = "even" if there.kind in "02468" else "odd"
        return f"the number at {place} is {there.kind}, and {there.kind} is {what}."
    if question.startswith("how many sides"):
        kind = there.kind
        return f"the thing at {place} is a {kind}, and a {kind} has {SIDES[kind]} sides."
    assert question == "which number is the largest?"
    numbers = [t.kind for t in scene.things if t.kind in DIGITS]
    listed = ", ".join(numbers[:-1]) + f" and {numbers[-1]}"
    return f"the numbers are {listed}, and {sorted(numbers)[-1]} is the largest."


def test_every_conversation_is_true(answered):
    lengths = set()
    for scene, type, answer in answered:
        if type != "conversation":
            continue
        lengths.add(len(answer.turns))
        assert len({turn.question for turn in answer.turns}) == len(answer.turns)
        for turn in answer.turns:
            assert turn.answer == seen_truth(scene, turn.question)
            assert turn.key in re.findall(r"[a-z-]+|\d", turn.answer)
    assert lengths == {2, 3, 4}


def test_every_description_is_true_and_reads_like_a_caption(answered):
    for scene, type, answer in answered:
        if type != "detail":
            continue
        (turn,) = answer.turns
        assert turn.question in DETAIL_QUESTIONS
        assert things_right(turn.answer, scene) == (len(scene.things), len(scene.things))
        numbers = sum(t.kind in DIGITS for t in scene.things)
        for count, noun in ((len(scene.things) - numbers, "shape"), (numbers, "number")):
            found = re.search(rf"(\w+) {noun}s?\b", turn.answer)
            assert (found.group(1) if found else "zero") == NUMBER_WORDS[count]
        rest = {1: "three places are", 2: "two places are", 3: "place is"}[len(scene.things)]
        assert turn.answer.endswith(f"the other {rest} empty.")


def test_every_reasoning_answer_is_true_and_needs_a_fact(answered):
    kinds = set()
    for scene, type, answer in answered:
        if type != "reasoning" or answer.rejected:
            continue
        (turn,) = answer.turns
        kinds.add(turn.kind)
        assert turn.answer == known_truth(scene, turn.question)
        assert turn.facts and turn.key in re.findall(r"[a-z]+|\d", turn.answer)
    assert kinds == {"parity", "sides", "larger"}


def test_held_out_facts_are_in_no_instruction_and_others_all_are(answered):
    told = set()
    for _, _, answer in answered:
        for turn in answer.turns:
            told |= set(turn.facts)
            assert held_out_in_text(f"{turn.question} {turn.answer}") == []
    parities = {f"parity of {digit}" for digit in DIGITS}
    sides = {f"sides of {shape}" for shape in SHAPES}
    larger = {f"larger of {a} and {b}" for a in range(10) for b in range(a + 1, 10)}
    taught = (parities | sides | larger) - HELD_OUT
    assert len(taught) == 10 + 4 + 45 - len(HELD_OUT), "each held-out name is a real fact"
    assert told <= taught
    missing = taught - told
    assert missing <= larger and len(missing) <= 4, "some pairs are rare in 1,200 scenes"


def test_a_scene_that_allows_no_other_fact_is_rejected_with_its_reason():
    for kind in ("3", "8", "square"):
        answer = TEACHER.answer(
            about(thing(kind, "top-left")), "reasoning", np.random.default_rng()
        )
        assert answer.turns == () and "held out" in answer.rejected
    both = about(thing("3", "top-left"), thing("7", "top-right"))
    asked = {
        TEACHER.answer(both, "reasoning", np.random.default_rng(i)).turns[0].facts
        for i in range(50)
    }
    assert asked == {("parity of 7",), ("larger of 3 and 7",)}


def test_held_out_questions_are_there_for_whoever_tests(scenes):
    held = [turn for scene in scenes for turn in reasoning_turns(scene) if any_held_out(turn.facts)]
    assert {turn.kind for turn in held} == {"parity", "sides", "larger"}
    one = next(t for t in held if t.facts == ("parity of 8",))
    assert one.key == "even" and one.answer.endswith("and 8 is even.")


def test_all_words_are_in_the_committed_vocabulary(answered):
    tokenizers = [build_tokenizer(name) for name in ("opt", "llama", "t5")]
    texts = {t for _, _, a in answered for turn in a.turns for t in (turn.question, turn.answer)}
    texts |= set(DETAIL_QUESTIONS)
    assert all(unknown_words(text) == [] for text in texts)
    for tokenizer in tokenizers:
        for ids in tokenizer(sorted(texts)).input_ids:
            assert tokenizer.unk_token_id not in ids
    assert unknown_words("a zebra at top-left") == ["zebra"]


def test_all_answers_pass_the_validator_and_few_scenes_are_rejected(scenes, answered):
    examples = examples_of_scenes(scenes)
    faults = [
        answer_fault(answer, examples[index // 3], type)
        for index, (_, type, answer) in enumerate(answered)
    ]
    wrong = {fault for fault in faults if fault}
    assert wrong == {"every fact that this scene needs is held out"}
    assert 0.02 < sum(map(bool, faults)) / len(scenes) < 0.2


def test_answers_repeat_and_depend_on_nothing_but_example_type_and_generator(scenes):
    example = examples_of_scenes(scenes)[4]
    for type in TYPES:
        one, two, three = (
            TEACHER.answer(example, type, np.random.default_rng(seed)) for seed in (1, 1, 2)
        )
        assert one == two
        assert type == "reasoning" or one != three


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="did you mean 'reasoning'"):
        TEACHER.answer(about(thing("1", "top-left")), "reasonig", np.random.default_rng(0))
    with pytest.raises(ValueError, match="two or more"):
        RuleTeacher(most_turns=1)
