"""Every exercise: its solution passes, each known mistake is rejected for its own reason."""

import ast
import contextlib
import dataclasses
import inspect
import re
import time

import numpy as np
import pytest
import torch

from course_lib.teach.comparing import difference
from course_lib.teach.exercise import exercise, report
from course_lib.teach.judging import OPEN, RIGHT, WRONG, judge
from course_lib.teach.progress import attempts
from course_lib.teach.task import Case, call, exercise_ids, find_exercise

IDS = exercise_ids()


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))


def tensors_in(case):
    values = [*case.args, *case.kwargs.values()]
    return [value for value in values if isinstance(value, torch.Tensor)]


def poisoned(output):
    """Returns an output with every floating-point number made NaN."""
    if isinstance(output, dict):
        return {key: poisoned(value) for key, value in output.items()}
    if isinstance(output, tuple | list):
        return type(output)(poisoned(value) for value in output)
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        return torch.full_like(output, float("nan"))
    return float("nan") if isinstance(output, float) else output


def has_floats(output):
    """Says whether an output holds a floating-point number that `poisoned` would change."""
    if isinstance(output, dict | tuple | list):
        return any(map(has_floats, output.values() if isinstance(output, dict) else output))
    return isinstance(output, float) or (
        isinstance(output, torch.Tensor) and output.is_floating_point()
    )


@pytest.mark.parametrize("name", IDS)
class TestEveryExercise:
    def test_the_solution_passes(self, name):
        task = find_exercise(name)
        verdict = judge(task, task.solution)
        assert verdict.state == RIGHT, report(name, verdict)

    def test_each_known_mistake_gets_its_own_message(self, name):
        task = find_exercise(name)
        verdicts = [judge(task, mistake.answer) for mistake in task.mistakes]
        assert [v.cause for v in verdicts] == [mistake.cause for mistake in task.mistakes]
        assert len(set(verdicts)) == len(task.mistakes) >= 3

    def test_the_check_does_not_compare_the_answer_with_itself(self, name):
        task = find_exercise(name)
        assert task.reference is not task.solution
        if callable(task.reference):
            inside = inspect.getsource(task.reference)
            own = re.compile(rf"\b{task.solution.__name__}\(")
            assert not own.search(inside.split(":", 1)[1])

    def test_the_solution_stands_alone(self, name):
        task = find_exercise(name)
        module = inspect.getmodule(task.solution)
        own = {
            n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__
        }
        tree = ast.parse(inspect.getsource(task.solution))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert used & own <= {task.solution.__name__}

    def test_inputs_are_the_same_every_time_and_leave_chance_alone(self, name):
        task, state = find_exercise(name), torch.random.get_rng_state()
        first, second = task.cases(), task.cases()
        assert len({case.says for case in first}) == len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            for mine, theirs in zip(tensors_in(one), tensors_in(other), strict=True):
                assert mine.equal(theirs) and mine is not theirs
        judge(task, task.solution)
        assert torch.random.get_rng_state().equal(state)

    def test_bad_manners_are_named(self, name):
        task = find_exercise(name)
        if task.run is not call or not callable(task.reference):
            return

        def raises(*args, **kwargs):
            raise KeyError("lost")

        def changes_its_input(*args, **kwargs):
            for tensor in tensors_in(Case("", args, kwargs)):
                tensor.zero_() if tensor.dtype != torch.bool else tensor.logical_not_()
            return task.solution(*args, **kwargs)

        def gives_nan(*args, **kwargs):
            return poisoned(task.solution(*args, **kwargs))

        assert judge(task, raises).property == "runs"
        if tensors_in(task.cases()[0]):
            assert judge(task, changes_its_input).property == "input unchanged"
        if has_floats(call(task.solution, task.cases()[0])):
            verdict = judge(task, gives_nan)
            assert verdict.state == WRONG and "nan" in verdict.says.lower()

    def test_an_untouched_stub_is_open(self, name):
        task = find_exercise(name)
        assert judge(task, ...).state == OPEN
        if task.run is call and callable(task.reference):
            assert judge(task, lambda *_, **__: ...).state == OPEN

    def test_answers_of_the_wrong_kind_are_rejected(self, name):
        task = find_exercise(name)
        for strange in (None, "red", object(), [1, "x"], {}):
            assert judge(task, strange).state == WRONG

    def test_the_words_are_complete(self, name):
        task = find_exercise(name)
        assert task.difficulty in (1, 2, 3) and 1 <= task.minutes <= 30
        assert task.objective.split(".")[0] == name.split(".")[0].rstrip("ab")
        assert len(task.hints) == 3 and all(len(hint) > 30 for hint in task.hints)
        assert task.contract and task.title


