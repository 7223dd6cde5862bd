"""A check that compares gradients sees a loss that was cut off, and what is no loss at all."""

import pytest
import torch

from course_lib.teach.gradients import loss_with_gradients


def test_loss_and_gradients_stand_side_by_side():
    x, y = torch.tensor([1.0, 2.0], requires_grad=True), torch.ones(2, requires_grad=True)
    found = loss_with_gradients((x * x).sum(), {"x": x, "y": y})
    assert found["loss"] == 5 and not found["loss"].requires_grad
    assert found["gradient of x"].tolist() == [2, 4]
    assert found["gradient of y"].tolist() == [0, 0]


@pytest.mark.parametrize("loss", [torch.tensor(3.0), 3.0, None, "three"])
def test_a_loss_without_a_past_has_zero_gradients(loss):
    x = torch.ones(2, requires_grad=True)
    found = loss_with_gradients(loss, {"x": x})
    assert found["loss"] == loss and found["gradient of x"].tolist() == [0, 0]


def test_a_stub_is_handed_through():
    assert loss_with_gradients(..., {}) is ...
