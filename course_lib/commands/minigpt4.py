"""MiniGPT-4 on the toy world from end to end: train both stages, open a run, evaluate it.

The VPG is frozen, so training reads visual tokens from a cache and never runs it; an opened run has
it whole, and reads pictures or the features of its image encoder.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from course_lib.backbones.vision import VisionEncoder
from course_lib.commands import blip2
from course_lib.commands.runs import Opened, rebuilt, toy_config
from course_lib.commands.two_stages import STAGES, train_two_stages
from course_lib.curation.curated_set import Pair, read_curated
from course_lib.curation.toy_set import Curated, counted, toy_captions
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import HUMAN, chat_pieces, typed_turn
from course_lib.data.conversation_batch import ReadImages, Row, encode_conversations
from course_lib.data.curated_pairs import curated_conversations, encoded_once
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE, ToyScenes
from course_lib.data.toy_instructions import toy_images
from course_lib.data.toy_pairs import WEB, Noise, drawn_batch, pair_batch
from course_lib.errors import unknown_name_error
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.evaluation.descriptions import described, description_scores, scene_asker
from course_lib.evaluation.instructions import ChatAnswerer
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.recipes import minigpt4
from course_lib.training.checkpoint import load_run
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.vlm import VLM
from course_lib.zoo.load import zoo_language

OPTIONS = ("stage", "init", "curated")
OTHER_SCENES = 700  # stage 2 shows other pictures than stage 1: their seed is so much higher


def build_toy(config: dict, cached: bool = False) -> Opened:
    """Builds the model that a record describes, with its first weights.

    Args:
        config: of a run; its seed counts.
        cached: True for training: the model takes visual tokens, and `encoder` is the whole VPG
            that makes them. False: the model has the VPG, and `encoder` is its image encoder.
    """
    numbers = minigpt4.scale("toy")
    source = blip2.open_run(numbers.blip2)
    vpg = minigpt4.FrozenVPG(source.encoder, source.model.vpg.head)
    language, tokenizer = zoo_language(numbers.language)
    place, seed = image_token_id(tokenizer), config.get("seed", 0)
    model = minigpt4.build(vpg, language, place, cached, seed)
    asker = ChatAsker(ChatTokenizer(tokenizer, vpg.num_tokens), numbers.template)
    return Opened(model, vpg if cached else vpg.encoder, tokenizer, config, asker)


def open_run(run: str | Path) -> Opened:
    """Rebuilds the model of a MiniGPT-4 run at `toy` and loads its trained layer.

    Raises:
        ValueError: for a run of another recipe or scale, or damaged files.
    """
    return rebuilt(run, minigpt4.NAME, build_toy)


def settings_of(stage: str, language: str | None = None, steps: int | None = None) -> Stage:
    """Returns the numbers of a stage at `toy`, with another number of steps where one is given."""
    numbers = minigpt4.scale("toy")
    found = numbers.stage1 if stage == "1" else numbers.stage2
    return found if steps is None else found.shortened(steps)


def train_stage(
    stage: str,
    out: Path | None,
    *,
    init: str | None = None,
    noise: Noise = WEB,
    curated: Curated | None = None,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains one stage of MiniGPT-4: the linear layer, on visual tokens that are made once.

    Args:
        stage: "1" reads noisy pairs without a prompt, "2" curated descriptions inside a chat.
        out: run directory.
        init: run or zoo name of stage 1 (stage 2), which also describes the scenes that are
            curated; None starts from a random layer and needs a curated folder.
        noise: what is wrong with the pairs of stage 1.
        curated: what stage 2 reads; None is the recipe's set.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes; stage 2 describes so many at most.
        seed: of initialisation, noise and order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics.

    Raises:
        ValueError: for an unknown stage, a stage 2 without descriptions, or too few of them.
    """
    if stage not in STAGES:
        raise unknown_name_error("stage", stage, STAGES)
    settings, built = settings_of(stage, steps=steps), build_toy({"seed": seed}, cached=True)
    config = {"recipe": minigpt4.NAME, "scale": "toy", "stage_number": stage, "seed": seed}
    chat, chosen = built.asker.chat, {"batch_size": settings.batch_size, "seed": seed}
    if stage == "1":
        count = minigpt4.scale("toy").num_scenes if scenes is None else scenes
        config |= {"scenes": count, "noise": asdict(noise)}
        data = ToyScenes(count, seed, "train", built.encoder, CACHE)
        template = minigpt4.STAGE1_TEMPLATE
        batches = partial(pair_batch, data, chat, template, **chosen, noise=noise)
    else:
        usual = minigpt4.scale("toy").num_curated
        curated, count = counted(curated or Curated(), usual, scenes)
        config |= {"init": init, "scenes": count, "curated": asdict(curated)}
        if init:
            inherit_projector(built.model, init)
        elif not curated.folder:
            raise ValueError("Nobody can describe the scenes: give a stage 1, or a curated folder.")
        rows, read = stage2_rows(built, curated, count, seed)
        batches = partial(drawn_batch, rows, chat.pad_token_id, read, **chosen)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    return train(built.model, settings, batches, out, seed=seed, **kept)


