"""What a transfer saves: curves of quality over samples, and the speed-up, defined here alone.

    speed-up at quality q = samples that the run from scratch needs to reach q
                            / samples that the transfer needs to reach q

A run reaches q where the straight line between two measurements first gets there; a run that has q
at its first measurement reached it there, and one that never gets there has not reached it, which
is infinitely many samples in numbers and said in words. The paper counts whole epochs instead, and
its quality is the best of the run from scratch (arXiv 2305.01278, table 3).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST_SEEDS = 3
SHARE = 0.95  # of what scratch ends with: the quality of the course's claim


@dataclass(frozen=True)
class Curve:
    """Quality of one arm while it trains, for several seeds.

    Args:
        arm: the variant.
        seeds: in order.
        at: where it was measured: samples seen, or seconds (then the mean over seeds).
        values: for each seed one number a place of `at`.
    """

    arm: str
    seeds: tuple[int, ...]
    at: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean over seeds at each place."""
        return tuple(statistics.mean(column) for column in zip(*self.values, strict=True))

    @property
    def band(self) -> tuple[tuple[float, float], ...]:
        """The lowest and the highest seed at each place."""
        return tuple((min(column), max(column)) for column in zip(*self.values, strict=True))


def read_curves(
    rows: Sequence[dict], metric: str, over: str = "samples", least_seeds: int = LEAST_SEEDS
) -> dict[str, Curve]:
    """Makes curves of the rows of an experiment (`read_rows`).

    Args:
        rows: each with "arm", "seed", "steps" and, in "scores", a "curve": points with "samples",
            "seconds" and metrics. Of several lengths of training the longest counts.
        metric: what is drawn, such as "things_right".
        over: "samples" or "seconds".
        least_seeds: fewer make no band.

    Returns:
        {arm: curve}, in the order of the rows.

    Raises:
        ValueError: for too few seeds, seeds measured at different places, or an unknown name.
    """
    rows = [row for row in rows if "curve" in row["scores"]]
    longest = max((row["steps"] for row in rows), default=0)
    found: dict[str, dict[int, list[dict]]] = {}
    for row in rows:
        if row["steps"] == longest:
            found.setdefault(row["arm"], {})[row["seed"]] = row["scores"]["curve"]
    return {arm: _curve(arm, runs, metric, over, least_seeds) for arm, runs in found.items()}


def _curve(
    arm: str, runs: dict[int, list[dict]], metric: str, over: str, least_seeds: int
) -> Curve:
    if len(runs) < least_seeds:
        raise ValueError(
            f"{arm!r} has {len(runs)} seeds, and a band needs {least_seeds}: run what is missing."
        )
    seeds = tuple(sorted(runs))
    for point in (point for seed in seeds for point in runs[seed]):
        unknown = [name for name in (metric, over, "samples") if name not in point]
        if unknown:
            raise ValueError(
                f"The points of {arm!r} have no {unknown[0]!r}: they have {', '.join(point)}."
            )
    places = {tuple(point["samples"] for point in runs[seed]) for seed in seeds}
    if len(places) > 1:
        raise ValueError(
            f"The seeds of {arm!r} were measured after different numbers of samples "
            f"({len(places)} kinds): measure all of them at the same places."
        )
    columns = zip(*(runs[seed] for seed in seeds), strict=True)
    at = tuple(statistics.mean(point[over] for point in column) for column in columns)
    return Curve(arm, seeds, at, tuple(tuple(p[metric] for p in runs[s]) for s in seeds))


def first_crossing(at: Sequence[float], values: Sequence[float], quality: float) -> float:
    """Returns where a curve first reaches a quality, along straight lines between its points.

    Args:
        at: places in ascending order, such as samples seen.
        values: quality at each.
        quality: what is to be reached.

    Returns:
        A place; the first where it was reached already, `math.inf` where it never is.

    Raises:
        ValueError: for an empty curve, or places that do not ascend.
    """
    if not at or len(at) != len(values):
        raise ValueError(f"{len(at)} places and {len(values)} values make no curve.")
    if any(right <= left for left, right in pairwise(at)):
        raise ValueError(f"The places {list(at)} of a curve have to ascend.")
    if values[0] >= quality:
        return float(at[0])
    for (x, low), (next_x, high) in pairwise(zip(at, values, strict=True)):
        if high >= quality:
            return x + (next_x - x) * (quality - low) / (high - low)
    return math.inf


@dataclass(frozen=True)
class SpeedUp:
    """The speed-up at one quality.

    Args:
        quality: q.
        scratch: samples that the run from scratch needs, `math.inf` where it never gets there.
        transfer: the same of the transfer.
        seen: most samples that the run from scratch saw.
    """

    quality: float
    scratch: float
    transfer: float
    seen: float

    @property
    def factor(self) -> float:
        """scratch / transfer; infinite where scratch alone fails, NaN where both do."""
        if self.transfer == 0:
            return math.inf
        return (
            math.nan if self.transfer == self.scratch == math.inf else self.scratch / self.transfer
        )

    @property
    def words(self) -> str:
        """The same in words, with the quality."""
        quality = f"{self.quality:.3f}"
        if math.isinf(self.transfer):
            also = (
                "" if math.isinf(self.scratch) else f"; scratch reaches it at {self.scratch:,.0f}"
            )
            return f"{quality} is not reached by the transfer{also or ' nor from scratch'}"
        if math.isinf(self.scratch):
            more = f", so more than {self.seen / self.transfer:.1f}×" if self.transfer else ""
            return (
                f"{quality} is not reached from scratch within {self.seen:,.0f} samples; the "
                f"transfer needs {self.transfer:,.0f}{more}"
            )
        times = f"{self.factor:.1f}×" if self.transfer else "from the start"
        return (
            f"{quality}: {self.scratch:,.0f} samples from scratch, {self.transfer:,.0f} with the "
            f"transfer: {times}"
        )


def speed_ups(scratch: Curve, transfer: Curve, share: float = SHARE) -> list[SpeedUp]:
    """Compares two arms seed by seed, each at a share of what scratch ends with for that seed.

    Args:
        scratch: over samples.
        transfer: over samples.
        share: q is this share of the last value from scratch.

    Raises:
        ValueError: when the arms have other seeds.
    """
    if scratch.seeds != transfer.seeds:
        raise ValueError(
            f"{scratch.arm!r} has the seeds {scratch.seeds} and {transfer.arm!r} "
            f"{transfer.seeds}: compare the same seeds."
        )
    found = []
    for slow, fast in zip(scratch.values, transfer.values, strict=True):
        quality = share * slow[-1]
        needed = [first_crossing(c.at, v, quality) for c, v in ((scratch, slow), (transfer, fast))]
        found.append(SpeedUp(quality, *needed, scratch.at[-1]))
    return found


def as_pairs(found: Sequence[SpeedUp], least: float) -> list[tuple[float, float]]:
    """Turns "at least `least` times faster" into pairs for a verdict (`teach.claims.verdict`).

    Returns:
        For each seed (1,000 / samples of the transfer, least × 1,000 / samples from scratch): the
        first is the larger one where the claim holds. What is not reached is 0, a finite number.
    """
    return [(1000 / max(one.transfer, 1), least * 1000 / max(one.scratch, 1)) for one in found]
