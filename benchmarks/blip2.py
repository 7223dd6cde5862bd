"""BLIP-2 against transformers: a training step of stage 2, and a greedy token.

    OMP_NUM_THREADS=1 python benchmarks/blip2.py            # a table
    OMP_NUM_THREADS=1 python benchmarks/blip2.py --json     # one JSON object

Both sides have the same weights, the same batch and the same trained parameters; before anything is
timed, their losses and their words are compared. Then they run in turn in one process, at one
thread, and CPU time is taken: `ratio` is the median of ours / reference over the turns, `spread`
the distance between its quartiles.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import transformers
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
Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One comparison; times are medians in milliseconds of CPU time."""

    work: str
    ours_ms: float
    reference_ms: float
    ratio: float
    spread: float
    limit: float | None = None


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
    counts = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (reference, ours)]
    if counts[0] != counts[1]:
        raise RuntimeError(f"The two sides train {counts[0]} and {counts[1]} parameters.")
    return reference, ours


def step_of(model: nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], float]:
    """Returns a whole optimiser step: forward, backward, AdamW."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)

    def step() -> float:
        value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value.item()

    return step


def training(repeats: int) -> list[Row]:
    """Times a step of 64 captioned images, with and without cached features."""
    reference, ours = pair(1000)
    batch = make_batch(1000, 64, TEXT)
    with torch.no_grad():
        features = ours.vpg.encoder(batch["pixel_values"])
    cached = {**batch, "image_features": features}
    del cached["pixel_values"]
    works = {
        "reference": step_of(reference, lambda: reference(**batch).loss),
        "stage-2 step from pixels": step_of(ours, lambda: ours(batch)),
        "stage-2 step, cached features": step_of(ours, lambda: ours(cached)),
    }
    check_losses(reference(**batch).loss, ours(batch), ours(cached))
    limits = {"stage-2 step from pixels": 1.0, "stage-2 step, cached features": 0.68}
    return rows_of(alternate(works, repeats), limits)


def large_vocabulary(repeats: int) -> list[Row]:
    """Times a step with 32,000 words of which a quarter of the text carries labels."""
    labelled = TEXT // 4
    reference, ours = pair(32_000)
    batch = make_batch(32_000, 8, labelled)
    # The shift needs one position more than there are labels.
    cut = {**batch, "labels": batch["labels"][:, -labelled - 1 :], "logits_to_keep": labelled + 1}
    work = "vocabulary 32,000, a quarter labelled"
    step = step_of(ours, lambda: ours(batch))
    check_losses(reference(**batch).loss, reference(**cut).loss, ours(batch))
    rows = []
    for name, inputs, limit in (("", batch, 0.45), (", reference with logits_to_keep", cut, None)):
        theirs = step_of(reference, lambda inputs=inputs: reference(**inputs).loss)
        times = alternate({"reference": theirs, work + name: step}, repeats)
        rows += rows_of(times, {work + name: limit})
    return rows


def greedy(repeats: int) -> list[Row]:
    """Times `generate` of both sides from pixels; milliseconds a new word."""
    reference = build(1000).eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.1)
    reference.language_model.generation_config.eos_token_id = None
    ours = from_hf(reference)
    return [row for rows in (1, 2, 4) for row in greedy_rows(reference, ours, rows, repeats)]


def greedy_rows(
    reference: nn.Module, ours: VLM, rows: int, repeats: int, new_tokens: int = 32
) -> list[Row]:
    """Times both sides on a batch of some rows."""
    name, batch = f"greedy token, batch {rows}", make_batch(1000, rows, 1)
    del batch["labels"]
    works = {
        "reference": lambda: reference.generate(
            **batch, max_new_tokens=new_tokens, do_sample=False
        ),
        name: lambda: ours.generate(batch, new_tokens, eos_token_id=()),
    }
    if works["reference"]()[:, -new_tokens:].tolist() != works[name]():
        raise RuntimeError("The two sides write different words: nothing was timed.")
    times = alternate(works, repeats)
    times = {work: [t / new_tokens for t in values] for work, values in times.items()}
    return rows_of(times, {name: 0.85})


def check_losses(first: torch.Tensor, *others: torch.Tensor) -> None:
    """Refuses to time two sides that do not compute the same."""
    for other in others:
        if abs(first.item() - other.item()) > 1e-4:
            raise RuntimeError(f"Losses differ: {first.item()} and {other.item()}.")


def alternate(works: dict[str, Work], repeats: int) -> dict[str, list[float]]:
    """Runs all works in turn, after one warm-up each; milliseconds of CPU time."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            if turn:
                times[name].append(1e3 * (time.process_time() - start))
    return times


def rows_of(times: dict[str, list[float]], limits: dict[str, float | None]) -> list[Row]:
    """Compares each work with the reference, turn by turn."""
    reference, rows = times["reference"], []
    for name, own in times.items():
        if name == "reference":
            continue
        ratios = [a / b for a, b in zip(own, reference, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        medians = statistics.median(own), statistics.median(reference)
        numbers = [round(x, 4) for x in (*medians, middle, high - low)]
        rows.append(Row(name, *numbers, limits.get(name)))
    return rows


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each comparison")
    options = parser.parse_args()
    if options.repeats < 2:
        parser.error("--repeats has to be at least 2, or there is no spread")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    rows = []
    for part in (training, large_vocabulary, greedy):
        print(f"measuring: {part.__name__} ...", file=sys.stderr, flush=True)
        rows += part(options.repeats)
    if options.json:
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        machine = {"machine": platform.machine(), "python": platform.python_version(), "threads": 1}
        print(json.dumps({"rows": [vars(row) for row in rows], **versions, **machine}))
        return
    print(
        f"{'work':62} {'ours_ms':>8} {'reference_ms':>13} {'ratio':>6} {'spread':>7} {'limit':>6}"
    )
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:.2f}"
        numbers = f"{row.ours_ms:8.2f} {row.reference_ms:13.2f} {row.ratio:6.3f} {row.spread:7.3f}"
        print(f"{row.work:62} {numbers} {limit:>6}")


if __name__ == "__main__":
    main()