MASK = find_exercise("03.itg_mask")


def broken(answer, says, **changes):
    verdict = judge(dataclasses.replace(MASK, **changes), answer)
    assert verdict.state == WRONG
    assert says in f"{verdict.property}: {verdict.says}", verdict


def test_bad_answers_get_a_sentence():
    right = MASK.solution
    broken(lambda q: right(q, 1), "runs: 1 query and 2 words: it raises TypeError")
    broken(lambda q, t: 1 / 0, "it raises ZeroDivisionError: division by zero")
    broken(lambda q, t: right(q, t).float(), "dtype: 1 query")
    broken(lambda q, t: right(q, t)[:1], "the shape should be (3, 3), yours is (1, 3)")
    broken(lambda q, t: right(q, t).to("meta"), "device: 1 query")
    broken(lambda q, t: (right(q, t), ...), "complete: 1 query and 2 words: a part of it is still")
    broken(lambda q, t: None, "yours gives nothing (None)")
    broken(7, "it should be a function, yours is an int")


def test_nan_and_changed_inputs_are_named():
    def case():
        return [Case("two numbers", (torch.tensor([1.0, 2.0]),))]

    changes = {"cases": case, "reference": lambda x: x * 2, "mistakes": ()}
    broken(lambda x: x / 0 * 0, "finite: two numbers: yours is NaN at [0]", **changes)
    broken(lambda x: x.mul_(2), "input unchanged: two numbers: it changes its own", **changes)


def test_an_answer_that_never_returns_is_stopped():
    def forever(num_queries, num_text):
        while True:
            with contextlib.suppress(Exception):
                num_queries += 1

    started = time.monotonic()
    broken(forever, "time: 1 query and 2 words: no answer within 0.2 seconds", seconds=0.2)
    assert time.monotonic() - started < 5


def test_a_right_answer_goes_on_and_a_wrong_one_does_not(capsys):
    assert exercise(MASK.solution, "03.itg_mask") is MASK.solution
    assert "✓ 03.itg_mask: right (largest difference 0.0e+00)" in capsys.readouterr().out
    assert exercise(MASK.mistakes[0].answer, "03.itg_mask") is MASK.reference
    assert "likely cause: the mask is inverted" in capsys.readouterr().out
    assert attempts() == {"exercise 03.itg_mask": True}


def test_a_stub_is_not_an_attempt(capsys):
    assert exercise(lambda num_queries, num_text: ..., "03.itg_mask") is MASK.reference
    assert capsys.readouterr().out == ("○ 03.itg_mask not attempted: going on with the reference\n")
    assert attempts() == {}


def test_progress_that_cannot_be_kept_is_said_and_nothing_stops(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    assert exercise(MASK.solution, "03.itg_mask") is MASK.solution
    assert "(progress was not kept: " in capsys.readouterr().out


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean '03.itg_mask'"):
        exercise(..., "03.itg_masks")


@pytest.mark.parametrize(
    ("yours", "right", "same"),
    [
        (torch.tensor(2.0), 2.0, True),
        (torch.tensor([1.0], requires_grad=True), 1.0, True),
        (np.float32(3), 3.0, True),
        (np.bool_(True), True, True),
        (torch.tensor([1.0, 2.0]), 1.0, False),
        (np.array("x"), 1.0, False),
        (np.array([1, 2]), 1, False),
    ],
)
def test_one_number_in_a_tensor_is_a_number(yours, right, same):
    assert isinstance(difference(yours, right, 1e-6), float) == same
