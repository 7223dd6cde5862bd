"""Writes the toy world's OwlEval, or checks a folder of the released one.

    python data_scripts/make_owl_eval.py --out data/owl-eval-toy
    python data_scripts/make_owl_eval.py --check mPLUG-Owl/mPLUG-Owl/OwlEval

The folder that is written has the released layout (arXiv 2304.14178, section 4.2):
`questions.jsonl` with 82 questions, `cases/` with 50 images, and beside them `keys.jsonl` and
`scenes.jsonl`, which the released one lacks. A folder that is checked is only read: questions,
answer files and your own copy of the images, which are not ours to ship. Dirt is counted; what is
broken or missing is named.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course_lib.evaluation.owl_eval import ABILITIES, category_mix, exact_scores, listed
from course_lib.evaluation.owl_eval_files import AnswerFile, read_questions
from course_lib.evaluation.owl_eval_folder import (
    QUESTIONS,
    OwlFolder,
    read_owl_folder,
    write_owl_eval,
)
from course_lib.evaluation.owl_eval_toy import SEED, make_owl_eval, released_dialogues


def write(out: Path, seed: int) -> Path:
    """Writes the toy OwlEval; the same one may be there already.

    Raises:
        ValueError: when the folder holds other questions.
    """
    owl = make_owl_eval(seed)
    path = out / QUESTIONS
    if path.exists() and read_questions(path)[0].questions != owl.questions:
        raise ValueError(f"{out} holds another OwlEval already: choose another --out.")
    write_owl_eval(owl, out)
    return out


def about_questions(found: OwlFolder) -> list[str]:
    """Says how many questions there are, of which categories and abilities."""
    owl, groups = found.owl, found.owl.groups()
    mix = ", ".join(f"{name} {count}" for name, count in category_mix(owl).items())
    letters = ", ".join(f"{letter} {len(groups.get(letter, ()))}" for letter in ABILITIES)
    asked = [tuple("".join(q.abilities[1:]) for q in turns) for turns in owl.dialogues().values()]
    same = "is" if asked == released_dialogues() else "is not"
    return [
        f"questions: {len(owl.questions)} about {len(owl.dialogues())} images; {mix}",
        f"abilities: {letters}; the mix {same} the released one",
    ]


def about_answers(file: AnswerFile, found: OwlFolder) -> str:
    """Says how many answers a file has and what is untidy in it."""
    dirt = {
        "under another file ending": file.other_endings,
        "with the question worded otherwise": file.other_texts,
        "of them in more than white space": file.other_words,
        "place-holders": file.empty,
    }
    told = [f"{len(ids)} {what}" for what, ids in dirt.items() if ids]
    told += [f"no answer to question {listed(file.unanswered)}"] if file.unanswered else []
    if found.owl.keys and not file.unanswered:
        scores = exact_scores(found.owl, file.answers)
        told.append(
            "exact, in percent: " + ", ".join(f"{k} {100 * v:.1f}" for k, v in scores.items())
        )
    start = f"answers of {file.name}: {len(file.answers)} of {len(found.owl.questions)}"
    return "; ".join([start, *told])


def check(folder: Path, strict: bool) -> bool:
    """Prints what a folder holds; tells whether nothing in it is broken or missing.

    Raises:
        ValueError: without questions that can be read; when strict, at the first fault.
    """
    found = read_owl_folder(folder, strict)
    mislabelled, broken = found.pictures.faults()
    lines = about_questions(found)
    lines += [about_answers(file, found) for file in found.answers.values()]
    lines.append(f"images: {len(found.pictures.found)} of {len(found.owl.dialogues())} are here")
    if found.pictures.other_endings:
        lines[-1] += f"; under another ending {listed(found.pictures.other_endings)}"
    lines += [f"{image} is {format} by its content" for image, format in mislabelled.items()]
    print("\n".join(lines))
    troubles = [*found.troubles, *(t for file in found.answers.values() for t in file.troubles)]
    troubles += [found.pictures.complaint()] if found.pictures.missing else []
    troubles += broken.values()
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    unanswered = any(file.unanswered for file in found.answers.values())
    return not troubles and not unanswered


def main() -> int:
    """Reads the command line; returns 1 where something is refused, broken or missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="folder for the toy OwlEval")
    what.add_argument("--check", type=Path, metavar="DIR", help="folder to be read")
    parser.add_argument("--seed", type=int, default=SEED, help="of the toy scenes and questions")
    parser.add_argument("--strict", action="store_true", help="stop at the first fault")
    args = parser.parse_args()
    try:
        if args.out is not None:
            print(write(args.out, args.seed))
            return 0
        return int(not check(args.check, args.strict))
    except (ValueError, OSError) as error:
        print(f"make_owl_eval: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
