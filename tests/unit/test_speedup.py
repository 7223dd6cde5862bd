"""The speed-up: first crossings, what is never reached, curves from JSON lines, the cost table."""

import json
import math

import matplotlib
import matplotlib.pyplot as plt
import pytest

from course_lib.evaluation.speedup import (
    Curve,
    SpeedUp,
    as_pairs,
    first_crossing,
    read_curves,
    speed_ups,
)
from course_lib.evaluation.transfer_cost import HEAD, PAPER_COSTS, Cost, cost_rows, our_cost
from course_lib.experiments.runner import read_rows
from course_lib.teach.claims import CONTRADICTED, NOT_VISIBLE, REPRODUCED, verdict
from course_lib.teach.curve_figure import curves_in_words, draw_curves

matplotlib.use("Agg")
AT = (0, 100, 200, 400)


@pytest.mark.parametrize(
    ("values", "quality", "place"),
    [
        ((0.0, 0.4, 0.8, 0.9), 0.4, 100),
        ((0.0, 0.4, 0.8, 0.9), 0.6, 150),
        ((0.0, 0.4, 0.8, 0.9), 0.85, 300),
        ((0.0, 0.4, 0.8, 0.9), 0.9, 400),
        ((0.0, 0.4, 0.8, 0.9), 0.91, math.inf),
        ((0.5, 0.4, 0.8, 0.9), 0.45, 0),  # it had it at the start, whatever came then
        ((0.0, 0.6, 0.3, 0.7), 0.5, 100 * 5 / 6),  # the first crossing counts
        ((0.0, 0.3, 0.3, 0.3), 0.3, 100),
    ],
)
def test_first_crossing(values, quality, place):
    assert first_crossing(AT, values, quality) == pytest.approx(place)


def test_curves_that_are_none():
    with pytest.raises(ValueError, match="0 places and 0 values"):
        first_crossing((), (), 0.5)
    with pytest.raises(ValueError, match="4 places and 3 values"):
        first_crossing(AT, (0.1, 0.2, 0.3), 0.5)
    with pytest.raises(ValueError, match="have to ascend"):
        first_crossing((0, 100, 100), (0.1, 0.2, 0.3), 0.5)


def test_the_factor_and_its_words():
    both = SpeedUp(0.8, 9_000, 2_000, 12_000)
    assert both.factor == 4.5
    assert both.words == "0.800: 9,000 samples from scratch, 2,000 with the transfer: 4.5×"
    alone = SpeedUp(0.8, math.inf, 2_000, 12_000)
    assert alone.factor == math.inf
    assert alone.words == (
        "0.800 is not reached from scratch within 12,000 samples; the transfer needs 2,000, so "
        "more than 6.0×"
    )
    fails = SpeedUp(0.8, 9_000, math.inf, 12_000)
    assert fails.factor == 0
    assert fails.words == "0.800 is not reached by the transfer; scratch reaches it at 9,000"
    neither = SpeedUp(0.8, math.inf, math.inf, 12_000)
    assert math.isnan(neither.factor)
    assert neither.words == "0.800 is not reached by the transfer nor from scratch"
    at_once = SpeedUp(0.8, 9_000, 0, 12_000)
    assert at_once.factor == math.inf and at_once.words.endswith(
        "0 with the transfer: from the start"
    )
    assert "inf" not in "".join(s.words for s in (both, alone, fails, neither, at_once))


def row(arm, seed, values, steps=10, at=AT, second=1.0):
    points = [
        {"samples": x, "seconds": second * x, "things_right": v, "vqa": v / 2}
        for x, v in zip(at, values, strict=True)
    ]
    scores = {"things_right": values[-1], "curve": points}
    return {"experiment": "vpgtrans", "arm": arm, "seed": seed, "steps": steps, "scores": scores}


SCRATCH = [(0.0, 0.2, 0.4, 0.8), (0.0, 0.3, 0.5, 0.9), (0.0, 0.1, 0.4, 0.7)]
FAST = [(0.0, 0.8, 0.9, 0.9), (0.1, 0.9, 0.9, 0.8), (0.0, 0.7, 0.8, 0.8)]


def rows():
    found = [row("scratch", seed, values) for seed, values in enumerate(SCRATCH)]
    found += [row("transfer", seed, values) for seed, values in enumerate(FAST)]
    return [*found, row("scratch", 0, (0.0, 0.0, 0.0, 0.0), steps=2)]


def test_curves_come_from_json_lines_with_their_bands(tmp_path):
    path = tmp_path / "vpgtrans.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows()), '{"arm": "cut']), encoding="utf-8")
    curves = read_curves(read_rows("vpgtrans", tmp_path), "things_right")
    assert list(curves) == ["scratch", "transfer"]
    scratch = curves["scratch"]
    assert scratch.seeds == (0, 1, 2) and scratch.at == AT and scratch.values == tuple(SCRATCH)
    assert scratch.mean == pytest.approx((0.0, 0.2, 1.3 / 3, 0.8))
    assert scratch.band == ((0.0, 0.0), (0.1, 0.3), (0.4, 0.5), (0.7, 0.9))
    assert read_curves(rows(), "vqa")["transfer"].values[0] == (0.0, 0.4, 0.45, 0.45)


def test_seconds_are_means_over_seeds():
    timed = [row("a", seed, SCRATCH[seed], second=1 + seed) for seed in range(3)]
    assert read_curves(timed, "vqa", over="seconds")["a"].at == (0, 200, 400, 800)


