"""Prompts: typed text stays text, placeholders are counted, padding stands on the right side."""

import pytest

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import (
    blip2_prompt,
    check_prompt,
    describe_unknown_words,
    generation_batch,
    image_token_id,
    template_ids,
    training_batch,
    typed_ids,
)


@pytest.fixture(scope="module")
def opt():
    return build_tokenizer("opt")


@pytest.fixture(scope="module")
def t5():
    return build_tokenizer("t5")


def test_a_typed_placeholder_or_separator_is_text(opt):
    ids = typed_ids(opt, "what is <image> </s> here?")
    assert image_token_id(opt) not in ids and opt.eos_token_id not in ids
    assert opt.convert_ids_to_tokens(ids)[2:5] == ["<", "image", ">"]


def test_placeholders_of_a_data_file_become_places(opt):
    ids = template_ids(opt, "<image> and <image>: which one?", 2, 4)
    image = image_token_id(opt)
    assert [i == image for i in ids[:9]] == [True] * 4 + [False] + [True] * 4


@pytest.mark.parametrize(("text", "images"), [("<image> <image>", 1), ("what?", 1), ("<image>", 2)])
def test_placeholders_and_images_must_be_as_many(opt, text, images):
    with pytest.raises(ValueError, match=rf"{text.count('<image>')} <image> .* {images} images"):
        template_ids(opt, text, images, 4)


def test_blip2_puts_the_visual_tokens_first(opt, t5):
    image = image_token_id(opt)
    assert blip2_prompt(opt, "red", 3) == [image] * 3 + [2, *typed_ids(opt, "red")]
    assert blip2_prompt(opt, "", 3, num_images=0) == [2]
    image = image_token_id(t5)
    assert blip2_prompt(t5, "red", 2) == [image] * 2 + [*typed_ids(t5, "red"), 1]


def test_only_answers_and_the_end_carry_loss(opt, t5):
    batch = training_batch(opt, [[9, 2], [9, 9, 2]], [[5], [6, 7]], encoder_decoder=False)
    assert batch["input_ids"].tolist() == [[9, 2, 5, 2, 1, 1], [9, 9, 2, 6, 7, 2]]
    assert batch["labels"].tolist() == [[-100, -100, 5, 2, -100, -100], [-100, -100, -100, 6, 7, 2]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    batch = training_batch(t5, [[9, 1], [9]], [[5], [6, 7]], encoder_decoder=True)
    assert batch["input_ids"].tolist() == [[9, 1], [9, 0]]
    assert batch["labels"].tolist() == [[5, 1, -100], [6, 7, 1]]


def test_generation_pads_decoder_only_prompts_on_the_left(opt, t5):
    assert generation_batch(opt, [[5], [6, 7]], False)["input_ids"].tolist() == [[1, 5], [6, 7]]
    assert generation_batch(opt, [[5], [6, 7]], False)["attention_mask"].tolist() == [
        [0, 1],
        [1, 1],
    ]
    assert generation_batch(t5, [[5], [6, 7]], True)["input_ids"].tolist() == [[5, 0], [6, 7]]


def test_an_empty_prompt_and_one_beyond_the_context_are_refused(opt):
    with pytest.raises(ValueError, match="empty"):
        check_prompt(opt, "  ", [1], 384)
    with pytest.raises(ValueError, match=r"400 tokens .* 384"):
        check_prompt(opt, "x", [1] * 400, 384)
    check_prompt(opt, "x", [1] * 383, 384)


def test_unknown_words_come_with_the_nearest_known(opt):
    (sentence,) = describe_unknown_words(opt, "is there a cirkle?")
    assert "'cirkle'" in sentence and "circle" in sentence


def test_a_tokenizer_without_placeholder_says_how_to_add_it():
    with pytest.raises(ValueError, match="add_special_tokens"):
        image_token_id(build_tokenizer("bert"))
