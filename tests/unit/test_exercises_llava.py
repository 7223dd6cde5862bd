"""What notebook 07's exercises call right is right elsewhere too: in CLIP, LLaVA and tokenizers."""

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlavaConfig
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.backbones.vision import VisionEncoder
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_pieces, chat_template
from course_lib.teach.exercises.e07_answer_labels import answer_labels
from course_lib.teach.exercises.e07_chat_string import chat_string
from course_lib.teach.exercises.e07_find_mismatch import find_mismatch, tokenizers
from course_lib.teach.exercises.e07_mlp_projector import mlp_projector
from course_lib.teach.exercises.e07_patch_tokens import patch_tokens
from tests.chat_examples import STRINGS, TALK, USER
from tests.llama_like import llama_like

ONE = "Be brief. USER: what is this? ASSISTANT: a circle.</s>"
TWO = ONE + "USER: why? ASSISTANT: because it is round.</s>"


def test_patch_tokens_are_those_of_clip_and_need_all_blocks_but_one():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    config = CLIPVisionConfig(num_hidden_layers=3, image_size=12, patch_size=4, **sizes)
    clip, pixels = CLIPVisionModel(config).eval(), torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        states = clip(pixels, output_hidden_states=True).hidden_states
        tokens, blocks = patch_tokens(states)
        ours = VisionEncoder(clip, layer=-2, drop_cls=True)(pixels)
        parts = getattr(clip, "vision_model", clip)
        del parts.encoder.layers[blocks:]
        cut = VisionEncoder(clip, layer=-1, drop_cls=True)(pixels)
    assert blocks == 2 and tokens.shape == (2, 9, 16)
    assert torch.allclose(tokens, ours, atol=1e-5) and torch.allclose(tokens, cut, atol=1e-5)


def test_mlp_projector_is_that_of_transformers():
    torch.manual_seed(0)
    theirs = LlavaMultiModalProjector(
        LlavaConfig(
            vision_config=CLIPVisionConfig(hidden_size=6, num_attention_heads=2),
            text_config={"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2},
        )
    )
    layers = [
        (layer.weight.detach(), layer.bias.detach()) for layer in (theirs.linear_1, theirs.linear_2)
    ]
    features = 3 * torch.randn(2, 4, 6)
    assert torch.allclose(mlp_projector(features, layers), theirs(features), atol=1e-5)


def test_chat_string_is_llavas_byte_for_byte():
    turns = [turn.parts[0] if turn.num_images == 0 else "what is this?\n<image>" for turn in TALK]
    assert "<s>" + chat_string(USER, turns) == STRINGS["vicuna_v1"]


@pytest.mark.parametrize("template", ["vicuna_v1", "v0_inference"])
def test_answer_labels_are_those_of_the_course(template):
    tokenizer = ChatTokenizer(build_tokenizer("llama"), 4)
    pieces = chat_pieces(chat_template(template), TALK)
    right = tokenizer(pieces)
    kinds = {"bos": "start", "image": "image"}
    alone = ChatTokenizer(tokenizer.tokenizer, 1)
    named = []
    for piece in pieces:
        kind = "answer" if piece.carries_loss and piece.role == "assistant" else piece.role
        kind = "name" if piece.role == "assistant" and not piece.carries_loss else kind
        named.append((kinds.get(piece.special, kind), alone([piece]).ids))
    assert answer_labels(named, 4) == (right.ids, right.labels)


def tokens_of(tokenizer, start=True):
    def tokenize(text):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        return ["<s>"] * start + tokenizer.convert_ids_to_tokens(ids)

    return tokenize


def test_real_tokenizers_make_the_same_mismatches():
    old, newer, no_start, words = tokenizers().values()
    real = {
        "old": (old, tokens_of(llama_like("always"))),
        "newer": (newer, tokens_of(llama_like("first"))),
        "no start": (no_start, tokens_of(llama_like("always"), start=False)),
        "words": (words, tokens_of(build_tokenizer("llama"))),
    }
    for name, pair in real.items():
        for tokenize in pair:
            whole, counted, learned = find_mismatch(ONE, tokenize)
            assert whole == counted and learned[0] == (":" if name == "words" else "▁a")
            whole, counted, learned = find_mismatch(TWO, tokenize)
            assert (counted == whole) == bool(learned) == (name in ("old", "words"))
