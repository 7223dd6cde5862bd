"""transformers writes by the Jinja what the course writes by its pieces."""

from dataclasses import replace

import pytest

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_jinja import chat_jinja
from course_lib.data.chat_templates import GPT, HUMAN, chat_pieces, chat_template, typed_turn

SAID = ["what is this?", 'a "red" circle.', "is it red?", "yes, it's red."]
ROLES = {HUMAN: "user", GPT: "assistant"}


@pytest.mark.parametrize("name", ["vicuna_v1", "llava_v1", "v0_inference"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_strings_are_equal(name, count):
    template = chat_template(name)
    turns = [typed_turn((HUMAN, GPT)[i % 2], words) for i, words in enumerate(SAID[:count])]
    pieces = chat_pieces(template, turns, answered=count % 2 == 0)
    tokenizer = build_tokenizer("llama")
    tokenizer.chat_template = chat_jinja(template)
    messages = [{"role": ROLES[turn.role], "content": turn.parts[0]} for turn in turns]
    written = tokenizer.apply_chat_template(messages, tokenize=False)
    assert written == "".join(piece.text for piece in pieces)
    ids = tokenizer(written, add_special_tokens=False).input_ids
    if name == "vicuna_v1":
        assert ids == ChatTokenizer(tokenizer)(pieces).ids


def test_a_system_message_takes_the_place_of_the_templates_own():
    tokenizer = build_tokenizer("llama")
    tokenizer.chat_template = chat_jinja(chat_template("vicuna_v1"))
    messages = [{"role": "system", "content": "be short."}, {"role": "user", "content": "red?"}]
    other = replace(chat_template("vicuna_v1"), system="be short.")
    pieces = chat_pieces(other, [typed_turn(HUMAN, "red?")], answered=False)
    written = tokenizer.apply_chat_template(messages, tokenize=False)
    assert written == "".join(piece.text for piece in pieces)


def test_a_template_without_words_is_refused():
    with pytest.raises(ValueError, match="image and its caption alone"):
        chat_jinja(chat_template("plain"))
