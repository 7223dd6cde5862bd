"""OpenFlamingo's layout: names written out by hand, every tensor accounted for, sizes counted."""

from dataclasses import replace

import pytest
import torch

from course_lib.fusion.cross_attention import CrossAttentionConfig
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.interop.open_flamingo import BLOCKS, load_open_flamingo, open_flamingo_tensors
from course_lib.vpg.resampler import PerceiverResampler, ResamplerConfig
from tests.tiny_models import randomise

WIDTH, VISUAL, N_BLOCKS = 20, 12, 5


def build(seed, frames=0, every=2, **changes):
    config = replace(ResamplerConfig.open_flamingo(VISUAL, frames), num_hidden_layers=2)
    resampler = randomise(PerceiverResampler(replace(config, num_latents=3)), seed)
    config = CrossAttentionConfig.open_flamingo(WIDTH, every, VISUAL)
    return resampler, randomise(GatedLayers(replace(config, **changes), N_BLOCKS), seed + 1)


def checkpoint(seed=0, frames=0):
    """Writes a checkpoint as OpenFlamingo's classes would, with every 2nd of 5 blocks gated."""
    generator = torch.Generator().manual_seed(seed)
    norm = ("weight", "bias")
    shapes = {"perceiver.latents": (3, VISUAL)}
    shapes |= {"perceiver.frame_embs": (frames, VISUAL)} if frames else {}
    shapes |= {f"perceiver.norm.{kind}": (VISUAL,) for kind in norm}
    for i in range(2):
        layer = f"perceiver.layers.{i}"
        shapes |= {f"{layer}.0.norm_media.{kind}": (VISUAL,) for kind in norm}
        shapes |= {f"{layer}.0.norm_latents.{kind}": (VISUAL,) for kind in norm}
        shapes[f"{layer}.0.to_q.weight"] = (512, VISUAL)
        shapes[f"{layer}.0.to_kv.weight"] = (1024, VISUAL)
        shapes[f"{layer}.0.to_out.weight"] = (VISUAL, 512)
        shapes |= {f"{layer}.1.0.{kind}": (VISUAL,) for kind in norm}
        shapes[f"{layer}.1.1.weight"] = (4 * VISUAL, VISUAL)
        shapes[f"{layer}.1.3.weight"] = (VISUAL, 4 * VISUAL)
    for i in (1, 3):
        layer = f"lang_encoder.transformer.blocks.{i}.gated_cross_attn_layer"
        shapes |= {f"{layer}.{gate}": (1,) for gate in ("attn_gate", "ff_gate")}
        shapes |= {f"{layer}.attn.norm.{kind}": (WIDTH,) for kind in norm}
        shapes[f"{layer}.attn.to_q.weight"] = (512, WIDTH)
        shapes[f"{layer}.attn.to_kv.weight"] = (1024, VISUAL)
        shapes[f"{layer}.attn.to_out.weight"] = (WIDTH, 512)
        shapes |= {f"{layer}.ff.0.{kind}": (WIDTH,) for kind in norm}
        shapes[f"{layer}.ff.1.weight"] = (4 * WIDTH, WIDTH)
        shapes[f"{layer}.ff.3.weight"] = (WIDTH, 4 * WIDTH)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def equal(left, right):
    return set(left) == set(right) and all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("frames", [0, 4])
def test_a_checkpoint_is_read_and_written_again(frames):
    tensors = checkpoint(frames=frames)
    resampler, gated = build(1, frames)
    assert not equal(open_flamingo_tensors(resampler, gated), tensors)
    assert load_open_flamingo(tensors, resampler, gated) == {}
    assert equal(open_flamingo_tensors(resampler, gated), tensors)


def test_halves_and_places_are_the_right_ones():
    tensors = checkpoint()
    resampler, gated = build(1)
    load_open_flamingo(tensors, resampler, gated)
    assert gated.places == (1, 3)
    layer = "lang_encoder.transformer.blocks.3.gated_cross_attn_layer"
    both = tensors[f"{layer}.attn.to_kv.weight"]
    assert torch.equal(gated.layers[1].attention.k_proj.weight, both[:512])
    assert torch.equal(gated.layers[1].attention.v_proj.weight, both[512:])
    assert torch.equal(gated.layers[1].feed_forward_gate, tensors[f"{layer}.ff_gate"])
    up = tensors["perceiver.layers.1.1.1.weight"]
    assert torch.equal(resampler.layers[1].feed_forward.up.weight, up)


