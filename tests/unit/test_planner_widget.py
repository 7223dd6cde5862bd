"""The planner's widget, chosen in as a person would, and the report that stands on paper."""

import html

import pytest
from IPython.core.formatters import DisplayFormatter

from course_lib.planner.plan import plan_recipe
from course_lib.planner.report import report_lines
from course_lib.teach.plan_widget import STORED, PlanWidget


@pytest.fixture
def widget():
    return PlanWidget("llava", "toy")


def shown(widget):
    return html.unescape(widget.report.value)


def test_it_starts_with_the_usual_machine_and_shows_the_report(widget):
    assert (widget.gpu.value, widget.gpus.value) == ("rtx-4080-16gb", 1)
    lines = report_lines(plan_recipe("llava", "toy", "rtx-4080-16gb", 1), "toy")
    assert "\n".join(lines) in shown(widget) and "Fits: " in widget.verdict.value


def test_every_choice_counts(widget):
    widget.gpu.value = "h100-80gb"
    widget.gpus.value = 4
    assert "llava at toy, on 4 × h100-80gb" in shown(widget)
    widget.recipe.value = "mplug_owl"
    assert "mplug_owl at toy" in shown(widget) and "vpg.head" in shown(widget)
    widget.scale.value = "small"
    assert "mplug_owl at small, on 4" in shown(widget)
    widget.gpus.value = 0  # the box itself keeps to 1 and more
    assert widget.gpus.value == 1


def test_it_says_in_words_what_does_not_fit():
    widget = PlanWidget("llava", "a100", "a100-80gb", 1)
    assert "Does not fit: stage 2." in widget.verdict.value
    assert "change: 2 of these GPUs are enough." in shown(widget)
    assert 'role="status"' in widget.verdict.value


def test_trouble_is_told_and_goes_away(widget, monkeypatch):
    from course_lib.teach import plan_widget

    def missing(recipe, scale):
        raise ValueError("The zoo model 'opt-large' is not here: <make it>.")

    with monkeypatch.context() as patch:
        patch.setattr(plan_widget, "_jobs", missing)
        widget.gpus.value = 3
        assert "opt-large&#x27; is not here: &lt;make" in widget.verdict.value
        assert widget.report.value == ""
    widget.gpus.value = 2
    assert "on 2 × rtx-4080-16gb" in shown(widget)


def test_wrong_machines_are_refused():
    with pytest.raises(ValueError, match="Unknown GPU 'b200': choose one of"):
        PlanWidget(gpu="b200")
    with pytest.raises(ValueError, match="0 GPUs were given: choose 1 to 1024"):
        PlanWidget("llava", "toy", gpus=0)


def test_every_box_has_a_name_and_what_is_stored_is_one_line(widget):
    assert [c.description for c in widget.choices] == ["recipe", "scale", "GPU", "how many"]
    view = "application/vnd.jupyter.widget-view+json"
    data, metadata = DisplayFormatter().format(widget)
    assert set(data) == {"text/plain", view} and metadata == {}
    assert data["text/plain"] == repr(widget) == STORED and len(STORED) < 100
