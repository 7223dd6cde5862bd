"""MiniGPT-4: strings and ids, what trains and how much of it, visual tokens from a cache."""

import pytest
import torch
from transformers import Blip2VisionConfig, Blip2VisionModel, LlamaConfig, LlamaForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import unknown_words
from course_lib.backbones.vision import VisionEncoder
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_pieces, chat_template, data_turn, typed_turn
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import caption_batch
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.recipes import minigpt4
from course_lib.training.stages import apply_stage, frozen_fingerprint, stage_table
from course_lib.vpg.qformer import QFormer
from course_lib.zoo.chat import TEMPLATE as OWN_CHAT
from tests.chat_examples import tokenizer_of, written
from tests.llama_like import KINDS
from tests.tiny_minigpt4 import QUERIES, WIDTH, tiny_qformer, tiny_vpg
from tests.tiny_models import IMAGE_TOKEN, language_model, largest_difference

INSTRUCTION, CAPTION = "describe the picture.", "a red circle is at the top left."


@pytest.fixture(scope="module")
def vpg():
    return tiny_vpg()


def turns(answer=CAPTION):
    return [data_turn("human", f"<image> {INSTRUCTION}"), data_turn("gpt", answer)]


# --- the prompt ----------------------------------------------------------------------------------


def test_the_prompt_of_stage_2_is_the_released_one_byte_for_byte():
    released = "###Human: <Img><ImageHere></Img> describe the picture. ###Assistant: "
    prompt = chat_pieces(minigpt4.STAGE2_TEMPLATE, turns()[:1], answered=False)
    assert written(prompt) == "<s>" + released.replace("<ImageHere>", "<image>")
    pieces = chat_pieces(minigpt4.STAGE2_TEMPLATE, turns())
    assert written(pieces) == written(prompt) + f" {CAPTION}###"
    assert [p.text for p in pieces if p.carries_loss] == [f" {CAPTION}", "###"]


def test_a_second_turn_goes_on_behind_the_stop():
    talk = [*turns("red."), typed_turn("human", "Continue")]
    text = written(chat_pieces(minigpt4.STAGE2_TEMPLATE, talk, answered=False))
    assert text.endswith("###Assistant:  red.###Human: Continue ###Assistant: ")


def test_stage_1_has_no_prompt_and_ends_with_a_newline():
    pair = [typed_turn("human", "any words", 1), data_turn("gpt", CAPTION)]
    pieces = chat_pieces(minigpt4.STAGE1_TEMPLATE, pair)
    assert written(pieces) == f"<s><image>{CAPTION}\n"
    assert [p.text for p in pieces if p.carries_loss] == [CAPTION, "\n"]


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_labels_are_those_of_the_released_code(kind):
    tokenizer = tokenizer_of(kind)
    chat = ChatTokenizer(tokenizer, QUERIES)
    places = [image_token_id(tokenizer)] * QUERIES

    def ids(text):  # as mini_gpt4.py: each stretch of text for itself, without special tokens
        return tokenizer(text, add_special_tokens=False).input_ids

    before, behind = f"###Human: <Img><ImageHere></Img> {INSTRUCTION} ###Assistant: ".split(
        "<ImageHere>"
    )
    start = [tokenizer.bos_token_id]
    for template, head, tail, end in (
        (minigpt4.STAGE2_TEMPLATE, ids(before), ids(behind), "###"),
        (minigpt4.STAGE1_TEMPLATE, [], [], "\n"),
    ):
        said = ids(CAPTION + end)
        prompt = start + head + places + tail
        found = chat(chat_pieces(template, turns()))
        assert found.ids == prompt + said
        assert found.labels == [-100] * len(prompt) + said
        assert chat(chat_pieces(template, turns()[:1], answered=False)).ids == prompt


def test_at_toy_the_chat_is_the_language_models_own_and_every_word_is_known():
    tokenizer = tokenizer_of("toy")
    for words in (*DETAIL_QUESTIONS, "Continue"):
        asked = [data_turn("human", f"<image> {words}")]
        text = written(chat_pieces(minigpt4.scale("toy").template, asked, answered=False))
        assert unknown_words(tokenizer, text.replace("<s>", "").replace("<image>", "")) == []
        assert text.endswith(f" USER: <image>\n{words} ASSISTANT:")
    assert minigpt4.scale("toy").template == chat_template(OWN_CHAT)
    for name in ("small", "a100"):
        assert minigpt4.scale(name).template is minigpt4.STAGE2_TEMPLATE


# --- what trains ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({"hidden_size": 4096, "intermediate_size": 11008}, 3_149_824),
        (
            {
                "hidden_size": 5120,
                "intermediate_size": 13824,
                "num_hidden_layers": 40,
                "num_attention_heads": 40,
            },
            3_937_280,
        ),
    ],
    ids=("7B", "13B"),
)
def test_one_linear_layer_trains_at_a100(sizes, count):
    numbers = minigpt4.scale("a100")
    with torch.device("meta"):
        encoder = VisionEncoder(Blip2VisionModel(Blip2VisionConfig()), numbers.layer)
        language = LanguageModel(LlamaForCausalLM(LlamaConfig(**sizes)))
        vpg = minigpt4.FrozenVPG(encoder, QFormer(numbers.qformer))
        model = minigpt4.build(vpg, language, 32_000)
    assert len(encoder.model.encoder.layers) == 39 and encoder.num_tokens == 257
    assert (vpg.num_tokens, vpg.hidden_size) == (32, 768)
    for stage in (numbers.stage1, numbers.stage2):
        assert apply_stage(model, stage) == ["projector.weight", "projector.bias"]
        trained = sum(row.parameters for row in stage_table(model) if row.trains)
        assert trained == count
    frozen = sum(row.parameters for row in stage_table(model) if not row.trains)
    assert frozen > 1_000 * count and not vpg.training


