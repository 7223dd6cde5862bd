"""Flamingo's sentence as a class: image -> VPG -> gated cross-attention -> language model.

Where `VLM` lays visual tokens between the words, this model keeps one word for each image, its tag,
and lets the text look: gated layers stand in front of the language model's blocks while it runs,
and are gone before and after, so that `model.language` is at all other times the bare one.

Letters: B batch, S length, N patches, Q visual tokens of an image, E their width, D language width.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from course_lib.backbones.language import LanguageModel
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.vlm import VLM, VPG, Batch, evaluating


class GatedVLM(VLM):
    """A vision-language model whose text looks at images (Flamingo, arXiv 2204.14198, section 3.1).

    Parameters lie under vpg.encoder, vpg.head, gated, language; there is no projector, since keys
    and values of the gated layers read the resampler's width. A batch is that of `VLM`, but for
    `image_token_id`, which stands in input_ids once for each image and is a word that the language
    model reads like any other. OpenFlamingo mixes a class into the language model instead
    (src/flamingo_lm.py), whose blocks then have other names.

    Args:
        vpg: image encoder and resampler.
        gated: the layers; their `visual_size` is the resampler's width E.
        language: a decoder-only model.
        image_token_id: the tag.

    Raises:
        ValueError: for a tag beyond the language model's table, or a language model that the layers
            were not built for.
    """

    def __init__(
        self, vpg: VPG, gated: GatedLayers, language: LanguageModel, image_token_id: int
    ) -> None:
        super().__init__(vpg, torch.nn.Identity(), language, image_token_id)
        self.gated = gated
        if not 0 <= image_token_id < language.vocab_size:
            raise ValueError(
                f"The image tag has the id {image_token_id}, the language model knows "
                f"{language.vocab_size} words and reads the tag as one of them: take the id of a "
                "word that it has, or give its table another row."
            )
        gated.install(language.model).remove()  # raises now what would be raised at the first batch

    def inputs_embeds(self, batch: Batch) -> torch.Tensor:
        """Returns the words' embeddings, tags included: (B, S, D). Images come in elsewhere."""
        return self.language.embed(batch["input_ids"])

    @contextmanager
    def shown(self, batch: Batch) -> Iterator[None]:
        """Puts the layers in and shows them a batch's images, until the end of a `with`.

        Inside it the language model may be run as one likes, word by word with a cache for
        example: the resampler has run once, and so have keys and values of every layer.

        Raises:
            ValueError: when there are not as many images as tags, or layers are in already.
        """
        tags = batch["input_ids"] == self.image_token_id
        mask = batch.get("attention_mask")
        if mask is not None:
            tags = tags & mask.bool()
        visual = self.visual_tokens(batch)
        with self.gated.install(self.language.model), self.gated.show(visual, tags):
            yield

    def forward(self, batch: Batch) -> torch.Tensor:
        """Computes the mean language-modelling loss of a batch, a scalar; see `VLM.forward`."""
        with self.shown(batch):
            return super().forward(batch)

    def _nothing(self) -> torch.Tensor | float:
        trained = (p for p in self.gated.parameters() if p.requires_grad)
        return super()._nothing() + sum(p.sum() * 0.0 for p in trained)

    def logits(self, batch: Batch) -> torch.Tensor:
        """Computes all logits, (B, S, V): for comparisons."""
        with self.shown(batch):
            return super().logits(batch)

    @torch.no_grad()
    def generate(
        self,
        batch: Batch,
        max_new_tokens: int = 32,
        eos_token_id: int | Iterable[int] | None = None,
        on_token: Callable[[int, int], object] | None = None,
    ) -> list[list[int]]:
        """Answers greedily, in eval mode; new words read the last image. See `VLM.generate`."""
        with evaluating(self), self.shown(batch):
            return super().generate(batch, max_new_tokens, eos_token_id, on_token)
