"""Flamingo on the toy world from end to end: train, open a run, evaluate it."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from course_lib.commands.runs import Opened, rebuilt
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE, ToyScenes
from course_lib.data.toy_interleaved import Interleaved, ToyDocuments
from course_lib.errors import unknown_name_error
from course_lib.evaluation.few_shot import FewShotAnswerer, evaluate_few_shot
from course_lib.evaluation.interleaved_asking import InterleavedAsker
from course_lib.recipes import flamingo
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.zoo.load import zoo_language, zoo_vision

STAGES = ("1",)
OPTIONS = ("stage", "language")
INTERLEAVED = Interleaved()


def build_toy(config: dict, with_encoder: bool = True) -> Opened:
    """Builds the model that a record describes, with its first weights: gates closed."""
    numbers = flamingo.scale("toy")
    numbers = replace(numbers, gated=replace(numbers.gated, every=config.get("every", 1)))
    encoder = zoo_vision(numbers.vision, drop_cls=True)
    language, tokenizer = zoo_language(numbers.languages[config["language"]])
    model = flamingo.build(
        numbers,
        encoder if with_encoder else None,
        language,
        image_token_id(tokenizer),
        config.get("seed", 0),
    )
    return Opened(model, encoder, tokenizer, config, InterleavedAsker(tokenizer))


def open_run(run: str | Path) -> Opened:
    """Rebuilds the model of a Flamingo run at `toy` and loads its trained weights.

    Raises:
        ValueError: for a run of another recipe or scale, or damaged files.
    """
    return rebuilt(run, flamingo.NAME, build_toy)


def settings_of(stage: str, language: str | None = None, steps: int | None = None) -> Stage:
    """Returns the numbers of the stage at `toy`, with another number of steps where given."""
    found = flamingo.scale("toy").stage
    return found if steps is None else found.shortened(steps)


def train_stage(
    stage: str,
    out: Path,
    *,
    language: str = "llama-shots",
    every: int = 1,
    reading: Interleaved = INTERLEAVED,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains Flamingo on interleaved toy documents whose image features are computed once.

    Args:
        stage: "1", the only one.
        out: run directory.
        language: "llama-shots", "llama", "llama-chat" or "opt"; frozen.
        every: n, a gated layer in front of every n-th block.
        reading: what is read.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes than the recipe's.
        seed: of initialisation and documents.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics.

    Raises:
        ValueError: for an unknown stage or language model, or n beyond its blocks.
    """
    if stage not in STAGES:
        raise unknown_name_error("stage", stage, STAGES)
    numbers = flamingo.scale("toy")
    if language not in numbers.languages:
        raise unknown_name_error("language model", language, numbers.languages)
    count = numbers.num_scenes if scenes is None else scenes
    config = {"recipe": flamingo.NAME, "scale": "toy", "stage_number": stage, "seed": seed}
    config |= {"scenes": count, "language": language, "every": every, "reading": asdict(reading)}
    built = build_toy(config, with_encoder=False)
    settings = settings_of(stage, steps=steps)
    data = ToyScenes(count, seed, "train", built.encoder, CACHE)
    limit = built.model.language.max_positions
    documents = ToyDocuments(data, built.tokenizer, reading, limit)
    batches = partial(documents.batch, batch_size=settings.batch_size, seed=seed)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    return train(built.model, settings, batches, out, seed=seed, **kept)


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    language: str = "llama-shots",
    **options: int | bool | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train flamingo` is asked for.

    Args:
        out: run directory; None gives it a name in `runs`.
        stage: "1" or "".
        language: see `train_stage`.
        options: of `train_stage`.

    Returns:
        [(run directory, rows of metrics)].
    """
    target = out or Path("runs") / f"flamingo-toy-{language}"
    return [(target, train_stage(stage or "1", target, language=language, **options))]


def evaluate(run: str, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates a run on held-out scenes.

    Args:
        run: run directory or zoo name.
        seed: of the held-out scenes.
        n: scenes that are captioned, questions of each type times 2, and episodes of symbol
            binding divided by 4.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, language, split, seed, n} and what `evaluate_few_shot` found.
    """
    opened = open_run(run)
    config = opened.config
    data = ToyScenes(10 * n, 10_000 + seed, split, opened.encoder)  # as commands.blip2.evaluate
    answerer = FewShotAnswerer(opened.model, opened.tokenizer, data)
    found = {key: config.get(key) for key in ("recipe", "scale", "language")}
    found |= {"stage": config["stage_number"], "split": split, "seed": seed, "n": n}
    return found | evaluate_few_shot(answerer, max(2, n // 2), n, 4 * n, seed)
