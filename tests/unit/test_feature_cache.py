"""The feature cache: equal to no cache, one file for each fingerprint, never a half-written one."""

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_lib.data.feature_cache import FeatureCache, image_ids
from course_lib.data.images import ImageTransform

PICTURES = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), dtype=np.uint8)
TRANSFORM = ImageTransform((12, 12))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.pictures_seen = 0

    def forward(self, pixel_values):
        self.pictures_seen += len(pixel_values)
        return self.patches(pixel_values).flatten(2).transpose(1, 2)


@pytest.fixture
def encoder():
    return Encoder()


def get(cache, encoder, pictures=PICTURES, **options):
    def compute(positions):
        return encoder(TRANSFORM(pictures[positions]))

    return cache.get_or_compute(image_ids(pictures), compute, batch_size=4, **options)


def test_cached_and_uncached_features_and_losses_are_equal(tmp_path, encoder):
    features = get(FeatureCache(tmp_path, "f", -2, TRANSFORM), encoder)
    with torch.no_grad():
        direct = encoder(TRANSFORM(PICTURES))
    assert features.shape == (10, 9, 6) and len(features) == 10
    assert features[:].dtype == torch.float32
    assert torch.allclose(features[:], direct, atol=1e-6)
    head = nn.Linear(6, 1)
    losses = [head(x).square().mean().item() for x in (direct[[3, 1]], features[[3, 1]])]
    assert losses[0] == pytest.approx(losses[1], abs=1e-7)
    assert torch.equal(features[3], features[torch.tensor([3, 1])][0])


def test_each_picture_is_encoded_once(tmp_path, encoder):
    for _ in range(3):
        get(FeatureCache(tmp_path, "f", -2, TRANSFORM), encoder)
    assert encoder.pictures_seen == 10


def test_what_decides_the_content_names_the_file(tmp_path, encoder):
    caches = [
        FeatureCache(tmp_path, "f", -2, TRANSFORM),
        FeatureCache(tmp_path, "g", -2, TRANSFORM),
        FeatureCache(tmp_path, "f", -1, TRANSFORM),
        FeatureCache(tmp_path, "f", -2, ImageTransform((12, 12), center_crop=True)),
        FeatureCache(tmp_path, "f", -2, TRANSFORM, dtype="float16"),
    ]
    for cache in caches:
        get(cache, encoder)
    get(caches[0], encoder, PICTURES[::-1])
    changed = PICTURES.copy()
    changed[0, 0, 0, 0] ^= 1
    get(caches[0], encoder, changed)
    assert len(list(tmp_path.iterdir())) == 7 and encoder.pictures_seen == 70


def test_float16_is_half_the_size_and_given_as_float32(tmp_path, encoder):
    half = get(FeatureCache(tmp_path / "16", "f", 0, "t", dtype="float16"), encoder)
    full = get(FeatureCache(tmp_path / "32", "f", 0, "t"), encoder)
    assert half[:].dtype == torch.float32
    assert torch.allclose(half[:], full[:], rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="not 'int8'"):
        FeatureCache(tmp_path, "f", 0, "t", dtype="int8")


def test_augmentation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="switch augmentation off"):
        FeatureCache(tmp_path, "f", -2, TRANSFORM, augment=True)


def test_an_interrupted_computation_leaves_no_file(tmp_path, encoder):
    cache = FeatureCache(tmp_path, "f", -2, TRANSFORM)

    def interrupted(positions):
        if positions[0] >= 8:
            raise KeyboardInterrupt
        return encoder(TRANSFORM(PICTURES[positions]))

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_compute(image_ids(PICTURES), interrupted, batch_size=4)
    assert os.listdir(tmp_path) == []
    assert torch.allclose(get(cache, encoder)[:], encoder(TRANSFORM(PICTURES)), atol=1e-6)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_file_cut_short_is_computed_again(tmp_path, encoder, keep):
    cache = FeatureCache(tmp_path, "f", -2, TRANSFORM)
    expected = get(cache, encoder)[:]
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    assert torch.equal(get(cache, encoder)[:], expected) and encoder.pictures_seen == 20


def test_a_full_disk_is_said_so_and_leaves_no_file(tmp_path, encoder, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("course_lib.data.feature_cache.os.fsync", full)
    with pytest.raises(OSError, match="No disk space is left"):
        get(FeatureCache(tmp_path, "f", -2, TRANSFORM), encoder)
    assert os.listdir(tmp_path) == []


def test_refuses_wrong_counts(tmp_path):
    cache = FeatureCache(tmp_path, "f", -2, TRANSFORM)
    with pytest.raises(ValueError, match="ids is empty"):
        cache.get_or_compute([], lambda positions: torch.zeros(0, 2, 2))
    with pytest.raises(ValueError, match=r"asked for 3 pictures .* gave \(2, 4, 5\)"):
        cache.get_or_compute(["a", "b", "c"], lambda positions: torch.zeros(2, 4, 5))
    assert os.listdir(tmp_path) == []


def test_ids_follow_the_content():
    first = image_ids(PICTURES)
    assert len(set(first)) == 10 and first == image_ids([Image.fromarray(p) for p in PICTURES])
    assert image_ids([PICTURES[0].reshape(6, 24, 3)]) != first[:1]
