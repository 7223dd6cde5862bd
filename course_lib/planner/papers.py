"""What the papers' runs took, beside what the planner says they take.

A figure with "<" is all that a paper tells, an upper bound, and is compared as if it were the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from course_lib.planner.gpus import gpu_of
from course_lib.planner.jobs import Job
from course_lib.planner.paper_models import (
    blip2_with,
    llava_v1_13b,
    llava_v15_7b,
    minigpt4_13b,
    mplug_owl_7b,
    vpgtrans_to,
)
from course_lib.planner.plan import Plan, plan_job

DAY = 24.0  # hours


@dataclass(frozen=True)
class PaperRun:
    """One run as its authors tell it.

    Args:
        name: for people.
        job: builds it with the paper's backbones and numbers.
        gpu: which kind.
        gpus: how many.
        hours: of the whole run; where a paper tells GPU-hours, these divided by GPUs.
        told: the figure in the paper's words.
        source: where it stands.
        reason: the likely reason of the miss.
        recompute: whether the run computed activations a second time.
    """

    name: str
    job: Callable[[], Job]
    gpu: str
    gpus: int
    hours: float
    told: str
    source: str
    reason: str
    recompute: bool = False

    def plan(self) -> Plan:
        """Returns our plan of it."""
        return plan_job(self.job(), gpu_of(self.gpu), self.gpus, recompute=self.recompute)


_XXL, _OPT = "google/flan-t5-xxl", "facebook/opt-6.7b"
_SHORT = "two short sequences, of 48 and 16 positions, fill a GPU badly"
_LESS = "captions shorter than the 32 words that we count for each"
RUNS = (
    PaperRun(
        "BLIP-2, stage 1, ViT-g",
        lambda: blip2_with(_XXL)[0],
        "a100-40gb",
        16,
        6 * DAY,
        "< 6 days",
        "arXiv 2301.12597, section 3.4",
        "an upper bound; arithmetic alone would take 43 h, so that images or the Q-Former's many "
        "narrow layers held it up",
    ),
    PaperRun(
        "BLIP-2, stage 2, FlanT5-XXL",
        lambda: blip2_with(_XXL)[1],
        "a100-40gb",
        16,
        3 * DAY,
        "< 3 days",
        "arXiv 2301.12597, section 3.4",
        "an upper bound: VPGTrans gives 43 h for the same run, in the next row",
    ),
    PaperRun(
        "the same, as VPGTrans counts it",
        lambda: blip2_with(_XXL)[1],
        "a100-40gb",
        16,
        684.0 / 16,
        "684.0 GPU-hours",
        "arXiv 2305.01278, table 4",
        _SHORT,
    ),
    PaperRun(
        "BLIP-2, stage 2, OPT-6.7B",
        lambda: blip2_with(_OPT)[1],
        "a100-40gb",
        16,
        631.5 / 16,
        "631.5 GPU-hours",
        "arXiv 2305.01278, table 4",
        _LESS,
    ),
    PaperRun(
        "VPGTrans, OPT-2.7B to 6.7B",
        lambda: vpgtrans_to(_OPT, 13.8e6, 1_728),
        "a100-40gb",
        8,
        59.0 / 8,
        "59.0 GPU-hours",
        "arXiv 2305.01278, table 4",
        _LESS,
    ),
    PaperRun(
        "VPGTrans, FlanT5-XL to XXL",
        lambda: vpgtrans_to(_XXL, 5.3e6, 1_152),
        "a100-40gb",
        8,
        32.4 / 8,
        "32.4 GPU-hours",
        "arXiv 2305.01278, table 4",
        _SHORT,
    ),
    PaperRun(
        "LLaVA-13B, stage 1",
        lambda: llava_v1_13b()[0],
        "a100-80gb",
        8,
        4.0,
        "4 h",
        "arXiv 2304.08485, appendix C",
        "the length of its prompts is ours",
        recompute=True,
    ),
    PaperRun(
        "LLaVA-13B, stage 2",
        lambda: llava_v1_13b()[1],
        "a100-80gb",
        8,
        10.0,
        "10 h",
        "arXiv 2304.08485, appendix C",
        "FSDP gathers 26 GB of weights for every 4 samples, padded to the longest of them",
        recompute=True,
    ),
    PaperRun(
        "LLaVA-1.5-7B, stage 1",
        lambda: llava_v15_7b()[0],
        "a100-80gb",
        8,
        3.5,
        "3.5 h",
        "README of haotian-liu/LLaVA",
        "the length of its captions is ours",
        recompute=True,
    ),
    PaperRun(
        "LLaVA-1.5-7B, stage 2",
        lambda: llava_v15_7b()[1],
        "a100-80gb",
        8,
        10.0,
        "10 h",
        "README of haotian-liu/LLaVA",
        "ZeRO-3 gathers the weights at every step; conversations are padded to the longest of 16",
        recompute=True,
    ),
    PaperRun(
        "MiniGPT-4 13B, stage 1",
        lambda: minigpt4_13b()[0],
        "a100-80gb",
        4,
        10.0,
        "10 h",
        "arXiv 2304.10592, section 3.1",
        _LESS,
    ),
    PaperRun(
        "MiniGPT-4 13B, stage 2",
        lambda: minigpt4_13b()[1],
        "a100-80gb",
        1,
        7 / 60,
        "7 min",
        "arXiv 2304.10592, section 3.3",
        "descriptions shorter than the 160 tokens that we count for each",
    ),
    PaperRun(
        "mPLUG-Owl, stage 1",
        lambda: mplug_owl_7b()[0],
        "a100-80gb",
        32,
        7 * DAY,
        "about 7 days",
        "X-PLUG/mPLUG-Owl, issue 29",
        "not told whether the padding up to 512 positions was computed; without it, a quarter",
    ),
)


def table() -> list[dict]:
    """Returns one row a run of the papers.

    Returns:
        Rows {name, told, source, gpus, gpu, hours, ours, ratio, bound, reason}: `hours` of the
        paper, `ours` the planner's, `ratio` ours / theirs.
    """
    rows = []
    for run in RUNS:
        plan = run.plan()
        rows.append(
            {
                "name": run.name,
                "told": run.told,
                "source": run.source,
                "gpus": run.gpus,
                "gpu": run.gpu,
                "hours": run.hours,
                "ours": plan.hours,
                "ratio": plan.hours / run.hours,
                "bound": plan.bound,
                "reason": run.reason,
            }
        )
    return rows
