"""`course train RECIPE --scale a100 --dry-run`: every recipe and stage has the papers' totals."""

import pytest

from course_lib.planner.jobs import RECIPES, jobs_of

VPG, PROJECTOR = 101.63, 3.15  # of BLIP-2 at a100, the latter to a width of 4,096
# By (recipe, language model or version): for each stage (parameters in all, those that train), in
# millions; None where nobody told it. Told by papers or counted on their released weights: BLIP-2
# stage 2 (table 2: 104M with OPT-2.7B, 103M with FlanT5-XL on the ViT-L that a100 has; its ViT-g,
# 107.13 to 108.31, is held in tests/unit/test_planner_papers.py), LLaVA's projectors, MiniGPT-4's
# layer, mPLUG-Owl. Flamingo and BLIP-2's stage 1 are our own count, against a change by mistake.
TOTALS = {
    ("blip2", "opt"): [(None, 183.17), (None, 103.6)],
    ("blip2", "t5"): [(None, 183.17), (None, 103.2)],
    ("flamingo", ""): [(None, 1_500.0)],
    ("llava", "v1.5"): [(7_062.90, 20.98), (7_062.90, 20.98 + 6_738.42)],
    ("llava", "v1"): [(None, 4.20), (None, 4.20 + 6_738.42)],
    ("minigpt4", ""): [(None, PROJECTOR), (None, PROJECTOR)],
    ("mplug_owl", ""): [(7_123.07, None), (7_127.26, 4.19)],
    ("vpgtrans", ""): [(None, PROJECTOR), (None, VPG + PROJECTOR), (None, VPG + PROJECTOR)],
}


def count(shown):
    """Reads a number such as 7.06B or 20.98M, in millions."""
    return float(shown[:-1]) * {"M": 1, "B": 1_000}[shown[-1]]


@pytest.mark.parametrize(("recipe", "variant"), TOTALS)
def test_a_dry_run_counts_as_the_papers_do(course, recipe, variant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    option = {"llava": "--version", "blip2": "--language"}.get(recipe)
    words = (option, variant) if option else ()
    code, out, err = course("train", recipe, "--scale", "a100", *words, "--dry-run")
    assert code == 0 and err == "" and not list(tmp_path.iterdir())
    rows = [line.split()[1:3] for line in out.splitlines() if line.startswith("  all ")]
    told = TOTALS[recipe, variant]
    assert len(rows) == len(told)
    for shown, wanted in zip(rows, told, strict=True):
        for number, expected in zip(shown, wanted, strict=True):
            # Billions are printed with two decimals.
            room = {"abs": 5.01} if number.endswith("B") else {"rel": 1e-3}
            assert expected is None or count(number) == pytest.approx(expected, **room)
    assert out.count("; fits") == len(told)


@pytest.mark.parametrize("scale", ["toy", "small", "a100"])
def test_stage_3_of_vpgtrans_by_both_commands(course, scale):
    words = ("vpgtrans", "--stage", 3, "--scale", scale)
    planned = course("plan", *words)
    assert planned == course("train", *words, "--dry-run")
    code, out, _ = planned
    batch = {"toy": "200 steps of 12"}.get(scale, "160 steps of 120")
    assert code == 0 and f"stage 3: {batch} samples" in out and "stage 2" not in out


def test_no_recipe_is_left_out():
    assert {recipe for recipe, _ in TOTALS} == set(RECIPES)
    with pytest.raises(ValueError, match=r"Unknown stage '3' of minigpt4: choose 1 or 2"):
        jobs_of("minigpt4", "toy", stage="3")
