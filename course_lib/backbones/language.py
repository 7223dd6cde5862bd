"""Language models as hosts: they read embeddings, whether these were words or pictures.

Letters: B batch, S length, T length of the decoder's text, D width, V vocabulary.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn

from course_lib.backbones.decoding import CausalStepper, Seq2SeqStepper, greedy, output_scale
from course_lib.backbones.language_class import language_class
from course_lib.backbones.llama import SHORT_WAY as LLAMA
from course_lib.backbones.opt import SHORT_WAY as OPT
from course_lib.backbones.short_way import ShortWay
from course_lib.backbones.vision import read_model
from course_lib.losses.lm import labelled, lm_loss, word_loss


class LanguageModel(nn.Module):
    """Wraps OPTForCausalLM, LlamaForCausalLM or T5ForConditionalGeneration.

    Other models with the same methods in transformers (GPT-2, Qwen2, ...) mostly work, untested.

    Args:
        model: the transformers model; it is kept, not copied.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def config(self):
        """The configuration of the transformers model."""
        return self.model.config

    @property
    def hidden_size(self) -> int:
        """D, width of the embeddings that `loss` and `generate_greedy` take."""
        return self.model.get_input_embeddings().embedding_dim

    @property
    def vocab_size(self) -> int:
        """V, rows of the embedding table."""
        return self.model.get_input_embeddings().num_embeddings

    @property
    def is_encoder_decoder(self) -> bool:
        """True for T5: the prompt goes to the encoder, `labels` are the decoder's words."""
        return bool(self.config.is_encoder_decoder)

    @property
    def max_positions(self) -> int | None:
        """Longest text, prompt and answer together; None where positions are relative (T5)."""
        if self.is_encoder_decoder:
            return None
        return getattr(self.config, "max_position_embeddings", None)

    @property
    def eos_token_ids(self) -> frozenset[int]:
        """Words that end an answer, from the configuration; may be none."""
        ids = getattr(self.model, "generation_config", self.config).eos_token_id
        ids = self.config.eos_token_id if ids is None else ids
        return _as_set(ids)

    def embed(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Looks words up: (B, S) -> (B, S, D)."""
        return self.model.get_input_embeddings()(input_ids)

    def _states(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None,
    ) -> torch.Tensor:
        """Returns what the head reads, (B, S, D) or, for T5, (B, T, D)."""
        self._check_length(inputs_embeds, attention_mask)
        inputs = {"inputs_embeds": inputs_embeds, "attention_mask": attention_mask}
        if not self.is_encoder_decoder:
            return self.model.get_decoder()(**inputs, use_cache=False)[0]
        memory = self.model.encoder(**inputs)[0]
        states = self.model.decoder(
            input_ids=self.model.prepare_decoder_input_ids_from_labels(labels),
            encoder_hidden_states=memory,
            encoder_attention_mask=attention_mask,
            use_cache=False,
        )[0]
        return states * output_scale(self.model)

    def _check_places(
        self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> None:
        """Checks that mask and labels have one entry a place; a T5's labels are another text."""
        places = tuple(inputs_embeds.shape[:2])
        given = {"attention_mask": attention_mask}
        if not self.is_encoder_decoder:
            given["labels"] = labels
        for name, tensor in given.items():
            if tuple(tensor.shape) != places:
                raise ValueError(
                    f"{name} is {tuple(tensor.shape)}, but the embeddings have {places} places: "
                    "give one entry for each place."
                )

    def loss(
        self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Computes the mean loss of the labelled words; the head runs for these alone.

        Args:
            inputs_embeds: (B, S, D) spliced prompt and, for decoder-only models, answer.
            attention_mask: (B, S), 0 at padding.
            labels: (B, S) with -100 where there is no loss, not shifted; for T5 the words (B, T)
                of the decoder.

        Returns:
            Scalar, equal to the loss of the transformers model.

        Raises:
            ValueError: when nothing is labelled, a shape does not fit, or the text is too long.
        """
        self._check_places(inputs_embeds, attention_mask, labels)
        head = self.model.get_output_embeddings()
        way = self._short_way(inputs_embeds, attention_mask)
        if way is not None:
            places, words = labelled(labels)
            return word_loss(head(way.states_at(self.model, inputs_embeds, places)), words)
        states = self._states(inputs_embeds, attention_mask, labels)
        return lm_loss(states, head, labels, shift=not self.is_encoder_decoder)[0]

    def _short_way(
        self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor
    ) -> ShortWay | None:
        config = self.config
        dropouts = ("dropout", "attention_dropout", "layerdrop")
        dropout = self.model.training and any(getattr(config, key, 0.0) for key in dropouts)
        fits = not dropout and not self._too_long(inputs_embeds.shape[1])
        return _short_way_of(self.model) if fits and _pads_right_only(attention_mask) else None

    def logits(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Computes all logits, (B, S, V) or (B, T, V): for comparisons, not for training."""
        states = self._states(inputs_embeds, attention_mask, labels)
        return self.model.get_output_embeddings()(states)

    @torch.no_grad()
    def generate_greedy(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        max_new_tokens: int = 32,
        eos_token_id: int | Iterable[int] | None = None,
        on_token: Callable[[int, int], object] | None = None,
    ) -> list[list[int]]:
        """Writes the likeliest next word until every row has ended; equals `generate`.

        Args:
            inputs_embeds: (B, S, D) prompt; pad decoder-only models on the LEFT, so that the last
                position of each row is a word.
            attention_mask: (B, S), 0 at padding.
            max_new_tokens: most words a row; fewer where the context ends before.
            eos_token_id: word or words that end a row; None = those of the configuration.
            on_token: is called with (row, word) as soon as a word is written.

        Returns:
            For each row its new words, without prompt and end word.

        Raises:
            ValueError: when the prompt fills the context, or a row ends with padding.
        """
        eos = self.eos_token_ids if eos_token_id is None else _as_set(eos_token_id)
        self._check_length(inputs_embeds, attention_mask)
        inputs = (self.model, inputs_embeds, attention_mask)
        if self.is_encoder_decoder:
            return greedy(Seq2SeqStepper(*inputs), max_new_tokens, eos, on_token)
        _check_left_padding(attention_mask)
        longest = int(attention_mask.sum(dim=1).max())
        if self.max_positions is not None:
            max_new_tokens = min(max_new_tokens, self.max_positions - longest + 1)
        way = _short_way_of(self.model)
        stepper = way.stepper(*inputs, max_new_tokens) if way else CausalStepper(*inputs)
        return greedy(stepper, max_new_tokens, eos, on_token)

    def _check_length(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> None:
        limit = self.max_positions
        if not self._too_long(inputs_embeds.shape[1]):
            return
        lengths = attention_mask.sum(dim=1)
        row, length = int(lengths.argmax()), int(lengths.max())
        if self._too_long(length):
            raise ValueError(
                f"Row {row} has {length} positions (words and visual tokens), the language model "
                f"takes at most {limit}: shorten the prompt, or show fewer images."
            )

    def _too_long(self, length: int) -> bool:
        return self.max_positions is not None and length > self.max_positions


def _short_way_of(model: nn.Module) -> ShortWay | None:
    return next((way for way in (OPT, LLAMA) if way.fits(model)), None)


def _pads_right_only(attention_mask: torch.Tensor) -> bool:
    return bool((attention_mask[:, 1:] <= attention_mask[:, :-1]).all())


def _as_set(ids: int | Iterable[int] | None) -> frozenset[int]:
    if ids is None:
        return frozenset()
    return frozenset([ids]) if isinstance(ids, int) else frozenset(ids)


def _check_left_padding(attention_mask: torch.Tensor) -> None:
    ends = attention_mask[:, -1].bool()
    if not ends.all():
        row = int((~ends).nonzero()[0])
        raise ValueError(
            f"Row {row} of the prompt ends with padding, after which nothing can be written: pad "
            "prompts on the left."
        )


def load_language(name_or_dir: str | Path, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Loads a language model, in eval mode, from safetensors alone.

    Args:
        name_or_dir: a directory of `save_pretrained`, or a name on the Hub.
        dtype: of the weights in memory, whatever the file holds.

    Raises:
        ValueError: when it is not there, cannot be read, or is no language model.
    """
    kind = language_class(name_or_dir, "load_language takes OPT, Llama or T5.")
    return LanguageModel(read_model(kind, name_or_dir, dtype)).eval()
