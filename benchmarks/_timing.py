"""What the benchmarks share: two sides take turns in one process, and CPU time is compared.

`ratio` is the median of ours / reference over the turns, `spread` the distance between the
quartiles of these ratios. CPU time is measured, not wall time: other processes disturb it less.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import transformers
from torch import nn

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


def check_trained(first: nn.Module, second: nn.Module) -> None:
    """Refuses to time two sides that train different numbers of parameters."""
    counts = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (first, second)]
    if counts[0] != counts[1]:
        raise RuntimeError(f"The two sides train {counts[0]} and {counts[1]} parameters.")


def check_losses(first: torch.Tensor, *others: torch.Tensor) -> None:
    """Refuses to time two sides that do not compute the same."""
    for other in others:
        if abs(first.item() - other.item()) > 1e-4:
            raise RuntimeError(f"Losses differ: {first.item()} and {other.item()}.")


def step_rows(
    name: str,
    reference: nn.Module,
    theirs: dict,
    ours: nn.Module,
    batch: dict,
    limits: tuple[float, float | None],
    repeats: int,
) -> list[Row]:
    """Times a step of ours from pixels, and with cached features, against one from pixels.

    Args:
        name: of the step.
        reference: the transformers model.
        theirs: the batch as it reads it.
        ours: with equal weights.
        batch: the same for ours.
        limits: of both rows, see `Row`.
        repeats: turns.
    """
    with torch.no_grad():
        cached = {**batch, "image_features": ours.vpg.encoder(batch["pixel_values"])}
    del cached["pixel_values"]
    check_losses(reference(**theirs).loss, ours(batch), ours(cached))
    names = f"{name} step from pixels", f"{name} step, cached features"
    works = {
        "reference": step_of(reference, lambda: reference(**theirs).loss),
        names[0]: step_of(ours, lambda: ours(batch)),
        names[1]: step_of(ours, lambda: ours(cached)),
    }
    return rows_of(alternate(works, repeats), dict(zip(names, limits, strict=True)))


def vocabulary_rows(
    reference: nn.Module, ours: nn.Module, batch: dict, labels: int, repeats: int
) -> list[Row]:
    """Times a step with 32,000 words, and the same against the class given `logits_to_keep`.

    Args:
        reference: the transformers model.
        ours: with equal weights.
        batch: whose last `labels` words of every row carry labels, a quarter of the text.
        labels: see batch.
        repeats: turns.
    """
    # The shift needs one position more than there are labels.
    cut = {**batch, "labels": batch["labels"][:, -labels - 1 :], "logits_to_keep": labels + 1}
    check_losses(reference(**batch).loss, reference(**cut).loss, ours(batch))
    step, work = step_of(ours, lambda: ours(batch)), "vocabulary 32,000, a quarter labelled"
    rows = []
    for name, inputs, limit in (("", batch, 0.45), (", reference with logits_to_keep", cut, None)):
        theirs = step_of(reference, lambda inputs=inputs: reference(**inputs).loss)
        times = alternate({"reference": theirs, work + name: step}, repeats)
        rows += rows_of(times, {work + name: limit})
    return rows


def greedy_row(
    name: str,
    reference: Callable[[], torch.Tensor],
    ours: Callable[[], list[list[int]]],
    new_tokens: int,
    repeats: int,
    limit: float,
) -> Row:
    """Times two sides that write words; milliseconds a new word.

    Args:
        name: of the row.
        reference: `generate` of transformers, prompt and new words (B, S).
        ours: `generate` of ours, the new words alone.
        new_tokens: how many words a row both write.
        repeats: turns.
        limit: see `Row`.
    """
    if reference()[:, -new_tokens:].tolist() != ours():
        raise RuntimeError("The two sides write different words: nothing was timed.")
    times = alternate({"reference": reference, name: ours}, repeats)
    times = {work: [t / new_tokens for t in values] for work, values in times.items()}
    return rows_of(times, {name: limit})[0]


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


def run(description: str, parts: Iterable[Callable[[int], list[Row]]]) -> None:
    """Reads the options, measures part by part, prints.

    Args:
        description: what --help says.
        parts: each takes the number of turns.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each comparison")
    options = parser.parse_args()
    if options.repeats < 2:
        parser.error("--repeats has to be at least 2, or there is no spread")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    rows = []
    for part in parts:
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
