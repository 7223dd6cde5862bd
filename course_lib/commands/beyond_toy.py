"""`course train RECIPE --scale small|a100`: what the console script's words mean there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Nothing heavier is imported here: the console script reads this file for `toy`, too.


def check_toy(data: Sequence[Path] | None, layout: Mapping[str, Any]) -> None:
    """Refuses what has no meaning at `toy`, where nothing is read from a disk.

    Raises:
        ValueError: naming the option.
    """
    given = [name for name, value in {"data": data, **layout}.items() if value]
    if given:
        raise ValueError(
            f"--{given[0]} is for real data sets and backbones: leave it out at toy, or add "
            "--scale small."
        )


def train_beyond_toy(
    recipe: str,
    scale: str,
    data: Sequence[Path] | None,
    out: Path | None,
    chosen: Mapping[str, str],
    *,
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    micro: int | None = None,
    workers: int | None = None,
    recompute: bool = False,
) -> list[tuple[Path, list[dict]]]:
    """Trains one stage on real data.

    Args:
        recipe: its name.
        scale: "small" or "a100".
        data: folders that `data_scripts` wrote.
        out: run directory; None gives it a name in `runs`.
        chosen: stage, vision, language, ...; see `full_size.naming.Asked`.
        steps: another number of steps than the recipe's.
        scenes: refused: a real data set is read.
        seed: of initialisation and order.
        resume: goes on with the run.
        micro: most rows of a pass.
        workers: processes that read ahead for each process that trains; None is 4 beside a GPU.
        recompute: see `training.layout.Layout`.

    Returns:
        [(run directory, rows of metrics)] in the main process, [] in all others.

    Raises:
        ValueError: for an option that the recipe does not have; see `train_full_size`.
    """
    from course_lib.full_size.beginning import beginning_of
    from course_lib.full_size.laying import accelerator_here
    from course_lib.full_size.naming import Asked, check_asked
    from course_lib.full_size.training import How, train_full_size

    if scenes is not None:
        raise ValueError(f"--scenes {scenes} is for toy: at {scale} all of --data is read.")
    given = dict(chosen)
    number = check_asked(recipe, scale, given)
    given["init"] = beginning_of(recipe, scale, number, given.get("init", ""))
    asked = Asked(recipe, scale, number, seed=seed, **_without_stage(given))
    accelerator = accelerator_here()
    readers = workers if workers is not None else 4 * (accelerator.device.type == "cuda")
    how = How(micro=micro, workers=readers, recompute=recompute, resume=resume)
    options = {"steps": steps, "how": how, "accelerator": accelerator}
    run, rows = train_full_size(asked, data or (), out, **options)
    accelerator.wait_for_everyone()
    if accelerator.device.type == "cuda":
        accelerator.end_training()  # gloo may abort where two processes close at the same time
    return [(run, rows)] if accelerator.is_main_process else []


def _without_stage(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name != "stage"}
