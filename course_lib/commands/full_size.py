"""Models at full size, opened as if they were runs: released checkpoints, and runs beyond `toy`.

A released BLIP-2 or LLaVA-1.5 lies in the Hub's layout; its weights go into the course's own
classes (`course_lib/interop`), tokenizer and sizes of pictures come from the same directory. A run
at `small` or `a100` holds what its stage trained, beside backbones that are named by the recipe's
scale: directories or names on the Hub. On a GPU everything is bfloat16; transformers keeps the
Q-Former in float32, and what that is worth was not measured.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image, ImageOps
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from course_lib.backbones.language import LanguageModel, load_language
from course_lib.backbones.tokenizers import IMAGE_TOKEN
from course_lib.backbones.vision import VisionEncoder, load_vision, read_config, read_model
from course_lib.commands.runs import Opened
from course_lib.corpora.pixels import pixels_of
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_template
from course_lib.data.images import CLIP_MEAN, ImageTransform, load_image
from course_lib.data.prompts import image_token_id
from course_lib.evaluation.asking import blip2_asker
from course_lib.evaluation.benchmark_asking import Pixels
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.interop.blip2_hf import from_hf
from course_lib.interop.llava import llava_from_hf
from course_lib.recipes import blip2, llava, mplug_owl
from course_lib.training.checkpoint import load_run
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
    model, tokenizer = _BUILD[recipe](hf), _tokenizer(run)
    model.image_token_id = image_token_id(tokenizer)
    opened = _ready(recipe, model, tokenizer, {}, _RELEASED_TEMPLATE)
    record = {"recipe": recipe, "scale": "released", "stage": "2"}
    return opened, record, _pixels(recipe, model.vpg.encoder, run)


def open_full_size(run: Path, config: dict) -> tuple[Opened, dict, Pixels]:
    """Opens a run at `small` or `a100`: BLIP-2's stage 2, and LLaVA.

    Args:
        run: its directory.
        config: its record.

    Returns:
        As `open_released`.

    Raises:
        ValueError: for another recipe, whose runs at these scales cannot be opened yet, a stage
            without a language model, or backbones that are not there.
    """
    recipe, size = config.get("recipe"), config.get("scale")
    if recipe not in _FULL or (recipe == "blip2" and config.get("stage_number") != "2"):
        raise ValueError(
            f"{run} is stage {config.get('stage_number')} of {recipe} at {size}: beyond 'toy', "
            "blip2's stage 2 and llava can be opened yet."
        )
    model, tokenizer, vision = _FULL[recipe](config)
    load_run(run, model, recipe)
    template = chat_template(config.get("template", "vicuna_v1"))
    opened = _ready(recipe, model, tokenizer, config, template)
    record = {"recipe": recipe, "scale": size, "stage": config.get("stage_number")}
    return opened, record, _pixels(recipe, model.vpg.encoder, vision)


def _full_blip2(config: dict) -> tuple[VLM, PreTrainedTokenizerBase, str]:
    numbers = blip2.scale(config["scale"])
    name = numbers.languages[config["language"]]
    encoder, (language, tokenizer) = load_vision(numbers.vision), _language(name)
    place = image_token_id(tokenizer)
    return blip2.build_stage2(numbers, encoder, language, place), tokenizer, numbers.vision


def _full_llava(config: dict) -> tuple[VLM, PreTrainedTokenizerBase, str]:
    numbers = llava.scale(config["scale"])
    encoder = load_vision(numbers.vision, drop_cls=True)
    language, tokenizer = _language(numbers.language)
    place, version = image_token_id(tokenizer), config["llava_version"]
    model = llava.build(encoder, encoder.hidden_size, language, place, version)
    if config["stage_number"] == "2" and numbers.lora is not None:
        mplug_owl.give_lora(model, numbers.lora)
    return model, tokenizer, numbers.vision


_FULL = {"blip2": _full_blip2, "llava": _full_llava}


def _language(name: str) -> tuple[LanguageModel, PreTrainedTokenizerBase]:
    return load_language(name), _tokenizer(name)


def _tokenizer(run: str | Path) -> PreTrainedTokenizerBase:
    """Reads a tokenizer; one without `<image>` gets it, as a place that no word has."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(run))
    except Exception as error:  # each tokenizer has errors of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"The tokenizer of {run} cannot be read: fetch its files again ({reason})"
        ) from error
    if tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) in (None, tokenizer.unk_token_id):
        tokenizer.add_special_tokens({"extra_special_tokens": [IMAGE_TOKEN]})
    return tokenizer


def _device_and_dtype() -> tuple[str, torch.dtype]:
    return ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)


def _ready(recipe: str, model: VLM, tokenizer, config: dict, template) -> Opened:
    """Puts a model where it is to run, frozen, and says how it is asked."""
    model.to(*_device_and_dtype()).eval().requires_grad_(False)
    if recipe == "blip2":
        asker = blip2_asker(model, tokenizer)
    else:
        asker = ChatAsker(ChatTokenizer(tokenizer, model.vpg.encoder.num_tokens), template)
    return Opened(model, model.vpg.encoder, tokenizer, config, asker)


def _pixels(recipe: str, encoder: VisionEncoder, directory: str | Path) -> Pixels:
    """Returns how a model sees pictures.

    BLIP-2 stretches them to a square. LLaVA-1.5 was evaluated on pictures that were padded to a
    square in CLIP's mean colour (image_aspect_ratio "pad"), where transformers' processor cuts the
    centre out: here they are padded.
    """
    transform = ImageTransform((encoder.image_size, encoder.image_size))
    if recipe == "blip2":
        if Path(directory, "preprocessor_config.json").is_file():
            transform = replace(ImageTransform.from_pretrained(directory), center_crop=False)
        return lambda files: pixels_of(files, transform)
    return lambda files: transform([padded_square(load_image(data)) for data in files])


def padded_square(image: Image.Image) -> Image.Image:
    """Pads a picture to a square, centred, in the mean colour of CLIP's normalisation."""
    side = max(image.size)
    colour = tuple(int(255 * value) for value in CLIP_MEAN)
    return ImageOps.pad(image, (side, side), color=colour)
