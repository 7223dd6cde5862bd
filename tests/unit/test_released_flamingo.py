"""The stored outputs of OpenFlamingo, as a notebook reads them."""

import pytest
import torch

from course_lib.fusion.gated_layers import GatedLayers
from course_lib.interop.open_flamingo import load_open_flamingo
from course_lib.teach import released_flamingo as stored
from course_lib.vpg.resampler import PerceiverResampler


@pytest.mark.parametrize("case", stored.CASES)
@torch.no_grad()
def test_a_case_fits_our_modules_and_gives_what_is_stored(case):
    found = stored.released_flamingo(case)
    resampler, layers = PerceiverResampler(found.resampler), GatedLayers(found.gated, 1)
    assert load_open_flamingo(found.tensors, resampler, layers) == {}
    given, expected = found.resampled["input"], found.resampled["output"]
    assert given.dim() == 5 and (given.shape[2] > 1) == (case == "video")
    resampled = resampler(given.flatten(0, 1)).unflatten(0, given.shape[:2])
    torch.testing.assert_close(resampled, expected, atol=1e-5, rtol=0)
    tags = found.read["media_locations"]
    layers.show(found.read["media"].flatten(0, 1), tags)
    sees = tags.cumsum(1) > 0  # in front of the first image the two differ in the mode "all"
    assert sees.any() and set(found.read) == {"input", "media", "media_locations", "output"}
    read = layers.run(0, found.read["input"])
    torch.testing.assert_close(read[sees], found.read["output"][sees], atol=1e-5, rtol=0)
    assert not torch.allclose(read, found.read["input"], atol=1e-2)


def test_what_is_not_there_is_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="did you mean 'image'"):
        stored.released_flamingo("imags")
    missing = {part: tmp_path / path.name for part, path in stored._FILES.items()}
    monkeypatch.setattr(stored, "_FILES", missing)
    with pytest.raises(ValueError, match=r"open_flamingo_resampler\.npz is not in .* as a whole"):
        stored.released_flamingo()
