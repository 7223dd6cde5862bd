"""mPLUG-Owl as a recipe: the template, what each stage trains, cached tokens, bad input."""

from dataclasses import replace

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.backbones.tokenizers import unknown_words
from course_lib.cached_vpg import CachedVPG
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import Turn, chat_pieces, data_turn, typed_turn
from course_lib.data.prompts import image_token_id
from course_lib.lora import lora_layers
from course_lib.recipes import mplug_owl
from course_lib.training.stages import apply_stage, frozen_fingerprint, stage_table
from tests.chat_examples import tokenizer_of, written
from tests.llama_like import KINDS
from tests.tiny_owl import QUERIES, numbers, tiny_owl

PLACES = QUERIES + 1


def stage1(encoder="trained"):
    return replace(numbers().stage1, trainable=mplug_owl.STAGE1_TRAINABLE[encoder])


def pixels(count=2, seed=0):
    return torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(seed))


def batch_of(chat, images=2, words=" what is it?"):
    """One row that shows its images side by side, and one of text alone."""
    turns = [Turn("human", ("",) * images + (words,)), typed_turn("gpt", "a red circle.")]
    shown = chat(chat_pieces(mplug_owl.TEMPLATE, turns))
    ids, labels = torch.tensor([shown.ids]), torch.tensor([shown.labels])
    return {"input_ids": ids, "labels": labels, "pixel_values": pixels(images)}


# --- the prompt ----------------------------------------------------------------------------------


def test_the_prompt_is_the_released_one_but_for_the_opening_sentence():
    turns = [data_turn("human", "<image>Explain why."), data_turn("gpt", "it is.")]
    text = written(chat_pieces(mplug_owl.TEMPLATE, turns[:1], answered=False))
    assert text == f"<s>{mplug_owl.TEMPLATE.system}\nHuman: <image>\nHuman: Explain why.\nAI: "
    pieces = chat_pieces(mplug_owl.TEMPLATE, [*turns, data_turn("human", "And?")], answered=False)
    assert written(pieces) == text + " it is.</s>\nHuman: And?\nAI: "
    assert [piece.text for piece in pieces if piece.carries_loss] == [" it is.", "</s>"]


@pytest.mark.parametrize("kind", KINDS)
def test_prompt_and_answer_are_tokenised_apart_as_in_the_released_code(kind):
    tokenizer = tokenizer_of(kind)
    chat = ChatTokenizer(tokenizer, PLACES)
    turns = [data_turn("human", "<image>Explain why."), data_turn("gpt", "it is.")]

    def ids(text):
        return tokenizer(text, add_special_tokens=False).input_ids

    before = f"{mplug_owl.TEMPLATE.system}\nHuman: "
    places = [image_token_id(tokenizer)] * PLACES
    prompt = [tokenizer.bos_token_id, *ids(before), *places, *ids("\nHuman: Explain why.\nAI: ")]
    found = chat(chat_pieces(mplug_owl.TEMPLATE, turns))
    answer = [*ids("it is."), tokenizer.eos_token_id]
    assert found.ids == prompt + answer
    assert found.labels == [-100] * len(prompt) + answer


def test_adjacent_images_stay_two_images():
    opened = tiny_owl()
    chat, model = opened.asker.chat, opened.model
    batch = batch_of(chat)
    mask = (batch["input_ids"][0] == model.image_token_id).nonzero().flatten()
    assert len(mask) == 2 * PLACES and int(mask[-1] - mask[0]) == 2 * PLACES - 1
    with torch.no_grad():
        embeds, visual = model.inputs_embeds(batch)[0], model.visual_tokens(batch)
    assert torch.equal(embeds[mask], visual.flatten(0, 1))
    assert torch.equal(visual[0, -1], visual[1, -1])  # the end token closes each of them
    assert torch.equal(visual[0, -1], model.projector.end_token[0, 0])
    assert not torch.equal(visual[0, 0], visual[1, 0])


def test_at_toy_every_word_of_the_prompt_is_known():
    tokenizer, template = tokenizer_of("toy"), numbers().template
    for words in (template, mplug_owl.TEMPLATE):
        text = written(chat_pieces(words, [data_turn("human", "<image> red?")], answered=False))
        assert unknown_words(tokenizer, text.replace("<s>", "").replace("<image>", "")) == []


# --- what trains ---------------------------------------------------------------------------------


def test_stage_1_trains_encoder_abstractor_and_projector_and_may_freeze_the_encoder():
    model = tiny_owl().model
    names = set(apply_stage(model, stage1()))
    assert {n.split(".")[0] for n in names} == {"vpg", "projector"}
    assert {".".join(n.split(".")[:2]) for n in names} > {"vpg.encoder", "vpg.head"}
    frozen = set(apply_stage(model, stage1("frozen")))
    assert frozen == {n for n in names if not n.startswith("vpg.encoder")}


