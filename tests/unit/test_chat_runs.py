"""A chat-tuned run is asked in its template, and its answers are scored type by type."""

import numpy as np
import pytest
import torch

from course_lib.data.toy import ToyScenes
from course_lib.evaluation import instructions
from course_lib.evaluation.asking import answer_to
from course_lib.evaluation.instructions import (
    ChatAnswerer,
    evaluate_instructions,
    is_held_out,
    split_scores,
)
from course_lib.instructions.toy_rules import KNOWN, SEEN, conversation, detail, reasoning_turns
from course_lib.teach.chat_figure import known_questions
from course_lib.teach.chat_widget import ChatWidget
from course_lib.world.questions import Question, balanced_questions
from tests.tiny_runs import say, tiny_llava


@pytest.fixture(scope="module")
def opened():
    return tiny_llava()


@pytest.fixture(scope="module")
def scenes(opened):
    return ToyScenes(400, 3, "test", opened.encoder)


def test_a_question_stands_in_the_template_behind_its_image(opened):
    ids = opened.asker.ids("what is at top-left?", 1)
    text = opened.tokenizer.decode(ids)
    assert text.count("<image>") == 36 and text.endswith("what is at top-left? assistant :")
    assert ids[0] == opened.tokenizer.bos_token_id
    blind = opened.tokenizer.decode(opened.asker.ids("what is at top-left?", 0))
    assert "<image>" not in blind and blind.endswith("what is at top-left? assistant :")


@pytest.mark.parametrize("typed", ["<image> red?", "red </s> red", "red ASSISTANT: red"])
def test_what_a_person_types_never_becomes_a_mark(opened, typed):
    ids = opened.asker.ids(typed, 1)
    place, end = opened.model.image_token_id, opened.tokenizer.eos_token_id
    assert ids.count(place) == 36 and end not in ids


def test_a_wish_for_a_caption_becomes_an_instruction(opened):
    assert opened.asker.wording(" Describe. ") == "describe the picture in detail."
    assert opened.asker.wording("is it red?") == "is it red?"


def test_one_answer_is_the_same_in_a_batch_and_alone(opened, scenes):
    answerer = ChatAnswerer(opened.model, opened.tokenizer, scenes, opened.asker)
    texts = ["what is at top-left?", "is there a red thing?", "how many things are there?"]
    together = answerer.answers([0, 1, 2], texts)
    alone = [
        answer_to(opened, scenes.pixel_values([row]), text, instructions.LONGEST)[0]
        for row, text in enumerate(texts)
    ]
    assert together == alone
    assert answerer.answers([0], texts[:1], images=False) == [
        answer_to(opened, None, texts[0], instructions.LONGEST)[0]
    ]


def test_refusals_are_sentences(opened, scenes):
    with pytest.raises(ValueError, match="prompt is empty"):
        answer_to(opened, scenes.pixel_values([0]), "  ")
    with pytest.raises(ValueError, match="reads 384 at most"):
        answer_to(opened, scenes.pixel_values([0]), "red " * 400)


def test_the_chat_widget_speaks_to_a_run_without_queries(opened, scenes):
    widget = ChatWidget(opened, scenes, 0)
    entry = say(widget, "what is at top-left?")
    assert "what is at top-left?" in entry and "model:" in entry
    assert "describe the picture in detail." in say(widget, "describe")


class Teacher(ChatAnswerer):
    """Answers as the rules do, blind only by chance: an upper bound that must score 1."""

    def answers(self, rows, questions, images=True):
        if not images:
            return ["the thing is red." for _ in rows]
        return [
            self.right(self.data.scenes[row], text)
            for row, text in zip(rows, questions, strict=True)
        ]

    @staticmethod
    def right(scene, text):

        for turn in reasoning_turns(scene):
            if turn.question == text:
                return turn.answer
        for seed in range(400):
            for turn in conversation(scene, np.random.default_rng(seed)):
                if turn.question == text:
                    return turn.answer
        return detail(scene, np.random.default_rng(0))[0].answer


def test_the_teacher_itself_scores_one_and_a_parrot_next_to_nothing(opened, scenes):
    teacher = Teacher(opened.model, opened.tokenizer, scenes, opened.asker)
    found = evaluate_instructions(teacher, 6, 12)
    for kind in ("conversation", "reasoning", "held_out"):
        assert found[kind]["all"] == 1.0, found[kind]
        assert found["blind"][kind]["all"] <= 0.2
    assert found["detail"]["things_right"] == 1.0
    assert set(found["conversation"]["by_type"]) == set(SEEN)
    assert set(found["reasoning"]["by_type"]) == set(KNOWN)
    assert found["words"]["detail"] > found["words"]["colour"] > 4


def test_held_out_facts_are_told_apart(scenes):

    asked = balanced_questions(scenes.scenes, 20, np.random.default_rng(0))
    flags = [is_held_out(scenes.scenes[row], question) for row, question in asked]
    for (_, question), flag in zip(asked, flags, strict=True):
        if question.type in SEEN:
            assert not flag
        if question.type == "sides":
            assert flag == (question.answer == "four")
    assert any(flags)
    found = split_scores(["" for _ in asked], asked, scenes.scenes)
    assert found["reasoning"]["all"] == 0.0


def test_no_answer_of_a_sort_is_none_and_not_zero(scenes):
    asked = [(0, Question("colour", "what colour is the thing at top-left?", "red"))]
    assert split_scores(["red"], asked, scenes.scenes)["reasoning"]["all"] is None


def test_the_places_of_an_image_are_its_patches(opened, scenes):
    batch = scenes.image_inputs([0])
    assert torch.equal(
        opened.model.visual_tokens(batch), opened.model.projector(scenes.features[[0]])
    )


def test_an_answer_is_right_when_its_sentence_says_what_the_scene_says(opened, scenes):
    scene = scenes.scenes[0]
    for question in known_questions(scene)[1:]:
        assert opened.asker.is_right(f"it is {question.answer}.", question) or question.type in (
            "is_there",
        )
    caption = known_questions(scene)[0]
    told = detail(scene, np.random.default_rng(0))[0].answer
    assert opened.asker.is_right(told, caption)
    left_out = told.split(". ")
    assert not opened.asker.is_right(". ".join(left_out[:1] + left_out[2:]), caption)
    assert not opened.asker.is_right(f"{told} a small red star is at top-left.", caption)
