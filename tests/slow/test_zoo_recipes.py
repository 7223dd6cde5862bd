"""The zoo's trained recipes reach their bars as they ship, and what they froze is the zoo's own."""

import pytest
import torch

from course_lib.commands.blip2 import open_run
from course_lib.commands.zoo_runs import ZOO_RUNS, check_run
from course_lib.training.checkpoint import read_config
from course_lib.zoo.load import names, zoo_dir, zoo_language

SHIPPED = [name for name in ZOO_RUNS if name in names()]


@pytest.mark.parametrize("name", SHIPPED)
def test_bars(name):
    row = check_run(name)
    missed = {key: (row["scores"][key], gate) for key, gate in row["gates"].items()}
    assert row["passed"], missed


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "blip2-stage1"])
def test_the_language_model_of_a_run_is_the_one_that_the_zoo_holds(name):
    opened, config = open_run(name), read_config(zoo_dir(name))
    alone, _ = zoo_language(config["language"])
    for key, value in alone.state_dict().items():
        assert torch.equal(value, opened.model.language.state_dict()[key])
    assert (zoo_dir(name) / "model.safetensors").stat().st_size < 10_000_000