def older(name):
    return name.replace("transformer.blocks", "gated_cross_attn_layers").replace(
        ".gated_cross_attn_layer.", "."
    )


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_names_of_every_language_model_and_age(blocks):
    tensors = checkpoint()
    resampler, gated = build(1)
    forms = [
        {name.replace("transformer.blocks", blocks): value for name, value in tensors.items()},
        {older(name): value for name, value in tensors.items()},
        {f"module.{name}": value for name, value in tensors.items()},
        tensors | {older(name): value.clone() for name, value in tensors.items()},
    ]
    assert any("gated_cross_attn_layers.3.attn.to_q.weight" in name for name in forms[1])
    for form in forms:
        randomise(resampler, 7), randomise(gated, 8)
        load_open_flamingo(form, resampler, gated)
        assert equal(open_flamingo_tensors(resampler, gated), tensors)
    assert equal(open_flamingo_tensors(resampler, gated, blocks), forms[0])


def test_what_belongs_to_the_language_model_is_handed_back():
    tensors = checkpoint()
    extra = {
        "transformer.wte.weight": torch.randn(9, WIDTH),
        "transformer.blocks.3.decoder_layer.attn.bias": torch.ones(2),
    }
    tensors |= {f"lang_encoder.{name}": value for name, value in extra.items()}
    language = load_open_flamingo(tensors, *build(1))
    assert list(language) == ["transformer.wte.weight", "transformer.blocks.3.attn.bias"]
    assert torch.equal(language["transformer.wte.weight"], extra["transformer.wte.weight"])


def kept(modules):
    return [value.clone() for module in modules for value in module.state_dict().values()]


NORM = "lang_encoder.transformer.blocks.1.gated_cross_attn_layer.attn.norm.weight"
FRAMES = {"perceiver.frame_embs": torch.zeros(2, VISUAL)}
WRONG = {
    "missing": (lambda t: t.pop(NORM), r"missing: lang_encoder\S+\.1\.\S+attn\.norm\.weight"),
    "missing latents": (lambda t: t.pop("perceiver.latents"), r"missing: perceiver\.latents"),
    "unknown": (lambda t: t.update(FRAMES), r"unknown: perceiver\.frame_embs"),
    "vision": (
        lambda t: t.update({"vision_encoder.proj": torch.zeros(1)}),
        r"unknown: vision_encoder\.proj",
    ),
    "block": (
        lambda t: t.update({NORM.replace("1", "2"): torch.zeros(WIDTH)}),
        r"unknown: lang_encoder\S+\.2\.\S+attn\.norm\.weight",
    ),
    "shape": (
        lambda t: t.update({NORM: torch.zeros(WIDTH + 1)}),
        r"norm\.weight has the shape \(21,\), the model \(20,\)",
    ),
    "twice": (lambda t: t.update({older(NORM): torch.zeros(WIDTH)}), "twice.*not equal"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_wrong_files_are_named_and_change_nothing(change, message):
    tensors, modules = checkpoint(), build(1)
    change(tensors)
    before = kept(modules)
    with pytest.raises(ValueError, match=message):
        load_open_flamingo(tensors, *modules, "here.pt")
    assert all(map(torch.equal, before, kept(modules)))


def test_models_of_another_kind_are_named():
    with pytest.raises(ValueError, match=r"gated\.layers\.0\.visual_norm\.weight"):
        load_open_flamingo(checkpoint(), *build(1, norm_visual=True))
    with pytest.raises(ValueError, match=r"gated\.layers\.0\.feed_forward\.gate\.weight"):
        open_flamingo_tensors(*build(1, activation="swiglu"))
    with pytest.raises(ValueError, match=r"missing.*\.2\..*unknown.*\.1\."):
        load_open_flamingo(checkpoint(), *build(1, every=3))
    with pytest.raises(ValueError, match=r"missing.*\.0\.gated.*unknown.*\.1\.gated"):
        load_open_flamingo(checkpoint(), *build(1, first=0))


@pytest.mark.parametrize(
    ("width", "blocks", "every", "millions"),
    [
        (2048, 24, 1, 944),  # 3B, MPT-1B
        (2560, 32, 2, 961),  # 4B, RedPajama-3B
        (4096, 32, 4, 1179),  # 9B, MPT-7B
    ],
)
def test_released_sizes_train_as_many_parameters(width, blocks, every, millions):
    """Resampler and gated layers, embeddings left out."""
    with torch.device("meta"):
        resampler = PerceiverResampler(ResamplerConfig.open_flamingo())
        gated = GatedLayers(CrossAttentionConfig.open_flamingo(width, every), blocks)
    count = sum(p.numel() for module in (resampler, gated) for p in module.parameters())
    norms, heads = 2 * width, 8 * 64
    layer = 2 * width * heads + 2 * 1024 * heads + 8 * width * width + 2 * norms + 2
    latents = 64 * 1024 + 2 * 1024
    block = 4 * 1024 * heads + 8 * 1024 * 1024 + 3 * 2 * 1024
    assert count == blocks // every * layer + 6 * block + latents
    assert round(count / 1e6) == millions
    names = open_flamingo_tensors(resampler, gated)
    assert len(names) == 3 + 6 * 11 + blocks // every * 11
    assert sum(value.numel() for value in names.values()) == count
