"""mPLUG-Owl's image encoder and checkpoints <-> stored outputs, CLIP, Bloom, names by hand."""

import copy

import pytest
import torch
from torch.nn import functional as F
from transformers import BloomConfig, CLIPVisionConfig, CLIPVisionModel
from transformers.models.bloom.modeling_bloom import BloomAttention
from transformers.models.clip.modeling_clip import CLIPAttention

from course_lib.interop.mplug_owl import (
    load_mplug_owl,
    mplug_owl_from_config,
    mplug_owl_to_original,
)
from course_lib.interop.mplug_owl_vision import (
    join_qkv,
    split_qkv,
    vision_from_original,
    vision_to_original,
)
from course_lib.interop.names import load_strictly
from course_lib.lora import add_lora, merge_lora
from course_lib.vpg.abstractor import Abstractor
from tests.mplug_owl_like import TINY, golden, mplug_owl, original_shapes
from tests.tiny_models import IMAGE_TOKEN, largest_difference, llava, text_batch

FULL = {
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "image_size": 224,
        "patch_size": 14,
    },
    "visual_abstractor_config": {
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "num_hidden_layers": 6,
    },
    "text_config": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "vocab_size": 32000,
    },
    "num_query_tokens": 64,
}


def clip_layer(case: str, heads: int | None = None, cut=split_qkv, **changes):
    """Reads a stored layer into the first block of a CLIPVisionModel, by way of the library."""
    weights, arrays = golden("vision_layer", case)
    width, true_heads, wide = arrays["config"].tolist()
    settings = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-6, **changes}
    config = CLIPVisionConfig(
        hidden_size=width,
        num_attention_heads=heads or true_heads,
        intermediate_size=wide,
        num_hidden_layers=1,
        **settings,
    )
    layer = CLIPVisionModel(config).encoder.layers[0]
    theirs = {name.removeprefix("vision_model."): value for name, value in weights.items()}
    ours = vision_from_original(theirs, true_heads)
    assert {f"vision_model.{k}" for k in vision_to_original(ours, true_heads)} == set(weights)
    if cut is not split_qkv:
        for kind in ("weight", "bias"):
            fused = theirs[f"encoder.layers.0.self_attn.query_key_value.{kind}"]
            for name, part in zip("qkv", cut(fused, true_heads), strict=True):
                ours[f"encoder.layers.0.self_attn.{name}_proj.{kind}"] = part
    load_strictly(layer, {k.removeprefix("encoder.layers.0."): v for k, v in ours.items()}, case)
    return layer.double().eval(), arrays["input"].double()


def thirds(fused: torch.Tensor, heads: int):
    return fused.chunk(3)


@pytest.mark.parametrize("case", ("a", "b"))
@torch.no_grad()
def test_vision_layer_of_the_released_code(case, agree):
    layer, inputs = clip_layer(case)
    expected = golden("vision_attention", case)[1]["output"]
    agree(layer(inputs, attention_mask=None), expected, 1e-5)


@pytest.mark.parametrize("case", ("a", "b"))
@torch.no_grad()
def test_vision_layer_without_attention(case, agree):
    """The other stored outputs were made with all attention probabilities multiplied by zero."""
    layer, inputs = clip_layer(case)
    expected = golden("vision_layer", case)[1]["output"]
    assert largest_difference(layer(inputs, attention_mask=None), expected) > 0.1
    layer.self_attn.v_proj.weight.zero_()
    layer.self_attn.v_proj.bias.zero_()
    agree(layer(inputs, attention_mask=None), expected, 1e-5)
    layer.mlp.activation_fn = torch.nn.GELU()
    assert largest_difference(layer(inputs, attention_mask=None), expected) > 1e-4


MUTATIONS = {
    "thirds in place of heads": {"cut": thirds},
    "exact GELU": {"hidden_act": "gelu"},
    "other heads": {"heads": 2},
    "keys and values swapped": {"cut": lambda fused, heads: split_qkv(fused, heads)[::-1]},
    "large epsilon": {"layer_norm_eps": 1e-4},
}


@pytest.mark.parametrize("case", ("a", "b"))
@pytest.mark.parametrize("changes", MUTATIONS.values(), ids=MUTATIONS)
@torch.no_grad()
def test_mutations_of_the_vision_layer_are_seen(changes, case):
    layer, inputs = clip_layer(case, **changes)
    expected = golden("vision_attention", case)[1]["output"]
    assert largest_difference(layer(inputs, attention_mask=None), expected) > 2e-5


