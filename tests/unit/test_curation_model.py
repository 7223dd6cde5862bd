"""A model is asked for descriptions as the recipe asks it; stops, limits and second turns."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from course_lib.backbones.language import LanguageModel
from course_lib.curation.describing import WISH, Said, describe
from course_lib.curation.stage1_model import model_asker
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_pieces, typed_turn
from course_lib.data.prompts import image_token_id, typed_ids
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import toy_images
from course_lib.recipes import minigpt4
from tests.chat_examples import tokenizer_of
from tests.tiny_minigpt4 import tiny_vpg
from tests.tiny_models import language_model

TEMPLATES = (minigpt4.STAGE2_TEMPLATE, minigpt4.STAGE1_TEMPLATE)


@pytest.fixture(scope="module")
def asked():
    """A tiny MiniGPT-4, its tokenizer, and scenes whose visual tokens are cached."""
    tokenizer, vpg = tokenizer_of("toy"), tiny_vpg()
    hf = language_model("llama", 1, vocabulary=len(tokenizer))
    hf.config.max_position_embeddings = 120
    model = minigpt4.build(vpg, LanguageModel(hf), image_token_id(tokenizer), cached=True)
    return model, ChatTokenizer(tokenizer, vpg.num_tokens), ToyScenes(5, 0, "test", vpg)


def asker(asked, **kind):
    model, chat, data = asked
    return model_asker(model, chat, TEMPLATES, partial(toy_images, data), **kind)


@pytest.mark.parametrize("batch_size", (1, 2, 16))
def test_answers_are_those_of_the_model_one_by_one(asked, batch_size):
    model, chat, data = asked
    requests = [(str(row), (WISH,)) for row in range(5)]
    found = asker(asked, max_new_tokens=12, batch_size=batch_size)(requests)
    ends = {chat.stop_ids(t)[0] for t in TEMPLATES} | model.language.eos_token_ids
    for row, said in enumerate(found):
        turn = [typed_turn("human", WISH, 1)]
        ids = chat(chat_pieces(TEMPLATES[0], turn, answered=False)).ids
        batch = {"input_ids": torch.tensor([ids]), **data.image_inputs([row])}
        written = model.generate(batch, max_new_tokens=12, eos_token_id=ends)[0]
        text = chat.tokenizer.decode(written, skip_special_tokens=True).strip()
        assert said == Said(text, len(written), len(written) < 12)


def test_an_answer_ends_with_any_stop_and_else_with_the_limit(asked, monkeypatch):
    model, chat, _ = asked
    word, sharp = (typed_ids(chat.tokenizer, text) for text in ("star", "###"))
    assert len(sharp) == 1 and chat.stop_ids(minigpt4.STAGE1_TEMPLATE) == [2]
    given = {}

    def generate(batch, max_new_tokens, eos_token_id):
        given.update(limit=max_new_tokens, ends=set(eos_token_id))
        return [word * 3, word * max_new_tokens, []]

    monkeypatch.setattr(model, "generate", generate)
    requests = [(str(row), (WISH,)) for row in range(3)]
    found = asker(asked, max_new_tokens=7)(requests)
    assert given["limit"] == 7 and {sharp[0], 2} <= given["ends"]
    assert found == [
        Said("star star star", 3, True),
        Said(" ".join(["star"] * 7), 7, False),
        Said("", 0, True),
    ]
    asker(asked)(requests)
    places = len(chat(chat_pieces(TEMPLATES[0], [typed_turn("human", WISH, 1)], False)).ids)
    assert given["limit"] == 120 - places + 1, "the context ends before 300 tokens"


def test_a_stop_of_several_tokens_is_found_in_the_text(asked, monkeypatch):
    model, chat, data = asked
    template = replace(TEMPLATES[0], stop="the end")
    written = typed_ids(chat.tokenizer, "a red star the end of it")
    monkeypatch.setattr(model, "generate", lambda batch, max_new_tokens, eos_token_id: [written])
    ask = model_asker(model, chat, (template,), partial(toy_images, data), max_new_tokens=7)
    assert ask([("0", (WISH,))]) == [Said("a red star", 3, True)]


def test_continue_is_the_second_turn_of_the_same_conversation(asked, monkeypatch):
    model, chat, _ = asked
    word = typed_ids(chat.tokenizer, "star")
    prompts = []

    def generate(batch, max_new_tokens, eos_token_id):
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            prompts.append(chat.tokenizer.decode(ids[mask.bool()]))
        assert len(batch["image_features"]) == len(batch["input_ids"])
        return [word for _ in batch["input_ids"]]

    monkeypatch.setattr(model, "generate", generate)
    found = describe(["0", "3"], asker(asked))
    assert [(one.text, one.continued, one.tokens) for one in found] == [("star star", True, 2)] * 2
    assert len(prompts) == 4 and prompts[2].startswith(prompts[0])
    rest = prompts[2].removeprefix(prompts[0]).replace(" ", "")
    # The toy tokenizer's decoder takes "##" for the sign of a word's second part.
    assert rest == "star###human:continue###assistant:".replace("###", "#")
