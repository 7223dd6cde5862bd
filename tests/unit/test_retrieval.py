"""Recall at 1 on matrices whose answer can be counted by hand."""

import pytest
import torch

from course_lib.evaluation.retrieval import r_at_1


def test_both_directions_are_counted_apart():
    similarity = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.7, 0.0], [0.95, 0.0, 0.2]])
    scores = r_at_1(similarity)
    assert scores["image_to_text"] == pytest.approx(1 / 3)
    assert scores["text_to_image"] == pytest.approx(2 / 3)
    assert scores["r_at_1"] == pytest.approx(1 / 2)


def test_perfect_and_collapsed():
    assert r_at_1(torch.eye(64))["r_at_1"] == 1
    assert r_at_1(torch.ones(64, 64))["r_at_1"] == 0
    assert r_at_1(torch.full((4, 4), float("nan")))["r_at_1"] == 0


def test_rerank_orders_the_candidates_alone():
    generator = torch.Generator().manual_seed(0)
    similarity = torch.rand(8, 8, generator=generator) + 0.5 * torch.eye(8)
    assert r_at_1(similarity, torch.eye(8), candidates=8)["r_at_1"] == 1
    # With one candidate there is nothing to rank again.
    assert r_at_1(similarity, torch.eye(8), candidates=1) == r_at_1(similarity)
    # A right text that similarity ranks last is no candidate, however well it would match.
    worst = 1 - torch.eye(8) + 0.01 * torch.rand(8, 8, generator=generator)
    assert r_at_1(worst, torch.eye(8), candidates=4)["r_at_1"] == 0


def test_rerank_can_be_the_sum_of_both_scores():
    similarity = torch.tensor([[0.5, 0.6], [0.0, 0.9]])
    match = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert r_at_1(similarity)["r_at_1"] == pytest.approx(0.75)
    assert r_at_1(similarity, match + similarity)["r_at_1"] == 1


@pytest.mark.parametrize("shape", [(2, 3), (4,), (0, 0)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="a text for each image"):
        r_at_1(torch.zeros(shape))


def test_refuses_another_rerank():
    with pytest.raises(ValueError, match=r"\(3, 3\).*\(2, 2\)"):
        r_at_1(torch.eye(2), torch.eye(3))
