"""OwlEval's ratings as bars and as a table: ours, and the released figures beside them.

Bars carry hatching as well as colours, and the counts stand behind them in words, so that nothing
is read from a colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from course_lib.evaluation.owl_eval import ABILITIES, MULTI, SINGLE
from course_lib.evaluation.rating_counts import RELEASED, RELEASED_PASSED, RELEASED_SOURCE, Counts
from course_lib.evaluation.ratings import GRADES
from course_lib.teach import style
from course_lib.teach.plain_table import plain_table

Groups = Mapping[str, Counts]
NAMES = {"all": "all questions", SINGLE: "single-turn", MULTI: "multi-turn"}
_BAR_INCHES = 0.3


def released_panels() -> dict[str, dict[str, Counts]]:
    """Returns the released figures as panels for `draw_grades`."""
    return {
        f"{NAMES[name]}, released": {model: groups[name] for model, groups in RELEASED.items()}
        for name in (SINGLE, MULTI)
    }


def our_panels(counts: Mapping[str, Groups]) -> dict[str, dict[str, Counts]]:
    """Returns our counts (`rating_counts`) as panels for `draw_grades`."""
    return {
        f"{NAMES[name]}, ours": {model: groups[name] for model, groups in counts.items()}
        for name in (SINGLE, MULTI)
        if all(name in groups for groups in counts.values())
    }


def _in_words(counts: Counts) -> str:
    if not counts.total:
        return "no rating"
    grades = "  ".join(f"{grade} {number}" for grade, number in counts.grades.items())
    return f"{grades}   A+B {counts.passed} of {counts.total}"


def draw_grades(panels: Mapping[str, Mapping[str, Counts]]) -> Figure:
    """Draws a bar a model, divided by grade, one panel under the other.

    Args:
        panels: title → model → counts, such as `our_panels(…) | released_panels()`. Bars are shares
            of 100 %, so that panels with other numbers of answers can be compared.

    Returns:
        The figure, one axes a panel; the counts are text artists at the bars' ends.

    Raises:
        ValueError: for nothing to draw.
    """
    sizes = [len(models) for models in panels.values()]
    if not sizes or min(sizes) < 1:
        raise ValueError("There is nothing to draw: give one panel or more, each with a model.")
    height = _BAR_INCHES * sum(sizes) + 0.75 * len(sizes) + 0.3
    figure, axes = style.figure(
        8.5,
        height,
        rows=len(sizes),
        squeeze=False,
        sharex=True,
        layout="constrained",
        gridspec_kw={"height_ratios": sizes},
    )
    looks = dict(zip(GRADES, style.series(len(GRADES)), strict=True))
    for axis, (title, models) in zip(axes.flat, panels.items(), strict=True):
        for row, counts in enumerate(models.values()):
            left = 0.0
            for grade, number in counts.grades.items():
                share = number / counts.total if counts.total else 0.0
                axis.barh(row, share, 0.72, left, label=grade, **looks[grade].bar())
                left += share
            axis.text(1.02, row, _in_words(counts), va="center", fontsize=8, color=style.INK)
        axis.set(yticks=range(len(models)), yticklabels=list(models), xlim=(0, 1.75))
        axis.set_title(title, fontsize=9, loc="left")
        axis.invert_yaxis()
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines["bottom"].set_bounds(0, 1)
        axis.tick_params(labelsize=8)
    bars = [axes.flat[0].patches[i] for i in range(len(GRADES))]
    figure.legend(bars, list(GRADES), loc="outside upper right", ncols=len(GRADES), fontsize=8)
    return figure


def draw_abilities(counts: Mapping[str, Groups]) -> Figure:
    """Draws the share of A and B for each ability, one bar a model.

    Args:
        counts: model → group → counts, as `rating_counts` gives them; at most six models.

    Returns:
        The figure with one axes; above each bar stand its A+B and how many were rated.

    Raises:
        ValueError: without a model or an ability, or for more models than can be told apart.
    """
    first = next(iter(counts.values()), {})
    letters = [letter for letter in ABILITIES if letter in first]
    if not letters:
        raise ValueError("There is nothing to draw: give counts by ability of one model or more.")
    looks = style.series(len(counts))
    figure, axis = style.figure(8.5, 3.2, layout="constrained")
    width = 0.8 / len(counts)
    for index, ((model, groups), look) in enumerate(zip(counts.items(), looks, strict=True)):
        for place, letter in enumerate(letters):
            x, found = place + (index - (len(counts) - 1) / 2) * width, groups[letter]
            label = model if place == 0 else None
            axis.bar(x, found.share or 0.0, 0.9 * width, label=label, **look.bar())
            words = f"{found.passed}/{found.total}"
            how = {"ha": "center", "fontsize": 7, "rotation": 90 if len(counts) > 2 else 0}
            axis.text(x, (found.share or 0.0) + 0.02, words, color=style.INK, **how)
    names = [f"{letter}: {ABILITIES[letter]}".replace(" ", "\n") for letter in letters]
    axis.set_xticks(range(len(letters)), names, fontsize=8)
    axis.set(ylim=(0, 1.25), ylabel="share of A and B")
    axis.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"], fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=3, fontsize=8)
    return figure


def owl_table(counts: Mapping[str, Groups]) -> str:
    """Writes our A+B of each model beside the released ones, with their source."""
    columns = [name for name in NAMES if all(name in groups for groups in counts.values())]
    rows = [
        [model, "ours", *(_passed(groups[name]) for name in columns)]
        for model, groups in counts.items()
    ]
    for model, groups in RELEASED.items():
        all_passed = RELEASED_PASSED.get(model)
        known = {name: _passed(found) for name, found in groups.items()}
        known["all"] = "–" if all_passed is None else f"{all_passed} of 82"
        rows.append([model, "released", *(known[name] for name in columns)])
    head = ["A+B of", "ratings", *(NAMES[name] for name in columns)]
    table = plain_table(head, rows, right=range(2, len(head)))
    return f"{table}\nreleased: {RELEASED_SOURCE}."


def _passed(counts: Counts) -> str:
    return f"{counts.passed} of {counts.total}"