def test_rows_that_make_no_curve():
    with pytest.raises(ValueError, match="'scratch' has 2 seeds, and a band needs 3"):
        read_curves(rows()[:2], "things_right")
    assert len(read_curves(rows()[:2], "vqa", least_seeds=2)["scratch"].seeds) == 2
    with pytest.raises(ValueError, match="have no 'cider': they have samples, seconds"):
        read_curves(rows(), "cider")
    other = [*rows()[:2], row("scratch", 2, SCRATCH[2], at=(0, 100, 200, 500))]
    with pytest.raises(ValueError, match=r"different numbers of samples \(2 kinds\)"):
        read_curves(other, "things_right")
    assert read_curves([{"arm": "a", "seed": 0, "steps": 9, "scores": {"vqa": 0.3}}], "vqa") == {}


def test_speed_ups_are_seed_by_seed_at_a_share_of_scratch():
    curves = read_curves(rows(), "things_right")
    found = speed_ups(curves["scratch"], curves["transfer"], share=0.5)
    assert [one.quality for one in found] == [0.4, 0.45, 0.35]
    assert [one.scratch for one in found] == pytest.approx([200, 175, 100 + 250 / 3])
    assert [one.transfer for one in found] == pytest.approx([50, 43.75, 50])
    assert found[0].factor == pytest.approx(4) and found[0].seen == 400
    assert verdict(as_pairs(found, 3.0)) == REPRODUCED
    assert verdict(as_pairs(found, 5.0)) == CONTRADICTED
    assert verdict(as_pairs(found, 3.9)) == NOT_VISIBLE
    with pytest.raises(ValueError, match="compare the same seeds"):
        speed_ups(curves["scratch"], Curve("transfer", (0, 1), AT, tuple(FAST[:2])))


def test_what_is_never_reached_contradicts_with_finite_numbers():
    never = [SpeedUp(0.9, 1_000 + i, math.inf, 2_000) for i in range(3)]
    pairs = as_pairs(never, 3.0)
    assert all(fast == 0 and math.isfinite(slow) for fast, slow in pairs)
    assert verdict(pairs) == CONTRADICTED


def test_the_paper_s_costs():
    opt, opt_fast, t5, t5_fast = cost_rows(PAPER_COSTS)
    assert len(HEAD) == len(opt) == 6
    assert opt == ["OPT-6.7B from scratch", "631.5 A100", "129.0M", "$2,586.80", "", ""]
    assert opt_fast[1:] == ["59.0 A100", "13.8M", "$241.70", "10.7×", "9.3×"]
    assert t5[1:4] == ["684.0 A100", "121.6M", "$2,801.80"]
    assert t5_fast[4:] == ["21.1×", "22.9×"]
    prices = [cost.dollars / cost.hours for cost in PAPER_COSTS]
    assert max(prices) - min(prices) < 0.01  # one price an hour, about $4.10


def test_our_costs_stand_beside_them():
    timed = [row("scratch", s, SCRATCH[s], second=3.6) for s in range(3)]
    timed += [row("transfer", s, FAST[s], second=3.6) for s in range(3)]
    samples, seconds = (read_curves(timed, "things_right", over) for over in ("samples", "seconds"))
    scratch = our_cost("small OPT from scratch", samples["scratch"], seconds["scratch"], 0.6)
    fast = our_cost("transfer", samples["transfer"], seconds["transfer"], 0.6, scratch.what, 0.1)
    never = our_cost("never", samples["scratch"], seconds["scratch"], 0.95, scratch.what, 0.1)
    first, second, third = cost_rows([scratch, fast, never])
    assert first == ["small OPT from scratch", "0.291 CPU core", "291", "n/a", "", ""]
    assert second[1:] == ["0.074 CPU core", "74", "$0.01", "3.9×", "3.9×"]
    assert third[1:] == ["not reached", "not reached", "n/a", "not reached", "not reached"]
    assert cost_rows([Cost("VL-LLaMA", None, None)])[0][1:] == ["n/a", "n/a", "n/a", "", ""]
    with pytest.raises(ValueError, match="compared with 'small OPT from scratch', which the table"):
        cost_rows([fast])


@pytest.fixture
def curves():
    yield list(read_curves(rows(), "things_right").values())
    plt.close("all")


def test_the_figure_draws_means_bands_and_crossings(curves):
    figure = draw_curves(curves, "things right", quality=0.85, labels={"scratch": "from scratch"})
    (axis,) = figure.axes
    means = [line for line in axis.lines if len(line.get_xdata()) == len(AT)]
    assert [tuple(line.get_ydata()) for line in means] == [curve.mean for curve in curves]
    assert len({line.get_linestyle() for line in means}) == 2 == len(axis.collections)
    low, high = axis.collections[0].get_paths()[0].get_extents().get_points()[:, 1]
    assert (low, high) == pytest.approx((0.0, 0.9))
    legend = [text.get_text() for text in axis.get_legend().get_texts()]
    assert legend == ["from scratch", "transfer"]
    # Only one of the two means gets to 0.85.
    marks = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    assert marks == pytest.approx([first_crossing(AT, curves[1].mean, 0.85)])
    assert axis.get_xlabel() == "samples seen" and axis.get_ylabel() == "things right"
    with pytest.raises(ValueError, match="0 lines"):
        draw_curves([], "things right")


def test_the_figure_goes_into_axes_that_are_given(curves):
    figure, axes = plt.subplots(1, 2)
    assert draw_curves(curves, "vqa", axes=axes[1]) is figure
    assert not axes[0].lines and len(axes[1].lines) == 2


def test_the_same_in_words(curves):
    assert curves_in_words(curves, 0.85).splitlines() == [
        "scratch: 0.00 at 0, 0.80 at 400 samples (0.70 to 0.90 over 3 seeds); 0.85 not reached",
        "transfer: 0.03 at 0, 0.83 at 400 samples (0.80 to 0.90 over 3 seeds); 0.85 reached at 175",
    ]
    assert "reached" not in curves_in_words(curves)
