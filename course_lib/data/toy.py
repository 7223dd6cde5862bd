"""Toy scenes as training batches: drawn once, encoded once, captions and questions as ids.

Letters: B batch, N patches, E vision width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.vision import VisionEncoder
from course_lib.data.feature_cache import FeatureCache, Features
from course_lib.data.images import to_pixel_values
from course_lib.data.prompts import blip2_prompt, pad_rows, training_batch, typed_ids
from course_lib.training.order import batch_indices
from course_lib.world.documents import CAPTION_PROMPTS
from course_lib.world.draw import draw_scenes
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes

CACHE = Path("runs") / "features"


class ToyScenes:
    """Scenes of one split, their pixels, and the features of a frozen encoder.

    Args:
        count: how many scenes.
        seed: scene i depends on seed, split and i alone.
        split: "train", "test" or "combos".
        encoder: the frozen encoder; its features are computed once and kept in memory or on disk.
        cache: directory of the feature cache; None keeps the features in memory alone.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        split: str,
        encoder: VisionEncoder,
        cache: Path | None = None,
    ) -> None:
        self.scenes = sample_scenes(count, seed, split)
        self.lengths = torch.tensor([len(scene.things) for scene in self.scenes])
        self.images = draw_scenes(self.scenes)
        self.encoder = encoder
        self.features = self._encoded([f"{split}-{seed}-{i}" for i in range(count)], cache)

    def _encoded(self, names: list[str], cache: Path | None) -> Features | torch.Tensor:
        """Returns the features of all images, which go by these names in a cache."""
        if cache is None:
            parts = np.array_split(np.arange(len(names)), len(names) // 256 + 1)
            return torch.cat([self._encode(list(part)) for part in parts])
        store = FeatureCache(cache, self.encoder.fingerprint(), self.encoder.layer, "clip-48")
        return store.get_or_compute(names, self._encode, batch_size=256)

    def __len__(self) -> int:
        return len(self.lengths)

    def pixel_values(self, rows: list[int]) -> torch.Tensor:
        """Returns normalised pixels (B, 3, 48, 48)."""
        return to_pixel_values([self.images[row] for row in rows], self.encoder.image_size)

    @torch.no_grad()
    def _encode(self, rows: list[int]) -> torch.Tensor:
        return self.encoder(self.pixel_values(rows))

    def image_inputs(self, rows: list[int], cached: bool = True) -> dict[str, torch.Tensor]:
        """Returns image_features (B, N, E), or pixel_values where nothing is to be cached."""
        if cached:
            return {"image_features": self.features[rows]}
        return {"pixel_values": self.pixel_values(rows)}


def stage1_batch(
    data: ToyScenes, tokenizer: PreTrainedTokenizerBase, step: int, batch_size: int, seed: int
) -> dict[str, torch.Tensor]:
    """Makes a stage-1 batch of a step: images and captions ([CLS] … [SEP]), stateless.

    Scenes with as many things share a batch, as in stage 2: a third of all words was padding.
    """
    rows = batch_indices(step, batch_size, len(data), seed, data.lengths)
    rng = np.random.default_rng((seed, step, 1))
    texts = [captions(data.scenes[row])[int(rng.random() < 0.3)] for row in rows]
    encoded = tokenizer(texts).input_ids
    return {
        **data.image_inputs(rows),
        "input_ids": pad_rows(encoded, tokenizer.pad_token_id),
        "attention_mask": pad_rows([[1] * len(ids) for ids in encoded], 0),
    }


def stage2_batch(
    data: ToyScenes,
    tokenizer: PreTrainedTokenizerBase,
    num_query_tokens: int,
    encoder_decoder: bool,
    step: int,
    batch_size: int,
    seed: int,
) -> dict[str, torch.Tensor]:
    """Makes a stage-2 batch of a step: visual tokens, start token, one of the five captions.

    The canonical caption needs no prompt and comes six times in ten; the others follow their own
    prompt. An encoder–decoder is given the first words of a caption one time in ten (BLIP-2's
    prefix language modelling, section 3.3; the released code never does it). What is given teaches
    nothing: at three times in ten, 1,200 steps left .34 of things right, without any .46.
    """
    rows = batch_indices(step, batch_size, len(data), seed, data.lengths)
    rng = np.random.default_rng((seed, step, 2))
    prompts, answers = [], []
    for row in rows:
        style = 0 if rng.random() < 0.6 else int(rng.integers(1, 5))
        prompt = blip2_prompt(tokenizer, CAPTION_PROMPTS[style], num_query_tokens)
        answer = typed_ids(tokenizer, captions(data.scenes[row])[style])
        if encoder_decoder and rng.random() < 0.1:
            cut = int(rng.integers(1, len(answer) - 1))
            prompt = [*prompt[:-1], *answer[:cut], prompt[-1]]
            answer = answer[cut:]
        prompts.append(prompt)
        answers.append(answer)
    batch = training_batch(tokenizer, prompts, answers, encoder_decoder)
    return {**data.image_inputs(rows), **batch}
