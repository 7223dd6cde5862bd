"""One figure grammar: who plays which part has one colour and one line in all figures.

    from course_lib.teach import style

    figure, axes = style.figure(8, 2.3, columns=3)
    axes[0].plot(steps, losses, **style.look("trained").line())

The colours are those of Okabe and Ito, which people with any kind of colour vision tell apart. A
figure never leans on colour alone: lines differ by dashes and markers, bars by hatching.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from course_lib.errors import unknown_name_error

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
GREY = "#8C8C8C"  # of the same meaning everywhere: nothing happens here
INK, PAPER = "#222222", "#ffffff"  # of words, and of what they stand on
DPI = 90
HEAT = "cividis"  # for maps of numbers: brighter is more, in grey and in any colour vision


@dataclass(frozen=True)
class Look:
    """How one part looks, as a line, as bars and as points.

    Args:
        colour: a hexadecimal colour.
        dashes: matplotlib's line style.
        marker: matplotlib's marker.
        hatch: matplotlib's hatching, "" for none.
    """

    colour: str
    dashes: str | tuple
    marker: str
    hatch: str

    def line(self) -> dict[str, Any]:
        """Returns the arguments for `axis.plot` of a curve."""
        return {"color": self.colour, "linestyle": self.dashes}

    def bar(self) -> dict[str, Any]:
        """Returns the arguments for `axis.bar`."""
        return {"color": self.colour, "hatch": self.hatch, "edgecolor": PAPER}

    def point(self) -> dict[str, Any]:
        """Returns the arguments for `axis.plot` of single points."""
        return {"color": self.colour, "linestyle": "none", "marker": self.marker}


_SOLID = Look(BLUE, "-", "o", "")
_DOTTED = Look(ORANGE, ":", "s", "///")
_DASHED = Look(GREY, "--", "^", "...")
# Within a family all looks differ; across families the same one may come again.
FAMILIES = {
    "training": {"trained": _SOLID, "untrained": _DOTTED, "frozen": _DASHED},
    "reading": {"picture": _SOLID, "words": _DOTTED, "blind": _DASHED},
    "verdict": {"right": _SOLID, "wrong": Look(VERMILION, ":", "x", "///")},
}
_SERIES = (
    _SOLID,
    _DOTTED,
    Look(GREEN, "--", "^", "..."),
    Look(VERMILION, "-.", "D", "xxx"),
    Look(PURPLE, (0, (7, 1.5, 1, 1.5, 1, 1.5)), "v", "\\\\\\"),
    Look(SKY, (0, (1, 3)), "P", "++"),
)


def look(role: str) -> Look:
    """Returns how a part looks: "trained", "untrained", "frozen", "picture", "words", "blind" ...

    Raises:
        ValueError: for a role that no family has; it names the nearest.
    """
    roles = {name: found for family in FAMILIES.values() for name, found in family.items()}
    if role not in roles:
        raise unknown_name_error("role", role, roles)
    return roles[role]


def series(count: int) -> tuple[Look, ...]:
    """Returns looks for `count` things without a role, such as runs that are compared.

    Raises:
        ValueError: for more than can be told apart in one figure.
    """
    if not 1 <= count <= len(_SERIES):
        raise ValueError(
            f"{count} lines in one figure: draw 1 to {len(_SERIES)}, or one small figure for each."
        )
    return _SERIES[:count]


def figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """Makes a figure of the course's resolution.

    Args:
        width: inches; a notebook shows about 9 beside its margin.
        height: inches.
        rows: of axes.
        columns: of axes.
        options: more for `plt.subplots`, such as sharey=True.

    Returns:
        (figure, axes), as `plt.subplots` gives them: one axes, or an array.

    Raises:
        ValueError: for a size that no figure has.
    """
    if not (width > 0 and height > 0):
        raise ValueError(f"A figure of {width} by {height} inches: give two sizes above 0.")
    return plt.subplots(rows, columns, figsize=(width, height), dpi=DPI, **options)


def ink_on(colour: str) -> str:
    """Returns black or white, whichever is read better on `colour`: a contrast of 4.5 or more."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else PAPER  # there both contrasts are the same
