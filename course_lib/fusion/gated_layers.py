"""Gated layers in front of a language model's blocks, put there by hooks and taken away again.

The language model's class, its modules and the names of its tensors stay as they were.

Letters: B texts, T text tokens, Q visual tokens of an image, E their width, D language width.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from course_lib.fusion.cross_attention import CrossAttentionConfig, GatedCrossAttention
from course_lib.fusion.shown_images import ShownImages, check_images, gather_images


class Cache(Protocol):
    """What a layer asks of transformers' cache of keys and values."""

    def get_seq_length(self, layer_idx: int) -> int:
        """Returns how many places a block has read already."""


class Undo:
    """Takes something back once: by `remove()`, or at the end of a `with`.

    Args:
        action: takes it back.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def remove(self) -> None:
        """Takes it back; a second time does nothing."""
        action, self._action = self._action, None
        if action is not None:
            action()

    def __enter__(self) -> "Undo":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class GatedHook:
    """Runs one gated layer on what a block is about to read.

    Args:
        layers: all of them.
        number: which, from 0.
    """

    def __init__(self, layers: "GatedLayers", number: int) -> None:
        self.layers, self.number = layers, number

    def __call__(self, block: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Is called by torch before the block's own `forward`."""
        cache: Cache | None = kwargs.get("past_key_values")
        place = self.layers.places[self.number]
        past = 0 if cache is None else int(cache.get_seq_length(place))
        if args:
            return (self.layers.run(self.number, args[0], past), *args[1:]), kwargs
        hidden = self.layers.run(self.number, kwargs["hidden_states"], past)
        return args, {**kwargs, "hidden_states": hidden}


def before_block(block: nn.Module, hidden: torch.Tensor, past: int = 0) -> torch.Tensor:
    """Runs the gated layer in front of a block, for whoever does not call the block itself.

    Args:
        block: of a language model.
        hidden: (B, T, D), what it is about to read.
        past: places of the texts that came before.

    Returns:
        (B, T, D); what came where no layer stands in front.
    """
    for hook in block._forward_pre_hooks.values():
        if isinstance(hook, GatedHook):
            hidden = hook.layers.run(hook.number, hidden, past)
    return hidden


def decoder_blocks(language_model: nn.Module) -> nn.ModuleList:
    """Finds the blocks of a decoder-only model of transformers such as OPT or LLaMA.

    Raises:
        ValueError: when it is another model.
    """
    config = getattr(language_model, "config", None)
    find = getattr(language_model, "get_decoder", None)
    blocks = None if find is None else getattr(find(), "layers", None)
    if not isinstance(blocks, nn.ModuleList) or getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"{type(language_model).__name__} has no blocks to put gated layers in front of: pass "
            "a decoder-only model of transformers itself, such as OPTForCausalLM or "
            "LlamaForCausalLM."
        )
    return blocks


