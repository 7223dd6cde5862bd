"""What a VPGTrans run at `toy` begins with: its source, its word converter, its first model.

Stage 3, which goes on with a stage 2, is in `vpgtrans_curated`; every run is opened here.
"""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from course_lib.backbones.language import LanguageModel
from course_lib.commands import blip2 as blip2_commands
from course_lib.commands.runs import Opened, find_run, toy_config
from course_lib.converter import ConverterReport, ConverterSettings, WordConverter
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.prompts import image_token_id
from course_lib.data.word_pairs import caption_pairs
from course_lib.evaluation.asking import blip2_asker
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.recipes import blip2, vpgtrans
from course_lib.recipes.vpgtrans_converter import make_converter
from course_lib.training.checkpoint import load_run, read_config
from course_lib.vlm import VLM
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes
from course_lib.zoo.load import zoo_language, zoo_vision

WARMED, INHERITED, SCRATCH = "warm-up", "VPG alone", "from scratch"
# Their captions hold every word that a caption can have.
CONVERTER_SCENES, CONVERTER_BATCH = 2_000, 64


def word_converter(
    source: Opened,
    language: LanguageModel,
    tokenizer: PreTrainedTokenizerBase,
    **changed: float,
) -> tuple[WordConverter, ConverterReport]:
    """Trains the converter from a source's words to those of a language model, on toy captions.

    Epochs are the paper's, 5 within a family of language models and 8 between two. Batches are
    smaller: the released 4,096 captions would leave two steps an epoch.

    Args:
        source: an opened BLIP-2 of stage 2.
        language: the target.
        tokenizer: its own.
        changed: other settings of `ConverterSettings`, such as held_out=0.2.
    """
    scenes = sample_scenes(CONVERTER_SCENES, 0, "train")
    texts = [text for scene in scenes for text in captions(scene)]
    pairs = caption_pairs(source.tokenizer, tokenizer, texts)
    speaks = source.model.language
    same_family = speaks.config.model_type == language.config.model_type
    numbers = {"epochs": 5 if same_family else 8, "batch_size": CONVERTER_BATCH}
    settings = ConverterSettings(**{**numbers, **changed})
    return make_converter(speaks, language, pairs.captions, settings)


def start_of(init: str | Path, stage: str, language: str) -> dict:
    """Reads from a run what a stage that begins with it is, and how much was seen before.

    Args:
        init: run or zoo name.
        stage: "1" or "2".
        language: zoo name of the target.

    Returns:
        {start, source, source_language, samples_before}: start is "warm-up", "VPG alone" or "from
        scratch", source_language None where the source has no language model.

    Raises:
        ValueError: for a run that the stage cannot begin with, or a warm-up for another target.
    """
    record = read_config(find_run(init))
    recipe, number = record.get("recipe"), record.get("stage_number")
    if (recipe, number, stage) == (vpgtrans.NAME, "1", "2"):
        if record["language"] != language:
            raise ValueError(
                f"{init} warmed a projector up for {record['language']!r}, and this run is to "
                f"speak with {language!r}: warm one up for it, or name that language model."
            )
        seen = record["stage"]["steps"] * record["stage"]["batch_size"]
        kept = {key: record[key] for key in ("source", "source_language")}
        return {"start": WARMED, "samples_before": seen, **kept}
    found = {"source": str(init), "source_language": record.get("language"), "samples_before": 0}
    if (recipe, number) == (blip2.NAME, "2"):
        return {"start": INHERITED, **found}
    if (recipe, number, stage) == (blip2.NAME, "1", "2"):
        return {"start": SCRATCH, **found}
    fits = "a BLIP-2 of stage 2, such as 'blip2-opt'"
    if stage == "2":
        fits = f"a warm-up, {fits}, or a BLIP-2 of stage 1"
    raise ValueError(
        f"Stage {stage} of VPGTrans cannot begin with {init}, stage {number} of {recipe!r}: give "
        f"{fits}."
    )


def first_model(
    config: dict, language: LanguageModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[VLM, tuple | None]:
    """Builds the model with which a stage begins, on features from the cache.

    Returns:
        (model, (converter, source's language model, report), or None where none was made).
    """
    place, seed = image_token_id(tokenizer), config["seed"]
    if config["start"] == WARMED:
        return open_run(config["init"], with_encoder=False).model, None
    source = blip2_commands.open_run(config["init"])
    if config["start"] == SCRATCH:
        head, numbers = source.model.qformer, blip2.scale("toy")
        return blip2.build_stage2(numbers, None, language, place, head, seed), None
    made = None
    if config["converts"]:
        converter, report = word_converter(source, language, tokenizer)
        made = converter, source.model.language, report
    parts = (source.model, None, language, place, made and made[0], seed)
    return vpgtrans.build(vpgtrans.scale("toy"), *parts), made


def open_run(run: str | Path, with_encoder: bool = True) -> Opened:
    """Rebuilds the model of a VPGTrans run at `toy` and loads its trained weights.

    A warm-up holds its projector alone: its VPG comes from the source that its record names. A run
    of stage 3 is asked in its chat, the others as BLIP-2 is.

    Raises:
        ValueError: for a run of another recipe or scale, a source that is gone, or damaged files.
    """
    path, config = toy_config(run, vpgtrans.NAME)
    encoder = zoo_vision(vpgtrans.scale("toy").vision)
    language, tokenizer = zoo_language(config["language"])
    place, inside = image_token_id(tokenizer), encoder if with_encoder else None
    stage = config["stage_number"]
    if stage == "1":
        source = blip2_commands.open_run(config["source"]).model
        model = vpgtrans.build(vpgtrans.scale("toy"), source, inside, language, place)
    else:
        model = blip2.build_stage2(blip2.scale("toy"), inside, language, place)
    load_run(path, model, vpgtrans.NAME)
    asker = chat_asker(model, tokenizer) if stage == "3" else blip2_asker(model, tokenizer)
    return Opened(model.eval(), encoder, tokenizer, config, asker)


def chat_asker(model: VLM, tokenizer: PreTrainedTokenizerBase) -> ChatAsker:
    """Returns what asks a run of stage 3 in its own chat."""
    chat = ChatTokenizer(tokenizer, model.vpg.head.config.num_query_tokens)
    return ChatAsker(chat, vpgtrans.scale("toy").template)
