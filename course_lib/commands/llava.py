"""LLaVA on the toy world from end to end: train both stages, open a run, evaluate it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from course_lib.commands.runs import Opened, rebuilt, toy_config
from course_lib.commands.two_stages import STAGES, train_two_stages
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_template
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE, ToyScenes
from course_lib.data.toy_instructions import (
    PAPER,
    TEMPLATE,
    Instructions,
    caption_batch,
    instruction_batch,
)
from course_lib.errors import unknown_name_error
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.evaluation.instructions import ChatAnswerer, evaluate_instructions
from course_lib.recipes import llava
from course_lib.training.checkpoint import load_run
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.vlm import VLM
from course_lib.zoo.load import zoo_language, zoo_vision

OPTIONS = ("stage", "version", "init")


def build_toy(config: dict, with_encoder: bool = True) -> Opened:
    """Builds the model that a record describes, with its first weights."""
    numbers = llava.scale("toy")
    encoder = zoo_vision(numbers.vision, drop_cls=True)
    language, tokenizer = zoo_language(numbers.language)
    model = llava.build(
        encoder if with_encoder else None,
        encoder.hidden_size,
        language,
        image_token_id(tokenizer),
        config["llava_version"],
        config.get("seed", 0),
    )
    chat = ChatTokenizer(tokenizer, encoder.num_tokens)
    asker = ChatAsker(chat, chat_template(config.get("template", TEMPLATE)))
    return Opened(model, encoder, tokenizer, config, asker)


def open_run(run: str | Path) -> Opened:
    """Rebuilds the model of a LLaVA run at `toy` and loads its trained weights.

    Raises:
        ValueError: for a run of another recipe or scale, or damaged files.
    """
    return rebuilt(run, llava.NAME, build_toy)


def settings_of(stage: str, language: str | None = None, steps: int | None = None) -> Stage:
    """Returns the numbers of a stage at `toy`, with another number of steps where one is given."""
    numbers = llava.scale("toy")
    found = numbers.stage1 if stage == "1" else numbers.stage2
    return found if steps is None else found.shortened(steps)


def train_stage(
    stage: str,
    out: Path,
    *,
    version: str = "v1.5",
    init: str | None = None,
    instructions: Instructions = PAPER,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains one stage of LLaVA on toy scenes whose features are computed once.

    Args:
        stage: "1" trains the projector on captions, "2" projector and language model on
            instructions.
        out: run directory.
        version: "v1" or "v1.5".
        init: run or zoo name of stage 1 (stage 2); None starts from a random projector.
        instructions: what stage 2 reads.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes than the recipe's.
        seed: of initialisation and order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics.

    Raises:
        ValueError: for an unknown stage or version, or a stage 1 of another version.
    """
    if stage not in STAGES:
        raise unknown_name_error("stage", stage, STAGES)
    numbers = llava.scale("toy")
    count = numbers.num_scenes if scenes is None else scenes
    config = {"recipe": llava.NAME, "scale": "toy", "stage_number": stage}
    config |= {"llava_version": version, "seed": seed, "scenes": count}
    if stage == "2":
        config |= {"init": init, "mix": list(instructions.mix), "template": instructions.template}
    built = build_toy(config, with_encoder=False)
    if stage == "2" and init:
        inherit_projector(built.model, init, version)
    settings = settings_of(stage, steps=steps)
    data = ToyScenes(count, seed, "train", built.encoder, CACHE)
    chosen = {"batch_size": settings.batch_size, "seed": seed}
    chat = built.asker.chat
    batches = partial(caption_batch, data, chat, **chosen)
    if stage == "2":
        batches = partial(instruction_batch, data, chat, **chosen, instructions=instructions)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    return train(built.model, settings, batches, out, seed=seed, **kept)


def inherit_projector(model: VLM, init: str | Path, version: str) -> None:
    """Copies the projector of a stage-1 run.

    Raises:
        ValueError: when it is of another version.
    """
    path, config = toy_config(init, llava.NAME)
    if config["llava_version"] != version:
        raise ValueError(
            f"{init} trained the projector of {config['llava_version']!r}, and this run is to be "
            f"{version!r}: give a stage 1 of the same version."
        )
    first = build_toy(config, with_encoder=False)
    load_run(path, first.model, llava.NAME)
    model.projector.load_state_dict(first.model.projector.state_dict())


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    version: str = "v1.5",
    init: str = "",
    resume: bool = False,
    **options: int | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train llava` is asked for: both stages where none is named.

    Args:
        out: run directory of the last stage, whose stage 1 goes to `out`-stage1; None gives them
            names in `runs`.
        stage: "1", "2" or "" for both.
        version: "v1" or "v1.5".
        init: stage 1 of stage 2; "" takes the one in `runs` or else the zoo's, "none" none.
        resume: goes on; a stage that was not begun begins.
        options: of `train_stage`.

    Returns:
        (run directory, rows of metrics), one a stage.
    """
    settings = {"stage": stage, "init": init, "resume": resume, "version": version}
    return train_two_stages(llava.NAME, train_stage, out, **settings, **options)


def evaluate(run: str, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates a run on held-out scenes.

    Args:
        run: run directory or zoo name, of stage 1 or stage 2.
        seed: of the held-out scenes.
        n: scenes that are captioned and described, and questions of each type ÷ 2.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, version, split, seed, n, captions, instructions}: captions are those
        behind an image alone, as stage 1 learns them; instructions are `evaluate_instructions`.
    """
    opened = open_run(run)
    config = opened.config
    data = ToyScenes(10 * n, 10_000 + seed, split, opened.encoder)  # as commands.blip2.evaluate
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, opened.asker)
    found = {key: config.get(key) for key in ("recipe", "scale")}
    found |= {"version": config["llava_version"]}
    found |= {"stage": config["stage_number"], "split": split, "seed": seed, "n": n}
    written = answerer.captions(list(range(n)), opened.asker.caption_ids())
    found["captions"] = caption_scores(written, data.scenes[:n])
    found["instructions"] = evaluate_instructions(answerer, max(2, n // 2), n, seed)
    return found
