"""Claim cards: what the paper says, what our runs gave, and a verdict by a rule set beforehand.

Reproduced: the right sign in every seed (at least three) and a mean difference of more than two
standard errors. Contradicted: the same the other way. Everything else: not visible at this scale.
The rows come from `course experiment NAME`.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from course_lib.experiments.runner import RESULTS, read_rows

LEAST_SEEDS = 3
REPRODUCED, CONTRADICTED, NOT_VISIBLE = "reproduced", "contradicted", "not visible at this scale"


@dataclass(frozen=True)
class Claim:
    """A claim and where its verdict comes from.

    Args:
        says: the claim in our words.
        paper: the paper's numbers with their place, or "no number".
        experiment: name of the result file.
        better: the variant that should score more.
        worse: the variant it is compared with.
        metric: key of the scores; with `over`, the two metrics of one variant are compared.
        over: a second metric of `better`, such as the blind score; then `worse` is not used.
    """

    says: str
    paper: str
    experiment: str
    better: str
    worse: str
    metric: str
    over: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim with our numbers.

    Args:
        claim: what was tried.
        pairs: (score that should be more, score it is compared with), one pair a seed.
        steps: training steps of the runs.
        verdict: one of the three.
    """

    claim: Claim
    pairs: tuple[tuple[float, float], ...]
    steps: int
    verdict: str


def verdict(pairs: list[tuple[float, float]]) -> str:
    """Returns the verdict on (better, worse) scores, one pair a seed.

    Raises:
        ValueError: for fewer than three seeds.
    """
    if len(pairs) < LEAST_SEEDS:
        raise ValueError(
            f"{len(pairs)} seeds make no verdict: run at least {LEAST_SEEDS} of each variant."
        )
    gaps = [better - worse for better, worse in pairs]
    mean, error = statistics.mean(gaps), statistics.stdev(gaps) / math.sqrt(len(gaps))
    if all(gap > 0 for gap in gaps) and mean > 2 * error:
        return REPRODUCED
    if all(gap < 0 for gap in gaps) and -mean > 2 * error:
        return CONTRADICTED
    return NOT_VISIBLE


def judged(claim: Claim, folder: Path = RESULTS) -> Judged:
    """Reads a claim's rows and judges it; of several lengths of training the longest counts.

    Raises:
        ValueError: where the results are missing, too few, or of another version, with the command
            that makes them.
    """
    both = claim.better, claim.worse
    rows = [row for row in read_rows(claim.experiment, folder) if row["arm"] in both]
    steps = max((row["steps"] for row in rows), default=0)
    found = {(row["arm"], row["seed"]): row["scores"] for row in rows if row["steps"] == steps}
    other = claim.better if claim.over else claim.worse
    metric = claim.over or claim.metric
    seeds = [seed for arm, seed in found if arm == claim.better and (other, seed) in found]
    if len(seeds) < LEAST_SEEDS:
        raise ValueError(
            f"{claim.experiment}.jsonl has {len(seeds)} seeds of {claim.better!r} beside "
            f"{other!r}: run `course experiment {claim.experiment}` first."
        )
    pairs = [(found[claim.better, s][claim.metric], found[other, s][metric]) for s in sorted(seeds)]
    return Judged(claim, tuple(pairs), steps, verdict(pairs))


def card(result: Judged) -> str:
    """Returns a claim card as fixed text: claim, paper, ours by seed, verdict."""
    claim = result.claim
    first = f"{claim.better}, {claim.metric}"
    second = f"{claim.better}, {claim.over}" if claim.over else f"{claim.worse}, {claim.metric}"
    width = max(len(first), len(second))
    ours = [(first, [p[0] for p in result.pairs]), (second, [p[1] for p in result.pairs])]
    lines = [f"claim:   {claim.says}", f"paper:   {claim.paper}"]
    for name, values in ours:
        numbers = "  ".join(f"{value:.2f}" for value in values)
        lines.append(f"ours:    {name:{width}}  {numbers}   mean {statistics.mean(values):.2f}")
    lines.append(f"budget:  {len(result.pairs)} seeds, {result.steps} steps each")
    lines.append(f"verdict: {result.verdict}")
    return "\n".join(lines)


def show(*claims: Claim) -> None:
    """Prints the cards of claims, judged by their result files."""
    print("\n\n".join(card(judged(claim)) for claim in claims))
