"""Gated cross-attention: zero gates, who reads which image, hooks that come and go, generation."""

from dataclasses import replace

import pytest
import torch
from transformers import LlamaForCausalLM, OPTForCausalLM, T5ForConditionalGeneration

from course_lib.backbones.language import LanguageModel
from course_lib.fusion.cross_attention import CrossAttentionConfig, GatedCrossAttention
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.fusion.shown_images import image_index, readable_images
from tests.tiny_models import IMAGE_TOKEN, randomise, text_config

D, E, Q, BLOCKS = 32, 10, 3, 4
TINY = CrossAttentionConfig(
    hidden_size=D,
    visual_size=E,
    num_attention_heads=2,
    head_dim=5,
    intermediate_size=24,
    every=2,
)
KINDS = {"opt": OPTForCausalLM, "llama": LlamaForCausalLM}
# Rows of words; I is the tag of an image.
DOCUMENTS = {
    "image first": ["I.......", "I......."],
    "two in a row": ["..II....", "I..I..I."],
    "image last": ["....I..I", ".......I"],
    "one text without an image": ["........", "..I....."],
    "no image": ["........", "........"],
}
PICTURES = [name for name in DOCUMENTS if name != "no image"]


def llm(kind, blocks=BLOCKS):
    config = text_config(kind)
    config.num_hidden_layers = blocks
    model = randomise(KINDS[kind](config), 3)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 1
    return model.double()


def gated(open_gates=True, blocks=BLOCKS, **changes):
    model = GatedLayers(replace(TINY, **changes), blocks)
    gates = {n: p.detach().clone() for n, p in model.named_parameters() if n.endswith("_gate")}
    randomise(model, 5)
    if not open_gates:
        for name, value in gates.items():
            model.get_parameter(name).data.copy_(value)
    return model.double()


def document(rows, seed=0):
    """Returns words with image tags, where these are, and visual tokens of all images."""
    generator = torch.Generator().manual_seed(seed)
    locations = torch.tensor([[letter == "I" for letter in row] for row in rows])
    ids = torch.randint(5, IMAGE_TOKEN, locations.shape, generator=generator)
    count = int(locations.sum())
    visual = torch.randn(count, Q, E, generator=generator, dtype=torch.float64)
    return ids.masked_fill(locations, IMAGE_TOKEN), locations, visual


