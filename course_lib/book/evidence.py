"""The page of evidence: every claim card that a notebook shows, judged anew from its result file.

A card is text in a stored output. It is read back, its claim is judged again from the rows of
`course_lib/results/`, and both texts must be equal: the book shows no number without its file.
"""

import json
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from course_lib.book.cells import Place, place_of, printed, read
from course_lib.teach import claims

_OURS = re.compile(r"^ours: +(?P<name>.+?)  +(?P<values>(?:-?\d\S*  )*-?\d\S*)   mean -?\d\S*$")
_CARD = re.compile(
    r"^claim: +(?P<says>.+)\npaper: +(?P<paper>.+)\n(?P<ours>(?:ours: .+\n){2})"
    r"budget: +(?P<seeds>\d+) seeds, (?P<steps>\d+) steps each\nverdict: +(?P<verdict>.+)$",
    re.MULTILINE,
)
# Result files that hold no runs of an experiment's arms.
_OTHER_FILES = {"parity", "minutes"}
BANDS = "bands"

HEAD = """# Evidence

Each row is a claim of a paper, or one of ours, held against runs at the `toy` scale. The rule was
set beforehand: **reproduced** means the right sign in every seed (at least three) and a mean
difference of more than two standard errors; **contradicted** is the same the other way; everything
else is **not visible at this scale**. A verdict speaks of our small models and their budget, never
of the paper's own run. The numbers are those of `course_lib/results/`, judged again when this page
was made; the last column leads to the cell that shows the card.
"""
TITLES = ("claim", "the paper", "ours: mean (seed by seed)", "verdict", "cell and file")


@dataclass(frozen=True)
class Evidence:
    """A claim card with its origin.

    Args:
        judged: the claim, our pairs of scores, steps and verdict, from the result file.
        place: the cell that prints the card.
    """

    judged: claims.Judged
    place: Place


def cards_in(text: str) -> list[str]:
    """Returns the claim cards in a printed text, each as it stands."""
    return [match.group(0) for match in _CARD.finditer(text)]


def claim_of(card: str) -> claims.Claim:
    """Reads a card back into its claim; the experiment is not on it and stays empty.

    Raises:
        ValueError: where the text is no card.
    """
    match = _CARD.match(card)
    lines = [_OURS.match(line) for line in match["ours"].splitlines()] if match else [None]
    if None in lines:
        raise ValueError(f"This is no claim card; `claims.card` makes one:\n{card}")
    (arm, metric), (other, second) = (line["name"].strip().rsplit(", ", 1) for line in lines)
    over = second if other == arm else ""
    return claims.Claim(match["says"], match["paper"], "", arm, other, metric, over)


def evidence_of(card: str, place: Place, folder: Path = claims.RESULTS) -> Evidence:
    """Finds the result file that gives this card.

    Args:
        card: the printed text.
        place: the cell that printed it.
        folder: the result files.

    Raises:
        ValueError: where no file gives it.
    """
    claim, steps = claim_of(card), int(_CARD.match(card)["steps"])
    for path in sorted(folder.glob("*.jsonl")):
        for judged in _candidates(claim, path, place.notebook, steps):
            if claims.card(judged) == card:
                return Evidence(judged, place)
    number = place.notebook.split("_")[0]
    raise ValueError(
        f"{place.notebook}, cell {place.number}: no file of {folder.name}/ gives this card any "
        f"more. Run the notebook again (`make notebooks NB={number}`):\n{card}"
    )


def _candidates(claim: claims.Claim, path: Path, notebook: str, steps: int) -> list[claims.Judged]:
    """Returns the claim judged by one file, or nothing where the file does not speak of it."""
    if path.stem in _OTHER_FILES:
        return []
    named = claims.Claim(**{**vars(claim), "experiment": path.stem})
    if path.stem == BANDS:
        pairs = _pairs_of_bands(claim, path, notebook)
        enough = len(pairs) >= claims.LEAST_SEEDS
        return [claims.Judged(named, pairs, steps, claims.verdict(list(pairs)))] if enough else []
    try:
        return [claims.judged(named, path.parent)]
    except (KeyError, ValueError):
        return []


def _pairs_of_bands(claim: claims.Claim, path: Path, notebook: str) -> tuple:
    """Returns the pairs of a claim about a notebook's own training, whose seeds bands.jsonl has."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    seeds = {
        row["variant"]: row["measured"]
        for row in rows
        if row["notebook"] == notebook and row["variant"].startswith("seed ")
    }
    both = (claim.better, claim.worse)
    found = [measured for _, measured in sorted(seeds.items()) if set(both) <= set(measured)]
    return tuple((measured[claim.better], measured[claim.worse]) for measured in found)


def collect(notebooks: list[Path], folder: Path = claims.RESULTS) -> list[Evidence]:
    """Returns the evidence of all cards of the notebooks, in their order.

    Raises:
        ValueError: where a card has no result file behind it.
    """
    found = []
    for path in notebooks:
        for index, cell in enumerate(read(path).cells):
            place = place_of(path, index)
            found += [evidence_of(card, place, folder) for card in cards_in(printed(cell))]
    return found


def render(rows: list[Evidence]) -> str:
    """Returns the page as Markdown, one table a notebook."""
    lines = [HEAD, f"In all {_counted(rows)}.", ""]
    for notebook, of_notebook in groupby(rows, key=lambda row: row.place.notebook):
        found = list(of_notebook)
        lines += [f"## Notebook {notebook.split('_')[0]}", "", f"{_counted(found)}.", ""]
        lines += [f"| {' | '.join(TITLES)} |", "|---" * len(TITLES) + "|"]
        lines += [*(_row(row) for row in found), ""]
    return "\n".join(lines)


def _counted(rows: list[Evidence]) -> str:
    counts = Counter(row.judged.verdict for row in rows)
    order = (claims.REPRODUCED, claims.NOT_VISIBLE, claims.CONTRADICTED)
    listed = ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if counts[verdict])
    return f"{len(rows)} {'claim' if len(rows) == 1 else 'claims'}: {listed}"


def _row(row: Evidence) -> str:
    judged, claim = row.judged, row.judged.claim
    other = (claim.better, claim.over) if claim.over else (claim.worse, claim.metric)
    sides = [(claim.better, claim.metric), other]
    ours = [_side(*side, [pair[i] for pair in judged.pairs]) for i, side in enumerate(sides)]
    ours.append(f"{len(judged.pairs)} seeds, {judged.steps} steps each")
    where = f"{row.place.link()}<br>`{claim.experiment}.jsonl`"
    cells = (claim.says, claim.paper, "<br>".join(ours), judged.verdict, where)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _side(arm: str, metric: str, values: list[float]) -> str:
    numbers = " ".join(f"{value:.2f}" for value in values)
    return f"**{statistics.mean(values):.2f}** {arm}, `{metric}`<br>({numbers})"
