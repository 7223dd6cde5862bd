"""What short ways through a language model share: who may take one, and a cache with room.

A short way calls the weights of a transformers model without the forward methods of its blocks. It
gives the same numbers in less time, as long as nobody has changed what those methods do. Gated
layers in front of blocks are no change: a short way runs them (`before_block`) where a block would.

Letters: B batch, S length of the prompt, D width, H heads, K width of one head, V vocabulary.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.fusion.gated_layers import GatedHook
from course_lib.lora import LoRALinear

_HOOKS = ("_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
_MAKERS = ("torch.nn.modules.", "transformers.models.", "transformers.activations")


class ShortWay(NamedTuple):
    """A short way of one kind of model.

    Args:
        fits: tells whether a model may take it.
        states_at: (model, inputs_embeds (B, S, D), places (n,)) to the states (n, D) that the head
            reads there, for texts without padding on the left and with dropout off.
        stepper: decodes greedily, see `PreallocatedStepper`.
    """

    fits: Callable[[nn.Module], bool]
    states_at: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
    stepper: Callable[..., "PreallocatedStepper"]


def untouched(model: nn.Module, parts: Collection[str]) -> bool:
    """Tells whether a transformers model runs as its authors wrote it.

    It does not with hooks (attention maps), with parts of another make (adapters, quantised
    weights), with a forward method put over the one of its class, or where activations are computed
    anew to save memory. Our own LoRA is a linear layer to whoever calls it, so the short ways,
    which call every linear layer, take it along, its dropout included; and so they do with gated
    layers, see `before_block`.

    Args:
        model: the model.
        parts: names of the classes that it may be made of, or to have a LoRA on.
    """
    loras = [part for part in model.modules() if type(part) is LoRALinear]
    own = {id(part) for lora in loras for part in (lora, lora.lora_dropout)}
    return all(
        (id(part) in own or _is_made_of(part, parts))
        and not any(getattr(part, hooks) for hooks in _HOOKS)
        and all(type(hook) is GatedHook for hook in part._forward_pre_hooks.values())
        and "forward" not in vars(part)
        and not getattr(part, "gradient_checkpointing", False)
        for part in model.modules()
    )


def _is_made_of(part: nn.Module, parts: Collection[str]) -> bool:
    return type(part).__name__ in parts and type(part).__module__.startswith(_MAKERS)


class PreallocatedStepper:
    """A decoder in the middle of a text, with room for all keys and values taken at the start.

    For batches of a few rows most of the time of a step is Python's, so that a short way through
    the model is worth a class. Subclasses run its blocks.

    Args:
        prompt: (B, S, D) embeddings; padding on the left.
        attention_mask: (B, S), 0 at padding.
        max_new_tokens: how much room to take.
        sizes: blocks, heads of the keys, K.
    """

    def __init__(
        self,
        prompt: torch.Tensor,
        attention_mask: torch.Tensor,
        max_new_tokens: int,
        sizes: tuple[int, int, int],
    ) -> None:
        self.prompt, self.length = prompt, 0
        batch, length, _ = prompt.shape
        blocks, heads, width = sizes
        self.room = length + max_new_tokens
        self.cache = prompt.new_empty(blocks, 2, batch, heads, self.room, width)
        self.real = F.pad(attention_mask.bool(), (0, max_new_tokens), value=True)
        self.padded = not bool(attention_mask.all())
        # Padding stands at position 0: whatever it computes, nothing reads.
        self.positions = attention_mask.long().cumsum(dim=1).sub(1).clamp_min(0)

    def first(self) -> torch.Tensor:
        """Reads the prompt; returns logits (B, V) of the first new word."""
        length = self.prompt.shape[1]
        mask = None
        if self.padded:
            causal = torch.ones(length, length, dtype=torch.bool, device=self.real.device).tril()
            own = torch.eye(length, dtype=torch.bool, device=self.real.device)
            # Padding reads itself: a row that may read nothing would turn into NaN.
            mask = (causal & self.real[:, None, None, :length]) | own
        return self._read(self.prompt, mask, causal=not self.padded)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Reads one word a row, (B,); returns logits (B, V) of the next."""
        self.positions = self.positions[:, -1:] + 1
        mask = self.real[:, None, None, : self.length + 1] if self.padded else None
        return self._read(self.embed(tokens[:, None]), mask, causal=False)

    def _read(self, embeds: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
        self._mask, self._causal = mask, causal
        logits = self.run(embeds)
        self.length += embeds.shape[1]
        return logits

    def attend(
        self, block: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Keeps keys and values, and lets the queries read all that are kept.

        Args:
            block: which, from 0.
            query: (B, new, H, K).
            key: (B, new, heads of the keys, K).
            value: the same.

        Returns:
            (B, new, H * K).
        """
        end = self.length + query.shape[1]
        keys, values = self.cache[block, :, :, :, :end].unbind()
        keys[:, :, self.length :] = key.transpose(1, 2)
        values[:, :, self.length :] = value.transpose(1, 2)
        return attend(query, keys, values, self._mask, self._causal)

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Looks words up, (B, 1) to (B, 1, D)."""
        raise NotImplementedError

    def run(self, embeds: torch.Tensor) -> torch.Tensor:
        """Runs all blocks on (B, new, D) at `self.positions`; returns logits (B, V) of the last."""
        raise NotImplementedError


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
) -> torch.Tensor:
    """Reads values where queries meet keys.

    Args:
        query: (B, new, H, K).
        key: (B, H or a divisor, length, K).
        value: the same.
        mask: bool, broadcast to (B, H, new, length), True = may read; or None.
        causal: every query reads the keys up to its own place; without a mask alone.

    Returns:
        (B, new, H * K).
    """
    query = query.transpose(1, 2)
    grouped = key.shape[1] != query.shape[1]
    mixed = F.scaled_dot_product_attention(
        query, key, value, mask, is_causal=causal, enable_gqa=grouped
    )
    return mixed.transpose(1, 2).flatten(2)