@pytest.mark.parametrize("name", minigpt4.SCALES)
def test_both_stages_of_every_scale_train_the_projector_alone(name):
    numbers = minigpt4.scale(name)
    for stage in (numbers.stage1, numbers.stage2):
        assert stage.trainable == ("projector",)
        assert (stage.betas, stage.weight_decay, stage.grad_clip) == ((0.9, 0.999), 0.05, None)
    assert not numbers.qformer.use_text or name == "toy"


def test_the_papers_numbers_and_an_unknown_scale():
    numbers = minigpt4.scale("a100")
    assert (numbers.stage1.steps, numbers.stage1.batch_size) == (20_000, 256)
    assert (numbers.stage2.steps, numbers.stage2.batch_size) == (400, 12)
    with pytest.raises(ValueError, match="did you mean 'a100'"):
        minigpt4.scale("a10")


def test_frozen_parts_stay_bit_identical_and_the_layer_learns(vpg):
    language = LanguageModel(language_model("llama", 1))
    model = minigpt4.build(vpg, language, IMAGE_TOKEN)
    before = frozen_fingerprint(model, minigpt4.scale("toy").stage1)
    apply_stage(model, minigpt4.scale("toy").stage1)
    optimiser = torch.optim.AdamW(model.projector.parameters(), lr=0.05)
    batch = _batch(torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(0)))
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = model(batch)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.1
    assert frozen_fingerprint(model, minigpt4.scale("toy").stage1) == before
    assert all(p.grad is None for part in (vpg, language) for p in part.parameters())


# --- what is inherited, and what is cached -------------------------------------------------------


def _batch(pixels):
    rows = len(pixels)
    words = torch.randint(5, 90, (rows, 6), generator=torch.Generator().manual_seed(1))
    places = torch.full((rows, QUERIES), IMAGE_TOKEN)
    labels = torch.cat([places * 0 - 100, words], 1)
    return {
        "pixel_values": pixels,
        "input_ids": torch.cat([places, words], 1),
        "attention_mask": torch.ones_like(labels),
        "labels": labels,
    }


@torch.no_grad()
def test_the_image_half_is_inherited_with_queries_and_ln_vision_and_the_text_half_is_not(vpg):
    source = tiny_qformer()
    assert source.word_embeddings is not None and vpg.head.word_embeddings is None
    for name in ("query_tokens", "ln_vision.weight", "layers.1.query_ffn.up.weight"):
        assert torch.equal(vpg.head.state_dict()[name], source.state_dict()[name])
    features = torch.randn(2, 37, 16)
    assert largest_difference(vpg(image_features=features), source.eval()(features)) < 1e-6
    source.query_tokens.zero_()
    assert vpg.head.query_tokens.abs().max() > 0, "a copy"


@torch.no_grad()
def test_cached_visual_tokens_give_the_same_logits(vpg):
    language = LanguageModel(language_model("llama", 1))
    whole = minigpt4.build(vpg, language, IMAGE_TOKEN)
    light = minigpt4.build(vpg, language, IMAGE_TOKEN, cached=True)
    batch = _batch(torch.randn(3, 3, 48, 48))
    tokens = vpg(batch["pixel_values"])
    assert tokens.shape == (3, QUERIES, WIDTH)
    rest = {key: value for key, value in batch.items() if key != "pixel_values"}
    assert torch.equal(light.logits({**rest, "image_features": tokens}), whole.logits(batch))
    kept = sum(p.numel() for p in light.parameters() if p.numel())
    assert kept == sum(p.numel() for part in (light.projector, language) for p in part.parameters())
    with pytest.raises(ValueError, match=r"hold 4 rows an image, the encoder gives 37: .*cached=T"):
        whole.logits({**rest, "image_features": tokens})
    with pytest.raises(ValueError, match="no encoder"):
        light.logits(batch)


def test_to_toy_scenes_and_the_cache_it_is_an_image_encoder(vpg, tmp_path):
    plain, kept = ToyScenes(5, 0, "test", vpg), ToyScenes(5, 0, "test", vpg, tmp_path)
    assert plain.features.shape == (5, QUERIES, WIDTH) == kept.features.shape
    assert torch.equal(kept.features[[0, 1, 2, 3, 4]], plain.features)
    assert len(list(tmp_path.iterdir())) == 1
    ToyScenes(5, 0, "test", tiny_vpg(seed=4), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "another Q-Former has other visual tokens"
    tokenizer = tokenizer_of("toy")
    chat = ChatTokenizer(tokenizer, vpg.num_tokens)
    sizes = {"vocabulary": len(tokenizer)}
    language = LanguageModel(language_model("llama", 1, **sizes))
    model = minigpt4.build(vpg, language, image_token_id(tokenizer), cached=True)
    assert torch.isfinite(model(caption_batch(plain, chat, 0, 4, 0)))


def test_every_part_decides_the_fingerprint(vpg):
    others = [tiny_vpg(seed=4), tiny_vpg(ln_vision_eps=1e-5)]
    moved = tiny_vpg()
    moved.encoder.model.encoder.layers[0].mlp.fc1.bias.data[0] += 1e-3
    prints = {one.fingerprint() for one in (vpg, *others, moved)}
    assert len(prints) == 4 and vpg.fingerprint() == tiny_vpg().fingerprint()


def test_a_qformer_of_another_encoder_is_refused():
    with pytest.raises(ValueError, match="features are 16 wide, the Q-Former reads 20"):
        tiny_vpg(encoder_hidden_size=20)
