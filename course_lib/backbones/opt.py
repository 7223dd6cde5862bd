"""Short ways through OPT on the weights of transformers: for training, and for greedy decoding.

Letters: B batch, S length, D width, H heads, K width of one head, V vocabulary.
"""

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.backbones.short_way import PreallocatedStepper, ShortWay, untouched
from course_lib.fusion.gated_layers import before_block

_PARTS = ("ForCausalLM", "Model", "Decoder", "DecoderLayer", "Attention")
_PLAIN = ("Embedding", "LayerNorm", "Linear", "ModuleList", "ReLU", "GELUActivation")
PARTS = frozenset([*(f"OPT{name}" for name in _PARTS), "OPTLearnedPositionalEmbedding", *_PLAIN])


def is_usual_opt(model: nn.Module) -> bool:
    """Tells whether this is an OPT with norms before attention and one width throughout.

    All released sizes are, but for OPT-350m.
    """
    decoder = getattr(getattr(model, "model", None), "decoder", None)
    return (
        type(model).__name__ == "OPTForCausalLM"
        and model.config.do_layer_norm_before
        and model.config._attn_implementation == "sdpa"
        and decoder.project_in is None
        and decoder.final_layer_norm is not None
        and untouched(model, PARTS)
    )


def states_at(model: nn.Module, inputs_embeds: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Computes the last states at some places alone, for texts without padding on the left.

    After the last attention no position looks at another, so the last block's feed-forward part
    runs where a label is, and nowhere else. Padding on the right needs no mask: nothing that counts
    reads it.

    Args:
        model: OPTForCausalLM that `is_usual_opt`, with dropout off.
        inputs_embeds: (B, S, D).
        places: (n,) positions in the flattened (B * S).

    Returns:
        (n, D), what the head reads.
    """
    decoder = model.model.decoder
    table, length = decoder.embed_positions, inputs_embeds.shape[1]
    hidden = inputs_embeds + table.weight[table.offset : table.offset + length]
    for layer in decoder.layers[:-1]:
        out = layer(hidden, attention_mask=None)
        hidden = out[0] if isinstance(out, tuple) else out
    last = decoder.layers[-1]
    hidden = before_block(last, hidden)
    mixed = last.self_attn(last.self_attn_layer_norm(hidden), attention_mask=None)[0]
    hidden = (hidden + mixed).flatten(0, 1).index_select(0, places)
    return decoder.final_layer_norm(hidden + _feed_forward(last, hidden))


def _feed_forward(layer: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    return layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden))))


class OPTStepper(PreallocatedStepper):
    """The usual OPT (`is_usual_opt`) in the middle of a text.

    Args:
        model: OPTForCausalLM.
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
        self.decoder, self.head = model.model.decoder, model.lm_head
        self.heads = model.config.num_attention_heads
        width = model.config.hidden_size // self.heads
        sizes = len(self.decoder.layers), self.heads, width
        super().__init__(inputs_embeds, attention_mask, max_new_tokens, sizes)

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `PreallocatedStepper`."""
        return self.decoder.embed_tokens(tokens)

    def run(self, embeds: torch.Tensor) -> torch.Tensor:
        """See `PreallocatedStepper`."""
        table = self.decoder.embed_positions
        hidden = embeds + F.embedding(self.positions + table.offset, table.weight)
        for block, layer in enumerate(self.decoder.layers):
            hidden = before_block(layer, hidden, self.length)
            attention, normed = layer.self_attn, layer.self_attn_layer_norm(hidden)
            projections = attention.q_proj, attention.k_proj, attention.v_proj
            heads = (part(normed).unflatten(-1, (self.heads, -1)) for part in projections)
            hidden = hidden + attention.out_proj(self.attend(block, *heads))
            hidden = hidden + _feed_forward(layer, hidden)
        return self.head(self.decoder.final_layer_norm(hidden[:, -1]))


SHORT_WAY = ShortWay(is_usual_opt, states_at, OPTStepper)
