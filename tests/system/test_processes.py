"""Two processes compute what one does: loss and gradient of every recipe, as copies and in shards.

One pair of processes is started for all of it; what it found is held against this process.
"""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from course_lib.losses.matching import sample_negatives_of_all
from course_lib.training.layout import Layout
from course_lib.training.parts import Parts, joined, parts_of_each
from tests.gloo_recipes import CASES
from tests.gloo_recipes_worker import HALF, LAYOUTS, loss_and_gradients
from tests.processes import torchrun

pytestmark = pytest.mark.timeout(900)  # several processes, on a busy machine
WORKER = Path(__file__).parents[1] / "gloo_recipes_worker.py"
STAGE1 = "blip2 stage 1"


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(WORKER, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def in_one(name, layout=None, parts=2):
    """Computes a step in this process: in one batch, or in parts."""
    case = CASES[name]

    def whole(step):
        return joined([case.part(step * parts + number) for number in range(parts)])

    batches = whole if layout is None else case.part
    return loss_and_gradients(case, layout or Layout(), batches, Accelerator(cpu=True))[0]


def assert_same(found, expected, place):
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found["loss"], expected["loss"], rtol=2e-6, atol=2e-6, msg=place)
    total = torch.stack([g.norm() for n, g in expected.items() if n != "loss"]).norm()
    for name, gradient in expected.items():
        # A key's bias has no gradient at all, but for rounding: so the whole gradient is the scale.
        difference = (found[name] - gradient).norm()
        assert difference <= 1e-5 * gradient.norm() + 1e-6 * total, f"{place}: {name}"


def test_there_really_are_two_processes(of_two):
    assert [found["world"] for found in of_two] == [2, 2]
    assert {found["kind"] for found in of_two} == {"DistributedType.MULTI_CPU"}


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_of_every_recipe(of_two, name):
    expected = {parts: in_one(name, parts=parts) for parts in (2, 4)}
    assert any(g.abs().max() > 0 for g in expected[2].values())
    for layout_name, layout in LAYOUTS.items():
        place = f"{name}, {layout_name}"
        for found in of_two:
            assert_same(found[place]["found"], expected[layout.parts or 2], place)


@pytest.mark.parametrize("name", CASES)
def test_one_process_takes_the_parts_one_after_the_other(name):
    expected = in_one(name)
    assert_same(in_one(name, Layout(parts=2)), expected, name)
    assert_same(in_one(name, Layout(parts=2, recompute=True)), expected, name)


@pytest.mark.parametrize("name", [name for name in CASES if name != STAGE1])
def test_a_mean_of_the_processes_means_would_be_another_loss(name):
    case = CASES[name]
    model = case.build()
    with torch.no_grad():
        mean = torch.stack([model(case.part(number)) for number in range(2)]).mean()
    assert abs(mean - in_one(name)["loss"]) > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_each_process_keeps_its_share_alone(of_two, name):
    model = CASES[name].build()
    sizes = {n: p.numel() for n, p in model.named_parameters() if p.ndim}
    shares = [found[f"{name}, shards"]["shards"] for found in of_two]
    assert shares[0].keys() == shares[1].keys() == sizes.keys()
    assert all(shares[0][n] + shares[1][n] == size for n, size in sizes.items())
    assert sum(shares[0].values()) < 0.65 * sum(sizes.values())
    assert not of_two[0][f"{name}, copies"]["shards"]


@pytest.mark.parametrize("name", HALF)
def test_shards_may_be_of_two_types(of_two, name):
    expected = in_one(name)
    for found in (process[f"{name}, half"] for process in of_two):
        assert found["types"] == {"torch.bfloat16"}
        assert abs(found["found"]["loss"] - expected["loss"]) < 0.02 * expected["loss"]
        for key, gradient in expected.items():
            assert found["found"][key].dtype == torch.float32
            assert (found["found"][key] - gradient).norm() < 0.2 * gradient.norm(), key


def test_parts_are_shared_evenly_or_not_at_all():
    assert [parts_of_each(6, n) for n in (1, 2, 3, 6)] == [6, 3, 2, 1]
    with pytest.raises(ValueError, match=r"3 parts cannot be shared evenly by 2 .* 1 or 3 proc"):
        parts_of_each(3, 2)
    asked = []
    parts = Parts(
        torch.nn.Linear(1, 1), lambda i: asked.append(i) or {"x": torch.ones(1)}, 6, 0, 1, 2
    )
    assert parts.fetch(2)["x"].tolist() == [1, 1, 1] and asked == [15, 16, 17]


def test_texts_are_filled_up_and_hidden_where_batches_are_joined():
    first = {"input_ids": torch.tensor([[5, 6]]), "labels": torch.tensor([[-100, 6]])}
    second = {"input_ids": torch.tensor([[7, 8, 9]]), "labels": torch.tensor([[-100, 8, 9]])}
    second |= {"pixel_values": torch.ones(1, 3, 2, 2)}
    whole = joined([first, second])
    assert whole["input_ids"].tolist() == [[5, 6, 0], [7, 8, 9]]
    assert whole["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert whole["labels"].tolist() == [[-100, 6, -100], [-100, 8, 9]]
    assert whole["pixel_values"].shape == (1, 3, 2, 2)


def test_a_single_process_draws_negatives_as_before():
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    draws = [sample_negatives_of_all(scores, torch.Generator().manual_seed(s)) for s in range(20)]
    assert all((drawn != torch.arange(5)).all() for drawn in draws)
    assert len({tuple(drawn.tolist()) for drawn in draws}) > 5
