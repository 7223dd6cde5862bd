"""Filters captions by the frequency of their noun phrases, as LLaVA made 595K pairs of CC3M.

    python data_scripts/filter_captions.py captions.tsv --out kept.tsv --plot phrases.png

Reads JSON lines, tab-separated files (CC3M's form) and COCO JSON, and writes what stays in the same
form; the plot shows how often each phrase was there before and after. The recipe is that of arXiv
2304.08485, appendix E; the phrases come from rules (`course_lib/instructions/noun_phrases.py`
tells their limits), where the paper has spaCy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course_lib.errors import atomic_path
from course_lib.instructions.caption_files import read_captions, write_captions
from course_lib.instructions.concept_filter import Filtered, filter_captions


def plot(found: Filtered, least: int, path: Path) -> None:
    """Draws how many captions each phrase has, most frequent first, before and after, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for counts, label, style in ((found.before, "before", "-"), (found.after, "after", "--")):
        numbers = sorted((n for n in counts.values() if n >= least), reverse=True)
        axes.loglog(range(1, len(numbers) + 1), numbers, style, label=f"{label}: {len(numbers)}")
    axes.set_xlabel("noun phrase, the most frequent first")
    axes.set_ylabel("captions with it")
    axes.set_title(f"Noun phrases in at least {least} captions")
    axes.legend()
    axes.grid(alpha=0.3)
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png")


def main() -> int:
    """Reads the command line and filters one file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captions", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the captions that stay")
    parser.add_argument("--plot", type=Path, help="PNG of the phrases before and after")
    parser.add_argument("--field", help="field of a record, or number of a column from 0")
    parser.add_argument("--least", type=int, default=3, help="captions that a phrase is in")
    parser.add_argument("--most", type=int, default=100, help="captions taken for a phrase")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--strict", action="store_true", help="stop at a row without a caption")
    args = parser.parse_args()
    try:
        if args.out.resolve() == args.captions.resolve():
            raise ValueError("--out is the file that is read: choose another name.")
        source = read_captions(args.captions, args.field)
        if source.troubles and args.strict:
            raise ValueError(f"{args.captions}: {source.troubles[0]} (--strict stops here).")
        found = filter_captions(source.captions, args.least, args.most, args.seed)
        write_captions(source, found.kept, args.out)
        if args.plot:
            plot(found, args.least, args.plot)
    except (ValueError, OSError) as error:
        print(f"filter_captions: {error}", file=sys.stderr)
        return 1
    for trouble in source.troubles[:20]:
        print(f"left out: {trouble}", file=sys.stderr)
    if len(source.troubles) > 20:
        print(f"left out: {len(source.troubles) - 20} more", file=sys.stderr)
    frequent = [sum(n >= args.least for n in c.values()) for c in (found.before, found.after)]
    print(f"captions: {len(found.kept)} of {len(source.captions)} stay")
    print(f"noun phrases in at least {args.least}: {frequent[0]} before, {frequent[1]} after")
    return 0


if __name__ == "__main__":
    sys.exit(main())
