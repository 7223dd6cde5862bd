"""The sentence of `VLM` on packed rows: documents side by side, none of which sees another.

Letters: B packed rows, S their length.
"""

from __future__ import annotations

import torch

from course_lib.data.packing import isolation
from course_lib.losses.lm import lm_loss
from course_lib.vlm import VLM, Batch


class PackedVLM(VLM):
    """A `VLM` with a decoder-only language model that takes packed batches, and all others as well.

    Made of the parts of another: `PackedVLM(m.vpg, m.projector, m.language, m.image_token_id)`, so
    that names of parameters stay. A packed batch is that of `data.packing.packed_batch`; its loss
    is the mean over all labelled words, as it is of the same rows unpacked. LLaVA's trainer groups
    rows of like length instead (llava/train/llava_trainer.py, LengthGroupedSampler).
    """

    def forward(self, batch: Batch) -> torch.Tensor:
        """Computes the mean language-modelling loss of a batch, a scalar; see `VLM.forward`.

        Raises:
            ValueError: for packs on an encoder–decoder, or a document beyond the context.
        """
        if "documents" not in batch:
            return super().forward(batch)
        states, head = self._states(batch), self.language.model.get_output_embeddings()
        loss = lm_loss(states, head, batch["labels"])[0]
        shown = any(len(batch.get(key, ())) for key in ("pixel_values", "image_features"))
        return loss if shown else loss + self._nothing()

    def logits(self, batch: Batch) -> torch.Tensor:
        """Computes all logits, (B, S, V): for comparisons."""
        if "documents" not in batch:
            return super().logits(batch)
        return self.language.model.get_output_embeddings()(self._states(batch))

    def _states(self, batch: Batch) -> torch.Tensor:
        """Returns what the head reads, (B, S, D)."""
        language, positions = self.language, batch["position_ids"]
        if language.is_encoder_decoder:
            raise ValueError("Packs are for decoder-only models: give a T5 rows of its own.")
        longest, limit = int(positions.max()) + 1, language.max_positions
        if limit is not None and longest > limit:
            raise ValueError(
                f"A document of the pack has {longest} positions, the language model takes at most "
                f"{limit}: cut it (max_length of encode_conversations)."
            )
        embeds = self.inputs_embeds(batch)
        return language.model.get_decoder()(
            inputs_embeds=embeds,
            attention_mask=isolation(batch["documents"], embeds.dtype),
            position_ids=positions,
            use_cache=False,
        )[0]
