"""COCO files: read with their faults named, and answered with what captions and boxes state."""

import json

import numpy as np
import pytest

from course_lib.instructions.coco_files import category_names, read_coco
from course_lib.instructions.coco_rules import different_captions
from course_lib.instructions.coco_view import part_of_image, side_of, view
from course_lib.instructions.english import an, counted, plural, sentence
from course_lib.instructions.rules import RuleTeacher
from course_lib.instructions.symbols import TYPES, Box, Example
from course_lib.instructions.validate import answer_fault

CAPTIONS = (
    "Two dogs and a horse on a green field",
    "A horse watches dogs that play with a frisbee.",
    "Animals outdoors.",
)
BOXES = (
    Box("dog", (0.05, 0.6, 0.2, 0.8), "animal"),
    Box("dog", (0.25, 0.6, 0.4, 0.8), "animal"),
    Box("horse", (0.6, 0.1, 0.9, 0.45), "animal"),
    Box("frisbee", (0.1, 0.1, 0.2, 0.2), "sports"),
    Box("person", (0.0, 0.0, 1.0, 0.1), "person", crowd=True),
)
EXAMPLE = Example("9", "9.jpg", CAPTIONS, BOXES)


def all_turns(teacher, type, example=EXAMPLE, draws=120):
    """Returns every turn that many draws bring, question → answers."""
    found = {}
    for seed in range(draws):
        answer = teacher.answer(example, type, np.random.default_rng(seed))
        assert answer_fault(answer, example, type) == answer.rejected
        for turn in answer.turns:
            found.setdefault(turn.question, set()).add(turn.answer)
    return found


def test_a_conversation_says_what_boxes_state():
    found = all_turns(RuleTeacher(), "conversation")
    assert found.pop("What does the image show?") == {sentence(text) for text in CAPTIONS}
    assert found == {
        "How many dogs are there?": {"There are two dogs."},
        "How many horses are there?": {"There is one horse."},
        "How many frisbees are there?": {"There is one frisbee."},
        "Where is the horse?": {"The horse is in the upper right part of the image."},
        "Where is the frisbee?": {"The frisbee is in the upper left part of the image."},
        "Is the horse to the left or to the right of the frisbee?": {
            "The horse is to the right of the frisbee."
        },
        "Is the frisbee to the left or to the right of the horse?": {
            "The frisbee is to the left of the horse."
        },
    }


def test_absence_is_told_only_where_boxes_are_exhaustive_and_as_often_as_presence():
    names = ("dog", "horse", "frisbee", "person", "cat", "green apple")
    teacher = RuleTeacher(categories=names)
    found = all_turns(teacher, "conversation", draws=300)
    there = {q: a for q, a in found.items() if q.startswith("Can you see")}
    assert there == {
        "Can you see any dogs?": {"Yes, there are two dogs."},
        "Can you see any horses?": {"Yes, there is one horse."},
        "Can you see any frisbees?": {"Yes, there is one frisbee."},
        "Can you see any cats?": {"No, there are no cats."},
    }, "a crowd of people is there, and a caption speaks of green"
    counts = {"Yes": 0, "No,": 0}
    for seed in range(600):
        for turn in teacher.answer(EXAMPLE, "conversation", np.random.default_rng(seed)).turns:
            if turn.kind == "is_there":
                counts[turn.answer[:3]] += 1
    assert 0.8 < counts["Yes"] / counts["No,"] < 1.25


def test_a_description_adds_counts_and_places_to_captions():
    (answers,) = {frozenset(a) for a in all_turns(RuleTeacher(), "detail").values()}
    (text,) = answers
    assert text == (
        "A horse watches dogs that play with a frisbee. Two dogs and a horse on a green field. "
        "Animals outdoors. There are two dogs, one horse and one frisbee. There is a group of "
        "people. The horse is in the upper right part of the image. The frisbee is in the upper "
        "left part of the image."
    )


def test_reasoning_adds_up_and_compares():
    found = all_turns(RuleTeacher(), "reasoning")
    assert found["How many things of the kind animal are there altogether?"] == {
        "There are two dogs and one horse. All of these count as animal, so there are three in all."
    }
    assert found["Are there more dogs or more horses?"] == {
        "There are two dogs and one horse, so there are more dogs."
    }
    assert found["Are there more horses or more frisbees?"] == {
        "There is one horse and one frisbee, so there are as many of one as of the other."
    }
    assert len(found) == 1 + 6 and not any("people" in question for question in found)


@pytest.mark.parametrize("type", TYPES)
def test_captions_alone_are_no_conversation_and_no_reasoning(type):
    bare = Example("1", "1.jpg", CAPTIONS)
    answer = RuleTeacher().answer(bare, type, np.random.default_rng(0))
    assert bool(answer.turns) == (type == "detail") == (not answer.rejected)


def test_one_caption_without_boxes_is_rejected_as_a_description():
    answer = RuleTeacher().answer(
        Example("1", "1.jpg", ("A dog.",)), "detail", np.random.default_rng(0)
    )
    assert "no more than the caption" in answer.rejected


def test_a_view_counts_no_crowd_and_a_group_with_a_crowd_not_at_all():
    found = view(EXAMPLE)
    assert found.counts == {"dog": 2, "horse": 1, "frisbee": 1} and found.crowds == ("person",)
    assert set(found.single) == {"horse", "frisbee"}
    assert found.groups == {"animal": ("dog", "horse"), "sports": ("frisbee",)}
    crowd = Box("cow", (0, 0, 1, 1), "animal", crowd=True)
    assert "animal" not in view(Example("1", "", CAPTIONS, (*BOXES, crowd))).groups


