"""Joint batches: parts of like rows, what a row has to be, the toy world's text and images."""

from collections import Counter

import numpy as np
import pytest
import torch

from course_lib.data import toy_owl
from course_lib.data.conversation_batch import Row
from course_lib.data.joint_batch import check_row, micro_batches, num_labelled
from course_lib.data.prompts import image_token_id
from course_lib.data.toy_owl import Joint, OwlScenes, frames_of, image_turns, joint_batch
from course_lib.instructions.facts import held_out_in_text
from tests.tiny_owl import QUERIES, tiny_owl

PLACE, PLACES = 4, QUERIES + 1


@pytest.fixture(scope="module")
def opened():
    return tiny_owl()


@pytest.fixture(scope="module")
def data(opened):
    return OwlScenes(60, 0, "train", opened.encoder, clips=20)


def batch_at(opened, data, step=0, size=16, **settings):
    chat, template = opened.asker.chat, opened.asker.template
    return joint_batch(data, chat, template, step, size, seed=0, max_length=384, **settings)


# --- rows and parts ------------------------------------------------------------------------------


def row(length=6, images=(), answer=2, places=None):
    places = PLACES * len(images) if places is None else places
    ids = [PLACE] * places + [9] * length
    return Row(ids, [-100] * (len(ids) - answer) + [9] * answer, tuple(images))


def test_rows_of_like_length_share_a_part_and_words_are_counted():
    groups = [[row(8), row(3), row(5)], [], [row(4, ("a",), answer=3)]]
    found = micro_batches(groups, 0, lambda names: {"image_features": names}, most_rows=2)
    assert [tuple(p["input_ids"].shape) for p in found.parts] == [(2, 5), (1, 8), (1, 4 + PLACES)]
    assert found.words == [4, 2, 3] == [int((p["labels"] != -100).sum()) for p in found.parts]
    assert [p.get("image_features") for p in found.parts] == [None, None, ["a"]]


def test_the_first_word_of_a_row_is_not_counted():
    assert num_labelled([Row([9, 9], [9, 9], ()), Row([9], [9], ())]) == 1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(images=("a",), places=0), r"Sample 7 comes with 1 image .* places for 0 images"),
        (row(images=("a",), places=2 * PLACES), r"1 image .* places for 2 images"),
        (row(images=("a", "b"), places=PLACES + 1), r"2 images .* for 1 image and 1 place more"),
        (row(places=PLACES), r"0 images .* places for 1 image:"),
        (row(answer=0), "Sample 7 has no labelled word"),
        (row(40), "Sample 7 takes 40 positions.* 30"),
    ],
)
def test_a_row_that_cannot_be_right_is_named(bad, words):
    with pytest.raises(ValueError, match=words):
        check_row(bad, "7", PLACE, PLACES, 30)
    check_row(row(6, ("a",)), "8", PLACE, PLACES, 30)


# --- the toy world -------------------------------------------------------------------------------


def test_a_step_has_as_many_rows_of_text_as_with_images_and_is_the_same_again(opened, data):
    found = batch_at(opened, data, step=3)
    rows = [(len(part["input_ids"]), "image_features" in part) for part in found.parts]
    assert sum(count for count, shows in rows if not shows) == 8
    assert sum(count for count, shows in rows if shows) == 8
    again = batch_at(opened, data, step=3)
    for part, other in zip(found.parts, again.parts, strict=True):
        assert all(torch.equal(part[key], other[key]) for key in part)
    assert not torch.equal(batch_at(opened, data, 4).parts[0]["input_ids"][0][-1:], torch.ones(1))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_text_alone_and_images_alone_can_be_had(opened, data, share):
    found = batch_at(opened, data, joint=Joint(text=share))
    shows = ["image_features" in part for part in found.parts]
    assert shows and all(one == (share == 0) for one in shows)
    assert torch.isfinite(opened.model(found.parts[0]))


def test_every_row_has_its_images_in_order(opened, data, monkeypatch):
    seen = []
    monkeypatch.setattr(toy_owl, "check_row", lambda row, *_: seen.append(row))
    batch_at(opened, data, size=64)
    place = image_token_id(opened.tokenizer)
    assert {len(row.images) for row in seen} == {0, 1, 2, 3, 4}
    for one in seen:
        assert one.ids.count(place) == PLACES * len(one.images) and len(one.ids) < 384


def test_kinds_are_drawn_by_their_shares(opened, data, monkeypatch):
    drawn = Counter()
    true = image_turns

    def counting(data, kind, *rest):
        drawn[kind] += 1
        return true(data, kind, *rest)

    monkeypatch.setattr(toy_owl, "image_turns", counting)
    for step in range(12):
        batch_at(opened, data, step, size=60)
    shares = Joint().image_shares
    for kind, share in zip(toy_owl.IMAGE_KINDS, shares, strict=True):
        assert abs(drawn[kind] / sum(drawn.values()) - share / sum(shares)) < 0.08


def test_an_instruction_with_images_needs_no_fact_that_is_held_out(data):
    rng = np.random.default_rng(0)
    for number in range(150):
        kind = ("one", "several", "clip")[number % 3]
        turns, _ = image_turns(data, kind, number % 60, rng, Joint())
        assert not held_out_in_text(" ".join(" ".join(turn.parts) for turn in turns))


def test_a_clip_is_the_scene_before_and_after(data):
    rng = np.random.default_rng(1)
    clip = data.clips[0]
    assert clip.after == len(data) and len(data.scenes) == 80 and len(data.images) == 80
    assert not np.array_equal(data.images[clip.before], data.images[clip.after])
    counts = set()
    for _ in range(60):
        rows = frames_of(clip, rng)
        still = rows.count(clip.before)
        assert rows == [clip.before] * still + [clip.after] * (len(rows) - still)
        assert 0 < still < len(rows)
        counts.add(len(rows))
    assert counts == {2, 3, 4}


def test_features_are_kept_or_pixels_given(opened, data, tmp_path):
    rows = [3, 70, 3]
    kept = data.image_inputs(rows)["image_features"]
    torch.testing.assert_close(kept, opened.encoder(data.pixel_values(rows)), rtol=1e-4, atol=1e-5)
    on_disk = OwlScenes(60, 0, "train", opened.encoder, 20, tmp_path)
    torch.testing.assert_close(on_disk.image_inputs(rows)["image_features"], kept)
    bare = OwlScenes(60, 0, "train", opened.encoder, encoded=False)
    assert list(bare.image_inputs([0, 1])) == ["pixel_values"]
    with pytest.raises(ValueError, match=r"5 scenes make . clips, 5 are wanted"):
        OwlScenes(5, 0, "train", opened.encoder, clips=5)
