"""The papers' own models and numbers, as jobs: our recipes at "a100", and what differs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from course_lib.planner.jobs import (
    Job,
    blip2_jobs,
    llava_jobs,
    minigpt4_jobs,
    mplug_owl_jobs,
    vpgtrans_jobs,
)
from course_lib.recipes import blip2, llava, minigpt4, mplug_owl, vpgtrans
from course_lib.vpg.qformer import QFormerConfig

VIT_G = "Salesforce/blip2-flan-t5-xxl"


@cache
def blip2_with(language: str) -> list[Job]:
    """Returns BLIP-2 as the paper scales it up: EVA's ViT-g, and a language model of choice."""
    numbers = blip2.scale("a100")
    t5 = "t5" in language
    second = numbers.stage2["t5" if t5 else "opt"]
    numbers = replace(
        numbers,
        vision=VIT_G,
        languages={"": language},
        qformer=QFormerConfig(),
        stage1=replace(numbers.stage1, batch_size=1680),
        stage2={"": second},
    )
    return blip2_jobs(numbers, "a100", layer=-1)


def vpgtrans_to(language: str, pairs: float, batch: int) -> Job:
    """Returns VPGTrans's scale-up to a language model, on so many pairs in all."""
    numbers = vpgtrans.scale("a100")
    stage = replace(numbers.stage2, steps=round(pairs / batch), batch_size=batch)
    transfer = vpgtrans.Transfer("", "", language)
    numbers = replace(
        numbers, vision=VIT_G, transfers={"": transfer}, qformer=QFormerConfig(), stage2=stage
    )
    return vpgtrans_jobs(numbers, "a100", layer=-1)[1]


@cache
def llava_v1_13b() -> list[Job]:
    """Returns LLaVA's first version: 595,375 pairs once, 158,000 conversations three times."""
    numbers = llava.scale("a100")
    numbers = replace(
        numbers,
        vision="openai/clip-vit-large-patch14",
        language="lmsys/vicuna-13b-v1.5",
        stage1=replace(numbers.stage1, steps=4_651, batch_size=128),
        stage2=replace(numbers.stage2, steps=14_812, batch_size=32),
    )
    return llava_jobs(numbers, "a100", "v1")


@cache
def llava_v15_7b() -> list[Job]:
    """Returns LLaVA-1.5, as the recipe has it."""
    return llava_jobs(llava.scale("a100"), "a100", "v1.5")


@cache
def minigpt4_13b() -> list[Job]:
    """Returns MiniGPT-4 with the language model that the paper speaks of."""
    numbers = replace(minigpt4.scale("a100"), language="Vision-CAIR/vicuna")
    return minigpt4_jobs(numbers, "a100")


@cache
def mplug_owl_7b() -> list[Job]:
    """Returns mPLUG-Owl, as the recipe has it."""
    return mplug_owl_jobs(mplug_owl.scale("a100"), "a100")
