"""What building a vision-language model costs: the paper's GPU-hours and price beside our own.

The paper's numbers: VPGTrans, arXiv 2305.01278, tables 4 and 5. Its "speed-up" there is the ratio
of GPU-hours, while its table 3 and `speedup` count what is seen until a quality is reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.evaluation.speedup import Curve, first_crossing

A100, CORE = "A100", "CPU core"


@dataclass(frozen=True)
class Cost:
    """One line of the table.

    Args:
        what: the model and how it came to be.
        hours: of the device; None where nobody reported it, `math.inf` where the quality of the
            line was not reached.
        samples: image-text pairs seen; None and infinite as above.
        device: "A100" or "CPU core".
        dollars: the price; None where there is none.
        scratch: the line that it is compared with, by `what`; "" for that line itself.
    """

    what: str
    hours: float | None
    samples: float | None
    device: str = A100
    dollars: float | None = None
    scratch: str = ""


_OPT, _T5 = "OPT-6.7B from scratch", "FlanT5-XXL from scratch"
PAPER_COSTS = (
    Cost(_OPT, 631.5, 129e6, dollars=2586.8),
    Cost("OPT 2.7B to 6.7B, VPGTrans", 59.0, 13.8e6, dollars=241.7, scratch=_OPT),
    Cost(_T5, 684.0, 121.6e6, dollars=2801.8),
    Cost("FlanT5 XL to XXL, VPGTrans", 32.4, 5.3e6, dollars=132.7, scratch=_T5),
)
HEAD = ("model", "device-hours", "pairs seen", "price", "hours, ratio", "pairs, ratio")


def our_cost(
    what: str,
    by_samples: Curve,
    by_seconds: Curve,
    quality: float,
    scratch: str = "",
    dollars_per_hour: float | None = None,
) -> Cost:
    """Reads samples and core-hours to a quality off the mean curves of one arm.

    Args:
        what: name of the line.
        by_samples: the arm's curve over samples.
        by_seconds: the same over core-seconds.
        quality: what has to be reached.
        scratch: `what` of the line that it is compared with.
        dollars_per_hour: of one core; None leaves the price open.
    """
    samples, seconds = (first_crossing(c.at, c.mean, quality) for c in (by_samples, by_seconds))
    hours = seconds / 3600
    price = None if dollars_per_hour is None or math.isinf(hours) else dollars_per_hour * hours
    return Cost(what, hours, samples, CORE, price, scratch)


def cost_rows(costs: Sequence[Cost]) -> list[list[str]]:
    """Writes costs as the cells of a table under `HEAD`.

    Raises:
        ValueError: when a line is compared with one that is not there.
    """
    by_name = {cost.what: cost for cost in costs}
    rows = []
    for cost in costs:
        if cost.scratch and cost.scratch not in by_name:
            raise ValueError(
                f"{cost.what!r} is compared with {cost.scratch!r}, which the table lacks: it has "
                f"{', '.join(map(repr, by_name))}."
            )
        base = by_name.get(cost.scratch)
        saved = [
            "" if base is None else _ratio(getattr(base, key), getattr(cost, key))
            for key in ("hours", "samples")
        ]
        price = "n/a" if cost.dollars is None else f"${cost.dollars:,.2f}"
        rows.append([cost.what, _hours(cost), _pairs(cost.samples), price, *saved])
    return rows


def _hours(cost: Cost) -> str:
    if cost.hours is None or math.isinf(cost.hours):
        return _missing(cost.hours)
    digits = 1 if cost.hours >= 1 else 3
    return f"{cost.hours:,.{digits}f} {cost.device}"


def _pairs(samples: float | None) -> str:
    if samples is None or math.isinf(samples):
        return _missing(samples)
    return f"{samples / 1e6:.1f}M" if samples >= 1e6 else f"{samples:,.0f}"


def _missing(value: float | None) -> str:
    return "n/a" if value is None else "not reached"


def _ratio(slow: float | None, fast: float | None) -> str:
    if slow is None or fast is None or not fast:
        return "n/a"
    return "not reached" if math.isinf(slow) or math.isinf(fast) else f"{slow / fast:.1f}×"
