"""Stage 3 of VPGTrans at `toy`: VL-Vicuna, tuned on the descriptions that MiniGPT-4 curated.

It goes on with a stage 2 whose language model is LLaMA, or its chat-tuned form, which stands for
Vicuna and speaks from here on. Q-Former and projector train. Facts: arXiv 2305.01278, section 6.2;
official: run_scripts/blip2/scale_up_train/vicuna_vpgtrans_step3_self_instruct.sh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from course_lib.commands import minigpt4
from course_lib.commands.blip2 import answerer
from course_lib.commands.runs import Opened, find_run
from course_lib.commands.vpgtrans_models import chat_asker, open_run
from course_lib.curation.toy_set import Curated, counted
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_pairs import drawn_batch
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.descriptions import described, description_scores
from course_lib.recipes import vpgtrans
from course_lib.training.checkpoint import has_run, read_config
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.zoo.load import zoo_language

CURATED = "stage 2"  # what a run of stage 3 starts with, in its record
DESCRIBER = "minigpt4-stage1"  # the released set was written by MiniGPT-4, not by VL-LLaMA
FIRST = ("llama", "llama-chat")  # language models with the words of the one that speaks


def start_of(init: str | Path | None) -> dict:
    """Reads from a run of stage 2 what stage 3 goes on with.

    Returns:
        {init, language, start, source, source_language, samples_before}.

    Raises:
        ValueError: without a run, or for one that is no stage 2 on LLaMA.
    """
    chat = vpgtrans.scale("toy").chat
    if init is None:
        raise ValueError(
            "Stage 3 of VPGTrans goes on with a stage 2 on LLaMA: run `course train vpgtrans "
            "--language llama` first, or name such a run with --init."
        )
    record = read_config(find_run(init))
    recipe, number = record.get("recipe"), record.get("stage_number")
    if (recipe, number) != (vpgtrans.NAME, "2"):
        raise ValueError(
            f"Stage 3 of VPGTrans cannot begin with {init}, stage {number} of {recipe!r}: give a "
            "stage 2 of VPGTrans on 'llama'."
        )
    if record["language"] not in FIRST:
        raise ValueError(
            f"{init} speaks with {record['language']!r}, and stage 3 with {chat!r}, which has "
            f"other words: give a stage 2 on {' or '.join(map(repr, FIRST))}."
        )
    seen = record["samples_before"] + record["stage"]["steps"] * record["stage"]["batch_size"]
    kept = {key: record[key] for key in ("source", "source_language")}
    found = {"init": str(init), "language": chat, "start": CURATED, "samples_before": seen}
    return found | kept


def first_model(init: str | Path, config: dict) -> Opened:
    """Puts a run's VPG and projector in front of the language model that chats.

    Args:
        init: of stage 2.
        config: record of the run that begins.

    Returns:
        A model that reads the encoder's features, with that encoder.
    """
    before = open_run(init, with_encoder=False)
    language, tokenizer = zoo_language(config["language"])
    model = vpgtrans.speak_with(before.model, language, image_token_id(tokenizer))
    return Opened(model, before.encoder, tokenizer, config, chat_asker(model, tokenizer))


def train_curated(
    out: Path,
    settings: Stage,
    *,
    init: str | Path | None = None,
    curated: Curated | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains stage 3.

    Args:
        out: run directory.
        settings: of the stage.
        init: a stage 2 of VPGTrans on LLaMA.
        curated: what is read; None is MiniGPT-4's set.
        scenes: so many are described at most.
        seed: of scenes, wishes and order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics.

    Raises:
        ValueError: for a run that does not fit, or too few descriptions.
    """
    config = {"recipe": vpgtrans.NAME, "scale": "toy", "stage_number": "3", "seed": seed}
    config |= start_of(init)
    opened = first_model(init, config)
    curated, count = counted(curated or Curated(), vpgtrans.scale("toy").num_curated, scenes)
    config |= {"scenes": count, "curated": asdict(curated)}
    batches = curated_batches(opened, curated, count, settings.batch_size, seed)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    return train(opened.model, settings, batches, out, seed=seed, **kept)


def curated_batches(
    opened: Opened, curated: Curated, scenes: int, batch_size: int, seed: int
) -> Callable[[int], dict]:
    """Returns step → batch: MiniGPT-4's conversations, with the features of the image encoder.

    Args:
        opened: of `first_model`; its tokenizer and its queries are MiniGPT-4's.
        curated: with its count.
        scenes: how many MiniGPT-4 may describe.
        batch_size: conversations.
        seed: of scenes, wishes and order.
    """
    writer = minigpt4.build_toy({"seed": seed}, cached=True)
    minigpt4.inherit_projector(writer.model, DESCRIBER)
    rows, read = minigpt4.stage2_rows(writer, curated, scenes, seed, opened.encoder)
    pad = opened.asker.chat.pad_token_id
    return partial(drawn_batch, rows, pad, read, batch_size=batch_size, seed=seed)


def usual_start(init: str) -> str | None:
    """Returns the run that stage 3 begins with, by default the one in `runs`; None of none."""
    there = (str(Path("runs") / f"vpgtrans-toy-{language}") for language in FIRST)
    return init or next(filter(has_run, there), None)


def evaluate_curated(opened: Opened, n: int, seed: int, split: str) -> dict:
    """Measures a run of stage 3 as MiniGPT-4 is measured.

    Args:
        opened: the run.
        n: scenes that are captioned and described.
        seed: of the held-out scenes.
        split: "test" or "combos".

    Returns:
        {captions, failures, descriptions, made_up}: captions are those that stage 2 taught, without
        a word of chat; the rest is `description_scores` of what is said in the chat.
    """
    data = ToyScenes(n, 10_000 + seed, split, opened.encoder)  # as commands.blip2.evaluate
    written = answerer(opened, data).captions(list(range(n)))
    said = described(opened.model, opened.asker, data, n)
    return {"captions": caption_scores(written, data.scenes)} | description_scores(
        said, data.scenes
    )
