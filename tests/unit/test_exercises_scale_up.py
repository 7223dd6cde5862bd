"""What notebook 12's exercises call right is what planner, loop, packs, stream and metric do."""

import pytest
import torch

from course_lib.corpora.reading import ShardFile
from course_lib.corpora.stream_order import StreamOrder
from course_lib.corpora.streaming import Stream
from course_lib.data.conversation_batch import Row
from course_lib.data.packing import isolation, pack_rows, packed_batch
from course_lib.evaluation.vqa_accuracy import answer_accuracy
from course_lib.planner.assumptions import EFFICIENCY, IMAGES_PER_GPU_SECOND
from course_lib.planner.memory import Layout, activations_of, memory_of
from course_lib.planner.paper_models import blip2_with, llava_v15_7b
from course_lib.planner.papers import RUNS
from course_lib.teach.exercise import report
from course_lib.teach.exercises.e12_ddp_factors import ddp_factors
from course_lib.teach.exercises.e12_fit_batch import fit_batch
from course_lib.teach.exercises.e12_memory_bytes import memory_bytes
from course_lib.teach.exercises.e12_own_portions import own_portions
from course_lib.teach.exercises.e12_pack_sight import pack_sight
from course_lib.teach.exercises.e12_run_hours import run_hours
from course_lib.teach.exercises.e12_vqa_score import vqa_score
from course_lib.teach.judging import RIGHT, WRONG, judge
from course_lib.teach.task import exercise_ids, find_exercise
from course_lib.training.parts import parts_of_each
from tests.hidden_inputs import check_fair

IDS = [name for name in exercise_ids() if name.startswith("12.")]
WORD = "a word of the tests"


@pytest.mark.parametrize("samples", [1, 16])
def test_memory_is_the_planner_s_where_every_gpu_has_all(samples):
    inventory = llava_v15_7b()[0].inventory
    trained = inventory.trainable
    kept = round(activations_of(inventory) / 2)
    found = memory_bytes(inventory.parameters - trained, trained, kept, samples)
    planned = memory_of(inventory, Layout(samples), 1)
    assert (found["weights"], found["gradients"]) == (planned.weights, planned.gradients)
    assert found["AdamW"] == planned.optimiser
    assert found["activations"] == pytest.approx(planned.activations)
    shared = memory_of(inventory, Layout(samples, sharded=True), 8)
    assert memory_bytes(0, trained, 0, 1, 8)["AdamW"] == shared.optimiser


@pytest.mark.parametrize("run", [run for run in RUNS if not run.recompute], ids=lambda r: r.name)
def test_hours_are_the_planner_s(run):
    plan = run.plan()
    stage, speed = plan.job.stage, plan.gpu.peak * EFFICIENCY
    work = plan.flops_per_sample, plan.job.text.images
    found = run_hours(stage.steps, stage.batch_size, plan.gpus, *work, speed, IMAGES_PER_GPU_SECOND)
    assert found["hours"] == pytest.approx(plan.hours)
    assert found["GPU-hours"] == pytest.approx(plan.gpu_hours)
    assert found["waits for"] == plan.bound


def test_factors_give_the_gradient_of_all_words_through_ddp_s_mean():
    words = [[5, 2], [1], [4, 4, 7]]
    chance = torch.Generator().manual_seed(0)
    inputs = [[torch.randn(n, 3, generator=chance) for n in own] for own in words]
    weights = torch.randn(3, generator=chance).requires_grad_()
    everything = torch.cat([rows for own in inputs for rows in own])
    (wanted,) = torch.autograd.grad((everything @ weights).square().mean(), weights)
    each = []
    for own, factors in zip(inputs, ddp_factors(words), strict=True):
        losses = [
            f * (rows @ weights).square().mean() for rows, f in zip(own, factors, strict=True)
        ]
        each.append(torch.autograd.grad(sum(losses), weights)[0])
    torch.testing.assert_close(torch.stack(each).mean(0), wanted)


def test_a_pack_is_the_library_s():
    rows = [Row([9] * length, [9] * length, ()) for length in (5, 3, 4, 2, 1)]
    batch = packed_batch(pack_rows(rows, 8), 0)
    sees, positions = pack_sight(batch["documents"])
    assert torch.equal(sees, isolation(batch["documents"])[:, 0] == 0)
    assert torch.equal(positions, batch["position_ids"])
    assert (batch["documents"] == 0).any()


