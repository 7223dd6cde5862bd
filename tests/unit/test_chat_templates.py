"""Chats as text: LLaVA's strings byte for byte, and what is no conversation."""

from dataclasses import replace

import pytest

from course_lib.data.chat_templates import (
    chat_pieces,
    chat_template,
    data_turn,
    typed_turn,
)
from tests.chat_examples import MINIGPT4, STRINGS, TALK, written

# --- strings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRINGS)
def test_the_string_is_llavas_byte_for_byte(name):
    assert written(chat_pieces(chat_template(name), TALK)) == STRINGS[name]


def test_plain_keeps_image_and_caption_alone():
    pieces = chat_pieces(chat_template("plain"), TALK[:2])
    assert written(pieces) == "<s><image>a red circle.\n"
    assert [p.text for p in pieces if p.carries_loss] == ["a red circle.", "\n"]
    prompt = chat_pieces(chat_template("plain"), TALK[:1], answered=False)
    assert written(prompt) == "<s><image>"
    for turns in (TALK, [typed_turn("human", "what?"), TALK[1]]):
        with pytest.raises(ValueError, match="image and its caption"):
            chat_pieces(chat_template("plain"), turns)


@pytest.mark.parametrize("name", STRINGS)
def test_a_prompt_is_the_beginning_of_what_was_trained_and_ends_without_a_space(name):
    prompt = written(chat_pieces(chat_template(name), TALK[:3], answered=False))
    assert STRINGS[name].startswith(prompt) and prompt.lower().endswith("assistant:")
    assert STRINGS[name][len(prompt) :].startswith(" because")


def test_without_a_system_sentence_the_prompt_is_that_of_the_hub():
    template = replace(chat_template("vicuna_v1"), system="")
    pieces = chat_pieces(template, [typed_turn("human", "what is this?", 1)], answered=False)
    assert written(pieces) == "<s>USER: <image>\nwhat is this? ASSISTANT:"


def test_another_recipe_writes_its_own_template():
    turns = [data_turn("human", "<image> describe the picture."), data_turn("gpt", "red.")]
    assert written(chat_pieces(MINIGPT4, turns)) == (
        "<s>###Human: <Img><image></Img> describe the picture. ###Assistant: red.###"
    )


@pytest.mark.parametrize(
    "value", ["<image>\nwhat?", "what?\n<image>", "wh<image>at?", " <image>what? "]
)
def test_one_image_goes_to_the_templates_place_wherever_the_file_has_it(value):
    turns = [data_turn("human", value)]
    v1 = written(chat_pieces(chat_template("vicuna_v1"), turns, answered=False))
    v0 = written(chat_pieces(chat_template("v0"), turns, answered=False))
    assert v1.endswith("USER: <image>\nwhat? ASSISTANT:")
    assert v0.endswith("Human: what?\n<image>\n### Assistant:")


def test_several_images_stay_and_an_image_alone_needs_no_newline():
    turns = [data_turn("human", "is <image> larger than <image>?")]
    text = written(chat_pieces(chat_template("vicuna_v1"), turns, answered=False))
    assert text.endswith(" USER: is <image> larger than <image>? ASSISTANT:")
    alone = chat_pieces(chat_template("vicuna_v1"), [data_turn("human", "<image>")], False)
    assert written(alone).endswith(" USER: <image> ASSISTANT:")


def test_an_unknown_template_suggests_a_known_one():
    with pytest.raises(ValueError, match="did you mean 'vicuna_v1'"):
        chat_template("vicuna_v2")


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ([], "no turn"),
        (["gpt", "human"], "Turn 1 is from 'gpt' .* human comes first"),
        (["human", "human", "gpt"], "Turn 2 is from 'human' .* skipped"),
        (["human", "gpt", "gpt"], "Turn 3 is from 'gpt' .* skipped"),
        (["human", "bot"], "Turn 2 is from 'bot': write 'human' or 'gpt'"),
        (["human", "gpt", "human"], "number 3, has no answer"),
    ],
)
def test_turns_that_are_no_conversation_are_refused(roles, reason):
    with pytest.raises(ValueError, match=reason):
        chat_pieces(chat_template("vicuna_v1"), [typed_turn(role, "red") for role in roles])


def test_empty_turns_images_in_answers_and_answered_prompts_are_refused():
    question = typed_turn("human", "what?")
    for turns, answered, reason in (
        ([question, typed_turn("gpt", " \n")], True, "Turn 2 is empty"),
        ([question, data_turn("gpt", "see <image>")], True, "Turn 2 .* <image>"),
        ([question, typed_turn("gpt", "red")], False, "is an answer: end with a question"),
    ):
        with pytest.raises(ValueError, match=reason):
            chat_pieces(chat_template("vicuna_v1"), turns, answered)
