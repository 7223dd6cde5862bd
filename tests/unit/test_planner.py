"""The planner's counting: against torch's own FLOP counter, and by hand on one weight."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from course_lib.planner import assumptions
from course_lib.planner.flops import factor_of, flops_by_part, recomputed, words_by_part
from course_lib.planner.gpus import GPU, GPUS, USUAL, gpu_of
from course_lib.planner.inventory import Inventory, Part, Weight, take_inventory
from course_lib.planner.jobs import RECIPES, Job, jobs_of, llava_jobs
from course_lib.planner.memory import Layout, activations_of, memory_of
from course_lib.planner.plan import Plan, advice, plan_job, plan_recipe
from course_lib.planner.positions import positions_of
from course_lib.planner.shapes import language_shape, sizes_of, vision_shape
from course_lib.planner.texts import TEXTS, Text, text_of
from course_lib.recipes import llava
from course_lib.training.stages import Stage
from tests.planner_runs import Built

RUNS = [
    ("blip2", "1", "opt"),
    ("blip2", "2", "opt"),
    ("blip2", "2", "t5"),
    ("flamingo", "1", ""),
    ("llava", "1", "v1"),
    ("llava", "2", ""),
    ("minigpt4", "1", ""),
    ("mplug_owl", "1", ""),
    ("mplug_owl", "2", ""),
    ("vpgtrans", "2", "opt-to-llama"),
]
GB = 1e9


@pytest.mark.parametrize(("recipe", "number", "variant"), RUNS)
def test_flops_and_memory_are_those_of_a_model_that_runs(recipe, number, variant, monkeypatch):
    built = Built(recipe, number, variant, monkeypatch)
    inventory = built.inventory
    # A run makes queries that look at nothing yet once for a whole batch: 10 % of a toy Q-Former.
    ratio = sum(flops_by_part(inventory).values()) / built.flops_of_a_sample()
    assert 0.98 < ratio < 1.12
    heads = 4 * sum(w.positions * w.outputs for w in inventory.weights if w.is_head)
    kept = built.kept_of_a_sample() - heads
    passed = [w for w in inventory.weights if inventory.reached(w.part) and not w.is_head]
    ours = 0.0
    for in_half in (True, False):  # the zoo's language models are float16, all else is float32 here
        chosen = [w for w in passed if (w.part == "language") == in_half]
        ours += activations_of(replace(inventory, weights=tuple(chosen))) * (1 if in_half else 2)
    assert 0.7 < ours / kept < 1.4


@pytest.mark.parametrize("scale", ["small", "a100"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_planned_at_every_scale_without_memory(recipe, scale):
    plans = plan_recipe(recipe, scale, *USUAL[scale])
    stages = {"flamingo": "1", "vpgtrans": "123"}.get(recipe, "12")
    assert [plan.job.number for plan in plans] == list(stages)
    for plan in plans:
        inventory = plan.job.inventory
        assert 0 < inventory.trainable < inventory.parameters
        assert plan.hours > 0 and plan.flops_per_sample > 0 and math.isfinite(plan.memory.total)
        assert plan.fits


def test_stage_2_of_llava_at_small_trains_a_lora_and_the_full_model_would_not_fit():
    numbers, gpu = llava.scale("small"), gpu_of("t4-16gb")
    first, second = jobs_of("llava", "small")
    r, blocks = numbers.lora.r, 22
    widths = 2 * (2048 + 2048) + 2 * (2048 + 256) + 3 * (2048 + 5632)
    projector = first.inventory.trainable
    assert second.inventory.trainable == projector + blocks * r * widths
    assert plan_job(second, gpu, 1).memory.total < 9 * GB
    whole = replace(numbers.stage2, trainable=llava.STAGE2_TRAINABLE)
    full = llava_jobs(replace(numbers, stage2=whole, lora=None), "small")[1]
    assert not plan_job(full, gpu, 1).fits


def test_stage_3_of_vpgtrans_speaks_with_the_model_that_chats():
    for variant in ("opt-to-large", "opt-to-t5"):
        second, third = jobs_of("vpgtrans", "a100", variant)[1:]
        head = {part.name: part for part in second.inventory.parts}["vpg.head"]
        assert third.inventory.trainable == head.trainable + 769 * 4096
        assert (third.stage.steps, third.stage.batch_size, third.text.words) == (160, 120, 185)
        language = {part.name: part for part in third.inventory.parts}["language"]
        assert language.parameters == 6_738_415_616 and not language.trainable
        assert {p.name: p for p in second.inventory.parts}["language"] != language


def test_shapes_lie_on_the_meta_device():
    models = language_shape("facebook/opt-6.7b"), vision_shape("openai/clip-vit-large-patch14")
    assert all(p.is_meta for model in models for p in model.parameters())


def test_each_part_is_counted_by_what_the_gradient_does_there():
    counted = {
        (job.recipe, job.number): words_by_part(job.inventory)
        for recipe in ("llava", "minigpt4", "mplug_owl", "flamingo")
        for job in jobs_of(recipe, "toy")
    }
    assert counted == {
        ("llava", "1"): {"vpg.encoder": "2N", "projector": "6N", "language": "4N"},
        ("llava", "2"): {"vpg.encoder": "2N", "projector": "6N", "language": "6N"},
        **{
            ("minigpt4", number): {
                "vpg.encoder": "2N",
                "vpg.head": "2N",
                "projector": "6N",
                "language": "4N",
            }
            for number in "12"
        },
        ("mplug_owl", "1"): {
            "vpg.encoder": "6N",
            "vpg.head": "6N",
            "projector": "6N",
            "language": "4N",
        },
        ("mplug_owl", "2"): {
            "vpg.encoder": "2N",
            "vpg.head": "2N",
            "projector": "2N",
            "language": "6N, 4N",
        },
        ("flamingo", "1"): {
            "vpg.encoder": "2N",
            "vpg.head": "6N",
            "gated": "6N",
            "language": "4N",
        },
    }


def test_what_is_cached_costs_nothing_and_what_trains_is_never_cached():
    first, second = jobs_of("mplug_owl", "toy")
    work = flops_by_part(second.inventory, cached=True)
    assert work["vpg.encoder"] == work["vpg.head"] == 0 < work["projector"]
    gpu = gpu_of("t4-16gb")
    plan = plan_job(second, gpu, 1, cached=True)
    assert plan.image_seconds == 0 and plan.bound == "arithmetic"
    with pytest.raises(ValueError, match=r"encoder of mplug_owl trains in stage 1.*--cached"):
        plan_job(first, gpu, 1, cached=True)


def test_a_weight_without_a_rule_and_a_part_without_a_name_are_refused():
    assert positions_of("a.3.b.weight", (("a.*.c", 1.0), ("a.*.b", 2.0), ("a", 3.0))) == 2.0
    with pytest.raises(ValueError, match=r"No rule tells.*projector\.weight"):
        positions_of("projector.weight", (("vpg", 1.0), ("project", 2.0)))
    model = nn.ModuleDict({"connector": nn.Linear(2, 2)})
    with pytest.raises(ValueError, match=r"connector\.weight belongs to none"):
        take_inventory(model, Stage("s", ("connector",), 1, 1, 0.1), (("connector", 1.0),))
    with pytest.raises(ValueError, match=r"gpt2.*planner/configs"):
        sizes_of("gpt2")


def test_texts_are_known_for_every_stage_and_short_at_toy():
    for recipe, stage in TEXTS:
        assert text_of(recipe, stage, "a100").source and text_of(recipe, stage, "toy").words < 100
    assert text_of("mplug_owl", "2", "toy").images == 0.5
    with pytest.raises(ValueError, match="stage"):
        text_of("blip2", "3", "a100")


def one_weight(batch_size=64, numbers=10**9, trainable=10**9, images=1.0, whole_batch=False):
    """A job whose model is one square matrix in one block, used at 100 positions of a sample."""
    weight = Weight(
        name="language.layers.0.w.weight",
        part="language",
        block="language.layers.0",
        inputs=1_000,
        outputs=1_000,
        numbers=numbers,
        positions=100,
        trains=bool(trainable),
        is_head=False,
    )
    projector = Part("projector", 1, 0 if trainable else 1)
    parts = (projector, Part("language", numbers, trainable))
    stage = Stage("stage", ("language",), 3_600, batch_size, 1e-4)
    text = Text(100, 100, "by hand", images)
    return Job("by hand", "1", stage, Inventory(parts, (weight,)), text, whole_batch)


BIG = GPU("big", 1e15, 1e14, usd=2.0)


def test_hours_and_price_by_hand():
    assert assumptions.EFFICIENCY == 0.4 and assumptions.IMAGES_PER_GPU_SECOND == 65
    plan = plan_job(one_weight(images=0), BIG, 4)
    assert plan.flops_per_sample == 6 * 1e9 * 100
    assert plan.step_seconds == pytest.approx(16 * 6e11 / (1e14 * 0.4))
    assert plan.hours == pytest.approx(0.24) and plan.gpu_hours == pytest.approx(0.96)
    assert plan.usd() == pytest.approx(1.92) and plan.usd(0.5) == pytest.approx(0.48)
    assert replace(plan, gpu=GPU("dear", 1e15, 1e14)).usd() is None
    again = plan_job(one_weight(images=0), BIG, 4, recompute=True)
    assert recomputed(again.job.inventory) == 2e11
    assert again.hours == pytest.approx(plan.hours * 8 / 6)
    frozen = plan_job(one_weight(trainable=0), BIG, 4)
    assert factor_of(frozen.job.inventory.weights[0], frozen.job.inventory) == 4


def test_a_step_waits_for_whatever_is_slower():
    plan = plan_job(one_weight(images=2), BIG, 4)
    assert plan.bound == "images" and plan.step_seconds == pytest.approx(16 * 2 / 65)
    assert advice(plan) == [
        "The GPUs wait for images: more loader processes, or --cached features."
    ]
    assert advice(plan_job(one_weight(images=0), BIG, 4)) == []


def test_memory_by_hand():
    inventory = one_weight().inventory
    whole = memory_of(inventory, Layout(2), 4)
    assert whole.weights == pytest.approx(6 * GB) and whole.gradients == 4 * GB
    assert whole.optimiser == 8 * GB
    assert whole.activations == 2 * 100 * (1.6 + 0.5) * 1_000 * 2
    spread = memory_of(inventory, Layout(2, sharded=True), 4)
    assert spread.weights == pytest.approx((1 + 4) * GB) and spread.optimiser == 2 * GB
    again = memory_of(inventory, Layout(2, recomputed=True), 4)
    assert again.activations == whole.activations + 2 * 100 * 1_000 * 2  # one block is no gain
    frozen = memory_of(one_weight(trainable=0).inventory, Layout(1), 1)
    assert frozen.weights == pytest.approx(2 * GB, rel=1e-6)


def test_the_fastest_layout_that_fits_is_taken():
    job, gpu = one_weight(), GPU("some", 30 * GB, 1e14)
    assert plan_job(job, gpu, 4).layout == Layout(16)
    small = replace(gpu, memory=12 * GB)
    plan = plan_job(job, small, 4)
    assert plan.layout == Layout(16, sharded=True) and plan.fits
    alone = plan_job(job, small, 1)
    assert not alone.fits and alone.layout == Layout(1, recomputed=True)
    said = " ".join(advice(alone))
    assert "2 of these GPUs are enough" in said or "4 of these GPUs are enough" in said
    assert "A LoRA on the language model" in said and "1 × rtx-3090-24gb would be enough" in said


def test_a_batch_that_is_compared_is_never_cut():
    job = one_weight(batch_size=60_000, numbers=1_000, trainable=1_000, whole_batch=True)
    gpu = GPU("some", 20 * GB, 1e14)
    plan = plan_job(job, gpu, 1)
    assert not plan.fits and plan.layout.samples == 60_000
    assert any("ITC then compares with fewer" in said for said in advice(plan))
    cut = plan_job(replace(job, whole_batch=False), gpu, 1)
    assert cut.fits and cut.layout.samples == 30_000


def test_gpus_without_work_are_told_and_paid_for():
    plan = plan_job(one_weight(batch_size=12, images=0), BIG, 16)
    assert plan.samples_per_gpu == 1 and plan.gpu_hours == pytest.approx(16 * plan.hours)
    assert advice(plan) == ["12 of the 16 GPUs have work: a batch has no more samples."]


def test_wrong_machines_are_refused_with_the_choices():
    with pytest.raises(ValueError) as error:
        gpu_of("a100")
    assert all(name in str(error.value) for name in GPUS)
    for gpus in (0, -1):
        with pytest.raises(ValueError, match=f"{gpus} GPUs were given: choose 1 or more"):
            plan_job(one_weight(), BIG, gpus)
    assert gpu_of("A100-80GB").memory == 80 * 2**30


def test_the_planner_runs_no_weight(monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "__call__", None)
    assert isinstance(plan_recipe("llava", "toy", "t4-16gb", 1)[0], Plan)