def states(rows, length):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(rows, length, D, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_closed_gates_leave_the_language_model_as_it_is(kind, name, dtype):
    model, layers = llm(kind).to(dtype), gated(open_gates=False, every=1)
    assert all(float(p) == 0 for n, p in layers.named_parameters() if n.endswith("_gate"))
    ids, locations, visual = document(DOCUMENTS[name])
    bare = model(ids).logits
    with layers.install(model), layers.show(visual, locations):
        assert (model(ids).logits - bare).abs().max().item() == 0.0
        for parameter in layers.parameters():
            if parameter.numel() == 1:
                parameter.fill_(0.5)
        assert (model(ids).logits - bare).abs().max() > 1e-2


@torch.no_grad()
def test_one_layer_by_hand():
    """Section 3.1.2, head by head, for a token that reads the second of two images."""
    layer = gated(every=BLOCKS).layers[0]
    hidden, visual = states(1, 1), document(["II"])[2]
    mask = torch.tensor([False] * Q + [True] * Q)[None, None, None]
    key_value = [part.transpose(0, 1).flatten(1, 2)[None] for part in layer.project_visual(visual)]
    token, tokens = layer.norm(hidden)[0, 0], layer.visual_norm(visual[1])
    attention, mixed = layer.attention, []
    for head in (slice(0, 5), slice(5, 10)):
        query = attention.q_proj.weight[head] @ token
        scores = tokens @ attention.k_proj.weight[head].T @ query / 5**0.5
        mixed.append(scores.softmax(0) @ (tokens @ attention.v_proj.weight[head].T))
    read = attention.out_proj.weight @ torch.cat(mixed)
    states_now = hidden[0, 0] + layer.attention_gate.tanh() * read
    inner = layer.feed_forward.up.weight @ layer.feed_forward.norm(states_now)
    inner = inner.clamp_min(0) ** 2
    out = layer.feed_forward_gate.tanh() * (layer.feed_forward.down.weight @ inner)
    torch.testing.assert_close(layer(hidden, tuple(key_value), mask)[0, 0], states_now + out)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_closed_gates_write_what_the_language_model_writes(kind):
    model, layers = llm(kind), gated(open_gates=False)
    ids, locations, visual = document(DOCUMENTS["two in a row"])
    settings = {"max_new_tokens": 8, "do_sample": False, "output_scores": True}
    settings |= {"return_dict_in_generate": True}
    bare = model.generate(ids, **settings)
    with layers.install(model), layers.show(visual, locations):
        shown = model.generate(ids, **settings)
    assert torch.equal(shown.sequences, bare.sequences)
    assert torch.stack(shown.scores).sub(torch.stack(bare.scores)).abs().max().item() == 0.0


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_removing_restores_the_language_model(kind):
    model, layers = llm(kind), gated()
    keys, kind_before = list(model.state_dict()), type(model)
    modules = [name for name, _ in model.named_modules()]
    ids, locations, visual = document(DOCUMENTS["image first"])
    bare = model(ids).logits
    installed = layers.install(model)
    assert list(model.state_dict()) == keys and type(model) is kind_before
    assert [name for name, _ in model.named_modules()] == modules
    layers.show(visual, locations)
    assert (model(ids).logits - bare).abs().max() > 1e-2
    installed.remove()
    installed.remove()
    assert all(not module._forward_pre_hooks for module in model.modules())
    assert list(model.state_dict()) == keys
    assert torch.equal(model(ids).logits, bare)
    with pytest.raises(KeyError), layers.install(model):
        raise KeyError("an error inside leaves no hook behind")
    assert all(not module._forward_pre_hooks for module in model.modules())


def test_installing_twice_is_an_error_and_again_is_none():
    model, other, layers = llm("opt"), llm("opt"), gated()
    installed = layers.install(model)
    with pytest.raises(ValueError, match=r"already.*blocks \[0, 2\]"):
        layers.install(model)
    with pytest.raises(ValueError, match=r"already.*blocks \[0, 2\]"):
        gated(first=1).install(model)
    with pytest.raises(ValueError, match=r"already.*another model"):
        layers.install(other)
    assert sum(len(m._forward_pre_hooks) for m in model.modules()) == 2
    installed.remove()
    layers.install(other).remove()
    layers.install(model).remove()


def test_where_the_layers_stand():
    def places(blocks, **changes):
        return replace(TINY, **changes).places(blocks)

    assert places(24, every=1) == tuple(range(24))
    assert places(40, every=4) == tuple(range(0, 40, 4))
    eighty = places(80, every=7)  # the paper's largest: 7 does not divide 80
    assert len(eighty) == 12 and eighty[0] == 0 and eighty[-1] == 77
    assert CrossAttentionConfig.open_flamingo(32, every=4).places(32) == tuple(range(3, 32, 4))
    assert CrossAttentionConfig.open_flamingo(32, every=3).places(8) == (2, 5)
    assert places(8, every=8, first=4) == (4,)  # "single in the middle", an ablation
    with pytest.raises(ValueError, match=r"every 9 blocks.*has 8"):
        places(8, every=9)
    with pytest.raises(ValueError, match="every=0"):
        places(8, every=0)
    with pytest.raises(ValueError, match=r"every=2, first=2"):
        places(8, every=2, first=2)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_hooks_run_the_layer_in_front_of_its_block(kind):
    model, layers = llm(kind), gated(every=3, first=1)
    seen = {}
    blocks = model.get_decoder().layers
    handles = [
        block.register_forward_hook(lambda m, i, out, n=n: seen.__setitem__(n, (i[0], out)))
        for n, block in enumerate(blocks)
    ]
    ids, locations, visual = document(DOCUMENTS["image first"])
    with layers.install(model), layers.show(visual, locations):
        model(ids)
    for handle in handles:
        handle.remove()
    reads = [not torch.equal(seen[n][0], seen[n - 1][1]) for n in range(1, BLOCKS)]
    assert reads == [True, False, False]
    layer = layers.layers[0]
    key_value = layer.project_visual(visual)
    mask = torch.ones(2, 1, 8, Q, dtype=torch.bool)
    torch.testing.assert_close(layer(seen[0][1], key_value, mask), seen[1][0])


def test_phi_numbers_the_last_image_and_its_tag():
    index = image_index(document(["..I..II.", "........"])[1])
    assert index.tolist() == [[0, 0, 1, 1, 1, 2, 3, 3], [0] * 8]
    assert readable_images(index, 3, "last")[0, 6].tolist() == [False, False, True]
    assert readable_images(index, 3, "all")[0, 6].tolist() == [True, True, True]
    assert readable_images(index, 3, "all")[0, 4].tolist() == [True, False, False]
    assert not readable_images(index, 3, "all")[0, :2].any()
    assert not readable_images(index, 3, "last")[1].any()


@pytest.mark.parametrize("reads", ["last", "all"])
@pytest.mark.parametrize("name", PICTURES)
@torch.no_grad()
def test_who_reads_which_image_by_perturbation(name, reads):
    """Changes one image at a time: in one layer, exactly the tokens bound to it change."""
    rows = DOCUMENTS[name]
    _, locations, visual = document(rows)
    layers = gated(every=BLOCKS, reads=reads)
    hidden = states(2, 8)
    layers.show(visual, locations)
    before = layers.run(0, hidden)
    number = 0
    for row in range(2):
        tags = [place for place, letter in enumerate(rows[row]) if letter == "I"]
        for place, following in zip(tags, [*tags[1:], 8][: len(tags)], strict=True):
            changed = visual.clone()
            changed[number] += 1 + torch.arange(E)
            layers.show(changed, locations)
            moved = (layers.run(0, hidden) - before).abs().amax(-1) > 1e-6
            end = following if reads == "last" else 8
            expected = torch.zeros(2, 8, dtype=torch.bool)
            expected[row, place:end] = True
            assert torch.equal(moved, expected)
            number += 1


@torch.no_grad()
def test_text_before_any_image_sees_none():
    layer = gated(every=BLOCKS).layers[0]
    hidden = states(2, 8)
    _, locations, visual = document(DOCUMENTS["one text without an image"])
    layers = gated(every=BLOCKS)
    layers.show(visual, locations)
    out = layers.run(0, hidden)
    blind = layer(hidden)  # no image at all: the feed-forward alone
    assert torch.equal(out[0], blind[0]) and torch.equal(out[1, :2], blind[1, :2])
    assert (out[1, 2:] - blind[1, 2:]).abs().amax(-1).min() > 1e-3
    layers.show()
    assert torch.equal(layers.run(0, hidden), blind)
    layers.show(None, torch.zeros(2, 8, dtype=torch.bool))
    assert torch.equal(layers.run(0, hidden), blind)
    mask = torch.zeros(2, 1, 8, Q, dtype=torch.bool)
    seen = layer.project_visual(visual.expand(2, -1, -1))
    assert torch.equal(layer.look(hidden, seen, mask), torch.zeros_like(hidden))


def test_gradients_are_numbers_where_nothing_is_seen():
    model, layers = llm("llama"), gated(open_gates=False)
    model.requires_grad_(False)
    ids, locations, visual = document(DOCUMENTS["one text without an image"])
    visual.requires_grad_()
    with layers.install(model):
        layers.show(visual, locations)
        model(ids).logits.square().mean().backward()
        gates = [p for n, p in layers.named_parameters() if n.endswith("_gate")]
        assert all(gate.grad.abs() > 1e-9 for gate in gates)
        rest = [p.grad for n, p in layers.named_parameters() if not n.endswith("_gate")]
        assert all(not grad.any() for grad in rest)  # closed gates let no gradient through
        for gate in gates:
            gate.data.fill_(0.5)
        layers.show(visual, locations)
        model(ids).logits.square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in layers.parameters())
    assert visual.grad.isfinite().all() and visual.grad.any()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DOCUMENTS)
