"""Q-Former <-> transformers' Blip2QFormerModel, on random weights; mutations have to be seen."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Blip2QFormerModel
from transformers.models.blip_2.modeling_blip_2 import Blip2TextEmbeddings

from course_lib.interop import qformer_from_hf, qformer_to_hf
from course_lib.interop.names import qformer_names
from course_lib.vpg import qformer, qformer_layer
from tests.tiny_models import (
    largest_difference,
    qformer_config,
    random_sizes,
    randomise,
    text_batch,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
SEEDS = (1, 2, 3, 4)


class Theirs(nn.Module):
    """Blip2QFormerModel with what the models around it hold."""

    def __init__(self, seed: int, attention: str = "sdpa"):
        super().__init__()
        sizes = random_sizes(seed)
        config = qformer_config(sizes, use_text=True)
        self.qformer = Blip2QFormerModel._from_config(config, attn_implementation=attention)
        self.embeddings = Blip2TextEmbeddings(config)
        self.post_layernorm = nn.LayerNorm(sizes["vision_width"], eps=1e-6)
        self.query_tokens = nn.Parameter(torch.zeros(1, sizes["queries"], sizes["width"]))
        randomise(self, seed)

    def ours(self):
        head = qformer_from_hf(
            self.qformer, self.query_tokens, self.post_layernorm, self.embeddings
        )
        return head.eval()

    def forward(self, features=None, ids=None, mask=None):
        rows = len(ids if features is None else features)
        queries = None if features is None else self.query_tokens.expand(rows, -1, -1)
        count = 0 if features is None else queries.shape[1]
        embeds = queries if ids is None else self.embeddings(ids, query_embeds=queries)
        if mask is not None:
            mask = torch.cat([mask.new_ones(rows, count), mask], dim=1)
        return self.qformer(
            query_embeds=embeds,
            query_length=count,
            attention_mask=mask,
            encoder_hidden_states=None if features is None else self.post_layernorm(features),
        ).last_hidden_state


def inputs(seed, dtype, theirs):
    generator = torch.Generator().manual_seed(seed)
    width = theirs.post_layernorm.weight.shape[0]
    features = 3 * torch.randn(3, 7, width, generator=generator, dtype=torch.float64)
    batch = text_batch(seed, rows=3, length=6)
    return features.to(dtype), batch["input_ids"], batch["attention_mask"]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_queries_text_and_both(seed, dtype, agree):
    theirs = Theirs(seed).to(dtype)
    ours = theirs.ours()
    features, ids, mask = inputs(seed, dtype, theirs)
    for case in ((features, None, None), (None, ids, mask), (features, ids, mask)):
        agree(ours(*case), theirs(*case), TOLERANCE[dtype])


@torch.no_grad()
def test_eager_attention_gives_the_same():
    theirs = Theirs(5, attention="eager").double()
    features = inputs(5, torch.float64, theirs)[0]
    assert largest_difference(theirs.ours()(features), theirs(features)) < 1e-12


def test_gradients_are_equal():
    theirs = Theirs(2).double()
    ours = theirs.ours()
    features, ids, mask = inputs(2, torch.float64, theirs)
    weight = torch.randn(ours(features, ids, mask).shape, dtype=torch.float64)
    (ours(features, ids, mask) * weight).sum().backward()
    (theirs(features, ids, mask) * weight).sum().backward()
    grads = {k: p.grad for k, p in ours.named_parameters()}
    named = {k: p.grad for k, p in theirs.named_parameters()}
    norm = ("post_layernorm", "vision_model.post_layernorm")
    named = {k.replace(*norm): g for k, g in named.items()}
    pairs = [(grads[k], named[v]) for k, v in qformer_names(list(grads), "hf").items()]
    error = sum((a - b).square().sum() for a, b in pairs).sqrt()
    assert error / sum(b.square().sum() for _, b in pairs).sqrt() < 1e-12


def test_weights_go_back():
    theirs = Theirs(3)
    back = qformer_to_hf(theirs.ours())
    expected = theirs.qformer.state_dict()
    assert {k for k in back if k.startswith("qformer.")} == {f"qformer.{k}" for k in expected}
    assert all(torch.equal(back[f"qformer.{k}"], v) for k, v in expected.items())
    words = theirs.embeddings.word_embeddings.weight
    assert torch.equal(back["embeddings.word_embeddings.weight"], words)


def tanh_gelu(ours, monkeypatch):
    gelu = F.gelu
    monkeypatch.setattr(qformer_layer.F, "gelu", lambda x: gelu(x, approximate="tanh"))


def other_epsilon(ours, monkeypatch):
    for module in ours.layers.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5


def other_vision_epsilon(ours, monkeypatch):
    ours.ln_vision.eps = 1e-5


def queries_permuted(ours, monkeypatch):
    ours.query_tokens.data = ours.query_tokens.data.flip(1)


def no_vision_scale(ours, monkeypatch):
    ours.ln_vision.reset_parameters()


def no_vision_norm(ours, monkeypatch):
    norm = F.layer_norm

    def skipped(x, shape, weight=None, bias=None, eps=0.0):
        return x if weight is None else norm(x, shape, weight, bias, eps)

    monkeypatch.setattr(qformer.F, "layer_norm", skipped)


def other_heads(ours, monkeypatch):
    for layer in ours.layers:
        layer.self_attention.num_heads //= 2


def ffns_swapped(ours, monkeypatch):
    for layer in ours.layers:
        layer.query_ffn, layer.text_ffn = layer.text_ffn, layer.query_ffn


def positions_after_queries(ours, monkeypatch):
    table = ours.position_embeddings.weight.data
    ours.position_embeddings.weight.data = table.roll(-ours.config.num_query_tokens, 0)


def no_input_norm(ours, monkeypatch):
    ours.embedding_norm = nn.Identity()


def dropout_left_on(ours, monkeypatch):
    ours.train()


MUTATIONS = [
    tanh_gelu,
    other_epsilon,
    other_vision_epsilon,
    queries_permuted,
    no_vision_scale,
    no_vision_norm,
    other_heads,
    ffns_swapped,
    positions_after_queries,
    no_input_norm,
    dropout_left_on,
]


@pytest.mark.parametrize("mutate", MUTATIONS)
@torch.no_grad()
def test_mutations_are_seen(mutate, monkeypatch):
    theirs = Theirs(1).double()
    ours = theirs.ours()
    case = inputs(1, torch.float64, theirs)
    expected = theirs(*case)
    assert largest_difference(ours(*case), expected) < 1e-12
    mutate(ours, monkeypatch)
    assert largest_difference(ours(*case), expected) > 1e-7


@torch.no_grad()
def test_a_forgotten_padding_mask_is_seen():
    theirs = Theirs(1).double()
    features, ids, mask = inputs(1, torch.float64, theirs)
    assert largest_difference(theirs.ours()(features, ids), theirs(features, ids, mask)) > 1e-3
