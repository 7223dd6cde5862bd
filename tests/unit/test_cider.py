"""Our CIDEr-D against numbers of pycocoevalcap 1.2."""

import json
from pathlib import Path

import pytest

from course_lib.evaluation.cider import cider_d

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/cider.json").read_text(encoding="utf-8"))


def test_equals_pycocoevalcap():
    mean, scores = cider_d(GOLDEN["candidates"], GOLDEN["references"])
    assert mean == pytest.approx(GOLDEN["mean"], rel=1e-12)
    assert scores == pytest.approx(GOLDEN["scores"], rel=1e-12, abs=1e-12)


def test_golden_numbers_tell_captions_apart():
    assert max(GOLDEN["scores"]) > 4 and min(GOLDEN["scores"]) == 0
    shifted = GOLDEN["candidates"][1:] + GOLDEN["candidates"][:1]
    assert cider_d(shifted, GOLDEN["references"])[0] < 0.5 * GOLDEN["mean"]


def test_one_image_scores_zero_and_a_copy_scores_ten():
    assert cider_d(["a red square"], [["a red square"]])[0] == 0
    captions = ["a small red square here", "one large blue circle there"]
    assert cider_d(captions, [[c] for c in captions])[0] == pytest.approx(10)


def test_empty_caption_scores_zero():
    assert cider_d(["", "a b c d"], [["x y z w"], ["a b c d"]])[1][0] == 0


@pytest.mark.parametrize("arguments", [(["a"], []), ([], []), (["a"], [[]])])
def test_refuses_lists_that_do_not_belong_together(arguments):
    with pytest.raises(ValueError, match="at least one reference"):
        cider_d(*arguments)
