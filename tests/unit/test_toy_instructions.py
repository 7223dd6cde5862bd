"""Toy scenes as LLaVA's stages read them: what carries loss, what is drawn, what never is."""

from collections import Counter

import numpy as np
import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.backbones.vision import VisionEncoder
from course_lib.data import toy_instructions
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_template
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import (
    ONE_WORD,
    Instructions,
    caption_batch,
    encoded,
    instruction_batch,
    turns_of,
)
from course_lib.instructions import toy_rules
from course_lib.instructions.facts import held_out_in_text
from course_lib.instructions.symbols import TYPES
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes

PATCHES = 36


@pytest.fixture(scope="module")
def data():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    config = CLIPVisionConfig(num_hidden_layers=2, image_size=48, patch_size=8, **sizes)
    return ToyScenes(60, 0, "train", VisionEncoder(CLIPVisionModel(config).eval(), drop_cls=True))


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer("llama")


@pytest.fixture(scope="module")
def chat(tokenizer):
    return ChatTokenizer(tokenizer, PATCHES)


def said(tokenizer, labels):
    return tokenizer.decode([id for id in labels.tolist() if id != -100])


def test_a_pair_carries_loss_on_the_caption_and_its_end_alone(data, chat, tokenizer):
    batch = caption_batch(data, chat, step=0, batch_size=8, seed=0)
    captions = {canonical_caption(scene) for scene in data.scenes}
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        text = said(tokenizer, labels)
        assert text.endswith(" </s>") and text.removesuffix(" </s>") in captions
        assert (ids[: PATCHES + 1] == image_token_id(tokenizer)).sum() == PATCHES
        assert ids[0] == tokenizer.bos_token_id
    assert batch["image_features"].shape == (8, PATCHES, 16)


def test_the_features_of_a_row_are_those_of_the_scene_that_its_answers_speak_of(
    data, chat, tokenizer
):
    batch = caption_batch(data, chat, step=3, batch_size=8, seed=1)
    by_caption = {canonical_caption(scene): row for row, scene in enumerate(data.scenes)}
    for features, labels in zip(batch["image_features"], batch["labels"], strict=True):
        row = by_caption[said(tokenizer, labels).removesuffix(" </s>")]
        torch.testing.assert_close(features, data.features[row])


def test_an_instruction_carries_loss_on_every_answer_and_its_end(data, chat, tokenizer):
    rng = np.random.default_rng(0)
    for type in TYPES:
        turns = turns_of(data.scenes[0], type, rng)
        row = encoded(chat, chat_template("vicuna_v1"), turns, 0)
        answers = [turn.parts[-1] for turn in turns[1::2]]
        assert said(tokenizer, torch.tensor(row.labels)) == " ".join(f"{a} </s>" for a in answers)
        assert turns[0].num_images == 1 and not any(turn.num_images for turn in turns[1:])


def test_types_are_drawn_by_the_mix_and_a_batch_is_the_same_again(data, chat, monkeypatch):
    drawn = Counter()

    def counting(scene, type, rng, instructions):
        drawn[type] += 1
        return turns_of(scene, type, rng, instructions)

    monkeypatch.setattr(toy_instructions, "turns_of", counting)
    first = [instruction_batch(data, chat, step, 16, 0) for step in range(40)]
    total = sum(drawn.values())
    for type, share in zip(TYPES, (58, 23, 77), strict=True):
        assert abs(drawn[type] / total - share / 158) < 0.06
    again = instruction_batch(data, chat, 39, 16, 0)
    assert all(torch.equal(again[key], first[39][key]) for key in again)
    drawn.clear()
    instruction_batch(data, chat, 0, 16, 0, Instructions(mix=(1, 0, 0)))
    assert set(drawn) == {"conversation"}


def test_no_instruction_holds_a_fact_that_is_held_out():
    rng = np.random.default_rng(0)
    for scene in sample_scenes(400, 1, "train"):
        for turn in toy_rules.turns_about(scene, "reasoning", rng):
            assert not held_out_in_text(f"{turn.question} {turn.answer}")


def test_a_scene_without_a_taught_fact_is_talked_about_instead():
    rng = np.random.default_rng(0)
    none = [s for s in sample_scenes(400, 1, "train") if not toy_rules.reasoning(s, rng)]
    assert none, "the sample should hold scenes of held-out facts alone"
    assert len(turns_of(none[0], "reasoning", rng)) >= 4


@pytest.mark.parametrize("marked", [True, False])
def test_short_answers_are_the_key_and_say_so_where_they_are_marked(marked):
    rng = np.random.default_rng(0)
    kind = Instructions(short=0.5, marked=marked)
    lengths = {True: [], False: []}
    for scene in sample_scenes(60, 1, "train"):
        turns = turns_of(scene, "conversation", rng, kind)
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            asked = question.parts[-1].endswith(ONE_WORD)
            lengths[asked].append(len(answer.parts[0].split()))
    assert lengths[True] == ([] if not marked else [1] * len(lengths[True]))
    assert (min(lengths[False]) == 1) is not marked and max(lengths[False]) > 3


def test_a_description_has_no_key_and_stays_whole():
    rng = np.random.default_rng(0)
    turns = turns_of(sample_scenes(1, 1, "train")[0], "detail", rng, Instructions(short=1.0))
    assert len(turns[1].parts[0].split()) > 10
