"""The table of all models is made from the recipes; the figure of bars refuses what it cannot."""

import matplotlib.pyplot as plt
import pytest

from course_lib.devtools.cross_model_table import HEAD, main, table_rows
from course_lib.recipes import blip2, mplug_owl
from course_lib.teach.compare_figure import bars_in_words, draw_bars


@pytest.mark.parametrize("scale", ["toy", "a100"])
def test_a_row_a_model_with_the_recipes_numbers(scale):
    rows = {row[0]: dict(zip(HEAD, row, strict=True)) for row in table_rows(scale)}
    assert len(rows) == 6
    assert rows["BLIP-2"]["visual tokens"] == str(blip2.scale(scale).qformer.num_query_tokens)
    owl = mplug_owl.places_of(mplug_owl.scale(scale))
    assert rows["mPLUG-Owl"]["visual tokens"] == str(owl)
    trains = "what trains in each stage (parameters, samples)"
    assert rows["mPLUG-Owl"][trains].count("LoRA") == 1
    assert rows["Flamingo"][trains].startswith("1: vpg.head, gated (")


def test_it_prints_markdown_and_refuses_another_scale(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.count("\n| ") == 7
    assert main(["--scale", "toys"]) == 1
    assert "did you mean 'toy'" in capsys.readouterr().err


def test_bars_have_gaps_where_there_is_no_place():
    scores = {"BLIP-2": [0.9, None], "LLaVA": [0.5, 0.2]}
    figure = draw_bars(scores, ["VQA", "several"], {"LLaVA": [0.3, None]})
    axes = figure.axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.9, 0.0, 0.5, 0.2]
    assert [text.get_text() for text in axes.texts] == ["–"] and len(axes.lines) == 1
    plt.close(figure)
    assert bars_in_words(scores, ["VQA", "several"]).startswith("BLIP-2: VQA 0.90, several no pl")


@pytest.mark.parametrize("shares", [[0.5], [0.5, 1.2]])
def test_bars_refuse_scores_that_do_not_fit(shares):
    with pytest.raises(ValueError, match=r"1 scores for 2 measures|share of 1\.2"):
        draw_bars({"LLaVA": shares}, ["VQA", "exact"])
