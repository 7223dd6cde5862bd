"""Stored outputs of the released code reach a notebook as they are."""

import pytest
import torch

from course_lib.teach.released_outputs import ABSTRACTOR, released_abstractor
from tests.mplug_owl_like import golden


@pytest.mark.parametrize(("case", "sizes"), [("a", (3, 4)), ("b", (2, 6)), ("c", (6, 2))])
def test_every_stored_tensor_is_there(case, sizes):
    weights, arrays = golden("abstractor", case)
    found = released_abstractor(case)
    assert (len(found.layers), found.heads) == sizes
    place = "abstractor.encoder.layers.{}.crossattention.{}"
    named = {place.format(i, k): v for i, one in enumerate(found.layers) for k, v in one.items()}
    assert named.keys() == weights.keys()
    assert all(torch.equal(named[name], value.double()) for name, value in weights.items())
    inputs = (found.queries, found.image, found.output)
    for name, value in zip(("query_tokens", "image_features", "output"), inputs, strict=True):
        assert torch.equal(value, arrays[name].double())


def test_an_unknown_case_and_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"stored case.*'d'"):
        released_abstractor("d")
    with pytest.raises(ValueError, match="tests included"):
        released_abstractor("a", tmp_path / ABSTRACTOR.name)
