"""Flamingo against transformers' Idefics: a training step, and a greedy token.

    OMP_NUM_THREADS=1 python benchmarks/flamingo.py            # a table
    OMP_NUM_THREADS=1 python benchmarks/flamingo.py --json     # one JSON object

Both sides have the same weights, the same batch and the same trained parameters; before anything is
timed, their losses and their words are compared. How time is taken: `_timing.py`.
"""

from functools import partial

import torch
from _timing import Row, check_trained, greedy_row, run, step_rows
from torch import nn
from transformers import IdeficsConfig, IdeficsForVisionText2Text

from course_lib.gated_vlm import GatedVLM
from course_lib.interop import idefics_batch, idefics_from_hf
from course_lib.recipes.flamingo import TRAINABLE
from course_lib.training.stages import Stage, apply_stage

WIDTH, WORDS, TAG = 128, 606, 605
IMAGES, STRETCH = 3, 16  # of a document: so many times a tag and the words behind it
# What trains, under transformers' names.
THEIRS = ("model.perceiver_resampler", "model.gated_cross_attn_layers")
Batch = dict[str, torch.Tensor]


def build() -> IdeficsForVisionText2Text:
    """Builds the toy configuration of the course in Idefics, random, with gates half open."""
    inside = {"num_hidden_layers": 4, "num_attention_heads": 4}
    vision = {"embed_dim": WIDTH, "intermediate_size": 512, "image_size": 48, "patch_size": 8}
    resampler = {"resampler_n_latents": 16, "resampler_depth": 2, "resampler_n_heads": 4}
    config = IdeficsConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        intermediate_size=384,
        **inside,
        max_position_embeddings=384,
        use_resampler=True,
        vision_config={**vision, **inside},
        perceiver_config={"use_resampler": True, "resampler_head_dim": 32, **resampler},
    )
    torch.manual_seed(0)
    model = IdeficsForVisionText2Text(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.1)
    for layer in model.model.gated_cross_attn_layers:
        nn.init.constant_(layer.alpha_cross_attn, 0.5)
        nn.init.constant_(layer.alpha_dense, 0.5)
    return model


def make_batch(rows: int) -> Batch:
    """Draws documents of tags with words behind them, as our side reads them: none padded."""
    ids = torch.randint(5, TAG, (rows, IMAGES * STRETCH))
    ids[:, ::STRETCH] = TAG
    pixels = torch.randn(rows * IMAGES, 3, 48, 48)
    return {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def labelled(batch: Batch) -> Batch:
    """Labels all words but the tags, and ends rows up to 15 words earlier, padded on the right."""
    ids = batch["input_ids"]
    rows, length = ids.shape
    mask = (torch.arange(length) < (length - torch.arange(rows) % 16)[:, None]).long()
    labels = ids.masked_fill((mask == 0) | (ids == TAG), -100)
    return {**batch, "attention_mask": mask, "labels": labels}


def pair() -> tuple[IdeficsForVisionText2Text, GatedVLM]:
    """Builds both sides, each with weights of its own, training the same parts."""
    reference = build()
    ours = idefics_from_hf(reference, TAG)
    apply_stage(ours, Stage("stage", TRAINABLE, 1, 1, 1e-4))
    apply_stage(reference, Stage("stage", THEIRS, 1, 1, 1e-4))
    check_trained(reference, ours)
    return reference, ours


def training(repeats: int, rows: int = 32) -> list[Row]:
    """Times a step from pixels, and with cached features, against one from pixels."""
    reference, ours = pair()
    batch = labelled(make_batch(rows))
    theirs = idefics_batch(batch, TAG)
    return step_rows("interleaved", reference, theirs, ours, batch, (1.0, 1.0), repeats)


def greedy(repeats: int, new_tokens: int = 32) -> list[Row]:
    """Times `generate` of both sides from pixels; milliseconds a new word."""
    reference, rows = build().eval(), []
    reference.generation_config.eos_token_id = None
    ours = idefics_from_hf(reference, TAG)
    for count in (1, 2, 4):
        batch = make_batch(count)
        inputs = idefics_batch(batch, TAG)
        theirs = partial(reference.generate, **inputs, max_new_tokens=new_tokens, do_sample=False)
        mine = partial(ours.generate, batch, new_tokens, eos_token_id=())
        rows.append(
            greedy_row(f"greedy token, batch {count}", theirs, mine, new_tokens, repeats, 0.85)
        )
    return rows


if __name__ == "__main__":
    run(__doc__.splitlines()[0], (training, greedy))
