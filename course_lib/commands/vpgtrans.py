"""VPGTrans on the toy world from end to end: train both stages or a baseline, evaluate a run.

What a run begins with decides what it is. Stage 1, the warm-up, reads a BLIP-2 of stage 2: its VPG
is inherited, its projector merged with a word converter and trained alone. Stage 2, the tuning,
goes on with a warm-up. Straight from a BLIP-2 of stage 2 it inherits the VPG alone, from one of
stage 1 it is the run from scratch; these two baselines see as many samples as both stages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from course_lib.commands.blip2 import answerer
from course_lib.commands.vpgtrans_curve import (
    CURVE_EVERY,
    CURVE_SCENES,
    curve_of,
    writes_captions,
)
from course_lib.commands.vpgtrans_models import WARMED, first_model, open_run, start_of
from course_lib.data.toy import CACHE, ToyScenes, stage2_batch
from course_lib.errors import unknown_name_error
from course_lib.evaluation.toy import evaluate_toy
from course_lib.recipes import blip2, vpgtrans
from course_lib.recipes.vpgtrans_converter import save_converter
from course_lib.training.checkpoint import has_run
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.vlm import VLM
from course_lib.zoo.load import zoo_language, zoo_vision

STAGES = {"1": "warm-up", "2": "tuning"}
OPTIONS = ("stage", "language", "init")
_CONVERTER = "converter.safetensors"
_CURVE_SEED = 30_000  # scenes that no gate, bar or experiment measures


def stage_number(stage: str) -> str:
    """Returns "1" or "2" for the number or the name of a stage.

    Raises:
        ValueError: for an unknown stage.
    """
    numbers = {name: number for number, name in STAGES.items()}
    if stage not in {**STAGES, **numbers}:
        raise unknown_name_error("stage", stage, (*STAGES, *numbers))
    return numbers.get(stage, stage)


def sources() -> dict[str, str]:
    """Returns the language models that can inherit at `toy`, each with the run it inherits from."""
    return {one.language: one.source for one in vpgtrans.scale("toy").transfers.values()}


def settings_of(stage: str, language: str | None = None, steps: int | None = None) -> Stage:
    """Returns the numbers of a stage at `toy`, with another number of steps where one is given."""
    numbers = vpgtrans.scale("toy")
    found = numbers.stage1 if stage_number(stage) == "1" else numbers.stage2
    return found if steps is None else found.shortened(steps)


def baseline_settings(steps: int | None = None) -> Stage:
    """Returns stage 2 for a run without stage 1: the steps of both, and a rate that warms up.

    The rate grows as long as BLIP-2's, since the projector is random.
    """
    numbers = vpgtrans.scale("toy")
    total = numbers.stage1.steps + numbers.stage2.steps if steps is None else steps
    warmup = blip2.scale("toy").stage2["opt"].warmup_steps
    return replace(numbers.stage2, steps=total, warmup_steps=min(warmup, total))


def train_stage(
    stage: str,
    out: Path,
    *,
    language: str = "opt-large",
    init: str | None = None,
    converts: bool = True,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains one stage of VPGTrans on toy scenes whose features are computed once.

    Stage 1 also keeps its word converter, `converter.safetensors`, in the run directory.

    Args:
        stage: number or name, as in `STAGES`.
        out: run directory.
        language: zoo name of the language model that inherits.
        init: run or zoo name that the stage begins with, see the module; None: the recipe's source.
        converts: False begins stage 1 with a random projector.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes than the recipe's.
        seed: of a random projector and the order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics; every `CURVE_EVERY` steps one with the scores of held-out captions.

    Raises:
        ValueError: for unknown names, a run that does not fit, or stage 2 with no `init`.
    """
    stage = stage_number(stage)
    if language not in sources():
        raise unknown_name_error("language model", language, sources())
    numbers = vpgtrans.scale("toy")
    count = numbers.num_scenes if scenes is None else scenes
    config = {"recipe": vpgtrans.NAME, "scale": "toy", "stage_number": stage, "seed": seed}
    config |= _begin(stage, init, language) | {"scenes": count}
    config["converts"] = converts and stage == "1"
    target, tokenizer = zoo_language(language)
    model, made = first_model(config, target, tokenizer)
    with_warmup = stage == "1" or config["start"] == WARMED
    settings = settings_of(stage, steps=steps) if with_warmup else baseline_settings(steps)
    encoder = zoo_vision(numbers.vision)
    data = ToyScenes(count, seed, "train", encoder, CACHE)
    held_out = ToyScenes(CURVE_SCENES, _CURVE_SEED + seed, "test", encoder)
    batches = _batches(model, tokenizer, data, settings.batch_size, seed)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    kept |= {"eval_fn": writes_captions(tokenizer, held_out), "eval_every": CURVE_EVERY}
    rows = train(model, settings, batches, out, seed=seed, **kept)
    if made is not None:
        converter, spoke, report = made
        names = (config["source_language"], language)
        save_converter(out / _CONVERTER, converter, spoke, target, report, names)
    return rows


