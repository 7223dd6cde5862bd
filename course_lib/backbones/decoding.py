"""Greedy decoding: the likeliest word, again and again, with what was computed kept in a cache.

Letters: B batch, S length of the prompt, D width, H heads, K width of one head, V vocabulary.
"""

from collections.abc import Callable, Collection
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional as F


class Stepper(Protocol):
    """A language model in the middle of a text."""

    def first(self) -> torch.Tensor:
        """Reads the prompt; returns logits (B, V) of the first new word."""

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Reads one word a row, (B,); returns logits (B, V) of the next."""


def greedy(
    stepper: Stepper,
    max_new_tokens: int,
    eos_ids: Collection[int],
    on_token: Callable[[int, int], object] | None = None,
) -> list[list[int]]:
    """Takes the likeliest word until every row has ended.

    Args:
        stepper: the model with its prompt.
        max_new_tokens: most words a row.
        eos_ids: words that end a row.
        on_token: is called with (row, word) as soon as a word is written.

    Returns:
        The new words of each row, the end word left out.
    """
    logits = stepper.first()
    rows: list[list[int]] = [[] for _ in range(len(logits))]
    open_rows = set(range(len(rows)))
    for count in range(1, max_new_tokens + 1):
        tokens = logits.argmax(dim=-1)
        for index, token in enumerate(tokens.tolist()):
            if index in open_rows and token in eos_ids:
                open_rows.discard(index)
            elif index in open_rows:
                rows[index].append(token)
                if on_token is not None:
                    on_token(index, token)
        if not open_rows or count == max_new_tokens:
            break
        logits = stepper.step(tokens)
    return rows


class CausalStepper:
    """Any decoder-only model of transformers with its DynamicCache.

    Args:
        model: for example LlamaForCausalLM.
        inputs_embeds: (B, S, D) prompt; padding on the left.
        attention_mask: (B, S), 0 at padding.
    """

    def __init__(
        self, model: nn.Module, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor
    ) -> None:
        from transformers import DynamicCache

        self.body, self.head = model.get_decoder(), model.get_output_embeddings()
        self.prompt, self.mask = inputs_embeds, attention_mask.long()
        self.padded = not bool(self.mask.all())
        self.positions = self.mask.cumsum(dim=1).sub(1).clamp_min(0)
        self.cache = DynamicCache()

    def _run(self, positions: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
        states = self.body(
            attention_mask=self.mask if self.padded else None,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            **inputs,
        )[0]
        return self.head(states[:, -1])

    def first(self) -> torch.Tensor:
        """Reads the prompt."""
        return self._run(self.positions, inputs_embeds=self.prompt)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Reads one word a row."""
        if self.padded:
            self.mask = F.pad(self.mask, (0, 1), value=1)
        self.positions = self.positions[:, -1:] + 1
        return self._run(self.positions, input_ids=tokens[:, None])


class Seq2SeqStepper:
    """T5: the prompt goes to the encoder once, the decoder writes.

    Args:
        model: T5ForConditionalGeneration.
        inputs_embeds: (B, S, D) for the encoder.
        attention_mask: (B, S), 0 at padding, wherever it stands.
    """

    def __init__(
        self, model: nn.Module, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor
    ) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self.model, self.mask = model, attention_mask
        self.memory = model.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask)[0]
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def first(self) -> torch.Tensor:
        """Starts the decoder with its start word."""
        start = self.model.config.decoder_start_token_id
        return self.step(torch.full((len(self.mask),), start, device=self.mask.device))

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Reads one word a row."""
        states = self.model.decoder(
            input_ids=tokens[:, None],
            encoder_hidden_states=self.memory,
            encoder_attention_mask=self.mask,
            past_key_values=self.cache,
            use_cache=True,
        )[0][:, -1]
        return self.model.lm_head(states * output_scale(self.model))


def output_scale(model: nn.Module) -> float:
    """Returns what T5 multiplies its states with before the head (D ** -0.5 in T5 1.0, else 1)."""
    scaled = getattr(model.config, "scale_decoder_outputs", model.config.tie_word_embeddings)
    return model.model_dim**-0.5 if scaled else 1.0
