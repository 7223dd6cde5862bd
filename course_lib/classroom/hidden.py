"""Hidden cases: inputs that no student has, made from a word that the instructor keeps.

They are in `classroom/hidden/`, which the installed package lacks: `h03.py` holds a function for
each exercise of notebook 03 whose inputs are written by hand. An exercise that draws its inputs by
chance needs none: the same drawing, begun elsewhere, gives others of the same kind.
"""

import hashlib
import importlib.util
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from course_lib.errors import unknown_name_error
from course_lib.teach.task import Case, Exercise, exercise_ids, find_exercise

FOLDER = Path(__file__).parents[2] / "classroom" / "hidden"
DRAWS = 2


def hidden_cases(name: str, word: str, folder: Path | None = None) -> list[Case]:
    """Returns the hidden inputs of an exercise; the same word gives the same ones.

    Args:
        name: id of the exercise.
        word: the instructor's; whoever knows it and has the folder knows the inputs.
        folder: where the hand-written ones are.

    Raises:
        ValueError: for an unknown exercise, or where the folder is missing.
    """
    if name not in exercise_ids():
        raise unknown_name_error("exercise", name, exercise_ids())
    folder = FOLDER if folder is None else folder
    if not folder.is_dir():
        raise ValueError(
            f"There are no hidden checks in {folder}: grade from the course's repository, not from "
            "the installed package, which students have too."
        )
    number, _, short = name.partition(".")
    draw = random.Random(int(hashlib.sha256(f"{word}:{name}".encode()).hexdigest(), 16))
    written = _functions(folder, number).get(short)
    if written is not None:
        return list(written(draw))
    return redrawn(find_exercise(name), draw)


def redrawn(exercise: Exercise, draw: random.Random) -> list[Case]:
    """Returns the exercise's own cases, DRAWS times, with other numbers drawn."""
    cases: list[Case] = []
    for _ in range(DRAWS):
        with other_chances(draw.randrange(1, 2**31)):
            cases += exercise.cases()
    return cases


@contextmanager
def other_chances(shift: int) -> Iterator[None]:
    """Makes every generator that is seeded in the block begin elsewhere."""

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> torch.Generator:
            return super().manual_seed(seed + shift)

    class Random(random.Random):
        def __init__(self, seed: int = 0) -> None:
            super().__init__(f"{seed}+{shift}")

    kept = torch.Generator, random.Random, torch.manual_seed
    torch.Generator, random.Random = Generator, Random
    torch.manual_seed = lambda seed: kept[2](seed + shift)
    try:
        yield
    finally:
        torch.Generator, random.Random, torch.manual_seed = kept


def _functions(folder: Path, number: str) -> dict[str, Callable[[random.Random], list[Case]]]:
    path = folder / f"h{number}.py"
    return dict(vars(_load(path))) if path.exists() else {}


@cache
def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"classroom_hidden_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
