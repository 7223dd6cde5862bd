"""Judges a model's answers to the LLaVA-Bench of the toy world, or to the released one.

    python data_scripts/judge_llava_bench.py --write-bench data/llava-bench-toy
    python data_scripts/judge_llava_bench.py --out runs/judged --answers answers.jsonl
    python data_scripts/judge_llava_bench.py --out runs/judged-90 --answers answers.jsonl \\
        --questions qa90_questions.jsonl --references qa90_gpt4_answer.jsonl \\
        --contexts caps_boxes_coco2014_val_80.jsonl --orders both \\
        --judge endpoint --model MODEL --base-url http://127.0.0.1:8000/v1 --budget-tokens 500000

An answer is a line {"question_id": 0, "text": "it is red."}. The folder gets `reviews.jsonl` in the
released layout (arXiv 2304.08485, section 5.1), `reviews_candidate_first.jsonl` with `--orders
both`, `scores.json`, and `judgements.jsonl` with every review as it came. The same command again
goes on where it was stopped: no review that is in `judgements.jsonl` is paid twice.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from course_lib.errors import atomic_path
from course_lib.evaluation.bench_exact import exact_scores
from course_lib.evaluation.judge import UNPARSABLE, Relative, Review, position_bias, relative_scores
from course_lib.evaluation.judge_files import write_reviews
from course_lib.evaluation.judge_prompt import ORDERS, comparisons, own_rules, read_rules
from course_lib.evaluation.judges import EndpointJudge, RuleJudge, journal_settings, judge_answers
from course_lib.evaluation.llava_bench import Bench, make_bench
from course_lib.evaluation.llava_bench_files import (
    read_answers,
    read_bench,
    read_bench_folder,
    write_bench,
)
from course_lib.instructions.endpoint_options import add_endpoint_options, endpoint_settings
from course_lib.instructions.endpoint_script import exit_code, tell_report
from course_lib.instructions.journal import Journal
from course_lib.instructions.running import Report
from course_lib.instructions.teacher import Teacher
from course_lib.instructions.toy_reading import read_scene

FILES = ("questions", "references", "contexts")


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = found.add_argument
    add("--out", type=Path, help="folder to write, or to go on with")
    add("--answers", type=Path, help="JSON lines of question_id and text")
    add("--write-bench", type=Path, metavar="DIR", help="write the toy bench there, and no more")
    add("--bench", type=Path, metavar="DIR", help="a folder that --write-bench wrote")
    add("--questions", type=Path, help="with --references and --contexts: any bench")
    add("--references", type=Path, help="the reference's answers")
    add("--contexts", type=Path, help="captions and boxes")
    add("--rules", type=Path, help="like the released rule.json (the course's own)")
    add(
        "--orders",
        choices=("released", "both"),
        default="released",
        help="reference first, or each once",
    )
    add("--judge", choices=("rules", "endpoint"), default="rules")
    add("--position-bias", type=float, default=0.0, help="points that the rule judge takes off")
    add("--unparsable", type=float, default=0.0, help="share that the rule judge writes badly")
    add_endpoint_options(found, temperature=0.2)
    return found


def bench_of(args: argparse.Namespace) -> Bench:
    """Reads the bench that the arguments name; without any, the toy one is made.

    Raises:
        ValueError: when some of the three files are missing, or a folder is named, too.
    """
    given = [name for name in FILES if getattr(args, name) is not None]
    if args.bench is not None and given:
        raise ValueError("Give --bench DIR, or the three files of a bench, not both.")
    if args.bench is not None:
        return read_bench_folder(args.bench)
    if not given:
        return make_bench()
    if len(given) < len(FILES):
        missing = next(name for name in FILES if name not in given)
        raise ValueError(f"A bench is three files: give --{missing} FILE, too.")
    return read_bench(args.questions, args.references, args.contexts)


def judge_of(args: argparse.Namespace, bench: Bench) -> Teacher:
    """Makes the judge that the arguments name.

    Raises:
        ValueError: for options that belong to the other judge, or rules about photographs.
    """
    if args.judge == "endpoint":
        if args.position_bias or args.unparsable:
            raise ValueError("--position-bias and --unparsable are for --judge rules alone.")
        return EndpointJudge(**endpoint_settings(args))
    if not is_toy(bench):
        raise ValueError("Rules know toy scenes alone: judge photographs with --judge endpoint.")
    return RuleJudge(args.position_bias, args.unparsable)


def is_toy(bench: Bench) -> bool:
    """Tells whether every question is about a toy scene with a known key."""
    return all(
        read_scene(bench.contexts[question.image]) is not None
        and "key" in bench.references[question.question_id].metadata
        for question in bench.questions
    )


def summary(reviews: Sequence[Review]) -> dict:
    """Returns relative scores of the released order and of both, with both ways to treat (-1, -1).

    Returns:
        relative: {order or "both orders": {way: {category: `Relative`}}}; position_bias: points, or
        None where no question was reviewed in both orders.
    """
    groups = {order: [r for r in reviews if r.order == order] for order in ORDERS}
    if all(groups.values()):
        groups["both orders"] = list(reviews)
    relative = {
        name: {way: relative_scores(group, way) for way in UNPARSABLE}
        for name, group in groups.items()
        if group
    }
    try:
        bias = position_bias(reviews)
    except ValueError:
        bias = None
    return {"relative": relative, "position_bias": bias}


def run(args: argparse.Namespace) -> tuple[dict, Report]:
    """Judges what is missing and writes all files.

    Raises:
        ValueError: with what to do.
    """
    if args.answers is None or args.out is None:
        raise ValueError("Give --answers FILE and --out DIR, or --write-bench DIR.")
    bench = bench_of(args)
    answers = read_answers(args.answers, bench)
    compared = comparisons(bench, answers, read_rules(args.rules) if args.rules else own_rules())
    judge = judge_of(args, bench)
    orders = ORDERS if args.orders == "both" else ORDERS[:1]
    settings = journal_settings(compared, judge)
    with Journal(args.out / "judgements.jsonl", settings) as journal:
        reviews, report = judge_answers(compared, judge, journal, orders, args.ask_lost)
    write_reviews(args.out, reviews)
    found = {"judge": judge.name, **summary(reviews)}
    found["exact"] = exact_scores(bench, answers.values()) if is_toy(bench) else None
    with atomic_path(args.out / "scores.json") as path:
        whole = {**found, "report": asdict(report)}
        text = json.dumps(whole, indent=1, default=asdict, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return found, report


def _line(scores: dict[str, Relative]) -> str:
    return ", ".join(
        f"{name} none" if found.relative is None else f"{name} {found.relative:.1f}"
        for name, found in scores.items()
    )


def tell(found: dict, report: Report) -> None:
    """Prints the scores and what is missing."""
    for order, ways in found["relative"].items():
        total = ways["as released"]["all"]
        print(f"{order}: {_line(ways['as released'])}")
        if total.unparsable:
            print(f"  {total.unparsable} of {total.reviews} reviews are unparsable and count as -1")
            print(f"  without them: {_line(ways['left out'])}")
    if found["position_bias"] is not None:
        print(f"standing first is worth {found['position_bias']:.2f} points")
    if found["exact"] is not None:
        scores = [f"{name} {100 * score:.1f}" for name, score in found["exact"].items()]
        print(f"exact, in percent: {', '.join(scores)}")
    tell_report(report)


def main() -> int:
    """Reads the command line; returns 1 where something was refused or is not whole."""
    args = parser().parse_args()

    def work() -> Report | None:
        if args.write_bench is not None:
            write_bench(make_bench(), args.write_bench)
            print(args.write_bench)
            return None
        found, report = run(args)
        tell(found, report)
        return report

    return exit_code("judge_llava_bench", work)


if __name__ == "__main__":
    sys.exit(main())