@torch.no_grad()
def test_fused_rows_are_those_of_bloom(agree):
    """transformers' Bloom has Megatron's layout, too: an outside judge of the order of the rows."""
    torch.manual_seed(0)
    width, heads = 24, 3
    config = BloomConfig(hidden_size=width, n_head=heads, hidden_dropout=0.0)
    theirs = BloomAttention(config, layer_idx=0).eval()
    ours = CLIPAttention(CLIPVisionConfig(hidden_size=width, num_attention_heads=heads)).eval()
    ours.config._attn_implementation = "eager"
    for kind in ("weight", "bias"):
        fused = getattr(theirs.query_key_value, kind)
        parts = split_qkv(fused, heads)
        assert torch.equal(join_qkv(parts, heads), fused)
        assert not torch.equal(parts[0], fused.chunk(3)[0])
        for name, part in zip("qkv", parts, strict=True):
            getattr(getattr(ours, f"{name}_proj"), kind).copy_(part)
        getattr(ours.out_proj, kind).copy_(getattr(theirs.dense, kind))
    inputs = 2 * torch.randn(2, 5, width)
    alibi = torch.zeros(2 * heads, 1, 5)
    expected = theirs(inputs, torch.zeros_like(inputs), alibi, None)[0]
    agree(ours(inputs)[0], expected, 1e-6)


def checkpoint(seed: int = 5) -> dict[str, torch.Tensor]:
    """Random tensors under names that the test itself writes down."""
    generator = torch.Generator().manual_seed(seed)
    shapes = original_shapes(TINY)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_every_tensor_finds_its_place_and_comes_back():
    tensors, model = checkpoint(), mplug_owl()
    old = {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)}
    load_mplug_owl({**tensors, **old}, model)
    back = mplug_owl_to_original(model)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], value) for name, value in tensors.items())
    attention = model.vpg.encoder.model.encoder.layers[1].self_attn
    fused = tensors["vision_model.encoder.layers.1.self_attn.query_key_value.weight"]
    # 4 heads of width 4: rows 12 to 15 are the queries of head 1, 16 to 19 its keys.
    assert torch.equal(attention.q_proj.weight[4:8], fused[12:16])
    assert torch.equal(attention.k_proj.weight[4:8], fused[16:20])
    assert torch.equal(attention.v_proj.weight[:4], fused[8:12])
    ffn = model.vpg.head.layers[0].ffn
    place = "abstractor.encoder.layers.0.crossattention.output.mlp"
    assert torch.equal(ffn.gate_proj.weight, tensors[f"{place}.w1.weight"])
    assert torch.equal(model.projector.end_token, tensors["abstractor.vit_eos"])


@torch.no_grad()
def test_image_encoder_by_hand():
    """The released encoder's own equations, on the official tensors as they are."""
    tensors, model = checkpoint(), mplug_owl().double()
    load_mplug_owl(tensors, model)
    w = {k.removeprefix("vision_model."): v.double() for k, v in tensors.items()}

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    pixels = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    patches = F.conv2d(pixels, w["embeddings.patch_embed.weight"], stride=8).flatten(2)
    tokens = [w["embeddings.cls_token"].expand(2, -1, -1), patches.transpose(1, 2)]
    hidden = torch.cat(tokens, dim=1) + w["embeddings.position_embedding"]
    hidden = norm(hidden, "embeddings.pre_layernorm")
    for index in range(2):
        place = f"encoder.layers.{index}."
        fused = linear(norm(hidden, f"{place}input_layernorm"), f"{place}self_attn.query_key_value")
        query, key, value = fused.unflatten(-1, (4, 3, 4)).permute(3, 0, 2, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        hidden = hidden + linear(mixed, f"{place}self_attn.dense")
        up = linear(norm(hidden, f"{place}post_attention_layernorm"), f"{place}mlp.fc1")
        hidden = hidden + linear(up * torch.sigmoid(1.702 * up), f"{place}mlp.fc2")
    expected = norm(hidden, "post_layernorm")
    assert largest_difference(model.vpg.encoder(pixels), expected) < 1e-6


@pytest.fixture(scope="module")
def full_size():
    head = {"visual_abstractor_config": {"intermediate_size": 2816}}
    with torch.device("meta"):
        return mplug_owl_from_config(head)


def test_full_size_has_the_official_tensors_and_counts(full_size):
    shapes = original_shapes(FULL)
    found = {name: tuple(t.shape) for name, t in mplug_owl_to_original(full_size).items()}
    assert found == shapes and len(shapes) == 722
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts_of(full_size)}
    assert counts == {
        "vision": 303_179_776,
        "abstractor": 81_473_536,
        "llama": 6_738_415_616,
        "all": 7_123_068_928,
    }
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    load_mplug_owl(tensors, full_size)
    with pytest.raises(ValueError, match=r"missing: vision_model\.post_layernorm\.bias\)"):
        del tensors["vision_model.post_layernorm.bias"]
        load_mplug_owl(tensors, full_size)


def parts_of(model):
    abstractor = torch.nn.ModuleList([model.vpg.head, model.projector])
    parts = {"vision": model.vpg.encoder, "abstractor": abstractor, "llama": model.language}
    return [*parts.items(), ("all", model)]


