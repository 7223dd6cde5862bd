"""What people kept, read from a file whose last line may be cut short."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course_lib.curation.decisions import read_decisions
from course_lib.curation.proposing import Proposal
from course_lib.teach.task import Case, Exercise, Mistake, call


def keep_decided(text: str, proposals: dict[str, str]) -> dict[str, str]:
    """Returns image -> caption of what was accepted or edited; raises for what cannot be meant."""
    kept: dict[str, str] = {}
    decided = set()
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):  # no line break behind it: it was cut short
                break
            raise
        image = row["image_id"]
        if image not in proposals or image in decided:
            raise ValueError(f"line {number}: image {image!r} is unknown, or decided already")
        decided.add(image)
        if row["decision"] != "reject":
            kept[image] = row.get("caption", proposals[image])
    return kept


def reference(text: str, proposals: dict[str, str]) -> dict[str, str]:
    """The library's, from a real file."""
    listed = [Proposal(image, caption) for image, caption in proposals.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.jsonl"
        path.write_bytes(text.encode())
        made = read_decisions(path, listed)
    return {image: one.caption for image, one in made.items() if one.caption}


def _run(answer: Any, case: Case) -> Any:
    """Tells which pairs an answer kept, or that it raised a ValueError."""
    try:
        made = call(answer, case)
    except ValueError:
        return {"outcome": "raises ValueError", "pairs": ""}
    if made is ... or not isinstance(made, Mapping):
        return made
    pairs = ", ".join(f"{image}: {made[image]}" for image in sorted(made))
    return {"outcome": "gives pairs", "pairs": pairs or "none"}


def _read(text, proposals, broken="raise", again="raise", unknown="raise"):
    """Reads a file with another rule for broken lines, second decisions or unknown images."""
    rows, lines = {}, text.split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line or "{}")
        except ValueError:
            if broken == "never" or (broken == "raise" and number < len(lines)):
                raise
            if broken == "stop":
                break
            continue
        image = row.get("image_id")
        if image not in proposals:
            if image is not None and unknown == "raise":
                raise ValueError(image)
            continue
        if image in rows and again == "raise":
            raise ValueError(image)
        if image not in rows or again == "last":
            rows[image] = row
    return rows


def _captions(rows, proposals):
    kept = {image: row for image, row in rows.items() if row["decision"] != "reject"}
    return {image: row.get("caption", proposals[image]) for image, row in kept.items()}


def _by(**rules):
    """Makes an answer that reads by other rules."""
    return lambda text, proposals: _captions(_read(text, proposals, **rules), proposals)


def _last_line_never_counts(text, proposals):
    return keep_decided("\n".join([*text.split("\n")[:-1], ""]), proposals)


def _line_breaks_lost(text, proposals):
    return keep_decided("\n".join(text.splitlines()), proposals)


def _rejected_too(text, proposals):
    rows = _read(text, proposals)
    return {image: row.get("caption", proposals[image]) for image, row in rows.items()}


def _edits_lost(text, proposals):
    return {image: proposals[image] for image in keep_decided(text, proposals)}


def _accepted_alone(text, proposals):
    rows = _read(text, proposals)
    return {i: proposals[i] for i, row in rows.items() if row["decision"] == "accept"}


def _undecided_too(text, proposals):
    rows = _read(text, proposals)
    rest = {i: caption for i, caption in proposals.items() if i not in rows}
    return rest | _captions(rows, proposals)