@pytest.mark.parametrize(
    ("corners", "part"),
    [
        ((0.0, 0.0, 0.5, 0.5), "the upper left part"),
        ((0.6, 0.5, 0.9, 1.0), "the lower right part"),
        ((0.1, 0.2, 0.3, 0.8), "the left half"),
        ((0.1, 0.6, 0.9, 0.8), "the lower half"),
        ((0.1, 0.2, 0.51, 0.8), ""),
    ],
)
def test_a_box_has_a_part_only_where_it_lies_wholly_inside(corners, part):
    assert part_of_image(Box("x", corners)) == part


def test_sides_need_a_gap_and_the_wider_one_decides():
    one = Box("x", (0.0, 0.0, 0.3, 0.3))
    assert side_of(one, Box("y", (0.4, 0.9, 0.5, 1.0))) == "above"
    assert side_of(Box("y", (0.9, 0.1, 1.0, 0.2)), one) == "to the right of"
    assert side_of(one, Box("y", (0.2, 0.2, 0.5, 0.5))) == ""
    assert side_of(one, Box("y", (0.3, 0.0, 0.5, 0.3))) == ""


def test_captions_that_say_the_same_are_told_once():
    same = ("A dog on a red sofa.", "A dog lies on a red sofa", "The room has a big window.")
    assert different_captions(same) == ["A dog lies on a red sofa", "The room has a big window."]


def test_names_in_sentences():
    words = "dog person knife wine glass|bench|sheep|toothbrush|bus|skis|scissors|cherry|toy"
    names = [*words.split("|")[0].split(" ", 3)[:3], "wine glass", *words.split("|")[1:]]
    assert [plural(name) for name in names] == [
        "dogs", "people", "knives", "wine glasses", "benches", "sheep", "toothbrushes", "buses",
        "pairs of skis", "pairs of scissors", "cherries", "toys",
    ]  # fmt: skip
    assert (an("apple"), an("unicorn"), an("umbrella")) == ("an apple", "a unicorn", "an umbrella")
    assert counted(1, "scissors") == "a pair of scissors" and counted(12, "dog") == "12 dogs"
    assert sentence("  a dog . ") == "A dog."


def files(tmp_path, **changes):
    images = [{"id": 1, "file_name": "a/000001.jpg", "width": 200, "height": 100}]
    captions = {"images": images, "annotations": [{"image_id": 1, "caption": " A  dog. "}]}
    box = {"image_id": 1, "category_id": 3, "bbox": [20, 10, 50, 30], "iscrowd": 0}
    names = [{"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 4, "name": "cat"}]
    instances = {"images": images, "annotations": [box], "categories": names}
    for key, rows in changes.items():
        part, field = key.split("_")
        {"captions": captions, "instances": instances}[part][field] += rows
    paths = (tmp_path / "captions.json", tmp_path / "instances.json")
    for path, content in zip(paths, (captions, instances), strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_coco_files_become_examples_with_normalised_boxes(tmp_path):
    paths = files(tmp_path)
    examples, troubles = read_coco(*paths)
    assert troubles == []
    box = Box("dog", (0.1, 0.1, 0.35, 0.4), "animal")
    assert examples == [Example("000001", "a/000001.jpg", ("A dog.",), (box,))]
    assert category_names(paths[1]) == ("dog", "cat")
    assert read_coco(paths[0])[0][0].boxes == ()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"captions_images": [{"id": 2, "file_name": "b.jpg"}]}, "image 2 has no caption"),
        ({"captions_annotations": [{"image_id": 5, "caption": "x"}]}, "annotation 1 names image 5"),
        ({"captions_annotations": [{"image_id": 1, "caption": " "}]}, "annotation 1 of image 1"),
        ({"captions_annotations": [7]}, "annotation 1 names image None"),
        ({"instances_annotations": [{"image_id": 8}]}, "annotation 1 names image 8"),
        ({"instances_annotations": [{"image_id": 1, "category_id": 9}]}, "category 9"),
        ({"instances_annotations": [{"image_id": 1, "category_id": 3}]}, "no box of four"),
        (
            {"instances_annotations": [{"image_id": 1, "category_id": 3, "bbox": [1, 1, 0, 5]}]},
            "without an area",
        ),
        (
            {"instances_annotations": [{"image_id": 1, "category_id": 3, "bbox": [1, 1, "5", 5]}]},
            "four finite numbers",
        ),
    ],
)
def test_broken_annotations_are_named_and_left_out(tmp_path, change, named):
    examples, troubles = read_coco(*files(tmp_path, **change))
    assert len(examples) == 1 and len(examples[0].boxes) == 1 and len(examples[0].captions) == 1
    assert len(troubles) == 1 and named in troubles[0]


def test_files_that_are_no_coco_files_are_refused(tmp_path):
    captions, instances = files(tmp_path)
    captions.write_text(captions.read_text()[:-20])
    with pytest.raises(ValueError, match="not whole JSON"):
        read_coco(captions, instances)
    captions.write_text("[1]")
    with pytest.raises(ValueError, match="no COCO file"):
        read_coco(captions, instances)
    with pytest.raises(FileNotFoundError):
        read_coco(tmp_path / "none.json")
