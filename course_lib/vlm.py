"""One sentence as a class: image -> VPG -> projector -> splice -> language model.

Letters: B batch, N patches, Q visual tokens, S spliced length, E vision, D language width.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.errors import counted
from course_lib.fusion.splice import splice
from course_lib.losses.lm import IGNORE
from course_lib.training.tensor_files import copy_into, read_tensors, saved_tensors, write_tensors

Batch = Mapping[str, torch.Tensor]
_FILE = "model.safetensors"
_IMAGES = ("pixel_values", "image_features")


class VPG(nn.Module):
    """Visual prompt generator: a vision encoder and the head that makes Q tokens of its features.

    Args:
        encoder: the (frozen) image encoder; None where only cached features come in.
        head: maps features (images, N, E) to (images, Q, width): Q-Former, resampler, ... or
            `nn.Identity()` where the patches are the visual tokens.
    """

    def __init__(self, encoder: VisionEncoder | None, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def features(
        self, pixel_values: torch.Tensor | None = None, image_features: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns what the head reads, (images, N, E): encoded now, or cached and passed on.

        Raises:
            ValueError: when there is neither, both, or no encoder for the pixels.
        """
        if (pixel_values is None) == (image_features is None):
            count = "neither" if pixel_values is None else "both"
            raise ValueError(f"Got {count} of pixel_values and image_features: pass one of them.")
        if image_features is None:
            if self.encoder is None:
                raise ValueError(
                    "This VPG has no encoder and cannot read pixel_values: pass image_features, or "
                    "build it with an encoder."
                )
            image_features = self.encoder(pixel_values)
        weight = next(self.head.parameters(), image_features)
        return image_features.to(weight.dtype)

    def forward(
        self, pixel_values: torch.Tensor | None = None, image_features: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Makes visual tokens.

        Args:
            pixel_values: (images, 3, height, width), or
            image_features: (images, N, E), what the encoder gave (float16 is fine).

        Returns:
            (images, Q, width of the head).
        """
        return self.head(self.features(pixel_values, image_features))


class VLM(nn.Module):
    """A vision–language model; parameters lie under vpg.encoder, vpg.head, projector, language.

    A batch is a dict:
        pixel_values (images, 3, height, width) or image_features (images, N, E), or neither of
            them for text alone;
        input_ids (B, S), with `image_token_id` at the Q places of each image, in reading order;
        attention_mask (B, S), 0 at padding; all ones where it is left out;
        labels (B, S), -100 = no loss, not shifted; for T5 the decoder's words (B, T).

    Args:
        vpg: makes visual tokens.
        projector: maps their width to D.
        language: the language model.
        image_token_id: the word that keeps a place; its own embedding is never used.
    """

    def __init__(
        self, vpg: VPG, projector: nn.Module, language: LanguageModel, image_token_id: int
    ) -> None:
        super().__init__()
        self.vpg, self.projector, self.language = vpg, projector, language
        self.image_token_id = image_token_id

    def visual_tokens(self, batch: Batch) -> torch.Tensor | None:
        """Returns (images, Q, D), or None for a batch without images."""
        images = {key: batch[key] for key in _IMAGES if not _empty(batch.get(key))}
        return self.projector(self.vpg(**images)) if images else None

    def inputs_embeds(self, batch: Batch) -> torch.Tensor:
        """Splices the visual tokens into the words: (B, S, D).

        Raises:
            ValueError: when images and places do not fit each other.
        """
        input_ids = batch["input_ids"]
        image_mask = input_ids == self.image_token_id
        # The placeholder may lie beyond the table: it is a place, not a word.
        embeds = self.language.embed(input_ids.masked_fill(image_mask, 0))
        visual = self.visual_tokens(batch)
        self._check_places(visual, image_mask)
        return embeds if visual is None else splice(embeds, visual, image_mask)

    def _check_places(self, visual: torch.Tensor | None, image_mask: torch.Tensor) -> None:
        places = int(image_mask.sum())
        images, tokens = (0, 1) if visual is None else visual.shape[:2]
        if places == images * tokens:
            return
        if places % tokens == 0 and visual is not None:
            shown = counted(places // tokens, "image")
            asked = f"{shown} ({places} places of {tokens} an image)"
        else:
            asked = counted(places, "visual token")
        raise ValueError(
            f"The batch has {counted(images, 'image')}, its text keeps places for {asked}: give "
            f"one image for each {counted(tokens, 'placeholder')} in input_ids."
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Computes the mean language-modelling loss of a batch (see the class), a scalar.

        A batch without images gives VPG and projector zero gradients instead of none: parallel
        processes would otherwise wait for them for ever.
        """
        embeds = self.inputs_embeds(batch)
        loss = self.language.loss(embeds, _mask(batch), batch["labels"])
        if all(_empty(batch.get(key)) for key in _IMAGES):
            loss = loss + self._nothing()
        return loss

    def labelled_words(self, batch: Batch) -> int:
        """Counts the words that the loss of a batch is a mean over."""
        labels = batch["labels"] if self.language.is_encoder_decoder else batch["labels"][:, 1:]
        return int((labels != IGNORE).sum())

    def _nothing(self) -> torch.Tensor | float:
        trained = [*self.vpg.parameters(), *self.projector.parameters()]
        return sum(p.sum() * 0.0 for p in trained if p.requires_grad)

    def logits(self, batch: Batch) -> torch.Tensor:
        """Computes all logits, (B, S, V) or, for T5, (B, T, V): for comparisons."""
        return self.language.logits(self.inputs_embeds(batch), _mask(batch), batch.get("labels"))

    @torch.no_grad()
    def generate(
        self,
        batch: Batch,
        max_new_tokens: int = 32,
        eos_token_id: int | Iterable[int] | None = None,
        on_token: Callable[[int, int], object] | None = None,
    ) -> list[list[int]]:
        """Answers greedily, in eval mode; see `LanguageModel.generate_greedy`.

        Args:
            batch: as in the class, without labels; pad decoder-only models on the left.
            max_new_tokens: most words a row.
            eos_token_id: what ends a row; None = the language model's own.
            on_token: is called with (row, word) as soon as a word is written.

        Returns:
            For each row its new words.
        """
        with evaluating(self):
            embeds = self.inputs_embeds(batch)
            mask = _mask(batch)
            return self.language.generate_greedy(
                embeds, mask, max_new_tokens, eos_token_id, on_token
            )

    def save_trainable(self, directory: str | Path, names: Iterable[str]) -> Path:
        """Writes parts of the model to `directory`/model.safetensors, whole or not at all.

        Args:
            directory: made where it is missing.
            names: dotted names of modules or parameters, such as ("vpg.head", "projector").

        Returns:
            The file.

        Raises:
            ValueError: for a name that takes no parameter.
            OSError: when the disk is full; nothing half-written is left.
        """
        names = tuple(names)
        tensors = {}
        for name in names:
            found = {k: v for k, v in saved_tensors(self).items() if f"{k}.".startswith(f"{name}.")}
            if not found:
                raise ValueError(
                    f"{name!r} names no parameter of the model: names start with vpg.encoder, "
                    "vpg.head, projector or language."
                )
            tensors.update(found)
        path = Path(directory) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, tensors, {"names": names})
        return path

    def load_trainable(self, directory: str | Path) -> None:
        """Reads what `save_trainable` wrote, strictly: every tensor of the listed parts, no other.

        Raises:
            ValueError: when the file is missing, damaged, or of a model of other parts or sizes.
        """
        path = Path(directory) / _FILE
        tensors, header = read_tensors(path)
        names = header.get("names") or sorted({key.split(".")[0] for key in tensors})
        own = saved_tensors(self)
        expected = {k for k in own if any(f"{k}.".startswith(f"{name}.") for name in names)}
        copy_into(self, tensors, expected, str(path))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts a model in eval mode for a while, then gives every module its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _empty(tensor: torch.Tensor | None) -> bool:
    return tensor is None or len(tensor) == 0


def _mask(batch: Batch) -> torch.Tensor:
    mask = batch.get("attention_mask")
    return torch.ones_like(batch["input_ids"]) if mask is None else mask
