"""`course evaluate RUN --data NAME`: a run on a published data set, with its official metric."""

from __future__ import annotations

import re
from pathlib import Path

from course_lib.commands.full_size import is_released, open_full_size, open_released
from course_lib.commands.runs import Opened, find_run, open_run
from course_lib.evaluation.asking import check_has_language
from course_lib.evaluation.benchmark_asking import Pixels, ask_all, encoder_pixels
from course_lib.evaluation.benchmark_prompts import wording
from course_lib.evaluation.benchmark_scores import (
    benchmark_scores,
    submission,
    write_submission,
)
from course_lib.evaluation.benchmark_sets import Split
from course_lib.training.checkpoint import read_config

PREDICTIONS = Path("runs") / "predictions"


def benchmark(
    run: str,
    data: str,
    folder: Path = Path("data"),
    *,
    split: str = "",
    limit: int | None = None,
    out: Path | None = None,
    batch: int = 16,
) -> dict:
    """Measures a run on a data set that a script of `data_scripts` got.

    Args:
        run: run directory, zoo name, or a released BLIP-2 or LLaVA-1.5 by its directory or its
            name on the Hub; see `full_size`.
        data: "coco", "nocaps", "vqav2", "okvqa", "gqa" or "scienceqa".
        folder: the data folder, or the data set's own.
        split: "" takes the one that papers report on.
        limit: so many examples from the beginning.
        out: file for the answers in the official format; None names one in `runs/predictions`.
        batch: examples at a time.

    Returns:
        {run, recipe, scale, stage, data, split, count, of, left_out, whole, metric, prompt, source,
        decoding, score, by_type, too_long, predictions, notes} and what else the metric tells:
        `score` is on the papers' scale; `whole` is False where examples are missing.

    Raises:
        ValueError: for an unknown data set, split or run, a folder that no script wrote, missing
            answers, a limit below 1, or a run without a language model.
    """
    if batch < 1:
        raise ValueError(f"--batch {batch}: give a number from 1 on.")
    examples = Split(data, Path(folder), split, limit)
    opened, record, pixels = _opened(run)
    check_has_language(opened)
    asked = wording(record["recipe"], data, opened.model.language.is_encoder_decoder)
    answers = ask_all(opened, examples, asked, pixels, batch)
    scores = benchmark_scores(examples.set, examples.examples, answers.texts)
    path = out or PREDICTIONS / f"{_plain(run)}-{data}-{examples.name}.json"
    write_submission(path, submission(examples.set, examples.examples, answers.texts))
    return {
        "run": str(run),
        **record,
        "data": data,
        "split": examples.name,
        "count": len(answers.texts),
        "of": examples.total,
        "left_out": examples.left_out,
        "whole": examples.whole,
        "metric": examples.set.metric,
        "prompt": asked.text,
        "source": asked.source,
        "decoding": f"greedy, at most {asked.longest} tokens",
        **scores,
        "too_long": answers.too_long,
        "predictions": str(path),
        "notes": _notes(record, examples, answers.too_long),
    }


def _opened(run: str) -> tuple[Opened, dict, Pixels]:
    """Opens a run: (the model, what it is, how it sees pictures)."""
    if is_released(run):
        return open_released(run)
    path = find_run(run)
    config = read_config(path)
    if config.get("scale") != "toy":
        return open_full_size(path, config)
    opened = open_run(run)
    record = {"recipe": config.get("recipe"), "scale": config.get("scale")}
    record["stage"] = config.get("stage_number")
    return opened, record, encoder_pixels(opened.encoder.image_size)


def _notes(record: dict, split: Split, too_long: int) -> list[str]:
    notes = []
    if not split.whole:
        notes.append(
            f"Not the whole split, on which papers report: {len(split.examples)} of the "
            f"{split.total} examples that are here, and {split.left_out} rows were left out when "
            "they were fetched."
        )
    if record["scale"] == "toy":
        notes.append(
            "A toy run has seen shapes and digits and knows a few hundred words: what this number "
            "shows is that the way to it works."
        )
    if too_long:
        notes.append(f"{too_long} prompts were beyond the context; their answers count as wrong.")
    return notes


def _plain(run: str) -> str:
    """Returns a run's name as a part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", str(run)).strip("-.") or "run"
