"""OwlEval's bars: their lengths are the shares, and they are read without any colour."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

from course_lib.evaluation.owl_eval import ABILITIES, OwlAnswer
from course_lib.evaluation.owl_eval_toy import make_owl_eval
from course_lib.evaluation.rating_counts import RELEASED, Counts, exact_ratings, rating_counts
from course_lib.evaluation.ratings import GRADES, items_of
from course_lib.teach.owl_figure import (
    draw_abilities,
    draw_grades,
    our_panels,
    owl_table,
    released_panels,
)

matplotlib.use("Agg")
OWL = make_owl_eval()


@pytest.fixture
def counts():
    answers = {
        name: {
            id: OwlAnswer(id, key.key if id % step else "hello.") for id, key in OWL.keys.items()
        }
        for name, step in (("joint", 5), ("text alone", 2))
    }
    items = items_of(OWL, answers)
    return rating_counts(exact_ratings(OWL, items), items, OWL)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_bars_are_shares_and_the_counts_stand_beside_them(counts):
    panels = our_panels(counts) | released_panels()
    figure = draw_grades(panels)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == [
        "single-turn, ours",
        "multi-turn, ours",
        "single-turn, released",
        "multi-turn, released",
    ]
    for axis, models in zip(figure.axes, panels.values(), strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == list(models)
        bars = iter(axis.patches)
        for known, text in zip(models.values(), axis.texts, strict=True):
            parts = [next(bars) for _ in GRADES]
            widths = [part.get_width() for part in parts]
            ends = [part.get_x() + part.get_width() for part in parts]
            assert [part.get_x() for part in parts] == pytest.approx([0, *ends[:-1]])
            assert widths == pytest.approx([n / known.total for n in known.grades.values()])
            assert sum(widths) == pytest.approx(1)
            for grade, number in known.grades.items():
                assert f"{grade} {number}" in text.get_text()
            assert text.get_text().endswith(f"A+B {known.passed} of {known.total}")


def test_grades_differ_by_hatching_and_the_legend_names_them(counts):
    figure = draw_grades(our_panels(counts))
    bars = figure.axes[0].patches
    assert len({bar.get_hatch() for bar in bars[:4]}) == 4
    assert bars[0].get_hatch() == bars[4].get_hatch()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(GRADES)


def test_a_model_without_a_rating_says_so():
    figure = draw_grades({"p": {"m": Counts()}})
    assert figure.axes[0].texts[0].get_text() == "no rating"
    assert all(bar.get_width() == 0 for bar in figure.axes[0].patches)


def test_abilities_are_named_and_their_shares_right(counts):
    figure = draw_abilities(counts)
    (axis,) = figure.axes
    names = [label.get_text().replace("\n", " ") for label in axis.get_xticklabels()]
    assert names == [f"{letter}: {words}" for letter, words in ABILITIES.items()]
    texts = iter(axis.texts)
    bars = iter(axis.patches)
    for groups in counts.values():
        for letter in ABILITIES:
            found = groups[letter]
            assert next(bars).get_height() == pytest.approx(found.share)
            assert next(texts).get_text() == f"{found.passed}/{found.total}"
    assert len({bar.get_hatch() for bar in axis.patches[::6]}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(counts)


@pytest.mark.parametrize("draw", [draw_grades, draw_abilities])
def test_words_stay_inside_the_figure(counts, draw):
    figure = draw(our_panels(counts) | released_panels() if draw is draw_grades else counts)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    texts = [t for axis in figure.axes for t in (*axis.texts, *axis.get_xticklabels())]
    texts += [t for axis in figure.axes for t in (*axis.get_yticklabels(), axis.title)]
    boxes = [t.get_window_extent() for t in texts if t.get_text() and t.get_visible()]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= width
    assert min(box.y0 for box in boxes) >= 0 and max(box.y1 for box in boxes) <= height


def test_the_table_puts_the_released_figures_beside_ours_with_their_source(counts):
    lines = owl_table(counts).splitlines()
    row = {line.split("  ")[0].strip(): line for line in lines}
    passed = counts["joint"]["all"].passed
    assert f"{passed} of 82" in row["joint"] and "ours" in row["joint"]
    assert "66 of 82" in row["mPLUG-Owl-7B"] and "42 of 50" in row["mPLUG-Owl-7B"]
    assert "54 of 82" in row["MiniGPT-4-13B"] and "31 of 52" in row["MiniGPT-4-13B"]
    assert "–" in row["LLaVA-13B"] and len(lines) == 2 + 2 + len(RELEASED) + 1
    assert "2304.14178" in lines[-1]


def test_nothing_to_draw_is_refused(counts):
    for draw, what in (
        (draw_grades, {}),
        (draw_grades, {"p": {}}),
        (draw_abilities, {}),
        (draw_abilities, {"m": {"all": Counts(1)}}),
    ):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw(what)
    many = {f"m{i}": counts["joint"] for i in range(7)}
    with pytest.raises(ValueError, match="7 lines in one figure"):
        draw_abilities(many)
