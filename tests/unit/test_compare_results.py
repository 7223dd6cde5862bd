"""The committed comparison: complete, and every recipe sees, by the rows themselves."""

import pytest

from course_lib.comparison import table
from course_lib.comparison.budget import BUDGETS, usual
from course_lib.comparison.contestants import CONTESTANTS
from course_lib.comparison.running import missing, read_comparison

ROWS = read_comparison()
SEEDS = sorted({row["seed"] for row in ROWS})
TUNED = [one.name for one in CONTESTANTS.values() if one.tuned]


def test_every_model_budget_and_seed_has_its_row():
    budgets = [usual(kind) for kind in BUDGETS]
    assert list(range(len(SEEDS))) == SEEDS and SEEDS
    assert missing(list(CONTESTANTS.values()), budgets, SEEDS, ROWS) == []
    assert len(ROWS) == len(CONTESTANTS) * len(budgets) * len(SEEDS)


@pytest.mark.parametrize("kind", BUDGETS)
@pytest.mark.parametrize("name", CONTESTANTS)
def test_the_picture_adds_a_tenth_to_the_mean_over_types(name, kind):
    assert table.mean_score(table.of_budget(ROWS, kind), name, "over_blind") >= table.BAR


@pytest.mark.parametrize("name", TUNED)
def test_who_read_questions_gains_a_tenth_on_every_type_at_equal_samples(name):
    gains = gains_by_type(name, "samples")
    assert len(gains) == 9 and min(gains.values()) >= table.BAR, gains


@pytest.mark.parametrize("kind", BUDGETS)
@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_type_without_a_gain_is_printed_as_such(name, kind):
    found = table.of_budget(ROWS, kind)
    (line,) = [x for x in table.verdicts(found) if x.startswith(f"{CONTESTANTS[name].title} beats")]
    for asked, gain in gains_by_type(name, kind).items():
        assert gain > 0.0 or asked in line.split("at its prior:")[1], (asked, gain)


def gains_by_type(name: str, kind: str) -> dict[str, float]:
    found = table.of_budget(ROWS, kind)
    types = found[0]["scores"]["vqa_by_type"]

    def score(key: str, asked: str) -> float:
        return table.mean_score(found, name, f"{key}_by_type.{asked}")

    return {asked: score("vqa", asked) - score("blind", asked) for asked in types}
