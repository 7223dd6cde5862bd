"""The figure grammar: every look differs from its neighbours, in colour, in grey and in line."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from course_lib.teach import style

matplotlib.use("Agg")
GROUPS = [*style.FAMILIES.values(), dict(enumerate(style.series(6)))]
# What people without one kind of cone see, on linear RGB (Machado and others, 2009).
VISION = {
    "usual": np.eye(3),
    "no red cones": np.array(
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    ),
    "no green cones": np.array(
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    ),
    "no blue cones": np.array(
        [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.147], [0.005, 0.691, 0.304]]
    ),
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(colour, matrix):
    """Returns CIE Lab of a colour as eyes of this kind see it; 2.3 is a just visible step."""
    to_xyz = np.array([[0.412, 0.358, 0.180], [0.213, 0.715, 0.072], [0.019, 0.119, 0.950]])
    xyz = to_xyz @ np.clip(matrix @ linear(colour), 0, 1) / to_xyz.sum(axis=1)
    cube = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * cube[1] - 16, 500 * (cube[0] - cube[1]), 200 * (cube[1] - cube[2])])


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_for_every_kind_of_colour_vision(group, vision):
    labs = [seen(look.colour, VISION[vision]) for look in group.values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(labs, 2)) > 10


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("part", ["dashes", "marker", "hatch"])
def test_lines_points_and_bars_differ_without_any_colour(group, part):
    assert len({getattr(look, part) for look in group.values()}) == len(group)


def test_a_role_gives_arguments_that_matplotlib_takes():
    figure, axes = style.figure(6, 2, columns=3)
    for count, role in enumerate(("trained", "untrained", "frozen", "blind", "wrong")):
        (line,) = axes[0].plot([0, 1], [0, count], **style.look(role).line())
        (bar,) = axes[1].bar([count], [1], **style.look(role).bar())
        (points,) = axes[2].plot([0], [count], **style.look(role).point())
        assert line.get_color() == style.look(role).colour == points.get_color()
        assert (points.get_linestyle(), points.get_marker()) == ("None", style.look(role).marker)
        assert (bar.get_hatch() or "") == style.look(role).hatch
    assert figure.dpi == 90 and tuple(figure.get_size_inches()) == (6, 2)
    figure.canvas.draw()
    matplotlib.pyplot.close(figure)


def test_the_roles_of_the_notebooks_that_exist():
    assert style.look("trained").colour == style.look("picture").colour == "#0072B2"
    assert style.look("words").colour == "#E69F00" and style.look("wrong").colour == "#D55E00"


def test_words_can_be_read_on_every_colour():
    for colour in [look.colour for look in style.series(6)] + [style.GREY, style.PAPER, style.INK]:
        own, other = (
            linear(ink) @ [0.2126, 0.7152, 0.0722] + 0.05 for ink in (colour, style.ink_on(colour))
        )
        assert max(own, other) / min(own, other) >= 4.5, colour


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: style.look("trainde"), "did you mean 'trained'"),
        (lambda: style.series(7), "1 to 6"),
        (lambda: style.series(0), "1 to 6"),
        (lambda: style.figure(0, 2), "two sizes above 0"),
        (lambda: style.figure(3, float("nan")), "two sizes above 0"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
