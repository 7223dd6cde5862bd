"""Splice: places, order, gradients, and wrong counts."""

import pytest
import torch

from course_lib.fusion import splice


def test_visual_tokens_take_the_places_in_reading_order():
    embeds = torch.zeros(2, 4, 1)
    mask = torch.tensor([[True, True, False, False], [False, True, False, True]])
    visual = torch.arange(1.0, 5.0).view(2, 2, 1)
    out = splice(embeds, visual, mask)
    assert out.squeeze(-1).tolist() == [[1, 2, 0, 0], [0, 3, 0, 4]]
    assert embeds.abs().sum() == 0
    assert torch.equal(out, splice(embeds, visual.flatten(0, 1), mask))


def test_a_prefix_is_a_special_case():
    words, visual = torch.randn(3, 5, 8), torch.randn(3, 2, 8)
    embeds = torch.cat([torch.zeros(3, 2, 8), words], dim=1)
    mask = torch.zeros(3, 7, dtype=torch.bool)
    mask[:, :2] = True
    assert torch.equal(splice(embeds, visual, mask), torch.cat([visual, words], dim=1))


def test_gradients_reach_both():
    embeds = torch.randn(1, 3, 2, requires_grad=True)
    visual = torch.randn(1, 1, 2, requires_grad=True)
    weight = torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1)
    (splice(embeds, visual, torch.tensor([[False, True, False]])) * weight).sum().backward()
    assert embeds.grad[0, :, 0].tolist() == [1, 0, 100]
    assert visual.grad[0, 0].tolist() == [10, 10]


def test_no_place_and_no_visual_token():
    embeds = torch.randn(2, 3, 4)
    assert torch.equal(splice(embeds, torch.empty(0, 4), torch.zeros(2, 3).bool()), embeds)


@pytest.mark.parametrize("tokens", [1, 3])
def test_wrong_counts_name_both(tokens):
    mask = torch.tensor([[True, True, False]])
    with pytest.raises(ValueError, match=f"2 places.*{tokens}"):
        splice(torch.zeros(1, 3, 4), torch.zeros(tokens, 4), mask)


def test_half_precision_visual_tokens_take_the_type_of_the_words():
    mask = torch.tensor([[True, False]])
    out = splice(torch.zeros(1, 2, 4), torch.ones(1, 1, 4, dtype=torch.float16), mask)
    assert out.dtype == torch.float32
