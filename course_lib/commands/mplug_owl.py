"""mPLUG-Owl on the toy world from end to end: train both stages, open a run, evaluate it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.cached_vpg import CachedVPG
from course_lib.commands.runs import Opened, toy_config
from course_lib.commands.two_stages import STAGES, train_two_stages
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE
from course_lib.data.toy_instructions import caption_batch
from course_lib.data.toy_owl import PAPER, Joint, OwlScenes, joint_batch
from course_lib.errors import unknown_name_error
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.evaluation.instructions import ChatAnswerer, evaluate_instructions
from course_lib.evaluation.joint import (
    JointAsker,
    clip_scores,
    image_scores,
    several_scores,
    text_scores,
)
from course_lib.recipes import mplug_owl
from course_lib.training.checkpoint import has_run, load_run
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.zoo.load import names, zoo_language, zoo_vision

OPTIONS = ("stage", "init", "encoder")


def build_toy(config: dict, numbers: mplug_owl.Scale | None = None) -> Opened:
    """Builds the model that a record describes, with its first weights; stage 2 has no LoRA yet.

    Args:
        config: of a run; its seed draws abstractor and projector.
        numbers: others than those of `toy`, on the same backbones.
    """
    numbers = numbers or mplug_owl.scale("toy")
    encoder = NormedVisionEncoder(zoo_vision(numbers.vision).model).requires_grad_(False)
    language, tokenizer = zoo_language(numbers.language)
    place, seed = image_token_id(tokenizer), config.get("seed", 0)
    model = mplug_owl.build(numbers, encoder, language, place, seed)
    chat = ChatTokenizer(tokenizer, mplug_owl.places_of(numbers))
    return Opened(model, encoder, tokenizer, config, ChatAsker(chat, numbers.template))


def open_run(run: str | Path) -> Opened:
    """Rebuilds the model of an mPLUG-Owl run at `toy` and loads its trained weights.

    A run of stage 2 holds its LoRA alone; the rest comes from the run of stage 1 that it names.

    Raises:
        ValueError: for a run of another recipe or scale, damaged files, a stage 1 that is not
            there, or another one than the LoRA was trained on.
    """
    path, config = toy_config(run, mplug_owl.NAME)
    opened = build_toy(config)
    if config["stage_number"] == "2":
        if config["init"]:
            base = inherit_stage1(opened, found_beside(path, config["init"]))
            if base != config["base"]:
                raise ValueError(
                    f"The LoRA of {run} was trained on another base than {config['init']} is now: "
                    "give it the stage 1 that it was trained on, or train stage 2 again."
                )
        mplug_owl.give_lora(opened.model, mplug_owl.scale("toy").lora, config["seed"])
    load_run(path, opened.model, mplug_owl.NAME)
    opened.model.eval()
    return opened


def found_beside(path: Path, init: str) -> str | Path:
    """Returns where the stage 1 of a run is: as the run names it, or moved together with it."""
    beside = path.parent / Path(init).name
    if init in names() or has_run(init) or not has_run(beside):
        return init
    return beside


def inherit_stage1(opened: Opened, init: str | Path) -> str:
    """Loads the weights of stage 1.

    Returns:
        The fingerprint of what stage 2 starts from.

    Raises:
        ValueError: for a run of stage 2.
    """
    path, config = toy_config(init, mplug_owl.NAME)
    if config["stage_number"] != "1":
        raise ValueError(f"{init} is a stage 2: a LoRA starts from a stage 1.")
    load_run(path, opened.model, mplug_owl.NAME)
    return mplug_owl.base_fingerprint(opened.model)


def settings_of(
    stage: str, language: str | None = None, steps: int | None = None, encoder: str = "trained"
) -> Stage:
    """Returns the numbers of a stage at `toy`, with another number of steps where one is given.

    Raises:
        ValueError: for an encoder that is neither "trained" nor "frozen" in stage 1.
    """
    numbers = mplug_owl.scale("toy")
    if encoder not in mplug_owl.ENCODERS:
        raise unknown_name_error("state of the encoder", encoder, mplug_owl.ENCODERS)
    first = replace(numbers.stage1, trainable=mplug_owl.STAGE1_TRAINABLE[encoder])
    found = first if stage == "1" else numbers.stage2
    return found if steps is None else found.shortened(steps)


def train_stage(
    stage: str,
    out: Path,
    *,
    init: str | None = None,
    encoder: str = "trained",
    joint: Joint = PAPER,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains one stage of mPLUG-Owl on toy scenes.

    Args:
        stage: "1" trains encoder, abstractor and projector on captions, "2" the LoRA on
            instructions; what stage 2 reads of the pictures is computed once.
        out: run directory.
        init: run or zoo name of stage 1 (stage 2); None starts from a random abstractor.
        encoder: "trained" or "frozen" in stage 1; frozen features are computed once.
        joint: what stage 2 reads.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes than the recipe's.
        seed: of initialisation and order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics.

    Raises:
        ValueError: for an unknown stage, another encoder state, or a run that does not fit.
    """
    if stage not in STAGES:
        raise unknown_name_error("stage", stage, STAGES)
    numbers, settings = mplug_owl.scale("toy"), settings_of(stage, None, steps, encoder)
    count = numbers.num_scenes if scenes is None else scenes
    config = {"recipe": mplug_owl.NAME, "scale": "toy", "stage_number": stage}
    config |= {"seed": seed, "scenes": count}
    config |= {"encoder": encoder} if stage == "1" else {"init": init, "text": joint.text}
    opened = build_toy(config)
    model, chosen = opened.model, {"batch_size": settings.batch_size, "seed": seed}
    if stage == "1":
        cache = {"cache": CACHE, "encoded": encoder == "frozen"}
        data = OwlScenes(count, seed, "train", opened.encoder, **cache)
        batches = partial(caption_batch, data, opened.asker.chat, **chosen)
    else:
        if init:
            config["base"] = inherit_stage1(opened, init)
        tokens = CachedVPG(model.vpg.encoder, model.vpg.head)
        clips = min(numbers.num_clips, count // 3)
        data = OwlScenes(count, seed, "train", tokens, clips, CACHE)
        model = mplug_owl.on_cached_tokens(model)
        mplug_owl.give_lora(model, numbers.lora, seed)
        chosen |= {"joint": joint, "max_length": model.language.max_positions}
        batches = partial(joint_batch, data, opened.asker.chat, numbers.template, **chosen)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    return train(model, settings, batches, out, seed=seed, **kept)


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    init: str = "",
    encoder: str = "trained",
    resume: bool = False,
    **options: int | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train mplug_owl` is asked for: both stages where none is named.

    Args:
        out: run directory of the last stage, whose stage 1 goes to `out`-stage1; None gives them
            names in `runs`.
        stage: "1", "2" or "" for both.
        init: stage 1 of stage 2; "" takes the one in `runs` or else the zoo's, "none" none.
        encoder: "trained" or "frozen" in stage 1.
        resume: goes on; a stage that was not begun begins.
        options: of `train_stage`.

    Returns:
        (run directory, rows of metrics), one a stage.

    Raises:
        ValueError: for a frozen encoder in stage 2 alone, where it always is.
    """
    if stage == "2" and encoder == "frozen":
        raise ValueError(
            "--encoder frozen is of stage 1, since stage 2 trains no encoder: leave it out, or "
            "give the stage 1 that kept its encoder by --init."
        )
    settings = {"stage": stage, "init": init, "resume": resume, "first": {"encoder": encoder}}
    return train_two_stages(mplug_owl.NAME, train_stage, out, **settings, **options)


def evaluate(run: str, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates a run on held-out scenes.

    Args:
        run: run directory or zoo name, of stage 1 or stage 2.
        seed: of the held-out scenes.
        n: scenes that are captioned and described; half as many clips, and questions of each type;
            twice as many about two, three and four pictures.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, encoder, split, seed, n, captions, instructions, images, text,
        several, clips}: captions behind an image alone, as stage 1 learns them;
        `evaluate_instructions`; the four scores of `course_lib.evaluation.joint`.
    """
    opened = open_run(run)
    config, asker = opened.config, opened.asker
    clips = n // 2
    data = OwlScenes(10 * n, 10_000 + seed, split, opened.encoder, clips)
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, asker)
    prompt = asker.caption_ids()
    found = {key: config.get(key) for key in ("recipe", "scale", "encoder")}
    found |= {"stage": config["stage_number"], "split": split, "seed": seed, "n": n}
    found["captions"] = caption_scores(answerer.captions(list(range(n)), prompt), data.scenes[:n])
    per_type = max(2, n // 2)
    found["instructions"] = evaluate_instructions(answerer, per_type, n, seed)
    found["images"] = image_scores(found["instructions"])
    joint = JointAsker(opened.model, asker.chat, asker.template, data)
    found["text"] = text_scores(joint, per_type, seed)
    # A hundred yes-or-no questions of a true .81 would give .73 to .89.
    found["several"] = several_scores(joint, 2 * n, seed)
    found["clips"] = clip_scores(joint, clips, seed)
    return found
