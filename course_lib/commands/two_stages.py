"""Recipes of two stages: where their runs lie, and what the second one starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from course_lib.errors import unknown_name_error
from course_lib.training.checkpoint import has_run

STAGES = ("1", "2")
Runs = list[tuple[Path, list[dict]]]


def train_two_stages(
    name: str,
    train_stage: Callable[..., list[dict]],
    out: Path | None,
    *,
    stage: str = "",
    init: str = "",
    resume: bool = False,
    first: Mapping[str, Any] | None = None,
    second: Mapping[str, Any] | None = None,
    **options: Any,
) -> Runs:
    """Trains one stage of a recipe, or both where none is named.

    Args:
        name: of the recipe; the zoo's stage 1 is `name`-stage1.
        train_stage: of the recipe.
        out: run directory of the last stage, whose stage 1 goes to `out`-stage1; None gives them
            names in `runs`.
        stage: "1", "2" or "" for both.
        init: stage 1 of stage 2; "" takes the one in `runs` or else the zoo's, "none" none.
        resume: goes on; a stage that was not begun begins.
        first: options of stage 1 alone.
        second: options of stage 2 alone.
        options: of both stages.

    Returns:
        (run directory, rows of metrics), one a stage.

    Raises:
        ValueError: for an unknown stage, before anything is trained.
    """
    if stage and stage not in STAGES:
        raise unknown_name_error("stage", stage, STAGES)
    first_dir, second_dir = _run_dirs(out, name, stage)
    done: Runs = []
    if stage != "2":
        going = resume and has_run(first_dir)
        done.append(
            (first_dir, train_stage("1", first_dir, resume=going, **(first or {}), **options))
        )
    if stage != "1":
        start = init or (str(first_dir) if has_run(first_dir) else f"{name}-stage1")
        going, inherited = resume and has_run(second_dir), None if start == "none" else start
        own = {"init": inherited, "resume": going, **(second or {})}
        done.append((second_dir, train_stage("2", second_dir, **own, **options)))
    return done


def _run_dirs(out: Path | None, name: str, stage: str) -> tuple[Path, Path]:
    """Returns the run directories of stage 1 and stage 2."""
    second = out or Path("runs") / f"{name}-toy-stage2"
    if out is None:
        return Path("runs") / f"{name}-toy-stage1", second
    return (out if stage == "1" else out.with_name(f"{out.name}-stage1")), second
