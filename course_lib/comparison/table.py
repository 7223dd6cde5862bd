"""The comparison in words: a table a budget, and lines that say what follows by rules set before.

With several seeds every number is their mean. A type of question counts as at its prior where the
picture adds at most two standard errors to the answer without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from course_lib.comparison.contestants import CONTESTANTS

BAR = 0.10  # of the mean over types that the picture has to add
_SAYS = (
    ("things right", "things_right"),
    ("exact", "exact"),
    ("described", "described"),
    ("VQA", "vqa"),
    ("blind", "blind"),
    ("retrieval", "retrieval"),
    ("text kept", "text_kept"),
    ("failing", "failing"),
    ("made up", "made_up"),
    ("which of 2", "several.2"),
    ("VQA, 8 shots", "shots.8"),
    ("symbols, 8 shots", "symbols.8"),
)
SCORE_HEAD = ("model", *(title for title, _ in _SAYS))
COST_HEAD = (
    "model",
    "visual tokens",
    "trained parameters",
    "samples",
    "with VPG",
    "core-seconds",
    "with VPG ",
    "tokens/s",
    "MB to train",
)


def _models(rows: Sequence[dict]) -> list[str]:
    return [name for name in CONTESTANTS if any(row["model"] == name for row in rows)]


def of_budget(rows: Sequence[dict], kind: str) -> list[dict]:
    """Returns the rows of one kind of budget."""
    return [row for row in rows if row["budget"] == kind]


def mean_score(rows: Sequence[dict], model: str, key: str) -> float | None:
    """Returns a score's mean over the seeds of a model.

    Args:
        rows: of one budget.
        model: name of its recipe.
        key: of the scores; "several.2" is the entry "2" of "several".

    Returns:
        The mean; None where the recipe has no place for it.
    """
    outer, _, inner = key.partition(".")
    found = [row["scores"][outer] for row in rows if row["model"] == model]
    found = [one[inner] if inner and one is not None else one for one in found]
    return None if None in found or not found else sum(found) / len(found)


def _mean(rows: Sequence[dict], model: str, part: str, key: str) -> float:
    found = [row[part][key] for row in rows if row["model"] == model]
    return sum(found) / len(found)


def score_rows(rows: Sequence[dict]) -> list[list[str]]:
    """Writes the scores of one budget as cells under `SCORE_HEAD`; "–" where there is no place."""
    return [
        [CONTESTANTS[name].title, *(_cell(mean_score(rows, name, key)) for _, key in _SAYS)]
        for name in _models(rows)
    ]


def type_rows(rows: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    """Writes questions by type: share right, behind a bar the share without the picture.

    Returns:
        (head, cells); "·" follows a type that is at its prior.
    """
    models = _models(rows)
    kinds = list(next(iter(rows))["scores"]["vqa_by_type"]) if rows else []
    cells = []
    for name in models:
        line = [CONTESTANTS[name].title]
        weak = at_prior(rows, name)
        for kind in kinds:
            seen, blind = (mean_score(rows, name, f"{key}_by_type.{kind}") for key in _TYPED)
            line.append(f"{_cell(seen)}|{_cell(blind)}{' ·' if kind in weak else ''}")
        cells.append(line)
    return ["model", *kinds], cells


_TYPED = ("vqa", "blind")


def cost_rows(rows: Sequence[dict]) -> list[list[str]]:
    """Writes what one budget's runs have cost, without and with the VPG that was inherited."""
    cells = []
    for name in _models(rows):
        own = {k: _mean(rows, name, "cost", k) for k in ("samples", "seconds", "trainable")}
        before = {k: _mean(rows, name, "inherited", k) for k in ("samples", "seconds")}
        line = [CONTESTANTS[name].title, f"{mean_score(rows, name, 'visual_tokens'):.0f}"]
        line.append(f"{own['trainable']:,.0f}")
        for key in ("samples", "seconds"):
            line += [f"{own[key]:,.0f}", f"{own[key] + before[key]:,.0f}"]
        line.append(f"{_mean(rows, name, 'cost', 'tokens_per_s'):,.0f}")
        line.append(f"{_mean(rows, name, 'cost', 'bytes') / 1e6:.0f}")
        cells.append(line)
    return cells


def at_prior(rows: Sequence[dict], model: str) -> list[str]:
    """Returns the types of question that a model answers no better with the picture than without.

    Args:
        rows: of one budget.
        model: name of its recipe.
    """
    own = [row for row in rows if row["model"] == model]
    asked = sum(row["scores"]["per_type"] for row in own)
    found = []
    for kind in own[0]["scores"]["vqa_by_type"]:
        seen, blind = (mean_score(own, model, f"{key}_by_type.{kind}") for key in _TYPED)
        error = math.sqrt((seen * (1 - seen) + blind * (1 - blind)) / asked)
        if seen - blind <= 2 * error:
            found.append(kind)
    return found


def verdicts(rows: Sequence[dict]) -> list[str]:
    """Says what the rows of one budget show, a sentence a line.

    Returns:
        For each model whether the picture adds `BAR` to its answers, and which types are at their
        prior; then who leads in what, and whose lead rests on an inherited VPG.
    """
    lines = []
    for name in _models(rows):
        gain, weak = mean_score(rows, name, "over_blind"), at_prior(rows, name)
        does = "beats" if gain >= BAR else "does not beat"
        line = f"{CONTESTANTS[name].title} {does} its own answers without the picture by {BAR:.2f}"
        line += f" ({gain:+.2f}); at its prior: {', '.join(weak) or 'no type'}."
        lines.append(line)
    return lines + _leaders(rows)


def _leaders(rows: Sequence[dict]) -> list[str]:
    lines = []
    for title, key in (("captions", "things_right"), ("questions", "vqa")):
        ranked = sorted(_models(rows), key=lambda name: -mean_score(rows, name, key))
        if len(ranked) < 2:
            continue
        first, score = ranked[0], mean_score(rows, ranked[0], key)
        line = f"Most of {title}: {CONTESTANTS[first].title}, {score:.2f}"
        own, before = (_mean(rows, first, part, "samples") for part in ("cost", "inherited"))
        alone = [name for name in ranked if not _mean(rows, name, "inherited", "samples")]
        if before and alone:
            line += (
                f", with a VPG that had seen {before / own:.1f} times as many samples before; of "
                f"those that inherit none, {CONTESTANTS[alone[0]].title}, "
                f"{mean_score(rows, alone[0], key):.2f}"
            )
        lines.append(f"{line}.")
    return lines


def notes(models: Sequence[str]) -> list[str]:
    """Returns what is not equal between the models, one line each that has something to say."""
    told = (CONTESTANTS[name] for name in models)
    return [f"{one.title}: {one.note}." for one in told if one.note]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
