"""Losses: what is predicted where, which pair is whose, and gradients between processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from course_lib.losses import (
    gather_with_gradient,
    itc_loss,
    itc_similarity,
    itm_loss,
    lm_loss,
    lm_loss_from_logits,
    sample_hard_negatives,
)

WORKER = Path(__file__).parents[1] / "gloo_worker.py"


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shift", [True, False])
def test_lm_loss_equals_all_logits_at_once(shift, smoothing):
    torch.manual_seed(0)
    hidden, head = torch.randn(2, 6, 4, requires_grad=True), torch.nn.Linear(4, 9)
    labels = torch.randint(0, 9, (2, 6))
    labels[0, :3], labels[1, 4:] = -100, -100
    loss, count = lm_loss(hidden, head, labels, smoothing, shift)
    logits = head(hidden)
    logits, targets = (logits[:, :-1], labels[:, 1:]) if shift else (logits, labels)
    logits, targets = logits.flatten(0, 1), targets.flatten()
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
    assert count == int((targets != -100).sum())
    grads = [torch.autograd.grad(x, hidden, retain_graph=True)[0] for x in (loss, expected)]
    torch.testing.assert_close(*grads)
    from_logits = lm_loss_from_logits(head(hidden), labels, smoothing, shift)
    torch.testing.assert_close(from_logits[0], expected)


def test_the_head_sees_labelled_positions_alone():
    seen, labels = [], torch.full((2, 6), -100)
    labels[0, 0], labels[0, 3], labels[1, 5] = 1, 1, 1
    lm_loss(torch.randn(2, 6, 4), lambda h: seen.append(len(h)) or torch.randn(len(h), 9), labels)
    assert seen == [2]


def test_half_precision_logits_are_summed_in_float32():
    hidden = torch.randn(1, 3, 4, dtype=torch.bfloat16)
    loss, _ = lm_loss(hidden, lambda h: h, torch.ones(1, 3, dtype=torch.long))
    assert loss.dtype == torch.float32


def test_lm_loss_errors():
    labels = torch.full((2, 6), -100)
    labels[:, 0] = 1
    with pytest.raises(ValueError, match="None of the 12 positions"):
        lm_loss(torch.randn(2, 6, 4), lambda h: h, labels)
    with pytest.raises(ValueError, match=r"\(2, 6\).*\(2, 5\)"):
        lm_loss(torch.randn(2, 5, 4), lambda h: h, labels)


def test_itc_takes_the_best_query():
    queries = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.6, 0.8]]])
    texts = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
    sim = itc_similarity(queries, texts)
    torch.testing.assert_close(sim, torch.tensor([[1.0, 1.0, 0.0], [0.8, 0.6, 1.0]]))


def test_itc_loss_by_hand_and_with_targets():
    sim = torch.tensor([[0.9, 0.1], [0.2, 0.7]])
    expected = (F.cross_entropy(sim / 0.07, torch.arange(2), label_smoothing=0.1) * 2) / 2
    torch.testing.assert_close(itc_loss(sim, sim, 0.07), expected)
    rolled = sim[:, [1, 0]]
    targets = torch.tensor([1, 0])
    torch.testing.assert_close(itc_loss(rolled, rolled, 0.07, targets=targets), expected)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        itc_loss(torch.zeros(2, 3), torch.zeros(2, 3), 0.07)


def test_temperature_gets_gradient():
    temperature = torch.tensor(0.07, requires_grad=True)
    itc_loss(torch.randn(3, 3), torch.randn(3, 3), temperature).backward()
    assert temperature.grad.abs() > 0


def test_gather_is_nothing_in_one_process():
    tensor = torch.randn(3)
    assert gather_with_gradient(tensor) is tensor


def test_hard_negatives_are_hard_and_never_the_own_pair():
    generator = torch.Generator().manual_seed(0)
    sim = torch.tensor([[9.0, 2.0, 0.0], [0.0, 9.0, -50.0], [3.0, 3.0, 9.0]], requires_grad=True)
    drawn = torch.stack([sample_hard_negatives(sim, generator) for _ in range(2000)])
    shares = F.one_hot(drawn, 3).double().mean(dim=0)
    assert shares.diagonal().tolist() == [0, 0, 0]
    assert shares[0, 1].item() == pytest.approx(torch.tensor(2.0).sigmoid().item(), abs=0.03)
    assert shares[1, 0] == 1
    assert shares[2, 0].item() == pytest.approx(0.5, abs=0.05)
    again = sample_hard_negatives(sim, torch.Generator().manual_seed(7))
    assert torch.equal(again, sample_hard_negatives(sim, torch.Generator().manual_seed(7)))


def test_hard_negatives_leave_out_given_positives_and_need_two_pairs():
    positives = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    sim = torch.tensor([[0.0, 90.0, 0.0], [90.0, 0.0, 0.0], [0.0, -1e4, 0.0]])
    for _ in range(20):
        assert sample_hard_negatives(sim, positives=positives).tolist()[:2] == [2, 2]
    with pytest.raises(ValueError, match="batch of 1"):
        sample_hard_negatives(torch.zeros(1, 1))


def test_itm_loss():
    logits = torch.tensor([[0.0, 3.0], [3.0, 0.0]])
    assert itm_loss(logits, torch.tensor([1, 0])) < 0.05
    assert itm_loss(logits, torch.tensor([0, 1])) > 3


def test_two_processes_have_the_loss_and_the_gradient_of_one(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    command = [sys.executable, str(WORKER), str(tmp_path)]
    workers = [subprocess.Popen([*command, str(rank), "2"], env=environment) for rank in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    from tests.gloo_worker import global_batch, loss_of

    weights, images, texts = global_batch()
    loss = loss_of(weights, images, texts)
    loss.backward()
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for result in results:
        torch.testing.assert_close(result["loss"], loss.detach(), rtol=0, atol=1e-12)
        torch.testing.assert_close(result["grad"], weights.grad, rtol=0, atol=1e-12)
        share = (result["detached"] * weights.grad).sum() / weights.grad.square().sum()
        assert 0.2 < share < 0.8