@pytest.mark.parametrize(("world", "each", "done"), [(1, 2, 0), (3, 2, 8), (4, 1, 5)])
def test_portions_are_those_of_a_stream(world, each, done, tmp_path):
    sizes = [7, 5, 9, 4]
    shards = [ShardFile(tmp_path / str(n), size, str(n)) for n, size in enumerate(sizes)]
    order = StreamOrder(sizes, 3, portion=2, buffer=4, lanes=2)
    for rank in range(world):
        stream = Stream(shards, order, 2 * each, rank=rank, world=world)
        state = {**stream.state_dict(), "portions": done}
        stream.load_state_dict(state)
        firsts = stream._firsts()
        expected = [
            [first + n for n in range(each)] for first, _ in zip(firsts, "ab", strict=False)
        ]
        assert own_portions(done, rank, world, each, 2) == expected


@pytest.mark.parametrize("matches", range(11))
def test_a_score_is_the_official_one(matches):
    people = ["red"] * matches + ["blue", "green"] * 5
    people = people[:10]
    assert vqa_score("red", people) == pytest.approx(answer_accuracy("red", people))
    assert vqa_score("red", people) == pytest.approx(min(1.0, 0.3 * matches))


def test_a_step_in_passes_has_the_recipe_s_batch():
    stage = blip2_with("facebook/opt-2.7b")[1].stage
    for gpus, most in ((16, 120), (8, 240), (4, 100), (5, 7)):
        passes, samples = fit_batch(stage.batch_size, gpus, most)
        assert gpus * passes * samples == stage.batch_size and samples <= most
        assert parts_of_each(gpus * passes, gpus) == passes


@pytest.mark.parametrize("word", [WORD, "another"])
@pytest.mark.parametrize("name", IDS)
def test_hidden_inputs_are_fair(name, word):
    check_fair(name, word)


# Right answers of another form, which have to pass.


def _in_one_line(batch, gpus, most):
    fits = [n for n in range(1, batch + 1) if batch % (n * gpus) == 0 and batch / n / gpus <= most]
    return [fits[0], batch // gpus // fits[0]] if fits else int("no way fits")


def _zeros_first(words):
    total = sum(n for own in words for n in own) / len(words)
    if not total:
        raise ValueError("nothing")
    return tuple(tuple(n / total for n in own) for own in words)


def _by_loops(documents):
    rows = documents.tolist()
    sees = [[[a == b and j <= i for j, b in enumerate(row)] for i, a in enumerate(row)]
            for row in rows]  # fmt: skip
    places = [[row[:i].count(a) if a else 0 for i, a in enumerate(row)] for row in rows]
    return torch.tensor(sees), torch.tensor(places)


def _closed_form(answer, people):
    return min(1.0, 0.3 * people.count(answer))


def _by_slices(done, rank, world, each, steps):
    step = world * each
    starts = range(done + rank * each, done + rank * each + step * steps, step)
    return [[start + n for n in range(each)] for start in starts]


MAY_BE = {
    "12.fit_batch": _in_one_line,
    "12.ddp_factors": _zeros_first,
    "12.pack_sight": _by_loops,
    "12.vqa_score": _closed_form,
    "12.own_portions": _by_slices,
}


@pytest.mark.parametrize("name", MAY_BE)
def test_a_right_answer_of_another_form_passes(name):
    verdict = judge(find_exercise(name), MAY_BE[name])
    assert verdict.state == RIGHT, report(name, verdict)


# And wrong ones that are on no list: the check finds by itself what fails.


def _gigabytes(*numbers):
    return {name: size / 1e9 for name, size in memory_bytes(*numbers).items()}


def _not_whole(batch, gpus, most):
    return batch / gpus / most, most


def _adds_to_the_mask(documents):
    sees, positions = pack_sight(documents)
    return isolation(documents), positions + 0 * sees.sum()


def _percent(answer, people):
    return 100 * vqa_score(answer, people)


REFUSED = [
    ("12.memory_bytes", _gigabytes, "values"),
    ("12.fit_batch", _not_whole, "values"),
    ("12.pack_sight", _adds_to_the_mask, "shape"),
    ("12.vqa_score", _percent, "values"),
    ("12.own_portions", lambda *_: [], "length"),
    ("12.run_hours", lambda *_: {"hours": 1.0}, "keys"),
    ("12.ddp_factors", lambda words: 1.0, "type"),
    ("12.fit_batch", lambda *_: None, "type"),
]


@pytest.mark.parametrize(("name", "answer", "property"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_wrong_answer_that_is_on_no_list_is_refused(name, answer, property):
    verdict = judge(find_exercise(name), answer)
    assert (verdict.state, verdict.property) == (WRONG, property), report(name, verdict)
