"""Writes LLaVA's instruction data for toy scenes, or for COCO's captions and boxes.

    python data_scripts/make_llava_instructions.py --out data/llava-toy --toy 2000
    python data_scripts/make_llava_instructions.py --out data/llava-coco \\
        --captions captions_train2017.json --instances instances_train2017.json
    python data_scripts/make_llava_instructions.py --out data/llava-paid --toy 100 \\
        --teacher endpoint --model MODEL --base-url http://127.0.0.1:8000/v1 --budget-tokens 500000

The folder gets `llava_instruct.json` and one file a type in LLaVA's layout (arXiv 2304.08485,
section 3), `answers.jsonl` with every answer as it came, the rejected ones with their reason, and
for toy scenes `images/`. The same command again goes on where it was stopped: no answer that is in
`answers.jsonl` is paid twice.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from course_lib.errors import atomic_path
from course_lib.instructions.coco_files import category_names, read_coco
from course_lib.instructions.endpoint import EndpointTeacher
from course_lib.instructions.endpoint_options import add_endpoint_options, endpoint_settings
from course_lib.instructions.endpoint_script import exit_code, tell_report
from course_lib.instructions.generate import Report, Request, generate, records
from course_lib.instructions.journal import Journal
from course_lib.instructions.llava_json import PLACEMENTS, write_llava
from course_lib.instructions.mix import parse_mix
from course_lib.instructions.rules import RuleTeacher
from course_lib.instructions.symbols import Example, examples_of_scenes
from course_lib.instructions.teacher import Teacher
from course_lib.world.draw import draw_scene
from course_lib.world.scene import SPLITS, Scene, sample_scenes


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = found.add_argument
    add("--out", type=Path, required=True, help="folder to write, or to go on with")
    add("--toy", type=int, metavar="COUNT", help="toy scenes")
    add("--split", choices=SPLITS, default="train", help="of the toy scenes")
    add("--captions", type=Path, help="COCO captions file")
    add("--instances", type=Path, help="COCO instances file of the same images")
    add("--limit", type=int, help="at most so many images of the captions file")
    add("--exhaustive", action="store_true", help="boxes name every object: absence can be told")
    add("--strict", action="store_true", help="stop at the first broken annotation")
    add("--samples", type=int, help="of all types (about two an image)")
    add("--mix", default="58:23:77", help="conversation:detail:reasoning")
    add("--placement", choices=PLACEMENTS, default="random", help="of <image> in the first turn")
    add("--seed", type=int, default=0)
    add("--teacher", choices=("rules", "endpoint"), default="rules")
    add_endpoint_options(found)
    return found


def toy_examples(args: argparse.Namespace) -> list[Example]:
    """Draws what is not drawn yet and returns what the captions and boxes say."""
    scenes = sample_scenes(args.toy, args.seed, args.split)
    examples = examples_of_scenes(scenes)
    folder = args.out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for scene, example in zip(scenes, examples, strict=True):
        _draw(scene, folder / example.image)
    return examples


def _draw(scene: Scene, path: Path) -> None:
    if not path.exists():
        with atomic_path(path) as unfinished:
            Image.fromarray(draw_scene(scene)).save(unfinished, format="PNG")


def coco_examples(args: argparse.Namespace) -> list[Example]:
    """Reads the annotation files; what is broken in them is told on the error stream."""
    examples, troubles = read_coco(args.captions, args.instances, args.limit)
    if troubles and args.strict:
        raise ValueError(f"{troubles[0]} (--strict stops here; {len(troubles)} in all).")
    for trouble in troubles[:20]:
        print(f"left out: {trouble}", file=sys.stderr)
    if len(troubles) > 20:
        print(f"left out: {len(troubles) - 20} more", file=sys.stderr)
    if not examples:
        raise ValueError(f"{args.captions} holds no image with a caption.")
    return examples


def check(args: argparse.Namespace) -> None:
    """Refuses arguments that contradict each other.

    Raises:
        ValueError: with what to do.
    """
    if (args.toy is None) == (args.captions is None):
        raise ValueError("Give either --toy COUNT or --captions FILE.")
    if args.toy is not None and args.toy < 1:
        raise ValueError(f"--toy {args.toy}: make at least one scene.")
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"--limit {args.limit}: take at least one image.")
    if args.exhaustive and args.instances is None:
        raise ValueError("--exhaustive speaks of boxes: give --instances FILE, too.")


def teacher_of(args: argparse.Namespace) -> Teacher:
    """Makes the teacher that the arguments name."""
    if args.teacher == "rules":
        return RuleTeacher(categories=category_names(args.instances) if args.exhaustive else ())
    return EndpointTeacher(**endpoint_settings(args))


def run(args: argparse.Namespace) -> Report:
    """Makes what is missing and writes all files."""
    check(args)
    request = Request(args.samples, parse_mix(args.mix), args.seed, args.ask_lost)
    teacher = teacher_of(args)
    source = f"toy {args.split}" if args.toy else f"COCO {args.captions.name}"
    settings = {"teacher": teacher.name, "source": source, "seed": args.seed}
    with Journal(args.out / "answers.jsonl", settings) as journal:
        examples = toy_examples(args) if args.toy else coco_examples(args)
        made, report = generate(examples, teacher, journal, request)
    write_llava(records(made, args.placement, args.seed), args.out, args.seed)
    with atomic_path(args.out / "report.json") as path:
        path.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    return report


def tell(report: Report) -> None:
    """Prints what was made and what was not."""
    for type, count in report.accepted.items():
        print(f"{type}: {count} of {report.wanted[type]}")
    tell_report(report)


def main() -> int:
    """Reads the command line; returns 1 where something was refused or is not whole."""
    args = parser().parse_args()

    def work() -> Report:
        report = run(args)
        tell(report)
        return report

    return exit_code("make_llava_instructions", work)


if __name__ == "__main__":
    sys.exit(main())
