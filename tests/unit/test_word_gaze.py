"""The weights are those of transformers' own attention, for the states that say the words."""

import pytest
import torch

from course_lib.data.chat_templates import HUMAN, Turn, chat_pieces
from course_lib.instructions.toy_several import picture_parts
from course_lib.teach.word_gaze import eager_attention, picture_gaze, word_gaze
from tests.tiny_owl import tiny_owl
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


def test_of_one_picture_it_is_the_sum_over_its_patches(opened, features):
    prompt, answer = opened.asker.ids("what is at top-left?", 1), [40, 41, 42]
    found = picture_gaze(opened.model, {"image_features": features}, [*prompt, *answer])
    whole = word_gaze(opened.model, features, prompt, answer, block=0)
    says = found[0].mean(0)[len(prompt) - 1 : -1]
    torch.testing.assert_close(says, whole.sum(1, keepdim=True))


def test_pictures_are_told_apart_and_come_in_reading_order():
    owl = tiny_owl()
    chat, template = owl.asker.chat, owl.asker.template
    turn = Turn(HUMAN, picture_parts(3, "which picture has a star?"))
    ids = chat(chat_pieces(template, [turn], answered=False)).ids
    pixels = torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    found = picture_gaze(owl.model, {"pixel_values": pixels}, ids)
    config = owl.model.language.model.config
    sizes = (config.num_hidden_layers, config.num_attention_heads, len(ids), 3)
    assert found.shape == sizes and (found[:, :, -1] > 0).all()
    # By hand: the weights of transformers, cut at where each picture's places begin.
    each, place = chat.num_visual_tokens, owl.model.image_token_id
    embeds = owl.model.inputs_embeds({"input_ids": torch.tensor([ids]), "pixel_values": pixels})
    with torch.no_grad(), eager_attention(owl.model.language.model):
        decoder = owl.model.language.model.get_decoder()
        blocks = decoder(inputs_embeds=embeds, output_attentions=True).attentions
    starts = [i for i in range(1, len(ids)) if ids[i] == place and ids[i - 1] != place]
    assert len(starts) == 3
    for block, weights in enumerate(blocks):
        for number, start in enumerate(starts):
            sums = weights[0, :, :, start : start + each].sum(2)
            torch.testing.assert_close(found[block, :, :, number], sums)
            assert not sums[:, :start].any()  # nothing reads what comes behind it
    with pytest.raises(ValueError, match="The batch has 2 images, its text keeps places for 3"):
        picture_gaze(owl.model, {"pixel_values": pixels[:2]}, ids)
    with pytest.raises(ValueError, match="no picture to look at"):
        picture_gaze(owl.model, {}, ids)
