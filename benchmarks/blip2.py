"""BLIP-2 against transformers: a training step of stage 2, and a greedy token.

    OMP_NUM_THREADS=1 python benchmarks/blip2.py            # a table
    OMP_NUM_THREADS=1 python benchmarks/blip2.py --json     # one JSON object

Both sides have the same weights, the same batch and the same trained parameters; before anything is
timed, their losses and their words are compared. How time is taken: `_timing.py`.
"""

from functools import partial

import torch
from _timing import Row, check_trained, greedy_row, run, step_rows, vocabulary_rows
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    OPTConfig,
)

from course_lib.interop import from_hf
from course_lib.training.stages import Stage, apply_stage
from course_lib.vlm import VLM

WIDTH, QUERIES, TEXT = 128, 16, 32


def build(vocabulary: int) -> Blip2ForConditionalGeneration:
    """Builds the toy configuration of the course in transformers, randomly initialised."""
    torch.manual_seed(0)
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 4, "num_attention_heads": 4}
    vision = Blip2VisionConfig(
        **shape, intermediate_size=512, image_size=48, patch_size=6, initializer_range=0.02
    )
    qformer = Blip2QFormerConfig(
        **shape,
        intermediate_size=512,
        encoder_hidden_size=WIDTH,
        vocab_size=vocabulary,
        cross_attention_frequency=1,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    text = OPTConfig(
        **shape,
        ffn_dim=512,
        word_embed_proj_dim=WIDTH,
        vocab_size=vocabulary,
        max_position_embeddings=384,
        dropout=0.0,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=2,
    )
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=qformer.to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=QUERIES,
        image_token_index=vocabulary - 1,
    )
    model = Blip2ForConditionalGeneration(config)
    nn.init.normal_(model.query_tokens, std=0.02)
    return model


def make_batch(vocabulary: int, rows: int, labelled: int) -> dict[str, torch.Tensor]:
    """Draws images and captions of different length, padded on the right; the last words count."""
    ids = torch.randint(5, vocabulary - 1, (rows, QUERIES + TEXT))
    ids[:, :QUERIES] = vocabulary - 1
    labels = ids.clone()
    labels[:, : QUERIES + TEXT - labelled] = -100
    mask = torch.ones_like(ids)
    if labelled == TEXT:
        for row in range(rows):
            mask[row, QUERIES + TEXT - row % 16 :] = 0
    pixels = torch.randn(rows, 3, 48, 48)
    words = {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels.masked_fill(mask == 0, -100),
    }
    return {"pixel_values": pixels, **words}


def pair(vocabulary: int) -> tuple[Blip2ForConditionalGeneration, VLM]:
    """Builds both sides, each with weights of its own, training what stage 2 trains."""
    reference, ours = build(vocabulary), from_hf(build(vocabulary))
    apply_stage(ours, Stage("stage2", ("vpg.head", "projector"), 1, 1, 1e-4))
    same = ("qformer", "query_tokens", "language_projection", "vision_model.post_layernorm")
    apply_stage(reference, Stage("stage2", same, 1, 1, 1e-4))
    check_trained(reference, ours)
    return reference, ours


def training(repeats: int) -> list[Row]:
    """Times a step of 64 captioned images, with and without cached features."""
    reference, ours = pair(1000)
    batch = make_batch(1000, 64, TEXT)
    return step_rows("stage-2", reference, batch, ours, batch, (1.0, 0.68), repeats)


def large_vocabulary(repeats: int) -> list[Row]:
    """Times a step with 32,000 words of which a quarter of the text carries labels."""
    labelled = TEXT // 4
    reference, ours = pair(32_000)
    batch = make_batch(32_000, 8, labelled)
    return vocabulary_rows(reference, ours, batch, labelled, repeats)


def greedy(repeats: int, new_tokens: int = 32) -> list[Row]:
    """Times `generate` of both sides from pixels; milliseconds a new word."""
    reference = build(1000).eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.1)
    reference.language_model.generation_config.eos_token_id = None
    ours, rows = from_hf(reference), []
    for count in (1, 2, 4):
        batch = make_batch(1000, count, 1)
        del batch["labels"]
        theirs = partial(reference.generate, **batch, max_new_tokens=new_tokens, do_sample=False)
        mine = partial(ours.generate, batch, new_tokens, eos_token_id=())
        rows.append(
            greedy_row(f"greedy token, batch {count}", theirs, mine, new_tokens, repeats, 0.85)
        )
    return rows


if __name__ == "__main__":
    run(__doc__.splitlines()[0], (training, large_vocabulary, greedy))
