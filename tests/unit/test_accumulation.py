"""A step in parts equals the step in one batch: loss, gradients, processes; a part of no words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from course_lib.training.accumulation import MicroBatches, backward, countable
from course_lib.training.loop import train
from course_lib.training.stages import apply_stage
from course_lib.training.throughput import count_items
from tests.gloo_owl_worker import PLACES, STAGE, micro, model, part, parts_of

WORKER = Path(__file__).parents[1] / "gloo_owl_worker.py"


def accelerator():
    return Accelerator(cpu=True)


def gradients_after(owl, batch):
    apply_stage(owl, STAGE)
    owl.zero_grad()
    values = backward(owl, batch, STAGE, accelerator())
    found = {name: p.grad.clone() for name, p in owl.named_parameters() if p.requires_grad}
    return float(values["loss"].detach()), found


def together(parts):
    """Puts parts of one length into one batch."""
    keys = ("input_ids", "labels", "attention_mask")
    batch = {key: torch.cat([p[key] for p in parts]) for key in keys}
    pixels = [p["pixel_values"] for p in parts if "pixel_values" in p]
    return {**batch, "pixel_values": torch.cat(pixels)} if pixels else batch


def test_parts_give_the_loss_and_the_gradients_of_one_batch():
    parts = parts_of(0)
    assert [words for words in micro(*parts).words] == [4, 18]
    loss, own = gradients_after(model(), micro(*parts))
    expected_loss, expected = gradients_after(model(), together(parts))
    assert abs(loss - expected_loss) < 1e-5
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0, name
        assert (own[name] - gradient).norm() <= 1e-5 * gradient.norm() + 1e-8, name


def test_a_mean_over_parts_would_be_another_loss():
    parts = parts_of(0)
    owl = model()
    of_parts = torch.stack([owl(p).detach() for p in parts])
    loss, _ = gradients_after(owl, micro(*parts))
    assert abs(loss - of_parts.mean()) > 0.01


def test_text_alone_trains_and_leaves_the_visual_half_without_a_step_but_with_gradients():
    loss, own = gradients_after(model(), micro(part(0, 0), part(1, 0)))
    assert loss > 0 and own and all(not gradient.any() for gradient in own.values())


def test_the_loop_takes_parts_and_counts_them():
    owl, whole = model(), model()
    settings = {"seed": 0, "accelerator": accelerator(), "progress": False}
    rows = train(owl, STAGE, lambda step: micro(*parts_of(2 * step)), **settings)
    expected = train(whole, STAGE, lambda step: together(parts_of(2 * step)), **settings)
    for row, other in zip(rows, expected, strict=True):
        assert abs(row["loss"] - other["loss"]) < 1e-4
    assert rows[0]["speed"]["images_per_s"] > 0
    images, tokens = count_items(countable(micro(*parts_of(0))))
    assert (images, tokens) == (2, 5 * 11) and countable({"a": 1}) == {"a": 1}
    assert PLACES == 4


def test_a_part_without_a_labelled_word_is_an_error_and_never_nan():
    bad = part(0, 0)
    bad["labels"][:] = -100
    with pytest.raises(ValueError, match=r"Part 2 of 2 has no labelled word"):
        micro(part(0, 0), bad)
    with pytest.raises(ValueError, match="None of the 22 positions has a label"):
        gradients_after(model(), bad)
    with pytest.raises(ValueError, match="0 parts"):
        MicroBatches([], [])


def test_two_processes_one_without_any_image_do_not_hang_and_do_the_steps_of_one(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    command = [sys.executable, str(WORKER), str(tmp_path)]
    workers = [subprocess.Popen([*command, str(rank), "2"], env=environment) for rank in range(2)]
    assert [worker.wait(timeout=240) for worker in workers] == [0, 0]
    owl = model()
    settings = {"seed": 0, "accelerator": accelerator(), "progress": False}
    rows = train(owl, STAGE, lambda s: micro(*parts_of(2 * s), *parts_of(2 * s + 1)), **settings)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for row, losses in zip(rows, zip(first["losses"], second["losses"], strict=True), strict=True):
        assert abs(losses[0] - row["loss"]) < 1e-4 and losses[0] == losses[1]
    start = model().state_dict()
    for name, value in owl.state_dict().items():
        if name in first:
            assert torch.equal(first[name], second[name]), name
            torch.testing.assert_close(first[name], value, rtol=1e-3, atol=1e-3)
    assert any(not torch.equal(first[name], start[name]) for name in first if name != "losses")
