"""The console script `course`: each command in a few lines, its work in `course_lib/commands`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

# Before torch is imported: with another busy process, two threads cost many times one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import typer
from rich.console import Console
from rich.table import Table

from course_lib.commands.bench import bench
from course_lib.commands.compare import compare
from course_lib.commands.evaluate import evaluate, show
from course_lib.commands.experiment import experiment
from course_lib.commands.plan import plan, print_plan
from course_lib.errors import unknown_name_error

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
zoo_app = typer.Typer(no_args_is_help=True, help="Check or build the pretrained toy models.")
app.add_typer(zoo_app, name="zoo")
app.command()(plan)
app.command()(evaluate)
app.command()(experiment)
app.command()(compare)
app.command()(bench)
SCALES = ("toy", "small", "a100")
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def _check(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise unknown_name_error(kind, name, known)


@app.command()
def doctor(json_: Json = False) -> None:
    """Check this machine for what the course needs."""
    from course_lib.commands.doctor import checks

    rows = checks()
    if json_:
        print(json.dumps({"ok": all(row["ok"] for row in rows), "checks": rows}))
    else:
        table = Table("check", "found", "", "what to do")
        for row in rows:
            table.add_row(row["name"], row["found"], "✓" if row["ok"] else "✗", row["advice"])
        Console().print(table)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@app.command()
def train(
    recipe: str,
    stage: Annotated[str, typer.Option(help="1, 2 or VPGTrans's 3; both 1 and 2 where none")] = "",
    scale: Annotated[str, typer.Option(help="toy, small or a100")] = "toy",
    language: Annotated[str, typer.Option(help="opt, t5, ...; beyond toy DIR or OWNER/NAME")] = "",
    version: Annotated[str, typer.Option(help="of LLaVA: v1 or v1.5")] = "",
    init: Annotated[str, typer.Option(help="run that the stage begins with; 'none': random")] = "",
    curated: Annotated[str, typer.Option(help="MiniGPT-4's own set: its folder")] = "",
    encoder: Annotated[str, typer.Option(help="mPLUG-Owl's in stage 1: trained or frozen")] = "",
    steps: Annotated[int | None, typer.Option(help="other number of steps")] = None,
    scenes: Annotated[int | None, typer.Option(help="other number of training scenes")] = None,
    out: Annotated[Path | None, typer.Option(help="run directory")] = None,
    seed: int = 0,
    resume: bool = False,
    log: Annotated[str, typer.Option(help="also to tensorboard or wandb")] = "none",
    data_dirs: Annotated[
        list[Path] | None, typer.Option("--data", help="beyond toy: a folder of data_scripts")
    ] = None,
    vision: Annotated[str, typer.Option(help="beyond toy: image encoder, DIR or OWNER/NAME")] = "",
    text: Annotated[str, typer.Option(help="beyond toy: BERT of BLIP-2's stage 1")] = "",
    micro: Annotated[int | None, typer.Option(help="beyond toy: most rows of a pass")] = None,
    workers: Annotated[int | None, typer.Option(help="beyond toy: readers a process")] = None,
    recompute: Annotated[bool, typer.Option("--recompute", help="beyond toy: less memory")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what it costs")] = False,
) -> None:
    """Train a recipe, or one stage of it."""
    if dry_run:
        variant = language or version or encoder
        return print_plan(recipe, scale, stage=stage, variant=variant, steps=steps)
    from course_lib.commands.beyond_toy import check_toy, train_beyond_toy
    from course_lib.commands.runs import RECIPES, train_recipe
    from course_lib.training.tracking import tracking

    _check("recipe", recipe, RECIPES)
    _check("scale", scale, SCALES)
    named = {"stage": stage, "language": language, "version": version, "init": init}
    named |= {"curated": curated, "encoder": encoder}
    named |= {"vision": vision, "text": text}
    chosen = {name: value for name, value in named.items() if value}
    numbers = {"steps": steps, "scenes": scenes, "seed": seed, "resume": resume}
    layout = {"micro": micro, "workers": workers, "recompute": recompute}
    with tracking(log):
        if scale == "toy":
            check_toy(data_dirs, layout)
            trained = train_recipe(recipe, out, chosen, **numbers)
        else:
            trained = train_beyond_toy(recipe, scale, data_dirs, out, chosen, **numbers, **layout)
    for target, rows in trained:
        last = rows[-1]
        Console(stderr=True).print(f"{target}: {last['step']} steps, loss {last['loss']:.3f}")


@app.command()
def chat(
    run: str,
    image: Annotated[Path, typer.Option(help="a picture")],
    prompt: Annotated[str, typer.Option(help="a question, or 'describe'")],
    json_: Json = False,
) -> None:
    """Ask a run about a picture."""
    from course_lib.commands.chat import reply

    found = reply(run, image, prompt)
    if json_:
        print(json.dumps(found))
        return
    print(found["answer"])
    for note in found["notes"]:
        Console(stderr=True).print(note)


@app.command()
def progress(
    reset: Annotated[bool, typer.Option("--reset", help="forget all attempts")] = False,
    json_: Json = False,
) -> None:
    """Show which objectives are met by checks and quizzes."""
    from course_lib.commands.progress import objectives_in, progress_lines, progress_report
    from course_lib.teach.progress import forget_progress, objectives_of_checks, read_progress

    if reset:
        told = forget_progress()
        print(json.dumps({"reset": told}) if json_ else told)
        return
    (words, troubles), kept = objectives_in(), read_progress()
    report = progress_report(words, objectives_of_checks(), kept.attempts)
    notes = [*troubles, *filter(None, [kept.trouble])]
    if json_:
        print(json.dumps({**report, "notes": notes}))
        return
    for line in (*progress_lines(report), *notes):
        Console().print(line, soft_wrap=isinstance(line, str), highlight=False)


@zoo_app.command("build")
def zoo_build(
    names: Annotated[
        list[str] | None, typer.Argument(help="models; all where none is named")
    ] = None,
    first_round: Annotated[int, typer.Option(help="2 = from what ships")] = 1,
    jobs: Annotated[int, typer.Option(help="processes at a time; 0 = one a core")] = 0,
    json_: Json = False,
) -> None:
    """Train zoo models, or go on with their training, and write them with their cards."""
    from course_lib.commands.zoo_build import build_side_by_side
    from course_lib.commands.zoo_runs import ZOO_RUNS, build_run
    from course_lib.devtools.environment import cores
    from course_lib.zoo.build import build
    from course_lib.zoo.registry import builders

    known = (*builders(), *ZOO_RUNS)
    wanted = names or known
    for name in wanted:
        _check("zoo model", name, known)
    if first_round != 1 and (len(wanted) > 1 or wanted[0] in ZOO_RUNS):
        raise ValueError(
            f"--first-round {first_round} is for one backbone ({', '.join(builders())}), "
            f"not for {', '.join(wanted)}."
        )
    if len(wanted) > 1:
        cards = build_side_by_side(wanted, jobs or cores())
    else:
        name = wanted[0]
        card = build_run(name) if name in ZOO_RUNS else build(name, first_round=first_round)
        cards = {name: card}
    show(cards, json_)
    passed = sum(card["passed"] for card in cards.values())
    if not json_:
        print(f"zoo: {passed} passed, {len(cards) - passed} failed")
    if passed < len(cards):
        raise typer.Exit(1)


@zoo_app.command("check")
def zoo_check(
    names: Annotated[list[str] | None, typer.Argument()] = None, json_: Json = False
) -> None:
    """Measure anew the gates of the zoo's models and the bars of its trained recipes."""
    from course_lib.commands.zoo_runs import check_zoo

    found = check_zoo(names)
    if json_:
        print(json.dumps(found))
    else:
        table = Table("model", "measured", "score", "gate", "")
        for name, row in found["models"].items():
            for key, score in row["scores"].items():
                gate = row["gates"].get(key)
                shown = ("", "") if gate is None else (f"{gate:.2f}", "✓" if score >= gate else "✗")
                table.add_row(name, key, f"{score:.3f}", *shown)
        Console().print(table)
    if not found["passed"]:
        raise typer.Exit(1)


def main() -> None:
    """Runs the console script; what is refused becomes one sentence and exit code 1."""
    try:
        app()
    except (ValueError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        goes_on = set(sys.argv[1:2]) & {"zoo", "experiment", "compare"}
        again = "the same command" if goes_on else "the same command with --resume"
        print(f"course: stopped; {again} goes on.", file=sys.stderr)
        sys.exit(130)