class GatedLayers(nn.Module):
    """All gated layers of a Flamingo, one in front of every n-th block (section 3.1.2).

    OpenFlamingo puts a wrapper around each block and mixes a class into the model, which renames
    the tensors of all blocks; here forward pre-hooks do it. Images are shown before the
    language model runs: keys and values of their visual tokens are then computed once, and serve
    every word that is written.

        with gated.install(language_model), gated.show(visual, input_ids == image_token_id):
            logits = language_model(input_ids).logits

    Args:
        config: sizes, kind, and n.
        num_blocks: blocks of the language model.

    Raises:
        ValueError: when there are fewer blocks than n.
    """

    def __init__(self, config: CrossAttentionConfig, num_blocks: int) -> None:
        super().__init__()
        self.config, self.num_blocks = config, num_blocks
        self.places = config.places(num_blocks)
        self.layers = nn.ModuleList(GatedCrossAttention(config) for _ in self.places)
        self._shown: ShownImages | None = None
        self._installed: Undo | None = None

    def install(self, language_model: nn.Module) -> Undo:
        """Puts the layers in front of the blocks, until `remove()` or the end of a `with`.

        Args:
            language_model: OPTForCausalLM, LlamaForCausalLM or the like, of width D.

        Returns:
            What takes the hooks away again.

        Raises:
            ValueError: when they are installed already, the model carries others, or it has
                another width or number of blocks.
        """
        blocks, width = decoder_blocks(language_model), language_model.config.hidden_size
        if (width, len(blocks)) != (self.config.hidden_size, self.num_blocks):
            raise ValueError(
                f"The language model has {len(blocks)} blocks of width {width}, the gated layers "
                f"were built for {self.num_blocks} of width {self.config.hidden_size}."
            )
        taken = [i for i, b in enumerate(blocks) if _has_hook(b)]
        if self._installed is not None or taken:
            where = f"in front of blocks {taken} of this model" if taken else "on another model"
            raise ValueError(
                f"Gated layers are installed already, {where}: call remove() on what install() "
                "returned, or leave its `with`, before you install again."
            )
        handles = [
            blocks[place].register_forward_pre_hook(GatedHook(self, number), with_kwargs=True)
            for number, place in enumerate(self.places)
        ]

        def take_away() -> None:
            for handle in handles:
                handle.remove()
            self._installed = None

        self._installed = Undo(take_away)
        return self._installed

    def show(
        self, visual: torch.Tensor | None = None, image_locations: torch.Tensor | None = None
    ) -> Undo:
        """Shows the images of a batch of texts: computes their keys and values for every layer.

        Show them anew after a training step, and before each backward pass.

        Args:
            visual: (images, Q, E) of all texts together, in reading order; None where the texts
                have none.
            image_locations: (B, T) bool, True at the tag of each image. T is the prompt's length;
                what is written behind it reads the last image. None, without images, suits texts of
                any size.

        Returns:
            What forgets the images, by `remove()` or at the end of a `with`; showing others does
            so too.

        Raises:
            ValueError: when there are not as many images as tags, or a shape does not fit.
        """
        check_images(visual, image_locations, self.config.visual_size)
        shown = ShownImages(image_locations, self.config.reads)
        if shown.num_images:
            counts = shown.index[:, -1]
            for layer in self.layers:
                shown.key_values.append(gather_images(layer.project_visual(visual), counts))
        self._shown = shown
        return Undo(lambda: self._forget(shown))

    def _forget(self, shown: ShownImages) -> None:
        if self._shown is shown:
            self._shown = None

    def run(self, number: int, hidden: torch.Tensor, past: int = 0) -> torch.Tensor:
        """Runs one layer on what its block is about to read; the hooks call it.

        Args:
            number: which layer, from 0.
            hidden: (B, T, D), or (B * beams, T, D) with the beams of a text side by side.
            past: places of the texts that came before, as a cache keeps them.

        Returns:
            The shape that came.

        Raises:
            ValueError: when no images were shown, or those of another batch.
        """
        layer, shown = self.layers[number], self._shown
        if shown is None:
            raise ValueError(
                "Gated layers ran before any images were shown: call show(visual, "
                "image_locations), or show() for text without images."
            )
        if shown.rows is None:
            return layer(hidden)
        beams, rest = divmod(len(hidden), shown.rows)
        if rest or not beams:
            raise ValueError(
                f"The images of {shown.rows} texts were shown and {len(hidden)} texts are read: "
                "show the images of this batch."
            )
        seen, (_, length, width) = shown.key_values[number], hidden.shape
        mask = shown.mask(past, length, beams, num_visual=seen[0].shape[2] // shown.num_images)
        # A token reads images by itself: the beams of a text may stand in one row.
        read = layer(hidden.reshape(shown.rows, beams * length, width), seen, mask)
        return read.view(hidden.shape)

    def gate_values(self) -> torch.Tensor:
        """Returns how far the gates are open, mean |tanh|, (layers, 2): attention, feed-forward."""
        gates = [(layer.attention_gate, layer.feed_forward_gate) for layer in self.layers]
        return torch.stack([torch.stack([g.tanh().abs().mean() for g in pair]) for pair in gates])


def _has_hook(block: nn.Module) -> bool:
    return any(isinstance(hook, GatedHook) for hook in block._forward_pre_hooks.values())