@torch.no_grad()
def test_generation_computes_keys_and_values_once_and_writes_the_same(kind, name, monkeypatch):
    model, layers = llm(kind), gated(every=1)
    ids, locations, visual = document(DOCUMENTS[name])
    calls = []
    real = GatedCrossAttention.project_visual
    monkeypatch.setattr(
        GatedCrossAttention, "project_visual", lambda s, v: calls.append(1) or real(s, v)
    )
    settings = {"max_new_tokens": 6, "do_sample": False}
    with layers.install(model), layers.show(visual, locations):
        cached = model.generate(ids, **settings)
        assert len(calls) == (BLOCKS if len(visual) else 0)
        assert torch.equal(model.generate(ids, use_cache=False, **settings), cached)
    with layers.install(model):
        whole = torch.nn.functional.pad(locations, (0, cached.shape[1] - locations.shape[1]))
        layers.show(visual, whole)
        expected = model(cached).logits
        cache, steps = None, []
        for start, end in [(0, 3), (3, 4), (4, 9), *((n, n + 1) for n in range(9, 14))]:
            out = model(cached[:, start:end], past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            steps.append(out.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), expected, atol=1e-5, rtol=0)
    assert torch.equal(expected[:, 7:-1].argmax(-1), cached[:, 8:])
    if len(visual):
        with layers.install(model), layers.show(visual.flip(2) * 2, locations):
            assert not torch.equal(model.generate(ids, **settings), cached)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_beams_of_a_text_read_its_images(kind):
    model, layers = llm(kind), gated(every=1)
    ids, locations, visual = document(DOCUMENTS["two in a row"])
    settings = {"max_new_tokens": 5, "do_sample": False, "num_beams": 3, "num_return_sequences": 2}
    with layers.install(model), layers.show(visual, locations):
        both = model.generate(ids, **settings)
        images = int(locations[0].sum())
        layers.show(visual[:images], locations[:1])
        first = model.generate(ids[:1], **settings)
        layers.show(visual[images:], locations[1:])
        second = model.generate(ids[1:], **settings)
    assert torch.equal(both, torch.cat([first, second]))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_padding_on_the_left_changes_nothing(kind):
    model, layers = llm(kind), gated(every=1)
    ids, locations, visual = document(["I..I...."])
    mask = torch.ones_like(ids)
    padded = [torch.nn.functional.pad(t, (3, 0), value=v) for t, v in ((ids, 1), (mask, 0))]
    moved = torch.nn.functional.pad(locations, (3, 0))
    settings = {"max_new_tokens": 6, "do_sample": False}
    with layers.install(model):
        layers.show(visual, locations)
        plain = model.generate(ids, attention_mask=mask, **settings)
        layers.show(visual, moved)
        left = model.generate(padded[0], attention_mask=padded[1], **settings)
    assert torch.equal(left[:, 3:], plain)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_greedy_of_the_library_runs_the_layers(kind):
    model, layers = llm(kind), gated(every=1)
    language = LanguageModel(model).eval()
    ids, locations, visual = document(DOCUMENTS["two in a row"])
    prompt = language.embed(ids), torch.ones_like(ids)
    bare = language.generate_greedy(*prompt, 6, eos_token_id=())
    with layers.install(model), layers.show(visual, locations):
        written = language.generate_greedy(*prompt, 6, eos_token_id=())
        assert written == model.generate(ids, max_new_tokens=6, do_sample=False)[:, 8:].tolist()
        assert language.loss(*prompt, ids).item() == pytest.approx(
            model(ids, labels=ids).loss.item(), rel=1e-5
        )
    assert written != bare


