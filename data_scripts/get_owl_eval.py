"""Gets OwlEval as it was released: 82 questions about 50 images, and the answers of six models.

    python data_scripts/get_owl_eval.py

The released layout lies in `data/owl_eval/OwlEval`, for `make_owl_eval.py --check`; the rows, an
image each, in `data/owl_eval/rows/test`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_folders
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.talks import owl_eval_rows
from course_lib.downloads.remote import Card, Remote

_SITE = "https://raw.githubusercontent.com/X-PLUG/mPLUG-Owl/main/mPLUG-Owl/OwlEval/"
# Bytes of each file, from the repository's tree.
TEXTS = {
    "questions.jsonl": 12935,
    "answer/MMreact_answer.jsonl": 42238,
    "answer/blip2_13b_answer.jsonl": 14376,
    "answer/llava_13b_answer.jsonl": 50228,
    "answer/mPLUG_Owl_7b_answer.jsonl": 57888,
    "answer/minigpt4_13b_answer.jsonl": 51976,
    "answer/openflanmingo_answer.jsonl": 18756,
}
CASES = (
    *(346151, 126469, 295471, 284944, 297103, 282403, 201522, 64883, 42473, 152843),
    *(116824, 134475, 211474, 338342, 90087, 106854, 141147, 155339, 126625, 100965),
    *(95358, 77015, 102076, 90398, 75631, 106366, 128163, 182698, 128783, 100695),
    *(141511, 116144, 134906, 88995, 176109, 187084, 177762, 141863, 210662, 102574),
    *(124368, 218010, 158468, 101178, 94263, 83193, 26866, 49960, 708374, 122979),
)


def _files() -> tuple[Remote, ...]:
    sizes = {**TEXTS, **{f"cases/{n}.jpg": size for n, size in enumerate(CASES, start=1)}}
    return tuple(
        Remote(_SITE + name, f"owl_eval/OwlEval/{name}", size=size) for name, size in sizes.items()
    )


CARD = Card(
    name="owl_eval",
    title="OwlEval: 82 questions about 50 images, answers of six models",
    licence="questions and answers Apache-2.0; 46 images belong to third parties: do not pass on",
    page="https://github.com/X-PLUG/mPLUG-Owl/tree/main/mPLUG-Owl/OwlEval",
    files=_files(),
    notes=("checksums are not published; people's ratings of the answers were never released",),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        folder = data / "owl_eval/OwlEval"
        rows = partial(owl_eval_rows, folder / "questions.jsonl")
        return [Split("test", rows, from_folders(folder / "cases"), 50)]

    return Job(CARD, "owl_eval/rows", splits, CARD.files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