def _begin(stage: str, init: str | None, language: str) -> dict:
    """Returns the part of a record that says what a stage begins with."""
    if stage == "2" and init is None:
        raise ValueError(
            "Stage 2 of VPGTrans begins with a run: train stage 1 first, or give 'blip2-opt' for "
            "its VPG alone, or 'blip2-stage1' for the run from scratch."
        )
    init = str(init or sources()[language])
    return {"language": language, "init": init, **start_of(init, stage, language)}


def _batches(
    model: VLM, tokenizer: PreTrainedTokenizerBase, data: ToyScenes, batch_size: int, seed: int
) -> Callable[[int], dict]:
    """Returns step → batch: captions as BLIP-2's stage 2 reads them."""
    queries = model.vpg.head.config.num_query_tokens
    settings = {"batch_size": batch_size, "seed": seed}
    kind = model.language.is_encoder_decoder
    return partial(stage2_batch, data, tokenizer, queries, kind, **settings)


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    language: str = "opt-large",
    init: str = "",
    resume: bool = False,
    **options: int | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train vpgtrans` is asked for: both stages where none is named.

    Args:
        out: run directory of the last stage, whose stage 1 goes to `out`-stage1; None gives them
            names in `runs`.
        stage: "1", "2", their names, or "" for both.
        language: zoo name of the language model that inherits.
        init: run that the first of these stages begins with; "" takes the recipe's source for stage
            1, and for stage 2 the stage 1 beside its run directory.
        resume: goes on; a stage that was not begun begins.
        options: of `train_stage`.

    Returns:
        (run directory, rows of metrics), one a stage.
    """
    wanted = stage and stage_number(stage)
    second = out or Path("runs") / f"vpgtrans-toy-{language}"
    first = Path("runs") / f"vpgtrans-toy-{language}-stage1"
    if out is not None:
        first = out if wanted == "1" else out.with_name(f"{out.name}-stage1")
    done = []
    settings = {"language": language, **options}
    if wanted != "2":
        going = resume and has_run(first)
        rows = train_stage("1", first, init=init or None, resume=going, **settings)
        done.append((first, rows))
        init = str(first)
    if wanted != "1":
        going = resume and has_run(second)
        start = init or (str(first) if has_run(first) else None)
        rows = train_stage("2", second, init=start, resume=going, **settings)
        done.append((second, rows))
    return done


def evaluate(run: str, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates a run on held-out scenes.

    Args:
        run: run directory or zoo name, of stage 1 or stage 2.
        seed: of the held-out scenes.
        n: scenes that are captioned, and questions of each type ÷ 2.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, start, language, split, seed, n, captions, vqa, curve}; `curve` are
        the scores along the training, see `vpgtrans_curve.curve_of`.
    """
    opened = open_run(run)
    config = opened.config
    data = ToyScenes(10 * n, 10_000 + seed, split, opened.encoder)  # as commands.blip2.evaluate
    found = {key: config.get(key) for key in ("recipe", "scale", "start", "language")}
    found |= {"stage": config["stage_number"], "split": split, "seed": seed, "n": n}
    found |= evaluate_toy(answerer(opened, data), max(2, n // 2), n, seed)
    return found | {"curve": curve_of(run)}