def _cases() -> list[Case]:
    proposals = {"7": "a red star.", "12": "a blue 3.", "30": "a 5 and a 2.", "41": "a circle."}

    def line(image: str, decision: str, **more: str) -> str:
        return json.dumps({"image_id": image, "decision": decision, **more})

    seven, three = line("7", "accept"), line("12", "edit", caption="a small blue 3.")
    no, cut = line("30", "reject"), line("41", "accept")[:-9]

    def case(says: str, *lines: str) -> Case:
        return Case(says, ("\n".join(lines), dict(proposals)))

    return [
        case("one is accepted", seven, ""),
        case("one of each", seven, no, three, ""),
        case("the last line is cut short", seven, three, cut),
        case("no line break behind a whole last line", no, seven, three),
        case("a broken line in the middle", seven, cut, three, ""),
        case("one image is decided twice", seven, line("7", "edit", caption="a star."), ""),
        case("rejected, then accepted", seven, no, line("30", "accept"), ""),
        case("an image that nobody proposed is rejected", seven, line("8", "reject"), ""),
        case("the last line is cut behind a brace", seven, '{"more": {}'),
        case("an image that nobody proposed", seven, line("8", "accept"), ""),
        case("a broken last line, a line break behind it", seven, cut, ""),
    ]


EXERCISE = Exercise(
    objective="08.5",
    title="a file that was cut in the middle",
    difficulty=3,
    minutes=15,
    contract=(
        "`text` is what a file holds, one decision a line, each a JSON object with `image_id` and "
        "`decision`: `accept`, `edit` (then with a `caption` of its own) or `reject`. `proposals` "
        "maps images to the captions that were proposed. Empty lines say nothing.",
        "Gives image → caption of all that was accepted or edited, an edit with its own caption. "
        "What is rejected or not decided yet is not kept.",
        "The machine may stop while a line is written. So a last line that is no JSON, with no "
        "line break behind it, does not count, and all lines before it do. Any other line that is "
        "no JSON raises a `ValueError`: somebody damaged the file.",
        "An image that was not proposed, and a second decision about one, raise a `ValueError`: "
        "nobody can tell what was meant.",
    ),
    hints=(
        "There are two kinds of broken line. One could happen without anybody's fault, the other "
        "could not. How do they differ in the file, and what does "
        "`'one\\ntwo\\n'.split('\\n')` give behind the last line break?",
        "Split at line breaks. Read line by line; if one cannot be read, ask whether it is the "
        "last piece of the split: then stop, else raise. Check the image, remember it as decided, "
        "and keep its caption unless it was rejected.",
        "`json.loads(line)` raises a `ValueError` of its own, so a bare `raise` passes it on. "
        "`for number, line in enumerate(lines, start=1)` with `number == len(lines)` tells the "
        "last piece. `row.get('caption', proposals[image])` takes an edit's caption or else the "
        "proposed one.",
    ),
    solution=keep_decided,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _by(broken="never"),
            "a cut last line does not count",
            "the last line stops everything, so an hour's decisions are lost with it",
        ),
        Mistake(
            _by(broken="skip"),
            "a damaged line raises",
            "broken lines were passed over in silence, wherever they stand",
        ),
        Mistake(
            _by(broken="stop"),
            "a damaged line raises",
            "reading stopped at the first broken line, and the decisions behind it are gone",
        ),
        Mistake(
            _last_line_never_counts,
            "a whole last line counts",
            "the last line was left out though it is whole; only a line break is missing",
        ),
        Mistake(
            _line_breaks_lost,
            "a line break ends a line",
            "the line break behind the last line was lost, as `splitlines` does it, so a damaged "
            "line looks like one that was cut short",
        ),
        Mistake(
            _by(again="last"),
            "a second decision raises",
            "the last decision about an image won, whatever was meant",
        ),
        Mistake(
            _by(again="first"),
            "a second decision raises",
            "the first decision about an image won, whatever was meant",
        ),
        Mistake(
            _by(unknown="skip"),
            "an unknown image raises",
            "a decision about an image that nobody proposed was passed over; it may be of another "
            "set",
        ),
        Mistake(
            _rejected_too,
            "what is rejected is not kept",
            "rejected pairs are in the set: the decision was not looked at",
        ),
        Mistake(
            _edits_lost,
            "an edit has its own caption",
            "the proposed caption was kept where somebody had mended it",
        ),
        Mistake(
            _accepted_alone,
            "what is edited is kept, too",
            "only what was accepted is in the set; somebody had mended the others",
        ),
        Mistake(
            _undecided_too,
            "nobody decided, nothing is kept",
            "pairs that nobody has looked at are in the set",
        ),
    ),
)
