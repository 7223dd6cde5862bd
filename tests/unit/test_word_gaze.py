"""The weights are those of transformers' own attention, for the states that say the words."""

import pytest
import torch

from course_lib.teach.word_gaze import word_gaze
from tests.tiny_runs import tiny_llava


@pytest.fixture(scope="module")
def opened():
    return tiny_llava()


@pytest.fixture(scope="module")
def features(opened):
    pixels = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    return opened.encoder(pixels).detach()


def test_the_rows_are_those_of_the_states_that_say_the_words(opened, features):
    prompt, answer = opened.asker.ids("what is at top-left?", 1), [40, 41, 42]
    found = word_gaze(opened.model, features, prompt, answer, block=0)
    assert found.shape == (3, 36) and (found >= 0).all() and (found.sum(1) < 1).all()
    # By hand, block 0: queries and keys from its own layers, rotated by transformers itself.
    llama = opened.model.language.model
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    ids = torch.tensor([[*prompt, *answer]])
    embeds = opened.model.inputs_embeds({"input_ids": ids, "image_features": features})
    layer = llama.model.layers[0]
    hidden = layer.input_layernorm(embeds)
    width = layer.self_attn.head_dim
    queries = layer.self_attn.q_proj(hidden).view(1, ids.shape[1], -1, width).transpose(1, 2)
    keys = layer.self_attn.k_proj(hidden).view(1, ids.shape[1], -1, width).transpose(1, 2)
    cos, sin = llama.model.rotary_emb(hidden, torch.arange(ids.shape[1])[None])
    queries, keys = apply_rotary_pos_emb(queries, keys, cos, sin)
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], dim=1)
    scores = queries @ keys.transpose(-1, -2) * width**-0.5
    ahead = torch.ones(ids.shape[1], ids.shape[1]).triu(1).bool()
    weights = scores.masked_fill(ahead, float("-inf")).softmax(-1)[0].mean(0)
    places = ids[0] == opened.model.image_token_id
    torch.testing.assert_close(found, weights[len(prompt) - 1 : -1][:, places])


def test_nothing_of_the_model_is_changed(opened, features):
    before = opened.model.language.config._attn_implementation
    word_gaze(opened.model, features, opened.asker.ids("what?", 1), [40])
    assert opened.model.language.config._attn_implementation == before


@pytest.mark.parametrize("images", [0, 2])
def test_another_number_of_images_is_refused_with_both_numbers(opened, features, images):
    with pytest.raises(ValueError, match=f"keeps {36 * images} places for 36 patches"):
        word_gaze(opened.model, features, opened.asker.ids("what?", images), [40])
    with pytest.raises(ValueError, match="the answer has 0 words"):
        word_gaze(opened.model, features, opened.asker.ids("what?", 1), [])
