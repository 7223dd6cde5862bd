"""The zoo's trained recipes reach their bars as they ship, and what they froze is the zoo's own."""

import pytest
import torch

from course_lib.commands.runs import open_run
from course_lib.commands.zoo_runs import ZOO_RUNS, check_run
from course_lib.zoo.load import names, zoo_dir, zoo_language

SHIPPED = [name for name in ZOO_RUNS if name in names()]


@pytest.mark.parametrize("name", SHIPPED)
def test_bars(name):
    row = check_run(name)
    missed = {key: (row["scores"][key], gate) for key, gate in row["gates"].items()}
    assert row["passed"], missed


HOSTS = {
    "blip2-opt": "opt",
    "blip2-t5": "t5",
    "flamingo": "llama-shots",
    "llava-stage1": "llama-chat",
    "minigpt4": "llama-chat",
    "mplug_owl-stage1": "llama-chat",
    "vpgtrans": "opt-large",
}


@pytest.mark.parametrize("name", [name for name in SHIPPED if name in HOSTS])
def test_the_language_model_of_a_run_is_the_one_that_the_zoo_holds(name):
    opened = open_run(name)
    alone, _ = zoo_language(HOSTS[name])
    for key, value in alone.state_dict().items():
        assert torch.equal(value, opened.model.language.state_dict()[key])
    assert (zoo_dir(name) / "model.safetensors").stat().st_size < 10_000_000
