"""What a parity test says and leaves behind: two tensors agree, and by how much they differ."""

import pytest
import torch

from tests.tiny_models import largest_difference


@pytest.fixture
def agree(request):
    """Returns `agree(ours, theirs, tolerance)`; the table PARITY.md reads what it noted.

    A difference is relative to the largest reference value above 1, and kept by its dtype.
    """

    def compare(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> None:
        difference = largest_difference(ours, theirs)
        dtype = str(theirs.dtype).removeprefix("torch.")
        request.node.user_properties.append((dtype, difference))
        assert difference < tolerance, f"they differ by {difference:.1e}, allowed {tolerance:.0e}"

    return compare