def test_defaults_of_the_released_classes_do_not_fit_the_released_weights(full_size):
    with torch.device("meta"):
        config = {"text_config": TINY["text_config"], "vision_config": TINY["vision_config"]}
        head = mplug_owl_from_config(config).vpg.head
    assert isinstance(head, Abstractor) and head.config.intermediate_size == 4096
    assert full_size.vpg.head.config.intermediate_size == 2816
    vision = full_size.vpg.encoder.config
    assert (vision.hidden_act, vision.layer_norm_eps) == ("quick_gelu", 1e-6)
    assert full_size.vpg.head.layers[0].ffn.norm.eps == 1e-6
    assert full_size.vpg.head.layers[0].query_norm.eps == 1e-5


@torch.no_grad()
def test_a_loaded_model_reads_images_at_the_official_placeholder():
    model = mplug_owl(3)
    batch = text_batch(1, rows=2, length=6)
    places = torch.full((2, 4), -1)  # 3 queries and the end token
    batch["input_ids"] = torch.cat(
        [batch["input_ids"][:, :1], places, batch["input_ids"][:, 1:]], 1
    )
    batch["attention_mask"] = torch.cat([torch.ones(2, 4).long(), batch["attention_mask"]], 1)
    batch |= {"pixel_values": torch.randn(2, 3, 16, 16), "labels": batch["input_ids"].clamp(min=2)}
    embeds = model.inputs_embeds(batch)
    assert torch.equal(embeds[:, 4], model.projector.end_token[0].expand(2, -1))
    other = {**batch, "pixel_values": batch["pixel_values"].flip(0)}
    assert (model.logits(other) - model.logits(batch)).abs().max() > 1e-2
    with pytest.raises(ValueError, match=r"1 image,.*2 images"):
        model({**batch, "pixel_values": batch["pixel_values"][:1]})


WRONG = [
    ("abstractor.vit_eos", None, r"missing: abstractor\.vit_eos\)"),
    ("query_tokens", None, "missing: query_tokens"),
    ("language_model.lm_head.weight", None, r"missing: language_model\.lm_head"),
    (None, "abstractor.temporal_visual_fc.weight", r"unknown: abstractor\.temporal_visual_fc"),
    (None, "vision_model.encoder.layers.2.mlp.fc1.bias", r"unknown: .*layers\.2\.mlp\.fc1"),
    (None, "bias_k", "unknown: bias_k"),
]


@pytest.mark.parametrize(("drop", "add", "words"), WRONG)
def test_what_does_not_fit_is_named(drop, add, words):
    tensors, model = checkpoint(), mplug_owl()
    tensors.pop(drop, None)
    if add:
        tensors[add] = torch.zeros(1)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=f"the file does not fit.*{words}"):
        load_mplug_owl(tensors, model, "the file")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_other_sizes_and_other_parts_are_named():
    tensors, model = checkpoint(), mplug_owl()
    name = "vision_model.encoder.layers.0.self_attn.query_key_value.weight"
    with pytest.raises(ValueError, match=r"query_key_value.*\(45, 16\).*\(48, 16\)"):
        load_mplug_owl({**tensors, name: torch.zeros(45, 16)}, model)
    with pytest.raises(ValueError, match=r"VisionEncoder of CLIPVisionModel"):
        from course_lib.interop import llava_from_hf

        mplug_owl_to_original(llava_from_hf(llava(1)))
    model.vpg.encoder.config.hidden_act = "gelu"
    with pytest.raises(ValueError, match=r"'gelu'.*'quick_gelu'"):
        load_mplug_owl(tensors, model)
    model.vpg.encoder.config.hidden_act = "quick_gelu"
    model.projector = torch.nn.Linear(16, 32)
    with pytest.raises(ValueError, match=r"Linear where .* EndTokenProjector"):
        load_mplug_owl(tensors, model)
    text = {**TINY, "text_config": {"model_type": "bloom"}}
    with pytest.raises(ValueError, match=r"'bloom'.*LLaMA"):
        mplug_owl_from_config(text)


@torch.no_grad()
def test_a_lora_is_left_out_or_merged():
    model = mplug_owl()
    before = {name: value.clone() for name, value in mplug_owl_to_original(model).items()}
    for name in add_lora(model.language.model, ["q_proj"]):
        model.language.model.get_submodule(name).lora_B.normal_()
    apart = mplug_owl_to_original(model)
    assert apart.keys() == before.keys()
    assert all(torch.equal(apart[name], value) for name, value in before.items())
    merge_lora(model.language.model)
    merged = mplug_owl_to_original(model)
    changed = {name for name, value in before.items() if not torch.equal(merged[name], value)}
    assert changed == {name for name in before if name.endswith("self_attn.q_proj.weight")}


def test_placeholder_is_no_word():
    assert mplug_owl().image_token_id == -1 != IMAGE_TOKEN
