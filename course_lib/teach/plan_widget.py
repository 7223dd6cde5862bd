"""The planner with four boxes to choose in: recipe, scale, GPU, how many; below them the report.

It is made of plain ipywidgets, so that a test can choose, and what it leaves in a stored notebook
is one line. On paper stand the lines that it shows: `planner.report.report_lines` of the plans.
"""

from __future__ import annotations

import html
from functools import lru_cache

import ipywidgets as widgets

from course_lib.planner.gpus import GPUS, USUAL, gpu_of
from course_lib.planner.jobs import RECIPES, Job, jobs_of
from course_lib.planner.plan import Plan, plan_job
from course_lib.planner.report import report_lines
from course_lib.teach.shown_box import ShownBox

STORED = "A planner to choose in: run this cell in JupyterLab. On paper, see the report."
MOST = 1024  # GPUs


@lru_cache(maxsize=32)
def _jobs(recipe: str, scale: str) -> tuple[Job, ...]:
    """Builds the shapes of a recipe once: that takes seconds, a plan of them does not."""
    return tuple(jobs_of(recipe, scale))


class PlanWidget(ShownBox):
    """Shows what a recipe costs on a machine, and again at every choice.

    Let a cell end with it. Nothing is loaded, and no network is needed.

    Args:
        recipe: the first choice, one of `planner.jobs.RECIPES`.
        scale: "toy", "small" or "a100".
        gpu: one of `planner.gpus.GPUS`; "" for the usual one of the scale.
        gpus: how many; None for the usual number.

    Raises:
        ValueError: for an unknown GPU, or less than one.
    """

    stored = STORED

    def __init__(
        self, recipe: str = "llava", scale: str = "a100", gpu: str = "", gpus: int | None = None
    ) -> None:
        usual, number = USUAL[scale]
        kind = gpu_of(gpu or usual).name
        if gpus is not None and not 1 <= gpus <= MOST:
            raise ValueError(f"{gpus} GPUs were given: choose 1 to {MOST}.")
        self.recipe = widgets.Dropdown(options=RECIPES, value=recipe, description="recipe")
        self.scale = widgets.Dropdown(options=tuple(USUAL), value=scale, description="scale")
        self.gpu = widgets.Dropdown(options=tuple(GPUS), value=kind, description="GPU")
        self.gpus = widgets.BoundedIntText(
            value=gpus or number, min=1, max=MOST, description="how many"
        )
        self.verdict, self.report = widgets.HTML(), widgets.HTML()
        self.choices = (self.recipe, self.scale, self.gpu, self.gpus)
        wrapping = widgets.Layout(flex_flow="row wrap")
        self.box = widgets.VBox(
            [widgets.HBox(list(self.choices), layout=wrapping), self.verdict, self.report]
        )
        for choice in self.choices:
            choice.observe(lambda change: self._show(), "value")
        self._show()

    @property
    def plans(self) -> list[Plan]:
        """What is shown, one plan a stage.

        Raises:
            ValueError: for a backbone that is not there.
        """
        jobs = _jobs(self.recipe.value, self.scale.value)
        return [plan_job(job, gpu_of(self.gpu.value), self.gpus.value) for job in jobs]

    def _show(self) -> None:
        try:
            plans = self.plans
        except ValueError as error:
            self.report.value = ""
            self._say(str(error))
            return
        lines = "\n".join(report_lines(plans, self.scale.value))
        style = "line-height:1.4;overflow-x:auto"
        self.report.value = f'<pre style="{style}">{html.escape(lines)}</pre>'
        tight = [plan.job.number for plan in plans if not plan.fits]
        hours = sum(plan.gpu_hours for plan in plans)
        self._say(
            f"Does not fit: stage {' and '.join(tight)}."
            if tight
            else f"Fits: {hours:,.0f} GPU-hours for all stages."
        )

    def _say(self, text: str) -> None:
        # role="status": a screen reader says it after the choice, without being asked.
        self.verdict.value = f'<p role="status"><b>{html.escape(text)}</b></p>'
