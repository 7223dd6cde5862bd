"""VPGTrans on the toy world from end to end: train its stages or a baseline, evaluate a run.

What a run begins with decides what it is. Stage 1, the warm-up, reads a BLIP-2 of stage 2: its VPG
is inherited, its projector merged with a word converter and trained alone. Stage 2, the tuning,
goes on with a warm-up. Straight from a BLIP-2 of stage 2 it inherits the VPG alone, from one of
stage 1 it is the run from scratch; these two baselines see as many samples as both stages. Stage 3
makes VL-Vicuna of a stage 2 on LLaMA; it is asked for by name alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from course_lib.backbones.vision import VisionEncoder
from course_lib.commands.blip2 import answerer
from course_lib.commands.vpgtrans_curated import evaluate_curated, train_curated, usual_start
from course_lib.commands.vpgtrans_curve import (
    CURVE_EVERY,
    CURVE_SCENES,
    curve_of,
    writes_captions,
)
from course_lib.commands.vpgtrans_models import WARMED, first_model, open_run, start_of
from course_lib.curation.toy_set import Curated
from course_lib.data.toy import CACHE, ToyScenes, stage2_batch
from course_lib.errors import unknown_name_error
from course_lib.evaluation.toy import evaluate_toy
from course_lib.recipes import blip2, vpgtrans
from course_lib.recipes.vpgtrans_converter import save_converter
from course_lib.training.checkpoint import has_run
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.zoo.load import zoo_language, zoo_vision

STAGES = {"1": "warm-up", "2": "tuning", "3": "curated"}
OPTIONS = ("stage", "language", "init", "curated")
_CONVERTER = "converter.safetensors"
_CURVE_SEED = 30_000  # scenes that no gate, bar or experiment measures


def stage_number(stage: str) -> str:
    """Returns "1", "2" or "3" for the number or the name of a stage.

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
    found = getattr(numbers, f"stage{stage_number(stage)}")
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
    language: str = "",
    init: str | None = None,
    converts: bool = True,
    curated: Curated | None = None,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains one stage on toy scenes encoded once; stage 1 also keeps its word converter.

    Args:
        stage: number or name, as in `STAGES`.
        out: run directory.
        language: zoo name of the one that inherits; "" is opt-large, or in stage 3 llama-chat.
        init: run or zoo name that the stage begins with, see the module; None: the recipe's source.
        converts: False begins stage 1 with a random projector.
        curated: what stage 3 reads; None is MiniGPT-4's set.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes than the recipe's.
        seed: of a random projector and the order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics; stages 1 and 2 score held-out captions every `CURVE_EVERY` steps.

    Raises:
        ValueError: for unknown names, a run that does not fit, or stage 2 with no `init`.
    """
    stage, numbers = stage_number(stage), vpgtrans.scale("toy")
    same = {"seed": seed, "resume": resume, "progress": progress}
    if stage == "3":
        _check_language(language, (numbers.chat,))
        same |= {"init": init, "curated": curated, "scenes": scenes}
        return train_curated(out, settings_of("3", steps=steps), **same)
    _check_language(language := language or "opt-large", tuple(sources()))
    count = numbers.num_scenes if scenes is None else scenes
    config = {"seed": seed, "scenes": count, "converts": converts and stage == "1"}
    config |= _begin(stage, init, language)
    target, tokenizer = zoo_language(language)
    model, made = first_model(config, target, tokenizer)
    settings = settings_of(stage, steps=steps)
    if stage == "2" and config["start"] != WARMED:
        settings = baseline_settings(steps)
    data, held_out = _scenes(zoo_vision(numbers.vision), count, seed)
    read = data, tokenizer, model.vpg.head.config.num_query_tokens, target.is_encoder_decoder
    batches = partial(stage2_batch, *read, batch_size=settings.batch_size, seed=seed)
    same |= {"eval_fn": writes_captions(tokenizer, held_out), "eval_every": CURVE_EVERY}
    rows = train(model, settings, batches, out, config=config, log_every=10, **same)
    if made is not None:
        converter, spoke, report = made
        names = (config["source_language"], language)
        save_converter(out / _CONVERTER, converter, spoke, target, report, names)
    return rows


def _scenes(encoder: VisionEncoder, count: int, seed: int) -> tuple[ToyScenes, ToyScenes]:
    """Returns the scenes of training and those on which a run is measured while it trains."""
    held_out = ToyScenes(CURVE_SCENES, _CURVE_SEED + seed, "test", encoder)
    return ToyScenes(count, seed, "train", encoder, CACHE), held_out


def _check_language(language: str, known: tuple[str, ...]) -> None:
    if language and language not in known:
        raise unknown_name_error("language model", language, known)


def _begin(stage: str, init: str | None, language: str) -> dict:
    """Returns the part of a record that says what a stage begins with."""
    if stage == "2" and init is None:
        raise ValueError(
            "Stage 2 of VPGTrans begins with a run: train stage 1 first, or give 'blip2-opt' for "
            "its VPG alone, or 'blip2-stage1' for the run from scratch."
        )
    init = str(init or sources()[language])
    config = {"recipe": vpgtrans.NAME, "scale": "toy", "stage_number": stage}
    return {**config, "language": language, "init": init, **start_of(init, stage, language)}


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    language: str = "",
    init: str = "",
    curated: str = "",
    resume: bool = False,
    **options: int | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train vpgtrans` is asked for: stages 1 and 2 where none is named.

    Args:
        out: run directory of the last stage, whose stage 1 goes to `out`-stage1; None gives them
            names in `runs`.
        stage: "1", "2", "3", their names, or "" for the first two.
        language: of `train_stage`.
        init: run that the first of these stages begins with; "" takes the recipe's source for stage
            1, for stage 2 the stage 1 beside its run directory, for stage 3 a stage 2 in `runs`.
        curated: folder of a curated set for stage 3; "" makes one from scenes.
        resume: goes on; a stage that was not begun begins.
        options: of `train_stage`.

    Returns:
        (run directory, rows of metrics), one a stage.

    Raises:
        ValueError: for a curated set and a stage that does not read it; see `train_stage`.
    """
    wanted = stage and stage_number(stage)
    if wanted == "3":
        third = out or Path("runs") / "vpgtrans-toy-stage3"
        settings = {"init": usual_start(init), "curated": Curated(folder=curated), **options}
        going = resume and has_run(third)
        return [(third, train_stage("3", third, language=language, resume=going, **settings))]
    if curated:
        raise ValueError(f"Stages 1 and 2 read captions, not the set {curated}: add --stage 3.")
    language = language or "opt-large"
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
        run: run directory or zoo name.
        seed: of the held-out scenes.
        n: scenes that are captioned, and questions of each type ÷ 2.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, start, language, split, seed, n, captions, vqa, curve}; `curve` are
        the scores along the training, see `vpgtrans_curve.curve_of`. Stage 3 has no vqa and no
        curve, but what `evaluate_curated` finds.
    """
    opened = open_run(run)
    config = opened.config
    found = {key: config.get(key) for key in ("recipe", "scale", "start", "language")}
    found |= {"stage": config["stage_number"], "split": split, "seed": seed, "n": n}
    if found["stage"] == "3":
        return found | evaluate_curated(opened, n, seed, split)
    data = ToyScenes(10 * n, 10_000 + seed, split, opened.encoder)  # as commands.blip2.evaluate
    found |= evaluate_toy(answerer(opened, data), max(2, n // 2), n, seed)
    return found | {"curve": curve_of(run)}
