"""Abstractor <-> stored outputs of mPLUG-Owl's released encoder; mutations have to be seen.

A float32 reference can be no better than its own rounding: the stored outputs, of values up to 18,
are 6e-6 off (relative to the largest) what the same equations give in float64. So ours calculates
in float64 where it is held to 1e-5; a float32 run of six layers has rounding of its own on top.
"""

import pytest
import torch

from course_lib.interop.mplug_owl import abstractor_names
from course_lib.interop.names import load_strictly, renamed
from course_lib.vpg.abstractor import Abstractor, AbstractorConfig
from tests.mplug_owl_like import golden
from tests.tiny_models import largest_difference

CASES = ("a", "b", "c")


def build(case: str, dtype: torch.dtype = torch.float64, **changes) -> Abstractor:
    weights, arrays = golden("abstractor", case)
    width, layers, heads, ffn = arrays["config"].tolist()
    queries = arrays["query_tokens"]
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    sizes |= {"intermediate_size": ffn, "num_query_tokens": queries.shape[1]}
    ours = Abstractor(AbstractorConfig(**{**sizes, **changes}))
    names = {theirs: own for own, theirs in abstractor_names(ours.state_dict()).items()}
    load_strictly(ours, renamed({**weights, "query_tokens": queries[:1]}, names), case)
    assert set(weights) | {"query_tokens"} == set(names)
    return ours.to(dtype).eval()


@torch.no_grad()
def run(ours: Abstractor, case: str) -> torch.Tensor:
    """Gives each image its own queries, as the stored inputs have it."""
    arrays = golden("abstractor", case)[1]
    dtype, rows = ours.query_tokens.dtype, []
    for queries, features in zip(arrays["query_tokens"], arrays["image_features"], strict=True):
        ours.query_tokens.copy_(queries[None])
        rows.append(ours(features[None].to(dtype)))
    return torch.cat(rows)


def stored(case: str) -> torch.Tensor:
    return golden("abstractor", case)[1]["output"]


@pytest.mark.parametrize("case", CASES)
def test_outputs_of_the_released_code(case, agree):
    agree(run(build(case), case), stored(case), 1e-5)


@pytest.mark.parametrize(("case", "tolerance"), [("a", 1e-5), ("b", 1e-5), ("c", 5e-5)])
def test_in_float32_rounding_comes_on_top(case, tolerance):
    outputs = run(build(case, torch.float32), case)
    assert largest_difference(outputs, stored(case)) < tolerance


def other_heads(ours, monkeypatch):
    for layer in ours.layers:
        layer.attention.num_heads //= 2


def standard_residual(ours, monkeypatch):
    def forward(layer, queries, image):
        hidden = queries + layer.attention(*layer.normed(queries, image))
        return hidden + layer.ffn(layer.ffn_norm(hidden))

    monkeypatch.setattr(type(ours.layers[0]), "forward", forward)


def one_epsilon_for_all(ours, monkeypatch):
    for layer in ours.layers:
        for norm in (layer.query_norm, layer.image_norm, layer.ffn_norm):
            norm.eps = 1e-6


def larger_epsilon_inside_the_ffn(ours, monkeypatch):
    for layer in ours.layers:
        layer.ffn.norm.eps = 1e-4


def _reads(ours, monkeypatch, what):
    def normed(layer, queries, image):
        return layer.query_norm(queries), what(layer, queries, image)

    monkeypatch.setattr(type(ours.layers[0]), "normed", normed)


def image_alone_is_read(ours, monkeypatch):
    _reads(ours, monkeypatch, lambda layer, _, image: layer.image_norm(image))


def raw_queries_are_read(ours, monkeypatch):
    def what(layer, queries, image):
        return torch.cat([queries, layer.image_norm(image)], dim=1)

    _reads(ours, monkeypatch, what)


def one_norm_for_both(ours, monkeypatch):
    def what(layer, queries, image):
        return layer.image_norm(torch.cat([queries, image], dim=1))

    _reads(ours, monkeypatch, what)


def gate_and_up_swapped(ours, monkeypatch):
    for layer in ours.layers:
        layer.ffn.gate_proj, layer.ffn.up_proj = layer.ffn.up_proj, layer.ffn.gate_proj


def no_norm_inside_the_ffn(ours, monkeypatch):
    for layer in ours.layers:
        layer.ffn.norm = torch.nn.Identity()


def dropout_left_on(ours, monkeypatch):
    ours.train()


MUTATIONS = [
    other_heads,
    standard_residual,
    one_epsilon_for_all,
    larger_epsilon_inside_the_ffn,
    image_alone_is_read,
    raw_queries_are_read,
    one_norm_for_both,
    gate_and_up_swapped,
    no_norm_inside_the_ffn,
    dropout_left_on,
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_mutations_are_seen(mutate, case, monkeypatch):
    torch.manual_seed(0)
    ours = build(case)
    mutate(ours, monkeypatch)
    assert largest_difference(run(ours, case), stored(case)) > 1.2e-5


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_the_order_of_what_is_read_shows_in_the_weights_alone(case, monkeypatch):
    """Without positions and masks, attention reads a set: queries may stand before or after."""
    ours, arrays = build(case), golden("abstractor", case)[1]
    layer, queries = ours.layers[0], arrays["query_tokens"].double()
    image, count = arrays["image_features"].double(), queries.shape[1]
    before, weights = run(ours, case), layer.weights(queries, image)

    def what(layer, queries, image):
        return torch.cat([layer.image_norm(image), layer.query_norm(queries)], dim=1)

    _reads(ours, monkeypatch, what)
    torch.testing.assert_close(run(ours, case), before)
    moved = layer.weights(queries, image)
    torch.testing.assert_close(moved, weights.roll(-count, dims=-1))
    assert (moved - weights).abs().max() > 0.1
