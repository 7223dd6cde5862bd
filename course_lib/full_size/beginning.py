"""What a stage begins with: the run before it, and the part of that run that it takes over."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from course_lib.interop.names import load_strictly
from course_lib.training.checkpoint import has_run, read_config
from course_lib.training.tensor_files import read_tensors

NONE = "none"
# (recipe, stage) → (recipe, stage) of the run that it begins with.
BEFORE = {
    ("blip2", "2"): ("blip2", "1"),
    ("llava", "2"): ("llava", "1"),
    ("minigpt4", "2"): ("minigpt4", "1"),
    ("mplug_owl", "2"): ("mplug_owl", "1"),
    ("vpgtrans", "1"): ("blip2", "2"),
    ("vpgtrans", "2"): ("vpgtrans", "1"),
    ("vpgtrans", "3"): ("vpgtrans", "2"),
}


def beginning_of(recipe: str, scale: str, stage: str, init: str) -> str:
    """Returns the run that a stage begins with, "" for none.

    Args:
        recipe: of the stage.
        scale: of the stage.
        stage: its number.
        init: a run directory; "" looks for the usual one in `runs`, "none" begins at random.

    Raises:
        ValueError: where there is no such run, or where a stage begins with none.
    """
    if (recipe, stage) not in BEFORE:
        if init and init != NONE:
            raise ValueError(f"Stage {stage} of {recipe} begins with no run: leave out --init.")
        return ""
    before, number = BEFORE[recipe, stage]
    if init == NONE and recipe != "vpgtrans":
        return ""
    if init and init != NONE:
        read_config(init)  # says what is wrong, before any backbone is opened
        return init
    found = sorted(Path("runs").glob(f"{before}-{scale}-stage{number}*"))
    found = [path for path in found if has_run(path)]
    if len(found) != 1:
        there = ", ".join(map(str, found)) or "none"
        raise ValueError(
            f"Stage {stage} of {recipe} begins with a run of stage {number} of {before} at {scale} "
            f"(in runs there is {there}): name it with --init."
        )
    return str(found[0])


def check_begins(record: dict) -> None:
    """Refuses a run that the stage of a record cannot begin with.

    Raises:
        ValueError: with both values where something differs.
    """
    recipe, stage, init = record["recipe"], record["stage_number"], record["init"]
    if not init:
        return
    before, number = BEFORE[recipe, stage]
    first = read_config(init)
    for what, wanted in (("recipe", before), ("stage_number", number), ("scale", record["scale"])):
        if first.get(what) != wanted:
            raise ValueError(
                f"{init} has {what.replace('_', ' ')} {first.get(what)!r}, and stage {stage} of "
                f"{recipe} begins with {wanted!r}: name another run with --init."
            )
    same = ["llava_version"] if recipe == "llava" else []
    for key in same:
        if first.get(key) != record.get(key):
            raise ValueError(
                f"{init} has {key} {first.get(key)!r}, and this run is to have "
                f"{record.get(key)!r}: give both stages the same."
            )
    if (recipe, stage) == ("vpgtrans", "2"):
        ours, theirs = record["places"]["language"], first["places"]["language"]
        if ours != theirs:
            raise ValueError(
                f"{init} warmed a projector up for {theirs}, and this run is to speak with {ours}: "
                "name the same --language, or warm one up for it."
            )


def part_from(run: str | Path, part: nn.Module, name: str) -> None:
    """Copies a part of a run's trained weights into a part of a model, every tensor that it has.

    Args:
        run: its directory.
        part: of a model; takes the values in place.
        name: of the part in the run, such as "vpg.head".

    Raises:
        ValueError: when the run lacks a tensor, or has another shape for it.
    """
    path = Path(run) / "model.safetensors"
    found, _ = read_tensors(path, f"finish that training first (--resume --out {run})")
    own = {key: found[f"{name}.{key}"] for key in part.state_dict() if f"{name}.{key}" in found}
    load_strictly(part, own, str(path))
