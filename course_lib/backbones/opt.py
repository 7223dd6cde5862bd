"""Short ways through OPT on the weights of transformers: for training, and for greedy decoding.

Letters: B batch, S length, D width, H heads, K width of one head, V vocabulary.
"""

import torch
from torch import nn
from torch.nn import functional as F


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
    mixed = last.self_attn(last.self_attn_layer_norm(hidden), attention_mask=None)[0]
    hidden = (hidden + mixed).flatten(0, 1).index_select(0, places)
    return decoder.final_layer_norm(hidden + _feed_forward(last, hidden))


def _feed_forward(layer: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    return layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden))))


class OPTStepper:
    """OPT on the weights of transformers, with room for all keys and values taken at the start.

    For batches of a few rows most of the time of a step is Python's, so that a short way through
    the model is worth a class. Only for the usual OPT (`is_usual_opt`).

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
        self.prompt, self.length = inputs_embeds, 0
        batch, length, _ = inputs_embeds.shape
        self.heads = model.config.num_attention_heads
        width = model.config.hidden_size // self.heads
        room = (len(self.decoder.layers), 2, batch, self.heads, length + max_new_tokens, width)
        self.cache = inputs_embeds.new_empty(room)
        self.real = F.pad(attention_mask.bool(), (0, max_new_tokens), value=True)
        self.padded = not bool(attention_mask.all())
        self.positions = attention_mask.long().cumsum(dim=1).mul(attention_mask.long()) - 1

    def first(self) -> torch.Tensor:
        """Reads the prompt."""
        length = self.prompt.shape[1]
        mask = None
        if self.padded:
            causal = torch.ones(length, length, dtype=torch.bool, device=self.real.device).tril()
            own = torch.eye(length, dtype=torch.bool, device=self.real.device)
            # Padding reads itself: a row that may read nothing would turn into NaN.
            mask = (causal & self.real[:, None, None, :length]) | own
        return self._run(self.prompt, self.positions, mask, causal=not self.padded)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Reads one word a row."""
        self.positions = self.positions[:, -1:] + 1
        mask = self.real[:, None, None, : self.length + 1] if self.padded else None
        return self._run(self.decoder.embed_tokens(tokens[:, None]), self.positions, mask)

    def _run(
        self,
        embeds: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
        causal: bool = False,
    ) -> torch.Tensor:
        table = self.decoder.embed_positions
        hidden = embeds + F.embedding(positions + table.offset, table.weight)
        for layer, cache in zip(self.decoder.layers, self.cache, strict=True):
            normed = layer.self_attn_layer_norm(hidden)
            hidden = hidden + self._attend(layer.self_attn, normed, cache, mask, causal)
            hidden = hidden + _feed_forward(layer, hidden)
        self.length += hidden.shape[1]
        return self.head(self.decoder.final_layer_norm(hidden[:, -1]))

    def _attend(
        self,
        attention: nn.Module,
        hidden: torch.Tensor,
        cache: torch.Tensor,
        mask: torch.Tensor | None,
        causal: bool,
    ) -> torch.Tensor:
        batch, new, _ = hidden.shape
        shape = (batch, new, self.heads, -1)
        key, value = cache[:, :, :, : self.length + new].unbind()
        key[:, :, self.length :] = attention.k_proj(hidden).view(shape).transpose(1, 2)
        value[:, :, self.length :] = attention.v_proj(hidden).view(shape).transpose(1, 2)
        query = attention.q_proj(hidden).view(shape).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal)
        return attention.out_proj(mixed.transpose(1, 2).flatten(2))
