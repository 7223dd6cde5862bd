"""What is refused in answers and in LLaVA's records, and the layout that is written."""

import pytest

from course_lib.instructions.facts import held_out_in_text
from course_lib.instructions.messages import messages_for, most_tokens, seed_example, seeds
from course_lib.instructions.parsing import said_in, turns_of
from course_lib.instructions.symbols import TYPES, Example, examples_of_scenes
from course_lib.instructions.teacher import Answer, Turn
from course_lib.instructions.validate import (
    alternation_fault,
    answer_fault,
    text_fault,
)
from course_lib.world.scene import sample_scenes

PHOTO = Example("7", "7.jpg", ("A dog sleeps.",))
IN_A_BOX = Example("8", "8.jpg", ("A cat sits in a box.",))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The dog is on the left.", ""),
        ("It is 7.5 metres long, and the time is 10.30.", ""),
        ("A boxer stands in a mailbox-red coat.", ""),
        ("The description is clear.", ""),
        ("  \n ", "is empty"),
        ("The captions say so.", "mentions 'captions'"),
        ("As captioned, a dog.", "mentions 'captioned'"),
        ("Its bounding area is large.", "mentions 'bounding'"),
        ("The BOX is left.", "mentions 'box'"),
        ("two boxes", "mentions 'boxes'"),
        ("Its coordinates are near the middle.", "mentions 'coordinates'"),
        ("It is at 0.53 of the width.", "leaks a coordinate: '0.53'"),
        ("It is at .531.", "leaks a coordinate: '.531'"),
        ("It reaches 1.000.", "leaks a coordinate: '1.000'"),
        ("dog: [12, 30, 50, 60]", "leaks a coordinate: '[12, 30, 50, 60]'"),
        ("around (12, 30)", "leaks a coordinate: '(12, 30)'"),
        ("x1 is small", "leaks a coordinate: 'x1'"),
        ("Look at <image> again.", "contains <image>"),
    ],
)
def test_texts_that_give_the_teacher_away(text, fault):
    found = text_fault(text, PHOTO)
    assert found.startswith(fault) and bool(found) == bool(fault)


def test_a_box_in_the_image_may_be_named_and_a_bounding_box_never():
    assert text_fault("The cat sits in a box.", IN_A_BOX) == ""
    assert text_fault("Its bounding box is small.", IN_A_BOX) == "mentions 'bounding'"


def test_faults_of_whole_answers():
    good = Turn("What is it?", "A dog.")
    assert answer_fault(Answer((good, good)), PHOTO, "conversation") == ""
    assert "has 2 turns" in answer_fault(Answer((good, good)), PHOTO, "reasoning")
    assert answer_fault(Answer(), PHOTO, "detail") == "holds no turn"
    assert answer_fault(Answer(rejected="no"), PHOTO, "detail") == "no"
    bad = Answer((good, Turn("Which box?", "That one.")))
    assert answer_fault(bad, PHOTO, "conversation") == "question 2 mentions 'box'"


def test_a_toy_answer_has_known_words_and_no_held_out_fact():
    toy = examples_of_scenes(sample_scenes(1, 0))[0]
    strange = Answer((Turn("what is there?", "a zebra, a zebra and a giraffe."),))
    assert answer_fault(strange, toy, "detail").endswith("lack: zebra, giraffe")
    assert answer_fault(strange, PHOTO, "detail") == ""
    held = Answer((Turn("is it odd?", "it is eight, so it is even."),))
    assert answer_fault(held, toy, "reasoning").endswith("held-out fact: parity of 8")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("is 8 odd or even? 8 is even.", ["parity of 8"]),
        ("three is odd", ["parity of 3"]),
        ("which is larger, 9 or 4?", ["larger of 4 and 9"]),
        ("a square has four sides.", ["sides of square"]),
        ("squares have sides", ["sides of square"]),
        ("a large square is at top-left. 8 is there.", []),
        ("7 is odd", []),
        ("18 is even", []),
    ],
)
def test_held_out_facts_are_found_in_words(text, found):
    assert held_out_in_text(text) == found


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ([], "holds no turn"),
        ([("gpt", "a")], "turn 1 is by gpt"),
        ([("human", "a"), ("human", "b")], "turn 2 is by human"),
        ([("human", "a"), ("system", "b")], "unknown role 'system'"),
        ([("human", "a")], "ends with a question"),
        ([("human", "a"), ("gpt", "b")] * 3, ""),
    ],
)
def test_turns_alternate(said, fault):
    found = alternation_fault(said)
    assert fault in found and bool(found) == bool(fault)


def test_a_text_is_split_at_its_labels_whatever_stands_between():
    first = "Sure!\n**Question:** What\nis it?\n===\n**Answer:** A dog: brown."
    text = f"{first}\n---\nquestion: And?\nANSWER : No."
    said = said_in(text)
    assert said == [
        ("human", "What\nis it?"),
        ("gpt", "A dog: brown."),
        ("human", "And?"),
        ("gpt", "No."),
    ]
    assert turns_of(said)[1] == Turn("And?", "No.")
    assert said_in("The question: why? Answer: none.") == []


def test_our_own_examples_keep_our_own_rules():
    numbers = {"conversation": 2, "detail": 3, "reasoning": 3}
    for type in TYPES:
        shown = seeds()[type]["examples"]
        assert len(shown) == numbers[type], "as many as the paper"
        for seed in shown:
            example = seed_example(seed)
            assert len(example.captions) == 5 and bool(example.boxes) == (type != "conversation")
            turns = [Turn(t["question"], t["answer"]) for t in seed.get("turns", [])]
            answer = Answer(tuple(turns) or (Turn("Describe it.", seed["answer"]),))
            assert answer_fault(answer, example, type) == ""


def test_no_request_is_longer_than_its_bound():
    messages = messages_for(PHOTO, "detail")
    words = sum(len(message["content"].split()) for message in messages)
    assert words < most_tokens(messages) < 20_000
