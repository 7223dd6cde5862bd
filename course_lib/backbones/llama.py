"""Short ways through LLaMA on the weights of transformers: for training, and for greedy decoding.

Letters: B batch, S length, D width, H heads, K width of one head, V vocabulary.
"""

import torch
from torch import nn

from course_lib.backbones.short_way import PreallocatedStepper, ShortWay, attend, untouched
from course_lib.fusion.gated_layers import before_block

_PARTS = ("ForCausalLM", "Model", "DecoderLayer", "Attention", "MLP", "RMSNorm", "RotaryEmbedding")
_PLAIN = ("Embedding", "Linear", "ModuleList", "SiLU", "SiLUActivation")
PARTS = frozenset([*(f"Llama{name}" for name in _PARTS), *_PLAIN])


def is_usual_llama(model: nn.Module) -> bool:
    """Tells whether this is a LLaMA with SiLU, plain rotations and no bias in its attention.

    LLaMA 1 and 2, Vicuna, TinyLlama and the zoo's are; LLaMA 3.1 and later stretch their rotations.
    Keys may have fewer heads than queries.
    """
    if type(model).__name__ != "LlamaForCausalLM":
        return False
    config = model.model.config
    return (
        config._attn_implementation == "sdpa"
        and model.model.rotary_emb.rope_type == "default"
        and not config.attention_bias
        and untouched(model, PARTS)
    )


def states_at(model: nn.Module, inputs_embeds: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Computes the last states at some places alone, for texts without padding on the left.

    After the last attention no position looks at another: the last block's feed-forward part runs
    at these places alone, and its queries start at the first of them in any row. Padding on the
    right needs no mask: nothing that counts reads it.

    Args:
        model: LlamaForCausalLM that `is_usual_llama`, with dropout off.
        inputs_embeds: (B, S, D).
        places: (n,) positions in the flattened (B * S).

    Returns:
        (n, D), what the head reads.
    """
    body, length = model.model, inputs_embeds.shape[1]
    angles = _angles(body, inputs_embeds, length)
    hidden = inputs_embeds
    for layer in body.layers[:-1]:
        hidden = _feed_forward(layer, _mix(layer, before_block(layer, hidden), angles))
    rows, columns = places.div(length, rounding_mode="floor"), places % length
    start = int(columns.min())
    last = body.layers[-1]
    hidden = _mix(last, before_block(last, hidden), angles, start).flatten(0, 1)
    hidden = hidden.index_select(0, rows * (length - start) + columns - start)
    return body.norm(_feed_forward(last, hidden))


def _mix(
    layer: nn.Module,
    hidden: torch.Tensor,
    angles: tuple[torch.Tensor, torch.Tensor],
    start: int = 0,
) -> torch.Tensor:
    """Runs a block's first half with queries from `start` on: (B, S, D) to (B, S - start, D)."""
    attention, normed = layer.self_attn, layer.input_layernorm(hidden)
    width = attention.head_dim
    query = _heads(attention.q_proj(normed[:, start:]), width)
    key, value = (_heads(part(normed), width) for part in (attention.k_proj, attention.v_proj))
    query, key = rotate(query, *(part[start:] for part in angles)), rotate(key, *angles)
    mask = None
    if start:
        length = hidden.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=hidden.device).tril()[start:]
    mixed = attend(query, key.transpose(1, 2), value.transpose(1, 2), mask, causal=not start)
    return hidden[:, start:] + attention.o_proj(mixed)


def _heads(states: torch.Tensor, width: int) -> torch.Tensor:
    """Splits (B, S, H * K) into (B, S, H, K)."""
    return states.unflatten(-1, (-1, width))


def _feed_forward(layer: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """Runs a block's second half."""
    return hidden + layer.mlp(layer.post_attention_layernorm(hidden))


def _angles(body: nn.Module, like: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns what `rotate` reads, cosines and sines of the first positions: (length, 1, K) each.

    The first half of the sines is negative: `rotate` then needs no minus.
    """
    positions = torch.arange(length, device=like.device)[None]
    cos, sin = (part[0, :, None] for part in body.rotary_emb(like, positions))
    first, second = sin.chunk(2, dim=-1)
    return cos, torch.cat([-first, second], dim=-1)


def rotate(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turns each pair (i, i + K / 2) by the angle of its position (RoFormer, equation 34).

    The paper pairs neighbours; the weights of transformers are made for pairs half a head apart.

    Args:
        states: (B, S, H, K).
        cos: of `_angles`, broadcast to it.
        sin: the same.

    Returns:
        (B, S, H, K), a new tensor.
    """
    return torch.addcmul(states * cos, states.roll(states.shape[-1] // 2, -1), sin)


class LlamaStepper(PreallocatedStepper):
    """The usual LLaMA (`is_usual_llama`) in the middle of a text.

    Args:
        model: LlamaForCausalLM.
        inputs_embeds: (B, S, D) prompt; padding on the left.
        attention_mask: (B, S), 0 at padding.
        max_new_tokens: how much room to take.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        max_new_tokens: int,
    ) -> None:
        self.body, self.head = model.model, model.lm_head
        layers, heads = self.body.layers, model.config.num_key_value_heads
        sizes = len(layers), heads, layers[0].self_attn.head_dim
        super().__init__(inputs_embeds, attention_mask, max_new_tokens, sizes)
        self.angles = _angles(self.body, inputs_embeds, self.room)

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `PreallocatedStepper`."""
        return self.body.embed_tokens(tokens)

    def run(self, embeds: torch.Tensor) -> torch.Tensor:
        """See `PreallocatedStepper`."""
        hidden = embeds
        angles = [part[self.positions] for part in self.angles]
        for block, layer in enumerate(self.body.layers):
            hidden = before_block(layer, hidden, self.length)
            attention, normed = layer.self_attn, layer.input_layernorm(hidden)
            projections = attention.q_proj, attention.k_proj, attention.v_proj
            query, key, value = (_heads(part(normed), attention.head_dim) for part in projections)
            query, key = rotate(query, *angles), rotate(key, *angles)
            mixed = self.attend(block, query, key, value)
            hidden = _feed_forward(layer, hidden + attention.o_proj(mixed))
        return self.head(self.body.norm(hidden[:, -1]))


SHORT_WAY = ShortWay(is_usual_llama, states_at, LlamaStepper)
