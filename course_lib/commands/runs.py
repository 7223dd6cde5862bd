"""What is asked of a trained run whatever its recipe: find it, open it, evaluate it.

`course train RECIPE` and the zoo speak of recipes by name; here the name leads to the one module
of this folder that knows the recipe.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.vision import VisionEncoder
from course_lib.errors import unknown_name_error
from course_lib.evaluation.asking import Asker
from course_lib.training.checkpoint import load_run, read_config
from course_lib.zoo.load import names, zoo_dir
from course_lib.zoo.paths import model_dir
from course_lib.zoo.registry import builders

RECIPES = ("blip2", "flamingo", "llava", "minigpt4", "mplug_owl", "vpgtrans")


@dataclass
class Opened:
    """A run, rebuilt: its model, what it reads with, its record, and how it is asked."""

    model: torch.nn.Module
    encoder: VisionEncoder
    tokenizer: PreTrainedTokenizerBase
    config: dict
    asker: Asker | None = None


def commands_of(recipe: str) -> ModuleType:
    """Returns the module with a recipe's `train_runs`, `open_run` and `evaluate`.

    Raises:
        ValueError: for an unknown recipe.
    """
    if recipe not in RECIPES:
        raise unknown_name_error("recipe", recipe, RECIPES)
    return importlib.import_module(f"course_lib.commands.{recipe}")


def train_recipe(
    recipe: str, out: Path | None, chosen: dict[str, str], **options: int | bool | None
) -> list[tuple[Path, list[dict]]]:
    """Trains a recipe, or one stage of it.

    Args:
        recipe: one of `RECIPES`.
        out: run directory; None lets the recipe name it.
        chosen: options of this recipe; see `OPTIONS` of its module.
        options: of every recipe: steps, scenes, seed, resume.

    Returns:
        (run directory, rows of metrics), one a stage.

    Raises:
        ValueError: for an unknown recipe, or an option that it does not have.
    """
    module = commands_of(recipe)
    strange = sorted(chosen.keys() - set(module.OPTIONS))
    if strange:
        raise ValueError(
            f"{recipe} takes no --{strange[0]}: it takes "
            f"{', '.join(f'--{name}' for name in module.OPTIONS)}."
        )
    return module.train_runs(out, **chosen, **options)


def find_run(run: str | Path) -> Path:
    """Returns the directory of a run: a path, or the name of a trained model of the zoo.

    Raises:
        ValueError: when it is neither, with the nearest zoo name, or a backbone.
    """
    path = Path(run)
    if not (path / "config.json").is_file():
        if str(run) not in names():
            raise unknown_name_error("run directory or zoo model", str(run), names())
        path = zoo_dir(str(run))
    if path in map(model_dir, builders()):
        trained = [name for name in names() if name not in builders()]
        raise ValueError(f"{run} is a backbone of the zoo: give a run, or {', '.join(trained)}.")
    return path


def toy_config(run: str | Path, recipe: str) -> tuple[Path, dict]:
    """Finds a run of a recipe at `toy`.

    Returns:
        (its directory, its record).

    Raises:
        ValueError: for a run of another recipe or scale.
    """
    path = find_run(run)
    config = read_config(path, recipe)
    if config.get("scale") != "toy":
        raise ValueError(f"{run} was trained at {config.get('scale')!r}: only 'toy' runs here yet.")
    return path, config


def rebuilt(run: str | Path, recipe: str, build: Callable[[dict], Opened]) -> Opened:
    """Rebuilds a run of a recipe at `toy` and loads its trained weights, in eval mode.

    Args:
        run: run directory or zoo name.
        recipe: its recipe.
        build: makes the model that a record describes, with its first weights.

    Raises:
        ValueError: for a run of another recipe or scale, or damaged files.
    """
    path, config = toy_config(run, recipe)
    opened = build(config)
    load_run(path, opened.model, recipe)
    opened.model.eval()
    return opened


def open_run(run: str | Path) -> Opened:
    """Rebuilds the model of any run at `toy` and loads its trained weights.

    Raises:
        ValueError: for an unknown recipe, another scale, or damaged files.
    """
    return commands_of(read_config(find_run(run)).get("recipe")).open_run(run)


def evaluate(run: str | Path, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates any run on held-out scenes; see the `evaluate` of its recipe."""
    recipe = read_config(find_run(run)).get("recipe")
    return commands_of(recipe).evaluate(str(run), seed=seed, n=n, split=split)
