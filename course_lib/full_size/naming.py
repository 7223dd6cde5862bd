"""What a run at full size is asked for, and the record that its directory keeps of it.

A record names backbones as they were asked for, so that a run can be opened again on a machine
that has them. Keys: recipe, scale, stage_number, seed, init, data (a fingerprint of what is read),
`places` with vision, language and (BLIP-2's stage 1) text; and, by recipe, language (short name),
llava_version, template, encoder, losses, source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.backbones.vision import read_config as read_model_config
from course_lib.errors import unknown_name_error
from course_lib.full_size import bert
from course_lib.full_size.places import find_place
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans
from course_lib.training.stages import Stage

SCALES = ("small", "a100")
STAGES = {
    "blip2": ("1", "2"),
    "flamingo": ("1",),
    "llava": ("1", "2"),
    "minigpt4": ("1", "2"),
    "mplug_owl": ("1", "2"),
    "vpgtrans": ("1", "2", "3"),
}
NUMBERS = {
    module.NAME: module.scale for module in (blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans)
}
# Options besides --stage, --vision and --language; what another recipe has is refused.
OPTIONS = {
    "blip2": ("init", "text"),
    "flamingo": (),
    "llava": ("version", "init"),
    "minigpt4": ("init",),
    "mplug_owl": ("init", "encoder"),
    "vpgtrans": ("init",),
}
# Options of one stage alone.
_ONE_STAGE = {"blip2": {"text": "1", "language": "2"}, "mplug_owl": {"encoder": "1"}}


@dataclass(frozen=True)
class Asked:
    """What is to be trained.

    Args:
        recipe: its name.
        scale: "small" or "a100".
        stage: its number.
        vision: place of the image encoder; "" is the scale's. MiniGPT-4's is a BLIP-2.
        language: short name in the recipe, or a place; "" is the scale's first.
        text: place of the BERT that begins BLIP-2's stage 1; "" is BERT-base.
        version: of LLaVA.
        encoder: of mPLUG-Owl in stage 1, "trained" or "frozen".
        init: run that the stage begins with; "" is none.
        seed: of initialisation and order.
    """

    recipe: str
    scale: str
    stage: str
    vision: str = ""
    language: str = ""
    text: str = ""
    version: str = ""
    encoder: str = ""
    init: str = ""
    seed: int = 0


def check_asked(recipe: str, scale: str, given: dict[str, str]) -> str:
    """Refuses names that are not known, and returns the number of the stage.

    Raises:
        ValueError: for a stage that has to be named, or an option of another recipe.
    """
    if recipe not in STAGES:
        raise unknown_name_error("recipe", recipe, STAGES)
    if scale not in SCALES:
        raise unknown_name_error("scale", scale, SCALES)
    known = ("stage", "vision", "language", *OPTIONS[recipe])
    strange = sorted(name for name, value in given.items() if value and name not in known)
    if strange:
        raise ValueError(
            f"{recipe} at {scale} takes no --{strange[0]}: it takes "
            f"{', '.join(f'--{name}' for name in known)}, --data and what every training has."
        )
    stages, stage = STAGES[recipe], given.get("stage", "")
    if not stage and len(stages) > 1:
        raise ValueError(
            f"Each stage of {recipe} reads data of its own: say --stage {' or '.join(stages)}."
        )
    if stage and stage not in stages:
        raise unknown_name_error("stage", stage, stages)
    for name, only in _ONE_STAGE.get(recipe, {}).items():
        if given.get(name) and stage != only:
            raise ValueError(f"--{name} is for stage {only} of {recipe}: leave it out at {stage}.")
    return stage or stages[0]


def record_of(asked: Asked) -> dict:
    """Returns the record of a run, with every place named.

    Raises:
        ValueError: for a language model, version or state that is not known.
    """
    numbers = NUMBERS[asked.recipe](asked.scale)
    record = {"recipe": asked.recipe, "scale": asked.scale, "stage_number": asked.stage}
    record |= {"seed": asked.seed, "init": asked.init or None}
    short, language = _language(asked, numbers)
    places = {"vision": asked.vision or numbers.vision, "language": language}
    if asked.recipe in ("blip2", "flamingo", "vpgtrans"):
        record["language"] = short
    if asked.recipe == "blip2" and asked.stage == "1":
        places = {"vision": places["vision"], "text": asked.text or bert.USUAL}
        record |= {"language": None, "losses": ["itc", "itm", "itg"]}
    if asked.recipe == "llava":
        record["llava_version"] = asked.version or "v1.5"
        if record["llava_version"] not in llava.PROJECTORS:
            raise unknown_name_error("LLaVA version", asked.version, llava.PROJECTORS)
        record["template"] = "vicuna_v1"
    if asked.recipe == "mplug_owl" and asked.stage == "1":
        record["encoder"] = asked.encoder or "trained"
        if record["encoder"] not in mplug_owl.ENCODERS:
            raise unknown_name_error("state of the encoder", asked.encoder, mplug_owl.ENCODERS)
    return {**record, "places": places}


def _language(asked: Asked, numbers) -> tuple[str, str]:
    """Returns (short name, place) of the language model that is asked for."""
    value = asked.language
    if asked.recipe == "vpgtrans":
        if asked.stage == "3":
            return "chat", value or numbers.chat
        transfers = numbers.transfers
        value = value or next(iter(transfers))
        return (value, transfers[value].language) if value in transfers else ("", value)
    if asked.recipe not in ("blip2", "flamingo"):
        return "", value or numbers.language
    known = numbers.languages
    value = value or next(iter(known))
    if value in known:
        return value, known[value]
    if asked.recipe == "blip2" and asked.stage == "2":
        config = read_model_config(find_place(value, "--language"))
        return ("t5" if config.is_encoder_decoder else "opt"), value
    return next(iter(known)), value


def stage_of(record: dict, steps: int | None = None) -> Stage:
    """Returns the numbers of a record's stage, with another number of steps where one is given."""
    numbers, number = NUMBERS[record["recipe"]](record["scale"]), record["stage_number"]
    if record["recipe"] == "flamingo":
        found = numbers.stage
    elif record["recipe"] == "blip2" and number == "2":
        found = numbers.stage2[record["language"]]
    else:
        found = getattr(numbers, f"stage{number}")
    if record["recipe"] == "mplug_owl" and number == "1":
        trainable = mplug_owl.STAGE1_TRAINABLE[record["encoder"]]
        found = replace(found, trainable=trainable)
    return found if steps is None else found.shortened(steps)


def usual_run(record: dict) -> Path:
    """Returns the run directory of a record that names none."""
    parts = [record["recipe"], record["scale"], f"stage{record['stage_number']}"]
    return Path("runs") / "-".join([*parts, *filter(None, [record.get("language")])])
