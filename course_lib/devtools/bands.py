"""Measures what a band of a notebook may promise: `python -m course_lib.devtools.bands 03`.

A band is a sentence such as "R@1 >= 0.50: True" that has to hold on every machine and to mean
something. So the notebook's training runs again with other seeds and other processor kernels, and
twice as a counter-example: after a single step, and with images that belong to other texts. A band
belongs below the smallest honest run and above the middle between untrained and the median.

The notebook marks three cells by tags: `settings` (holds STEPS and SEED), `train`, and `bands`
(ends with the dictionaries BANDS: name to least value, and MEASURED: name to value). Its cell
`train` is preceded by the counter-example's line, which the metadata of `train` holds under
"shuffle".
"""

import argparse
import copy
import json
import operator
import os
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat

from course_lib.devtools.environment import ROOT, find_notebooks, number_of
from course_lib.devtools.execute import prepare_kernels, run_notebook

RESULTS = ROOT / "course_lib" / "results" / "bands.jsonl"
TAGS = ("settings", "train", "bands")
_REPORT = (
    "import json as _json\n"
    "print('BANDS ' + _json.dumps({'bands': BANDS, "
    "'measured': {k: float(v) for k, v in MEASURED.items()}}))"
)
UNTRAINED, SHUFFLED = "untrained", "shuffled"


def variant(
    notebook: nbformat.NotebookNode, seed: int = 0, untrained: bool = False, shuffled: bool = False
) -> nbformat.NotebookNode:
    """Returns a notebook that ends behind its bands, with another seed or as a counter-example.

    Args:
        notebook: with cells tagged as the module says.
        seed: what SEED becomes.
        untrained: leaves one step of training.
        shuffled: measures with images that belong to other texts.

    Raises:
        ValueError: when a tag is missing.
    """
    places = {}
    for index, cell in enumerate(notebook.cells):
        for tag in set(TAGS).intersection(cell.metadata.get("tags", [])):
            places.setdefault(tag, index)  # of several training cells the first has the line
    missing = [tag for tag in TAGS if tag not in places]
    if missing:
        raise ValueError(
            f"No cell carries the tag {missing[0]!r}: see CONTRIBUTING.md, a notebook."
        )
    changed = copy.deepcopy(notebook)
    changed.cells = changed.cells[: places["bands"] + 1]
    shuffle = changed.cells[places["train"]].metadata.get("shuffle", "")
    settings = f"SEED = {seed}" + ("\nSTEPS = 1" if untrained else "")
    new = [(places["bands"] + 1, _REPORT), (places["settings"] + 1, settings)]
    if shuffled:
        new.insert(1, (places["train"], shuffle))
    for place, source in new:
        changed.cells.insert(place, nbformat.v4.new_code_cell(source))
    return changed


def measure(path: Path, capability: str = "", **changes) -> dict:
    """Runs a variant of a notebook; returns {"bands": …, "measured": …}.

    Args:
        path: the notebook.
        capability: ATEN_CPU_CAPABILITY of the kernel, such as "avx2"; "" leaves it alone.
        changes: arguments of `variant`.
    """
    changed = variant(nbformat.read(path, as_version=4), **changes)
    if capability:
        os.environ["ATEN_CPU_CAPABILITY"] = capability
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            copy_path = Path(scratch) / path.name
            nbformat.write(changed, copy_path)
            ran = run_notebook(copy_path)
    finally:
        if capability:
            del os.environ["ATEN_CPU_CAPABILITY"]
    text = "".join(output.get("text", "") for output in ran.cells[-1].outputs)
    return json.loads(text.split("BANDS ", 1)[1])


def table(name: str, rows: list[dict]) -> tuple[str, bool]:
    """Returns a table of one band a line, and whether each band lies where it should."""
    honest = [row for row in rows if row["variant"] not in (UNTRAINED, SHUFFLED)]
    other = {row["variant"]: row["measured"] for row in rows}
    lines = [f"{name}: band | untrained, shuffled | least, median of {len(honest)} | fits"]
    good = True
    for band, least in rows[-1]["bands"].items():
        values = [row["measured"][band] for row in honest]
        median = statistics.median(values)
        untrained = other.get(UNTRAINED, {}).get(band, float("nan"))
        shuffled = other.get(SHUFFLED, {}).get(band, float("nan"))
        fits = (untrained + median) / 2 < least < min(values) and not shuffled >= least
        good = good and fits
        lines.append(
            f"  {band:45} {least:.2f} | {untrained:.3f}, {shuffled:.3f} | "
            f"{min(values):.3f}, {median:.3f} | {fits}"
        )
    return "\n".join(lines), good


def note(row: dict, path: Path, same: tuple[str, ...] = ("notebook", "variant")) -> None:
    """Writes a row to a file of results, in place of an older one of the same run.

    Args:
        row: with the key "notebook" and those of `same`.
        path: JSON lines.
        same: keys that say what run it was.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    run = operator.itemgetter(*same)
    rows = [old for old in map(json.loads, lines) if run(old) != run(row)] + [row]
    rows.sort(key=operator.itemgetter("notebook"))
    path.write_text("".join(json.dumps(kept) + "\n" for kept in rows), encoding="utf-8")


def main() -> int:
    """Measures the bands of the named notebooks, notes every run, prints a table."""
    parser = argparse.ArgumentParser(description="Measure what a notebook's bands may promise.")
    parser.add_argument("names", nargs="+", help="beginnings of file names, such as 03")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    runs = [(f"seed {seed}", {"seed": seed}) for seed in range(options.seeds)]
    runs += [(name, {"capability": name}) for name in ("default", "avx2")]
    runs += [(UNTRAINED, {"untrained": True}), (SHUFFLED, {"shuffled": True})]
    good = True
    RESULTS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        prepare_kernels(Path(scratch))
        for path in find_notebooks(options.names):
            rows = []
            command = f"python -m course_lib.devtools.bands {number_of(path)}"
            for name, changes in runs:
                row = {"notebook": path.stem, "variant": name, "command": command}
                rows.append(row | measure(path, **changes))
                note(rows[-1], RESULTS)
                print(name, rows[-1]["measured"], flush=True)
            text, fits = table(path.stem, rows)
            print(text, flush=True)
            good = good and fits
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