def test_stage_1_reaches_every_parameter_of_the_encoder():
    opened = tiny_owl()
    apply_stage(opened.model, stage1())
    opened.model(batch_of(opened.asker.chat)).backward()
    for name, parameter in opened.model.named_parameters():
        # A key's bias adds the same to every score of a query: the softmax does not see it.
        if parameter.requires_grad and "k_proj.bias" not in name:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_stage_2_trains_the_lora_alone_and_leaves_the_rest_bit_for_bit():
    opened = tiny_owl()
    model, stage = opened.model, numbers().stage2
    names = mplug_owl.give_lora(model, numbers().lora)
    assert [name.rsplit(".", 1)[1] for name in names] == ["q_proj", "v_proj"] * 2
    trained = apply_stage(model, stage)
    assert len(trained) == 8 and all(".lora_" in name for name in trained)
    assert all(row.mode == "eval" for row in stage_table(model) if not row.trains)
    before, base = frozen_fingerprint(model, stage), mplug_owl.base_fingerprint(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    values = {name: p.clone() for name, p in model.named_parameters() if p.requires_grad}
    for _ in range(2):
        model(batch_of(opened.asker.chat)).backward()
        optimizer.step()
    assert frozen_fingerprint(model, stage) == before
    assert mplug_owl.base_fingerprint(model) == base
    assert all((p - values[n]).abs().max() > 0 for n, p in model.named_parameters() if n in values)
    modes = {m.lora_dropout.training for m in lora_layers(model).values()}
    assert modes == {True}


def test_the_numbers_of_a100_are_those_of_the_paper():
    toy = mplug_owl.scale("a100")
    with torch.device("meta"):
        sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
        sizes |= {"num_attention_heads": 16, "image_size": 224, "patch_size": 14}
        encoder = NormedVisionEncoder(CLIPVisionModel(CLIPVisionConfig(**sizes)))
        language = LanguageModel(LlamaForCausalLM(LlamaConfig()))
        model = mplug_owl.build(toy, encoder, language, -1)
        head = sum(p.numel() for p in (*model.vpg.head.parameters(), *model.projector.parameters()))
        total = sum(p.numel() for p in model.parameters())
        mplug_owl.give_lora(model, toy.lora)
    trained = apply_stage(model, toy.stage2)
    parameters = dict(model.named_parameters())
    assert (head, total) == (81_473_536, 7_123_068_928)
    assert sum(parameters[name].numel() for name in trained) == 4_194_304
    assert mplug_owl.places_of(toy) == 65 and toy.stage2.batch_size == 256
    for name in ("small", "a100"):
        assert mplug_owl.scale(name).template is mplug_owl.TEMPLATE


# --- stage 2 on tokens that are computed once ----------------------------------------------------


def test_cached_tokens_give_the_same_loss():
    opened = tiny_owl()
    batch = batch_of(opened.asker.chat)
    tokens = CachedVPG(opened.model.vpg.encoder, opened.model.vpg.head)
    bare = mplug_owl.on_cached_tokens(opened.model)
    with torch.no_grad():
        features = tokens(batch["pixel_values"])
        cached = {k: v for k, v in batch.items() if k != "pixel_values"}
        cached["image_features"] = features
        assert features.shape == (2, QUERIES, 16)
        assert torch.equal(bare(cached), opened.model(batch))
    with pytest.raises(ValueError, match="no encoder"):
        bare(batch)


def test_the_fingerprint_of_the_tokens_knows_encoder_abstractor_and_sizes():
    vpg = tiny_owl().model.vpg
    before = CachedVPG(vpg.encoder, vpg.head).fingerprint()
    again = tiny_owl().model.vpg
    assert before == CachedVPG(again.encoder, again.head).fingerprint()
    vpg.head.query_tokens.data[0, 0, 0] += 1
    changed = CachedVPG(vpg.encoder, vpg.head).fingerprint()
    vpg.head.query_tokens.data[0, 0, 0] -= 1
    next(vpg.encoder.parameters()).data.flatten()[0] += 1
    assert len({before, changed, CachedVPG(vpg.encoder, vpg.head).fingerprint()}) == 3


def test_the_fingerprint_of_the_base_knows_every_part_but_the_lora():
    opened = tiny_owl()
    model = opened.model
    before = mplug_owl.base_fingerprint(model)
    mplug_owl.give_lora(model, numbers().lora)
    assert mplug_owl.base_fingerprint(model) == before
    for part in (model.vpg.encoder, model.vpg.head, model.projector, model.language):
        value = next(part.parameters()).data.view(-1)
        value[0] += 1
        assert mplug_owl.base_fingerprint(model) != before
        value[0] -= 1


# --- bad input -----------------------------------------------------------------------------------


def test_parts_that_do_not_fit_are_refused():
    opened = tiny_owl()
    language, toy = opened.model.language, numbers()
    other = replace(toy, abstractor=replace(toy.abstractor, hidden_size=32))
    with pytest.raises(ValueError, match="16 wide and the abstractor's queries 32"):
        mplug_owl.build(other, opened.encoder, language, 4)
    from tests.tiny_runs import tiny_encoder

    with pytest.raises(ValueError, match="VisionEncoder does not give them"):
        mplug_owl.build(toy, tiny_encoder(), language, 4)
    with pytest.raises(ValueError, match="did you mean 'toy'"):
        mplug_owl.scale("toys")


def test_lora_targets_that_match_nothing_are_named():
    with pytest.raises(ValueError, match=r"\['qproj'\] name no layer.*q_proj"):
        mplug_owl.give_lora(tiny_owl().model, mplug_owl.LoRA(targets=("qproj", "v_proj")))


@pytest.mark.parametrize("images", [1, 3])
def test_fewer_or_more_images_than_places_name_both_counts(images):
    opened = tiny_owl()
    batch = batch_of(opened.asker.chat) | {"pixel_values": pixels(images)}
    with pytest.raises(ValueError, match=rf"{images} images?\b.* places for 2 images"):
        opened.model(batch)


def test_a_row_that_does_not_fit_says_which_and_how_long():
    opened = tiny_owl()
    opened.model.language.model.config.max_position_embeddings = 30
    batch = batch_of(opened.asker.chat)
    ids = batch["input_ids"]
    longer = {"input_ids": torch.cat([ids, ids.flip(1)]), "pixel_values": pixels(4)}
    longer |= {
        "labels": longer["input_ids"],
        "attention_mask": torch.ones_like(longer["input_ids"]),
    }
    longer["attention_mask"][0, 25:] = 0
    with pytest.raises(ValueError, match=rf"Row 1 has {ids.shape[1]} positions.*at most 30"):
        opened.model(longer)
