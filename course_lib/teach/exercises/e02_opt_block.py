"""One decoder block of OPT: which norm stands where, and what is added to what."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from transformers import OPTConfig, OPTForCausalLM

from course_lib.teach.task import Case, Exercise, Mistake

Attend = Callable[[torch.Tensor], torch.Tensor]


def opt_block(layer: nn.Module, hidden: torch.Tensor, attend) -> torch.Tensor:
    """Returns (B, S, D): the states after one block."""
    hidden = hidden + attend(layer.self_attn_layer_norm(hidden))
    inner = layer.fc1(layer.final_layer_norm(hidden))
    return hidden + layer.fc2(inner.relu())


class _Told(nn.Module):
    """Stands in the place of an attention and gives what a function gives."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.attend = attend

    def forward(self, hidden_states: torch.Tensor, **_: object) -> tuple[torch.Tensor, None]:
        return self.attend(hidden_states), None


def reference(layer: nn.Module, hidden: torch.Tensor, attend: Attend) -> torch.Tensor:
    """transformers' own block, with `attend` in the place of its attention."""
    told = copy.copy(layer)
    told._modules = {**layer._modules, "self_attn": _Told(attend)}
    out = told(hidden)
    return out[0] if isinstance(out, tuple) else out


def _feed(layer, hidden, activation=F.relu):
    return layer.fc2(activation(layer.fc1(hidden)))


def _post_norm(layer, hidden, attend):
    hidden = layer.self_attn_layer_norm(hidden + attend(hidden))
    return layer.final_layer_norm(hidden + _feed(layer, hidden))


def _gelu(layer, hidden, attend):
    hidden = hidden + attend(layer.self_attn_layer_norm(hidden))
    return hidden + _feed(layer, layer.final_layer_norm(hidden), F.gelu)


def _replaced(layer, hidden, attend):
    hidden = attend(layer.self_attn_layer_norm(hidden))
    return _feed(layer, layer.final_layer_norm(hidden))


def _norms_exchanged(layer, hidden, attend):
    hidden = hidden + attend(layer.final_layer_norm(hidden))
    return hidden + _feed(layer, layer.self_attn_layer_norm(hidden))


def _no_second_norm(layer, hidden, attend):
    hidden = hidden + attend(layer.self_attn_layer_norm(hidden))
    return hidden + _feed(layer, hidden)


def _side_by_side(layer, hidden, attend):
    read = attend(layer.self_attn_layer_norm(hidden))
    return hidden + read + _feed(layer, layer.final_layer_norm(hidden))


def _adds_the_norm(layer, hidden, attend):
    normed = layer.self_attn_layer_norm(hidden)
    hidden = normed + attend(normed)
    normed = layer.final_layer_norm(hidden)
    return normed + _feed(layer, normed)


def _layer(seed: int) -> nn.Module:
    """Makes a block of width 8 whose norms and biases matter."""
    config = OPTConfig(
        vocab_size=5,
        hidden_size=8,
        word_embed_proj_dim=8,
        ffn_dim=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        dropout=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = OPTForCausalLM(config).model.decoder.layers[0].eval().requires_grad_(False)
        for parameter in layer.parameters():
            parameter.data += 0.4 * torch.randn(parameter.shape)
    return layer


def _before(hidden: torch.Tensor) -> torch.Tensor:
    """A stand-in for attention: the mean of all states so far, turned round."""
    steps = torch.arange(1, hidden.shape[1] + 1)[:, None]
    return -(hidden.cumsum(dim=1) / steps).flip(-1)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)
    small, large = (torch.randn(*s, 8, generator=chance) for s in ((1, 1), (2, 3)))
    return [
        Case("1 token", (_layer(0), small, _before)),
        Case("2 rows of 3 tokens", (_layer(1), large, _before)),
    ]


EXERCISE = Exercise(
    objective="02.3",
    title="one block of OPT",
    difficulty=2,
    minutes=8,
    contract=(
        "`hidden` is (B, S, D); gives the states after the block, of the same shape.",
        "`attend(x)` gives what was read, (B, S, D), and nothing else; its mask is inside.",
        "`layer` has the two norms `self_attn_layer_norm` and `final_layer_norm` and the two "
        "linear layers `fc1` and `fc2`.",
        "Follow the two equations above; the activation is ReLU.",
    ),
    hints=(
        "A block is two updates of one form: what was there, plus what a part makes of the "
        "normalised states. The sum itself is never normalised.",
        "Normalise, attend, add to what was there. Normalise the result with the other norm, "
        "widen it, apply ReLU, narrow it, and add that as well.",
        "`hidden = hidden + attend(norm_1(hidden))`; then the same with `norm_2` and "
        "`fc2(fc1(…).relu())` in the place of `attend`.",
    ),
    solution=opt_block,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _post_norm,
            "the norm comes first",
            "this is post-norm, as in BERT: the sum was normalised, not what a part reads",
        ),
        Mistake(_gelu, "the activation is ReLU", "GELU was used, as in GPT-2"),
        Mistake(
            _replaced,
            "a part adds to what was there",
            "what a token was before is lost: the part's result replaces it",
        ),
        Mistake(
            _norms_exchanged,
            "each part has its own norm",
            "the two norms are exchanged: `final` means the last one of the block",
        ),
        Mistake(
            _no_second_norm,
            "each part has its own norm",
            "the feed-forward part read states that were not normalised",
        ),
        Mistake(
            _side_by_side,
            "the second part sees the first",
            "both parts read the same states: the feed-forward part missed what attention brought",
        ),
        Mistake(
            _adds_the_norm,
            "the sum keeps the states themselves",
            "the part was added to the normalised states, so the old ones are lost",
        ),
    ),
)
