"""Models at full size, opened as if they were runs: released checkpoints, and runs beyond `toy`.

A released BLIP-2 or LLaVA-1.5 lies in the Hub's layout; its weights go into the course's own
classes (`course_lib/interop`), tokenizer and sizes of pictures come from the same directory. A run
at `small` or `a100` holds what its stage trained; its record names the backbones, directories or
names on the Hub. On a GPU everything is bfloat16; transformers keeps the
Q-Former in float32, and what that is worth was not measured.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from course_lib.backbones.vision import VisionEncoder, read_config, read_model
from course_lib.commands.runs import Opened
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_template
from course_lib.data.prompts import image_token_id
from course_lib.evaluation.asking import Asker, blip2_asker
from course_lib.evaluation.benchmark_asking import Pixels
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.evaluation.interleaved_asking import InterleavedAsker
from course_lib.full_size.building import Built, build
from course_lib.full_size.naming import NUMBERS, STAGES
from course_lib.full_size.opening import open_tokenizer
from course_lib.full_size.pictures import PADDED, STRETCHED, Pictures
from course_lib.full_size.stages import places_of
from course_lib.interop.blip2_hf import from_hf
from course_lib.interop.llava import llava_from_hf
from course_lib.training.checkpoint import has_run, load_run
from course_lib.vlm import VLM

RECIPES = {"blip-2": "blip2", "llava": "llava"}  # model_type of a released configuration → recipe
_CLASSES = {"blip2": "Blip2ForConditionalGeneration", "llava": "LlavaForConditionalGeneration"}
_BUILD = {"blip2": from_hf, "llava": llava_from_hf}
_RELEASED_TEMPLATE = replace(chat_template("vicuna_v1"), system="")  # as llava-hf's own


def is_released(run: str | Path) -> bool:
    """Tells whether a name means a released checkpoint: a directory of one, or OWNER/NAME."""
    path = Path(run)
    if (path / "config.json").is_file():
        try:
            found = json.loads((path / "config.json").read_text(encoding="utf-8"))
        except ValueError:
            return False
        return isinstance(found, dict) and "model_type" in found and "recipe" not in found
    parts = str(run).split("/")
    return len(parts) == 2 and all(parts) and not path.exists() and not Path(parts[0]).exists()


def open_released(run: str | Path) -> tuple[Opened, dict, Pixels]:
    """Opens a released checkpoint.

    Args:
        run: the directory of a `Blip2ForConditionalGeneration` or a
            `LlavaForConditionalGeneration` with its tokenizer, or its name on the Hub.

    Returns:
        (the model and how it is asked, {recipe, scale, stage}, how it sees pictures).

    Raises:
        ValueError: for another kind of model, or files that are missing or damaged.
    """
    import transformers

    config = read_config(run)
    if config.model_type not in RECIPES:
        raise ValueError(
            f"{run} holds a {config.model_type!r} model: released checkpoints that can be opened "
            f"are {' and '.join(RECIPES)}."
        )
    recipe = RECIPES[config.model_type]
    hf = read_model(getattr(transformers, _CLASSES[recipe]), run, _device_and_dtype()[1])
    model, tokenizer = _BUILD[recipe](hf), open_tokenizer(run)
    model.image_token_id = image_token_id(tokenizer)
    if recipe == "blip2":
        asker: Asker = blip2_asker(model, tokenizer)
    else:
        chat = ChatTokenizer(tokenizer, model.vpg.encoder.num_tokens)
        asker = ChatAsker(chat, _RELEASED_TEMPLATE)
    opened = _ready(model, tokenizer, {}, asker)
    record = {"recipe": recipe, "scale": "released", "stage": "2"}
    return opened, record, _seen(recipe, model.vpg.encoder, run)


def open_full_size(run: Path, config: dict) -> tuple[Opened, dict, Pixels]:
    """Opens a run at `small` or `a100`, of any recipe, on the backbones that its record names.

    Args:
        run: its directory.
        config: its record.

    Returns:
        As `open_released`.

    Raises:
        ValueError: for a stage without a language model, backbones that are not on this machine, or
            a run before this one that is gone.
    """
    recipe, number = config.get("recipe"), config.get("stage_number")
    if recipe not in STAGES or (recipe, number) == ("blip2", "1"):
        raise ValueError(
            f"{run} is stage {number} of {recipe} at {config.get('scale')}, which has no language "
            "model that could be asked: give a later stage."
        )
    record = with_places(run, config)
    built = build(record, _device_and_dtype()[1], begins=False)
    load_run(run, built.model, recipe)
    opened = _ready(built.model, built.tokenizer, config, _asker(record, built))
    told = {"recipe": recipe, "scale": config["scale"], "stage": number}
    return opened, told, _seen(recipe, built.encoder, built.place)


def with_places(run: Path, config: dict) -> dict:
    """Completes a record; the run before this one may have been moved together with it."""
    numbers = NUMBERS[config["recipe"]](config["scale"])
    places = {"vision": numbers.vision}
    if hasattr(numbers, "languages"):
        places["language"] = numbers.languages[config["language"]]
    elif hasattr(numbers, "language"):
        places["language"] = numbers.language
    record = {"seed": 0, "init": None, **config, "places": {**places, **config.get("places", {})}}
    before = record["init"]
    if before and not has_run(before) and has_run(run.parent / Path(before).name):
        record["init"] = str(run.parent / Path(before).name)
    return record


def _asker(record: dict, built: Built) -> Asker:
    """Returns how a run is asked: as BLIP-2, in documents, or in the chat of its recipe."""
    recipe, number = record["recipe"], record["stage_number"]
    if recipe == "flamingo":
        return InterleavedAsker(built.tokenizer)
    if recipe == "blip2" or (recipe == "vpgtrans" and number != "3"):
        return blip2_asker(built.model, built.tokenizer)
    numbers = NUMBERS[recipe](record["scale"])
    template = chat_template(record.get("template", "vicuna_v1"))
    template = getattr(numbers, "template", template)
    return ChatAsker(ChatTokenizer(built.tokenizer, places_of(record, built)), template)


def _device_and_dtype() -> tuple[str, torch.dtype]:
    return ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)


def _ready(model: VLM, tokenizer, config: dict, asker: Asker) -> Opened:
    """Puts a model where it is to run, frozen."""
    model.to(*_device_and_dtype()).eval().requires_grad_(False)
    return Opened(model, model.vpg.encoder, tokenizer, config, asker)


def _seen(recipe: str, encoder: VisionEncoder, place: str | Path) -> Pixels:
    """Returns how a model sees pictures.

    All but one stretch them to a square. LLaVA-1.5 was evaluated on pictures that were padded to a
    square in CLIP's mean colour (image_aspect_ratio "pad"), where transformers' processor cuts the
    centre out: here they are padded.
    """
    way = PADDED if recipe == "llava" else STRETCHED
    pictures = Pictures(encoder.image_size, way, Path(place))
    return lambda files: pictures(files, np.random.default_rng(0))