def inherit_projector(model: VLM, init: str | Path) -> None:
    """Copies the linear layer of a MiniGPT-4 run at `toy`."""
    path, _ = toy_config(init, minigpt4.NAME)
    load_run(path, model, minigpt4.NAME)  # the layer is all that a run of either stage holds


def stage2_rows(
    opened: Opened,
    curated: Curated,
    scenes: int,
    seed: int,
    encoder: VisionEncoder | None = None,
) -> tuple[list[Row], ReadImages]:
    """Makes the curated set, or reads it, and encodes it once as conversations.

    Args:
        opened: of `build_toy(…, cached=True)`; it describes with its present layer.
        curated: with its count; see `counted`.
        scenes: how many may be described.
        seed: of scenes and wishes.
        encoder: whose features another model is to read; None takes the visual tokens of `opened`.

    Returns:
        (rows; what reads their visual tokens, or the features of `encoder`).

    Raises:
        ValueError: for a folder without a pair, or scenes that do not give enough descriptions.
    """
    encoder = encoder or opened.encoder
    if curated.folder:
        pairs, troubles = read_curated(Path(curated.folder))
        pairs = pairs[: curated.count]
        for trouble in troubles:
            print(f"left out: {trouble}", file=sys.stderr)
        read = encoded_once(pairs, encoder)
    else:
        drawn = partial(ToyScenes, scenes, OTHER_SCENES + seed, "train", cache=CACHE)
        data = drawn(encoder=opened.encoder)
        ask = scene_asker(opened.model, opened.asker, data)
        captions = toy_captions(ask, data.scenes, curated.count, curated.source)
        pairs = [Pair(row, caption, Path(row)) for row, caption in captions.items()]
        read = partial(toy_images, data if encoder is opened.encoder else drawn(encoder=encoder))
    template, longest = opened.asker.template, opened.model.language.max_positions
    conversations = curated_conversations(pairs, DETAIL_QUESTIONS, seed)
    return encode_conversations(conversations, template, opened.asker.chat, longest)[0], read


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    init: str = "",
    curated: str = "",
    resume: bool = False,
    **options: int | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train minigpt4` is asked for: both stages where none is named.

    Args:
        out: run directory of the last stage, whose stage 1 goes to `out`-stage1; None gives them
            names in `runs`.
        stage: "1", "2" or "" for both.
        init: stage 1 of stage 2; "" takes the one in `runs` or else the zoo's, "none" none.
        curated: folder of a curated set for stage 2, see `curated_set`; "" makes one from scenes.
        resume: goes on; a stage that was not begun begins.
        options: of `train_stage`.

    Returns:
        (run directory, rows of metrics), one a stage.

    Raises:
        ValueError: for a curated set and a stage that does not read it.
    """
    if curated and stage == "1":
        raise ValueError(f"Stage 1 reads pairs, not the curated set {curated}: leave --stage out.")
    settings = {"stage": stage, "init": init, "resume": resume}
    settings["second"] = {"curated": Curated(folder=curated)}
    return train_two_stages(minigpt4.NAME, train_stage, out, **settings, **options)


def evaluate(run: str, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates a run on held-out scenes.

    Args:
        run: run directory or zoo name, of stage 1 or stage 2.
        seed: of the held-out scenes.
        n: scenes that are captioned and described.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, split, seed, n, captions, failures, descriptions, made_up}: captions
        are those behind an image alone, as stage 1 learns them; the rest is `description_scores`
        of what is said in the chat of stage 2.
    """
    opened = open_run(run)
    data = ToyScenes(n, 10_000 + seed, split, opened.encoder)  # as commands.blip2.evaluate
    pair = [typed_turn(HUMAN, "", num_images=1)]
    prompt = opened.asker.chat(chat_pieces(minigpt4.STAGE1_TEMPLATE, pair, answered=False)).ids
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, opened.asker)
    captions = answerer.captions(list(range(n)), prompt)
    found = {"recipe": minigpt4.NAME, "scale": "toy", "stage": opened.config["stage_number"]}
    found |= {"split": split, "seed": seed, "n": n}
    found["captions"] = caption_scores(captions, data.scenes)
    said = described(opened.model, opened.asker, data, n)
    return found | description_scores(said, data.scenes)
