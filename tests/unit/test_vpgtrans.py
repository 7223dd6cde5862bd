"""VPGTrans: what is inherited, what is refused, what each stage trains and in which mode."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import OPTForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.converter import ConverterReport, WordConverter
from course_lib.data.prompts import image_token_id
from course_lib.data.word_pairs import caption_pairs
from course_lib.projector import MLPProjector
from course_lib.recipes import minigpt4, vpgtrans
from course_lib.recipes.vpgtrans_converter import (
    load_converter,
    make_converter,
    save_converter,
    word_table,
    words_fingerprint,
)
from course_lib.recipes.vpgtrans_inherit import account, set_released_modes
from course_lib.training.loop import train
from course_lib.training.stages import apply_stage, frozen_fingerprint
from course_lib.training.tensor_files import write_tensors
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes
from tests.tiny_models import randomise, text_config
from tests.tiny_runs import tiny_llava, tiny_run

WIDE = 48


@pytest.fixture
def source():
    """A tiny BLIP-2 on an OPT of width 32, as a trained model would be."""
    model = tiny_run("opt").model
    randomise(model.projector, 5)
    return model


@pytest.fixture
def target():
    config = text_config("opt", width=WIDE, vocabulary=len(build_tokenizer("opt")))
    return LanguageModel(randomise(OPTForCausalLM(config), 9)).requires_grad_(False)


def numbers_for(source, **sizes):
    config = replace(source.vpg.head.config, **sizes)
    return replace(vpgtrans.scale("toy"), qformer=config)


def inherit(source, target, converter=None, seed=0, **sizes):
    place = image_token_id(build_tokenizer("opt"))
    numbers = numbers_for(source, **sizes)
    return vpgtrans.build(numbers, source, source.vpg.encoder, target, place, converter, seed)


def batch_of(model, rows=3):
    chance = torch.Generator().manual_seed(0)
    config = model.vpg.head.config
    words = torch.randint(5, 90, (rows, 6), generator=chance)
    places = torch.full((rows, config.num_query_tokens), model.image_token_id)
    return {
        "image_features": torch.randn(rows, 37, config.encoder_hidden_size, generator=chance),
        "input_ids": torch.cat([places, words], dim=1),
        "labels": torch.cat([torch.full_like(places, -100), words], dim=1),
    }


def test_the_scales_hold_the_paper_s_numbers():
    paper = vpgtrans.scale("a100")
    one, two = paper.stage1, paper.stage2
    assert one.trainable == ("projector",) and two.trainable == ("vpg.head", "projector")
    assert (one.steps, one.batch_size, two.batch_size) == (810, 1728, 1728)
    assert {one.learning_rate_at(step) for step in (0, 400, 809)} == {5e-4}
    assert two.learning_rate_at(0) == 1e-4 and two.learning_rate_at(7_499) == pytest.approx(5e-5)
    assert two.steps * two.batch_size == 12_960_000
    assert one.betas == two.betas == (0.9, 0.999) and one.grad_clip is two.grad_clip is None
    for name in vpgtrans.SCALES:
        numbers = vpgtrans.scale(name)
        rate = numbers.stage2.learning_rate
        assert numbers.stage1.learning_rate == numbers.stage1.min_learning_rate == 5 * rate
        assert numbers.stage1.warmup_steps == numbers.stage2.warmup_steps == 0
        epochs = {key: transfer.epochs for key, transfer in numbers.transfers.items()}
        assert epochs.pop("opt-to-large") == 5 and set(epochs.values()) == {8}
        assert epochs.keys() == {"opt-to-t5", "t5-to-opt", "opt-to-llama", "opt-to-vicuna"}
        assert numbers.transfers["opt-to-vicuna"].language == numbers.chat
    toy = vpgtrans.scale("toy")
    assert 0 <= toy.num_scenes - toy.stage1.steps * toy.stage1.batch_size < toy.stage1.batch_size
    with pytest.raises(ValueError, match="did you mean 'toy'"):
        vpgtrans.scale("toys")


def test_every_tensor_of_the_vpg_is_inherited_and_nothing_else(source, target):
    before = {name: value.clone() for name, value in source.state_dict().items()}
    language = frozen_fingerprint(target)
    model = inherit(source, target)
    own = source.vpg.head.state_dict()
    assert own.keys() == model.vpg.head.state_dict().keys()
    for name, value in model.vpg.head.state_dict().items():
        assert torch.equal(value, own[name]) and value.data_ptr() != own[name].data_ptr()
    assert {"query_tokens", "ln_vision.weight", "ln_vision.bias"} < own.keys()
    assert model.projector.weight.shape == (WIDE, 16)
    assert model.language is target and frozen_fingerprint(target) == language
    model.vpg.head.query_tokens.data.zero_()
    assert all(torch.equal(before[name], value) for name, value in source.state_dict().items())


def test_every_key_is_accounted_for(source):
    fates = account(source)
    assert fates.keys() == source.state_dict().keys()
    counts = Counter(fates.values())
    assert counts["inherited"] == len(source.vpg.head.state_dict()) and counts["merged"] == 2
    assert counts["shared"] == len(source.vpg.encoder.state_dict())
    assert counts["left behind"] == len(source.language.state_dict())
    assert (
        Counter(account(source, merged=False).values())["left behind"] == 2 + counts["left behind"]
    )
    source.extra = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"2 tensors such as 'extra.weight'"):
        account(source)


@torch.no_grad()
def test_the_projector_is_the_source_s_and_the_converter_in_one(source, target):
    converter = WordConverter(32, WIDE, seed=3)
    model = inherit(source, target, converter).eval()
    batch = batch_of(model)
    both = converter(source.visual_tokens(batch))
    assert (model.visual_tokens(batch) - both).abs().max() < 1e-6 * both.abs().max()


def test_without_a_converter_the_projector_is_random_and_depends_on_the_seed(source, target):
    first, same, other = (inherit(source, target, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.projector.weight, same.projector.weight)
    assert not torch.equal(first.projector.weight, other.projector.weight)
    assert torch.equal(first.vpg.head.query_tokens, other.vpg.head.query_tokens)


def test_each_stage_moves_what_it_lists_and_nothing_else(source, target):
    model = inherit(source, target, WordConverter(32, WIDE))
    numbers = vpgtrans.scale("toy")
    for stage in (numbers.stage1.shortened(2), numbers.stage2.shortened(2)):
        frozen = frozen_fingerprint(model, stage)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        train(model, stage, lambda step: batch_of(model), seed=0, progress=False)
        assert frozen_fingerprint(model, stage) == frozen
        moved = {n for n, value in model.state_dict().items() if not torch.equal(before[n], value)}
        parts = {name.rsplit(".", 1)[0] for name in moved}
        assert "projector" in parts and ("vpg.head" in parts) == (stage.name == "stage2")
        assert not any(name.startswith(("language.", "vpg.encoder.")) for name in moved)


def test_stage_3_has_minigpt4_s_data_chat_and_language_model_and_trains_the_vpg_too():
    paper, like = vpgtrans.scale("a100").stage3, minigpt4.scale("a100")
    assert paper.trainable == ("vpg.head", "projector") != like.stage2.trainable
    # 800 iterations of 6 rows on 4 GPUs, 5 to an update; 200 of warm-up.
    assert (paper.steps, paper.batch_size, paper.warmup_steps) == (800 // 5, 4 * 5 * 6, 200 // 5)
    assert paper.learning_rate_at(39) == 1e-5 and paper.learning_rate_at(159) == pytest.approx(1e-6)
    assert paper.grad_clip is None and vpgtrans.scale("a100").num_curated == 3_439
    for name in vpgtrans.SCALES:
        numbers, like = vpgtrans.scale(name), minigpt4.scale(name)
        assert (numbers.chat, numbers.template) == (like.language, like.template)
        assert numbers.stage3.learning_rate == pytest.approx(numbers.stage2.learning_rate / 10)
        assert numbers.stage3.min_learning_rate == numbers.stage3.learning_rate / 10


def test_another_language_model_of_the_same_width_speaks_behind_the_same_vpg(source, target):
    config = text_config("opt", width=32, vocabulary=len(build_tokenizer("opt")))
    tuned = LanguageModel(randomise(OPTForCausalLM(config), 4)).requires_grad_(False)
    batch = batch_of(source)
    with torch.no_grad():
        before, said = source.visual_tokens(batch), source.logits(batch)
        model = vpgtrans.speak_with(source, tuned, source.image_token_id).eval()
        assert torch.equal(model.visual_tokens(batch), before)
        assert not torch.allclose(model.logits(batch), said)
    with pytest.raises(ValueError, match=f"words of width 32, and .* to speak has {WIDE}"):
        vpgtrans.speak_with(source, target, source.image_token_id)


@torch.no_grad()
def test_in_stage_1_the_frozen_vpg_is_still_and_as_released_it_is_not(source, target):
    model = inherit(source, target, WordConverter(32, WIDE), dropout=0.5)
    model.language.config.dropout = 0.5
    batch = batch_of(model)
    model.train()
    apply_stage(model, vpgtrans.scale("toy").stage1)
    assert model.projector.training
    assert not any(module.training for module in model.vpg.modules())
    assert not any(module.training for module in model.language.modules())
    calm = model.visual_tokens(batch)
    assert torch.equal(calm, model.visual_tokens(batch)) and torch.equal(model(batch), model(batch))
    set_released_modes(model)
    noisy = model.visual_tokens(batch)
    assert not torch.equal(noisy, model.visual_tokens(batch)) and not torch.equal(noisy, calm)
    assert {p.requires_grad for p in model.vpg.parameters()} == {False}
    assert not any(module.training for module in model.vpg.encoder.modules())


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"num_query_tokens": 8}, "num_query_tokens is 4 in the source and 8 here"),
        ({"hidden_size": 32}, "hidden_size is 16 in the source and 32 here"),
        (
            {"num_query_tokens": 8, "encoder_hidden_size": 20},
            "encoder_hidden_size is 16 in the source and 20 here, num_query_tokens is 4 in the",
        ),
        # No shape would show these two.
        ({"num_attention_heads": 4}, "num_attention_heads is 2 in the source and 4 here"),
        ({"ln_vision_eps": 1e-5}, "ln_vision_eps is 1e-06 in the source and 1e-05 here"),
    ],
)
def test_other_sizes_are_named_with_both_values(source, target, sizes, words):
    with pytest.raises(ValueError, match=words):
        inherit(source, target, **sizes)


def test_a_source_without_a_q_former_or_a_linear_layer_is_refused(source, target):
    with pytest.raises(ValueError, match="ends in Identity, and VPGTrans carries over a Q-Former"):
        vpgtrans.build(numbers_for(source), tiny_llava().model, None, target, 4)
    with pytest.raises(ValueError, match="ends in NoneType"):
        vpgtrans.build(numbers_for(source), target, None, target, 4)
    numbers = numbers_for(source)
    source.projector = MLPProjector(16, 32)
    with pytest.raises(ValueError, match="projector is MLPProjector"):
        vpgtrans.build(numbers, source, None, target, 4, WordConverter(32, WIDE))
    assert vpgtrans.build(numbers, source, None, target, 4).projector.in_features == 16
    source.vpg.head = nn.Linear(16, 16)
    with pytest.raises(ValueError, match="ends in Linear"):
        vpgtrans.build(numbers, source, None, target, 4)


def test_a_converter_of_other_widths_is_refused(source, target):
    with pytest.raises(ValueError, match=f"words of width 40 and the target reads {WIDE}"):
        inherit(source, target, WordConverter(32, 40))
    with pytest.raises(ValueError, match="gives vectors of width 32 and the converter reads 24"):
        inherit(source, target, WordConverter(24, WIDE))


@pytest.fixture
def converter(source, target):
    opt, texts = (
        build_tokenizer("opt"),
        [c for s in sample_scenes(40, 0, "train") for c in captions(s)],
    )
    pairs = caption_pairs(opt, opt, texts)
    return make_converter(source.language, target, pairs.captions)


def test_a_converter_is_kept_for_its_pair_alone(source, target, converter, tmp_path):
    made, report = converter
    path = tmp_path / "made" / "opt-to-large.safetensors"
    save_converter(path, made, source.language, target, report, ("opt", "opt-large"))
    read, header = load_converter(path, source.language, target)
    assert torch.equal(read.weight, made.weight) and torch.equal(read.bias, made.bias)
    assert header["names"] == ["opt", "opt-large"] and not read.training
    assert ConverterReport(**header["report"]) == report
    with pytest.raises(
        ValueError, match="from opt to opt-large, not of this pair: it leads the other"
    ):
        load_converter(path, target, source.language)
    word_table(target)[7, 3] += 1e-3
    with pytest.raises(ValueError, match="the word table of opt-large is another one"):
        load_converter(path, source.language, target)
    word_table(source.language)[0, 0] += 1e-3
    with pytest.raises(ValueError, match="of opt and that of opt-large is another one"):
        load_converter(path, source.language, target)


def test_files_that_are_no_converter(source, target, converter, tmp_path):
    path = tmp_path / "converter.safetensors"
    with pytest.raises(ValueError, match="is not there: train the converter"):
        load_converter(path, source.language, target)
    write_tensors(path, {"weight": torch.zeros(2, 2)}, {"step": 3})
    with pytest.raises(ValueError, match="no word converter of version 1, its header says"):
        load_converter(path, source.language, target)
    made, _ = converter
    with pytest.raises(ValueError, match=f"from width 32 to {WIDE}, the two .* have {WIDE} and 32"):
        save_converter(path, made, target, source.language)
    save_converter(path, made, source.language, target)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_converter(path, source.language, target)


def test_a_fingerprint_sees_every_bit_the_dtype_and_the_shape(target):
    first = words_fingerprint(target)
    assert first == words_fingerprint(target) and len(first) == 64
    word_table(target)[3, 3] += 1e-6
    second = words_fingerprint(target)
    assert second != first and words_fingerprint(target.double()) != second
    numbers = torch.arange(24.0)
    prints = {words_fingerprint(Words(numbers.reshape(shape))) for shape in ((4, 6), (6, 4))}
    prints |= {words_fingerprint(Words(numbers.reshape(4, 6).view(torch.int32).float()))}
    assert len(prints) == 3


class Words:
    """Stands for a language model that has a word table and nothing else."""

    def __init__(self, table):
        self.model, self.table = self, nn.Embedding.from_pretrained(table)

    def get_input_embeddings(self):
        return self.table
