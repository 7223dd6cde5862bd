"""Curates descriptions as MiniGPT-4 did: repairs, filters, and applies what people decided.

    python data_scripts/curate_minigpt4.py described.jsonl --images images/ --out data/curated
    python data_scripts/curate_minigpt4.py described.jsonl --images images/ --out data/curated \\
        --decisions data/curated/decisions.jsonl
    python data_scripts/curate_minigpt4.py captions.json --images train2017/ --out data/paid \\
        --world photographs --teacher endpoint --model MODEL --budget-tokens 500000

The descriptions come in any caption file (JSON lines, columns, COCO, `filter_cap.json`), best as a
stage-1 model wrote them. The first run writes `answers.jsonl` (every repair as it came, the
rejected ones with their reason) and `proposals.jsonl`; people then decide, in the widget of
`course_lib/teach/verify_widget.py` or by hand, one JSON line a decision; a run with --decisions
writes `filter_cap.json` and `image/` in the released layout (arXiv 2304.10592, section 3.2). The
same command again goes on where it was stopped: no repair in `answers.jsonl` is paid twice.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from course_lib.curation.curated_set import ENDINGS, kept_captions, write_curated
from course_lib.curation.decisions import read_decisions
from course_lib.curation.describing import Described
from course_lib.curation.description_files import read_descriptions
from course_lib.curation.proposing import Proposal, propose, write_proposals
from course_lib.curation.repairers import EndpointRepairer, RuleRepairer
from course_lib.evaluation.failures import PHOTOGRAPHS, TOY
from course_lib.instructions.endpoint_options import add_endpoint_options, endpoint_settings
from course_lib.instructions.endpoint_script import exit_code, tell_report
from course_lib.instructions.journal import Journal
from course_lib.instructions.running import Report

WORLDS = {"toy": TOY, "photographs": PHOTOGRAPHS}
_FILES = (".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG")


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = found.add_argument
    add(
        "descriptions", type=Path, help="caption file: JSON lines, columns, COCO or filter_cap.json"
    )
    add("--images", type=Path, required=True, help="folder of the images, named by their ids")
    add("--out", type=Path, required=True, help="folder to write, or to go on with")
    add("--field", help="of the caption, or number of its column from 0")
    add("--image-field", help="of the image's id, or number of its column from 0")
    add("--world", choices=tuple(WORLDS), default="toy", help="whose language the filters know")
    add("--decisions", type=Path, help="what people decided: writes the curated set")
    add("--ending", choices=ENDINGS, default=".jpg", help="of the images; .png loses nothing")
    add("--limit", type=int, help="at most so many descriptions")
    add("--strict", action="store_true", help="stop at the first row that would be left out")
    add("--seed", type=int, default=0)
    add("--teacher", choices=("rules", "endpoint"), default="rules")
    add_endpoint_options(found, temperature=0.0)
    return found


def check(args: argparse.Namespace) -> None:
    """Refuses arguments that contradict each other.

    Raises:
        ValueError: with what to do.
    """
    if not args.images.is_dir():
        raise ValueError(f"{args.images} is no folder: give the folder of the images.")
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"--limit {args.limit}: take at least one description.")
    if args.teacher == "rules" and args.world != "toy":
        raise ValueError("The rules know the toy world alone: give --teacher endpoint.")
    if args.decisions is not None and not args.decisions.is_file():
        raise ValueError(f"{args.decisions} is not there: decide first, or leave --decisions out.")


def find_images(folder: Path, ids: Sequence[str]) -> dict[str, Path]:
    """Returns image_id → file, for those that are there; an id never leads out of the folder."""
    inside = [id for id in ids if "/" not in id and "\\" not in id]
    tried = {id: [folder / f"{id}{ending}" for ending in _FILES] for id in inside}
    return {id: path for id, paths in tried.items() for path in reversed(paths) if path.is_file()}


def read(args: argparse.Namespace) -> tuple[list[Described], dict[str, Path]]:
    """Reads descriptions and finds their images; what is left out is told on the error stream.

    Raises:
        ValueError: when nothing is left, or at the first trouble where that is asked for.
    """
    described, troubles = read_descriptions(args.descriptions, args.field, args.image_field)
    images = find_images(args.images, [one.id for one in described])
    troubles += [f"image {d.id} is not in {args.images}" for d in described if d.id not in images]
    if troubles and args.strict:
        raise ValueError(f"{troubles[0]} (--strict stops here; {len(troubles)} in all).")
    for trouble in troubles[:20]:
        print(f"left out: {trouble}", file=sys.stderr)
    if len(troubles) > 20:
        print(f"left out: {len(troubles) - 20} more", file=sys.stderr)
    described = [one for one in described if one.id in images][: args.limit]
    if not described:
        raise ValueError(f"No description of {args.descriptions} has its image in {args.images}.")
    return described, images


def run(args: argparse.Namespace) -> Report:
    """Makes what is missing and writes all files."""
    check(args)
    paid = args.teacher == "endpoint"
    teacher = EndpointRepairer(**endpoint_settings(args)) if paid else RuleRepairer()
    described, images = read(args)
    settings = {"teacher": teacher.name, "source": args.descriptions.name, "seed": args.seed}
    # A repair belongs to the very text that it was made of.
    text = hashlib.sha256(args.descriptions.read_bytes()).hexdigest()[:12]
    settings |= {"world": args.world, "descriptions": text}
    with Journal(args.out / "answers.jsonl", settings) as journal:
        chosen = {"rules": WORLDS[args.world], "seed": args.seed, "ask_lost": args.ask_lost}
        proposals, report = propose(described, teacher, journal, **chosen)
    if not proposals:
        raise ValueError(f"No description passed the filters: {_most(report)}.")
    write_proposals(proposals, args.out / "proposals.jsonl")
    tell(report, len(described), proposals)
    if args.decisions is not None:
        apply(args, proposals, images)
    return report


def apply(args: argparse.Namespace, proposals: list[Proposal], images: dict[str, Path]) -> None:
    """Writes what people kept, in the released layout."""
    decisions = read_decisions(args.decisions, proposals)
    kept = kept_captions(proposals, decisions)
    write_curated(kept, images.__getitem__, args.out, args.ending)
    counts = Counter(decision.decision for decision in decisions.values())
    told = ", ".join(f"{counts[name]} {name}" for name in ("accept", "edit", "reject"))
    print(f"decided: {len(decisions)} of {len(proposals)} ({told})")
    print(f"curated pairs: {len(kept)}")


def _most(report: Report) -> str:
    reason, count = next(iter(report.rejected.items()), (report.stopped or "no answer came", 0))
    return f"{count} times {reason}" if count else reason


def tell(report: Report, described: int, proposals: list[Proposal]) -> None:
    """Prints what was made and what was not."""
    print(f"proposals: {len(proposals)} of {described} descriptions")
    tell_report(report)


def main() -> int:
    """Reads the command line; returns 1 where something was refused or is not whole."""
    args = parser().parse_args()
    return exit_code("curate_minigpt4", lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
