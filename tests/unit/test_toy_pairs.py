"""Stage 1's noisy pairs and stage 2's conversations as batches of MiniGPT-4."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.curation.curated_set import Pair
from course_lib.data.conversation_batch import encode_conversations
from course_lib.data.curated_pairs import curated_conversations, encoded_once
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_pairs import TRUE, WEB, Noise, drawn_batch, pair_batch, pair_caption
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.recipes.minigpt4 import STAGE1_TEMPLATE
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes
from tests.tiny_minigpt4 import QUERIES, WIDTH, tiny_minigpt4

SCENES = sample_scenes(400, 0, "train")


@pytest.fixture(scope="module")
def opened():
    return tiny_minigpt4(cached=True)


@pytest.fixture(scope="module")
def data(opened):
    return ToyScenes(30, 0, "train", opened.encoder)


def test_a_picture_has_one_caption_and_another_seed_gives_another():
    said = [[pair_caption(SCENES, row, seed) for row in range(60)] for seed in (0, 0, 1)]
    assert said[0] == said[1] != said[2]
    bare = [pair_caption(SCENES, row, 0, Noise(bare=True)) for row in range(60)]
    assert bare == [text.replace(".", "") for text in said[0]]


def test_true_pairs_are_the_canonical_captions():
    said = [pair_caption(SCENES, row, 0, TRUE) for row in range(60)]
    assert said == [canonical_caption(scene) for scene in SCENES[:60]]


@pytest.mark.parametrize("noise", [WEB, Noise(0.3, 0.0), Noise(0.0, 0.8)])
def test_shares_are_kept(noise):
    rows = range(len(SCENES))
    said = [pair_caption(SCENES, row, 0, noise) for row in rows]
    true = [canonical_caption(scene) for scene in SCENES]
    right = np.mean([a == b for a, b in zip(said, true, strict=True)])
    assert abs(right - (1 - noise.other) * (1 - noise.wrong)) < 0.06
    useless = np.mean(["click here" in text for text in said])
    assert abs(useless - noise.wrong / 3) < 0.05


def test_a_batch_of_pairs_is_stateless_and_has_no_prompt(opened, data):
    chat = opened.asker.chat
    batches = [pair_batch(data, chat, STAGE1_TEMPLATE, 3, 5, 0) for _ in range(2)]
    assert all(torch.equal(batches[0][key], batches[1][key]) for key in batches[0])
    batch = batches[0]
    assert batch["image_features"].shape == (5, QUERIES, WIDTH)
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        assert ids[0] == chat.tokenizer.bos_token_id
        assert (ids[1 : QUERIES + 1] == opened.model.image_token_id).all()
        kept = labels != -100
        assert not kept[: QUERIES + 1].any() and kept[QUERIES + 1]
        assert ids[kept][-1] == chat.tokenizer.eos_token_id, "a newline is the toy end token"
    assert torch.isfinite(opened.model(batch))


def rows_of(opened, pairs):
    talks = curated_conversations(pairs, DETAIL_QUESTIONS)
    return encode_conversations(talks, opened.asker.template, opened.asker.chat)[0]


def test_stage_2_draws_from_encoded_conversations(opened, data, tmp_path):
    pairs = []
    for row in range(14):
        path = tmp_path / f"{row}.png"
        Image.fromarray(data.images[row]).save(path)
        pairs.append(Pair(str(row), canonical_caption(data.scenes[row]), path))
    rows, read = rows_of(opened, pairs), encoded_once(pairs, opened.encoder, batch_size=5)
    made = [drawn_batch(rows, 3, read, step, 7, 0) for step in range(2)]
    assert made[0]["image_features"].shape == (7, QUERIES, WIDTH)
    said = {opened.tokenizer.decode(row) for batch in made for row in batch["input_ids"]}
    assert len(said) == 14, "an epoch has each once"
    found = read(["3.png", "0.png"])["image_features"]
    assert torch.allclose(found, data.features[[3, 0]], atol=1e-5)
    assert torch.isfinite(opened.model(made[0]))
    with pytest.raises(ValueError, match="batch of 15 cannot be drawn from 14"):
        drawn_batch(rows, 3, read, 0, 15, 0)


def test_pairs_of_scenes_are_named_by_their_row(opened, data):
    pairs = [Pair("7", "a red star.", Path("7"))]
    (row,) = rows_of(opened, pairs)
    assert row.images == ("7",)
