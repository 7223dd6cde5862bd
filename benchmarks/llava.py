"""LLaVA against transformers: a training step of both stages, and a greedy token.

    OMP_NUM_THREADS=1 python benchmarks/llava.py            # a table
    OMP_NUM_THREADS=1 python benchmarks/llava.py --json     # one JSON object

Both sides have the same weights, the same batch and the same trained parameters; before anything is
timed, their losses and their words are compared. How time is taken: `_timing.py`.
"""

from functools import partial

import torch
from _timing import Row, check_trained, greedy_row, run, step_rows, vocabulary_rows
from torch import nn
from transformers import LlavaConfig, LlavaForConditionalGeneration

from course_lib.backbones.tokenizers import IMAGE_TOKEN, build_tokenizer
from course_lib.interop import llava_from_hf
from course_lib.recipes.llava import STAGE1_TRAINABLE, STAGE2_TRAINABLE
from course_lib.training.stages import Stage, apply_stage
from course_lib.vlm import VLM
from course_lib.zoo.clip import build_clip
from course_lib.zoo.lm import CONTEXT, build_llama

PATCHES, CAPTION, CONVERSATION, TURN = 36, 32, 60, 20
# The parts that train, under transformers' names.
THEIRS = {
    STAGE1_TRAINABLE: ("model.multi_modal_projector",),
    STAGE2_TRAINABLE: ("model.multi_modal_projector", "model.language_model", "lm_head"),
}
Batch = dict[str, torch.Tensor]


def build(vocabulary: int | None = None) -> LlavaForConditionalGeneration:
    """Builds the toy configuration of the course in transformers, randomly initialised.

    Args:
        vocabulary: words of the language model; None = those of the course's tokenizer.
    """
    text = build_llama().config
    text.vocab_size = vocabulary or text.vocab_size
    config = LlavaConfig(
        vision_config=build_clip().config.vision_config.to_dict(),
        text_config=text.to_dict(),
        image_token_index=build_tokenizer("llama", CONTEXT).convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=PATCHES,
    )
    torch.manual_seed(0)
    return LlavaForConditionalGeneration(config)


def make_batch(config: LlavaConfig, rows: int, words: int) -> Batch:
    """Draws rows of a start word, an image and some words: none padded, none labelled."""
    length = 1 + PATCHES + words
    ids = torch.randint(5, config.text_config.vocab_size, (rows, length))
    ids[:, 1 : 1 + PATCHES] = config.image_token_id
    size = config.vision_config.image_size
    pixels = torch.randn(rows, 3, size, size)
    return {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def labelled(batch: Batch, places: torch.Tensor, pad: bool = True) -> Batch:
    """Labels some places, and ends rows up to 15 words earlier, with padding on the right."""
    rows, length = batch["input_ids"].shape
    lengths = length - torch.arange(rows) % 16 * int(pad)
    mask = (torch.arange(length) < lengths[:, None]).long()
    labels = batch["input_ids"].masked_fill((mask == 0) | ~places, -100)
    return {**batch, "attention_mask": mask, "labels": labels}


def pair(
    trainable: tuple[str, ...], vocabulary: int | None = None
) -> tuple[LlavaForConditionalGeneration, VLM]:
    """Builds both sides, each with weights of its own, training the same parts."""
    reference, ours = build(vocabulary), llava_from_hf(build(vocabulary))
    apply_stage(ours, Stage("stage", trainable, 1, 1, 1e-4))
    apply_stage(reference, Stage("stage", THEIRS[trainable], 1, 1, 1e-4))
    check_trained(reference, ours)
    return reference, ours


def training(
    name: str,
    trainable: tuple[str, ...],
    words: int,
    places: torch.Tensor,
    limits: tuple[float, float | None],
    repeats: int,
) -> list[Row]:
    """Times a step of 64 rows from pixels, and with cached features, against one from pixels."""
    reference, ours = pair(trainable)
    batch = labelled(make_batch(reference.config, 64, words), places)
    return step_rows(name, reference, batch, ours, batch, limits, repeats)


def stage1(repeats: int) -> list[Row]:
    """Captions: all words behind the image carry loss, the projector trains."""
    places = torch.arange(1 + PATCHES + CAPTION) > PATCHES
    return training("stage-1", STAGE1_TRAINABLE, CAPTION, places, (0.85, 0.68), repeats)


def stage2(repeats: int) -> list[Row]:
    """Conversations of three turns, of which the last third carries loss; the LLM trains, too."""
    word = torch.arange(1 + PATCHES + CONVERSATION) - 1 - PATCHES
    places = (word >= 0) & (word % TURN >= TURN - TURN // 3)
    return training("stage-2", STAGE2_TRAINABLE, CONVERSATION, places, (1.0, None), repeats)


def large_vocabulary(repeats: int) -> list[Row]:
    """Times a stage-1 step with 32,000 words of which a quarter of the text carries labels."""
    count = CAPTION // 4
    reference, ours = pair(STAGE1_TRAINABLE, 32_000)
    batch = make_batch(reference.config, 8, CAPTION)
    length = batch["input_ids"].shape[1]
    batch = labelled(batch, torch.arange(length) >= length - count, pad=False)
    return vocabulary_rows(reference, ours, batch, count, repeats)


def greedy(repeats: int, new_tokens: int = 32) -> list[Row]:
    """Times `generate` of both sides from pixels; milliseconds a new word."""
    reference = build().eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.1)
    reference.generation_config.eos_token_id = None
    ours, rows = llava_from_hf(reference), []
    for count in (1, 2, 4):
        batch = make_batch(reference.config, count, TURN)
        theirs = partial(reference.generate, **batch, max_new_tokens=new_tokens, do_sample=False)
        mine = partial(ours.generate, batch, new_tokens, eos_token_id=())
        rows.append(
            greedy_row(f"greedy token, batch {count}", theirs, mine, new_tokens, repeats, 0.85)
        )
    return rows


if __name__ == "__main__":
    run(__doc__.splitlines()[0], (stage1, stage2, large_vocabulary, greedy))