@torch.no_grad()
def test_more_images_than_ever_before():
    layers = gated(every=BLOCKS)
    hidden = states(1, 40)
    _, locations, visual = document([".I" * 20])
    layers.show(visual, locations)
    assert layers.run(0, hidden).isfinite().all()
    layers.show(visual[19:], torch.arange(40)[None] == 39)
    last = layers.run(0, hidden)[:, 39:]
    layers.show(visual, locations)
    torch.testing.assert_close(layers.run(0, hidden)[:, 39:], last)


@torch.no_grad()
def test_images_are_forgotten():
    layers = gated()
    hidden = states(2, 8)
    _, locations, visual = document(DOCUMENTS["image first"])
    with layers.show(visual, locations) as shown:
        layers.run(0, hidden)
        later = layers.show(visual, locations)
        shown.remove()
        layers.run(0, hidden)  # the later ones are still there
        later.remove()
    with pytest.raises(ValueError, match=r"before any images were shown.*show\(\)"):
        layers.run(0, hidden)


def test_gate_values():
    layers = gated(open_gates=False, vector_gates=True)
    assert layers.gate_values().shape == (2, 2) and not layers.gate_values().any()
    layers.layers[1].attention_gate.data[: D // 2] = -20.0
    assert layers.gate_values()[1].tolist() == [0.5, 0.0]
    assert layers.layers[0].attention_gate.shape == (D,)


def count(config, blocks):
    with torch.device("meta"):
        return sum(p.numel() for p in GatedLayers(config, blocks).parameters())


@pytest.mark.parametrize(
    ("width", "blocks", "every", "millions"),
    [(2048, 24, 1, 1160), (4096, 40, 4, 1800), (8192, 80, 7, 8360)],
)
def test_parameters_of_the_paper_counted(width, blocks, every, millions):
    """From the paper's sizes; it prints 1.2, 1.6 and 10 billion (v1, table 1)."""
    config = CrossAttentionConfig(
        hidden_size=width,
        num_attention_heads=width // 128,
        intermediate_size=4 * width,
        every=every,
    )
    matrices = 2 * width * width + 2 * width * 1536 + 8 * width * width
    layers = len(config.places(blocks))
    assert count(config, blocks) == layers * (matrices + 4 * width + 2 * 1536 + 2)
    assert count(config, blocks) / 1e6 == pytest.approx(millions, rel=0.005)


def test_errors_of_showing_and_running():
    layers = gated()
    _, locations, visual = document(DOCUMENTS["two in a row"])
    with pytest.raises(ValueError, match=r"5 image tags and 4 images"):
        layers.show(visual[:4], locations)
    with pytest.raises(ValueError, match=r"0 image tags and 5 images"):
        layers.show(visual)
    with pytest.raises(ValueError, match=r"5 image tags and 0 images"):
        layers.show(None, locations)
    with pytest.raises(ValueError, match=r"\(5, 3, 9\).*10"):
        layers.show(visual[..., :9], locations)
    with pytest.raises(ValueError, match=r"\(2, 8\).*int64"):
        layers.show(visual, locations.long())
    layers.show(visual, locations)
    with pytest.raises(ValueError, match=r"images of 2 texts.*3 texts"):
        layers.run(0, torch.zeros(3, 8, D, dtype=torch.float64))


def test_errors_of_building_and_installing():
    with pytest.raises(ValueError, match="'batch_norm'"):
        replace(TINY, norm="batch_norm")
    with pytest.raises(ValueError, match="'first'"):
        replace(TINY, reads="first")
    with pytest.raises(ValueError, match=r"4 blocks of width 32.*6 of width 32"):
        gated(blocks=6).install(llm("opt"))
    with pytest.raises(ValueError, match=r"width 32.*4 of width 16"):
        gated(hidden_size=16).install(llm("llama"))
    for other in (T5ForConditionalGeneration(text_config("t5")), torch.nn.Linear(2, 2)):
        with pytest.raises(ValueError, match=type(other).__name__):
            gated().install(other)
