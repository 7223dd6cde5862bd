"""Ratings on disk: resumed, cut short, rated twice, out of range; agreement; what they come to."""

import csv
import json
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from course_lib.evaluation.agreement import agreement, cohen_kappa, fleiss_kappa
from course_lib.evaluation.owl_eval import OwlAnswer
from course_lib.evaluation.owl_eval_toy import make_owl_eval
from course_lib.evaluation.rating_counts import (
    RELEASED,
    RELEASED_PASSED,
    Counts,
    exact_ratings,
    rating_counts,
)
from course_lib.evaluation.ratings import (
    GRADES,
    Rating,
    RatingFile,
    blind_order,
    export_ratings,
    items_of,
    read_ratings,
)

OWL = make_owl_eval()
ANSWERS = {
    name: {
        id: OwlAnswer(id, key.key or "a star.", name)
        for id, key in OWL.keys.items()
        if id % step == 0
    }
    for name, step in (("sees-well", 1), ("sees-half", 2))
}
ITEMS = items_of(OWL, ANSWERS)
ORDER = blind_order(ITEMS.values(), 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "r1.jsonl"


@pytest.fixture
def begun(path):
    """A file with three ratings, A, B and C."""
    file = RatingFile(path, ITEMS, "r1")
    for item, grade in zip(ORDER, "ABC", strict=False):
        file.rate(item.code, grade)
    return path


def lines_of(path):
    return path.read_bytes().split(b"\n")


def test_every_answer_is_an_item_with_the_turns_before_it():
    assert len(ITEMS) == 82 + 41
    assert Counter(item.model for item in ITEMS.values()) == {"sees-well": 82, "sees-half": 41}
    eighth = next(i for i in ITEMS.values() if i.question_id == 22 and i.model == "sees-well")
    assert [asked for asked, _ in eighth.said] == [q.text for q in OWL.before(22)]
    assert [said for _, said in eighth.said] == [
        ANSWERS["sees-well"][i].text for i in range(15, 22)
    ]
    half = next(i for i in ITEMS.values() if i.question_id == 22 and i.model == "sees-half")
    assert len(half.said) == 3  # only what this model answered


def test_the_order_is_shuffled_by_the_seed_and_mixes_models():
    again = blind_order(items_of(OWL, dict(reversed(ANSWERS.items()))).values(), 0)
    assert again == ORDER != blind_order(ITEMS.values(), 1)
    assert sorted(item.code for item in ORDER) == sorted(ITEMS)
    assert len({item.model for item in ORDER[:12]}) == 2
    ids = [item.question_id for item in ORDER]
    assert ids != sorted(ids) and abs(np.corrcoef(range(len(ids)), ids)[0, 1]) < 0.3


def test_a_code_tells_nothing_and_belongs_to_the_very_words():
    assert all(len(code) == 12 and "sees" not in code for code in ITEMS)
    changed = {**ANSWERS["sees-well"], 15: OwlAnswer(15, "other words")}
    others = items_of(OWL, {"sees-well": changed})
    lost = {item.question_id for item in ITEMS.values() if item.code not in others} - {
        item.question_id for item in ITEMS.values() if item.model == "sees-half"
    }
    # The answer, and the later turns of its dialogue, of those that only one model answered.
    assert lost == {15, 17, 19, 21}


def test_ratings_are_on_disk_at_once_and_opening_goes_on(begun):
    rows = [json.loads(line) for line in begun.read_text().splitlines()]
    assert [row["rating"] for row in rows] == ["A", "B", "C"]
    assert set(rows[0]) == {"rater", "question_id", "code", "rating"}
    assert not any(name in begun.read_text() for name in ANSWERS)  # blind on disk, too
    file = RatingFile(begun, ITEMS, "r1")
    assert file.grades == dict(zip((i.code for i in ORDER), "ABC", strict=False))
    file.rate(ORDER[3].code, "D")
    assert len(begun.read_text().splitlines()) == 4


def test_a_cut_line_does_not_count_and_is_taken_away_before_the_next(begun):
    whole = begun.read_bytes()
    for cut in range(1, len(whole.splitlines()[2]) - 1):
        begun.write_bytes(whole[: -1 - cut])
        assert len(read_ratings([begun], ITEMS)) == 2
    file = RatingFile(begun, ITEMS, "r1")
    assert list(file.grades.values()) == ["A", "B"]
    file.rate(ORDER[5].code, "D")
    assert [r.grade for r in read_ratings([begun], ITEMS)] == ["A", "B", "D"]
    assert len(begun.read_text().splitlines()) == 3


def test_a_whole_last_line_without_its_end_counts(begun):
    begun.write_bytes(begun.read_bytes()[:-1])  # as an editor may save it
    file = RatingFile(begun, ITEMS, "r1")
    assert len(file.grades) == 3
    file.rate(ORDER[3].code, "D")
    assert [r.grade for r in read_ratings([begun], ITEMS)] == list("ABCD")


def test_who_rates_twice_has_changed_their_mind(begun):
    file = RatingFile(begun, ITEMS, "r1")
    file.rate(ORDER[0].code, "D")
    assert file.grades[ORDER[0].code] == "D" and len(begun.read_text().splitlines()) == 4
    found = read_ratings([begun], ITEMS)
    assert len(found) == 3 and Rating("r1", ORDER[0].code, "D") in found
    assert RatingFile(begun, ITEMS, "r1").grades[ORDER[0].code] == "D"


def test_several_raters_share_a_file_or_have_their_own(begun, tmp_path):
    RatingFile(begun, ITEMS, "r2").rate(ORDER[0].code, "B")
    own = tmp_path / "r3.jsonl"
    RatingFile(own, ITEMS, "r3").rate(ORDER[0].code, "C")
    assert len(RatingFile(begun, ITEMS, "r1").grades) == 3
    found = read_ratings([begun, own], ITEMS)
    assert Counter(r.rater for r in found) == {"r1": 3, "r2": 1, "r3": 1}
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(begun.read_bytes())
    assert len(read_ratings([begun, copy], ITEMS)) == 4  # the same twice is the same
    RatingFile(copy, ITEMS, "r1").rate(ORDER[1].code, "D")
    with pytest.raises(ValueError, match=r"copy\.jsonl has a D of rater 'r1' .* rates B"):
        read_ratings([begun, copy], ITEMS)


GOOD = {"rater": "r1", "code": ORDER[0].code, "question_id": ORDER[0].question_id, "rating": "A"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"rater": "r1", "que', "is damaged"),
        ("\xff", "is damaged"),
        ("[]", "It is no rating: a line holds rater, question_id, code, rating"),
        (json.dumps({"rater": "r1"}), "It is no rating"),
        (json.dumps({**GOOD, "rating": "E"}), "The rating 'E' is none of A, B, C, D"),
        (json.dumps({**GOOD, "rating": "a"}), "The rating 'a' is none of"),
        (json.dumps({**GOOD, "rating": 5}), "The rating 5 is none of"),
        (json.dumps({**GOOD, "rating": ["A"]}), r"The rating \['A'\] is none of"),
        (json.dumps({**GOOD, "rating": None}), "The rating None is none of"),
        (json.dumps({**GOOD, "rater": ""}), "'' names no rater"),
        (json.dumps({**GOOD, "rater": "=1+1"}), "'=1\\+1' names no rater"),
        (json.dumps({**GOOD, "rater": 7}), "7 names no rater"),
        (
            json.dumps({**GOOD, "question_id": 99, "code": "x"}),
            "It rates question 99, which is not",
        ),
        (
            json.dumps({**GOOD, "code": "0" * 12}),
            "It rates the answer '000000000000', which is not",
        ),
        (json.dumps({**GOOD, "code": [1]}), r"It rates the answer \[1\], which is not here"),
        (
            json.dumps({**GOOD, "question_id": 99}),
            f"It rates an answer to question {ORDER[0].question_id} as one to 99",
        ),
    ],
)
def test_a_line_that_cannot_be_trusted_is_named(begun, line, reason):
    first, *others = begun.read_bytes().splitlines()
    begun.write_bytes(b"\n".join([first, line.encode("latin-1"), *others, b""]))
    for read in (
        lambda: read_ratings([begun], ITEMS),
        lambda: RatingFile(begun, ITEMS, "r1"),
    ):
        with pytest.raises(ValueError, match=rf"r1\.jsonl, line 2(: |, ).*{reason}"):
            read()


def test_what_is_refused_leaves_no_trace(begun):
    before, file = begun.read_bytes(), RatingFile(begun, ITEMS, "r1")
    for code, grade, words in (
        (ORDER[0].code, "E", "'E' is none of"),
        (ORDER[0].code, "", "'' is none of"),
        ("nobody", "A", "the answer 'nobody'|question None"),
    ):
        with pytest.raises(ValueError, match=words):
            file.rate(code, grade)
    assert begun.read_bytes() == before and len(file.grades) == 3
    with pytest.raises(ValueError, match="names no rater"):
        RatingFile(begun, ITEMS, "a b")
    with pytest.raises(ValueError, match="is not there"):
        read_ratings([begun.with_name("none")], ITEMS)
    with pytest.raises(ValueError, match="no answer to rate"):
        items_of(OWL, {"m": {}})
    with pytest.raises(ValueError, match="No question has the id 99"):
        items_of(OWL, {"m": {99: OwlAnswer(99, "x")}})


def test_a_rating_that_cannot_be_written_does_not_count(begun):
    file = RatingFile(begun, ITEMS, "r1")
    begun.unlink()
    begun.mkdir()
    with pytest.raises(OSError, match="directory"):
        file.rate(ORDER[4].code, "A")
    assert ORDER[4].code not in file.grades


def test_the_export_names_models_and_abilities(begun, tmp_path):
    out = tmp_path / "ratings.csv"
    export_ratings(out, read_ratings([begun], ITEMS), ITEMS, OWL)
    rows = list(csv.DictReader(out.open(encoding="utf-8", newline="")))
    assert [row["rating"] for row in rows] == ["A", "B", "C"]
    for row, item in zip(rows, ORDER, strict=False):
        question = OWL.question(item.question_id)
        assert (row["rater"], row["model"]) == ("r1", item.model)
        assert row["ability"] == " ".join(question.abilities) and row["image"] == question.image


# --- agreement ---

# Fleiss (1971), table 1: thirty patients, each with the diagnoses of six psychiatrists; 0.430.
FLEISS = """
444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444
224445 333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444
133333 555555
"""
# The example that textbooks and encyclopaedias calculate by hand: ten subjects, fourteen raters.
BY_HAND = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_fleiss_own_example_and_the_one_calculated_by_hand():
    counts = [[row.count(digit) for digit in "12345"] for row in FLEISS.split()]
    assert [sum(column) for column in zip(*counts, strict=True)] == [26, 26, 30, 55, 43]
    assert fleiss_kappa(counts) == pytest.approx(0.4302445, abs=1e-7)
    assert fleiss_kappa(BY_HAND) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(np.array(BY_HAND)) == fleiss_kappa(BY_HAND)


def test_fleiss_of_two_raters_is_scotts_pi_and_not_cohens():
    first, second = "AAAAABBCCD", "AABBABBCDD"
    counts = [[(a, b).count(g) for g in GRADES] for a, b in zip(first, second, strict=True)]
    chance = sum(((first + second).count(g) / 20) ** 2 for g in GRADES)
    assert fleiss_kappa(counts) == pytest.approx((0.7 - chance) / (1 - chance))
    assert fleiss_kappa(counts) != pytest.approx(cohen_kappa(first, second))
    for order in permutations(range(4)):  # names and order of categories mean nothing
        assert fleiss_kappa([[row[i] for i in order] for row in counts]) == pytest.approx(
            fleiss_kappa(counts)
        )


def test_the_ends_of_fleiss():
    assert fleiss_kappa([[3, 0], [0, 3]]) == 1
    assert fleiss_kappa([[1, 1], [1, 1]]) == -1
    assert fleiss_kappa([[3, 0], [3, 0]]) is None
    rng = np.random.default_rng(0)
    drawn = [np.bincount(rng.integers(4, size=5), minlength=4) for _ in range(4000)]
    assert abs(fleiss_kappa(drawn)) < 0.01


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([], "0 rows"),
        ([[1, 2], [3]], "each with a number a category"),
        ([[1, 2], [1, 1]], "2 to 3 ratings"),
        ([[1, 0], [0, 1]], "1 ratings of each subject"),
        ([[-1, 3]], "whole number from 0"),
        ([[0.5, 1.5]], "whole number from 0"),
    ],
)
def test_what_fleiss_refuses(counts, words):
    with pytest.raises(ValueError, match=words):
        fleiss_kappa(counts)


def test_cohens_by_hand_and_by_a_manual():
    # Of ten answers seven agree; chance: .5·.3 + .2·.4 + .2·.1 + .1·.2 = .27.
    assert cohen_kappa("AAAAABBCCD", "AABBABBCDD") == pytest.approx((0.7 - 0.27) / (1 - 0.27))
    # The table of the SAS manual: kappa 0.4842, with linear weights 0.4701.
    table = [[0, 4, 1], [0, 8, 0], [0, 1, 5]]
    pairs = [("ABC"[i], "ABC"[j]) for i in range(3) for j in range(3) for _ in range(table[i][j])]
    first, second = zip(*pairs, strict=True)
    assert cohen_kappa(first, second) == pytest.approx(0.4842, abs=5e-5)
    assert cohen_kappa(first, second, "linear") == pytest.approx(0.4701, abs=5e-5)


def test_the_ends_of_cohens(recwarn):
    assert cohen_kappa("AABD", "AABD") == 1
    assert cohen_kappa("AAAA", "AAAA") is None
    assert cohen_kappa("AAAA", "AABB") == 0
    near, far = cohen_kappa("ABCD", "BBCD", "quadratic"), cohen_kappa("ABCD", "DBCD", "quadratic")
    assert near > far and cohen_kappa("ABCD", "BBCD") == pytest.approx(cohen_kappa("ABCD", "DBCD"))
    assert not recwarn.list
    with pytest.raises(ValueError, match="'E' is no grade: they are A, B, C, D"):
        cohen_kappa("AE", "AA")
    for first, second in (("", ""), ("AB", "A")):
        with pytest.raises(ValueError, match="ratings: give those of the same answers"):
            cohen_kappa(first, second)


def rated(rater, grades, start=0):
    pairs = zip(ORDER[start:], grades, strict=False)
    return [Rating(rater, item.code, grade) for item, grade in pairs]


def test_agreement_takes_the_answers_in_common():
    found = agreement(
        [*rated("r1", "AABBCCDD"), *rated("r2", "AABBCCDA", 0), *rated("r3", "BBCCDD", 2)]
    )
    assert found.raters == ("r1", "r2", "r3") and len(found.pairs) == 3
    first = found.pairs[0]
    assert (first.raters, first.answers, first.same) == (("r1", "r2"), 8, 7 / 8)
    assert first.kappa == pytest.approx(cohen_kappa("AABBCCDD", "AABBCCDA"))
    assert first.weighted == pytest.approx(cohen_kappa("AABBCCDD", "AABBCCDA", "quadratic"))
    assert first.passed == pytest.approx(cohen_kappa("AAAADDDD", "AAAADDDA"))
    assert found.pairs[1].answers == 6 and found.pairs[1].kappa == 1
    rows = [[0, 3, 0, 0]] * 2 + [[0, 0, 3, 0]] * 2 + [[0, 0, 0, 3]]
    assert found.answers == 6 and found.fleiss == pytest.approx(fleiss_kappa([*rows, [1, 0, 0, 2]]))


def test_agreement_without_anything_in_common():
    with pytest.raises(ValueError, match="1 raters: agreement needs two"):
        agreement(rated("r1", "AB"))
    with pytest.raises(ValueError, match="No answer was rated by two of r1, r2"):
        agreement([*rated("r1", "AB"), *rated("r2", "AB", 5)])
    found = agreement([*rated("r1", "AB"), *rated("r2", "AB"), *rated("r3", "AB", 5)])
    assert len(found.pairs) == 1 and found.answers == 0 and found.fleiss is None


# --- what ratings come to ---


def test_counts_by_model_and_ability():
    ratings = exact_ratings(OWL, ITEMS)
    found = rating_counts(ratings, ITEMS, OWL)
    sizes = {name: len(ids) for name, ids in OWL.groups().items()}
    assert {name: counts.total for name, counts in found["sees-well"].items()} == sizes
    assert found["sees-half"]["all"].total == 41 and found["sees-well"]["f"] == Counts(20)
    wrong = [r for r in ratings if r.grade != "A"]  # "a star." describes no scene
    assert {ITEMS[r.code].question_id for r in wrong} == {36, 37}
    some = [Rating("r1", c, "B") if ITEMS[c].model == "sees-well" else None for c in ITEMS]
    found = rating_counts([r for r in some if r], ITEMS, OWL)
    assert found["sees-well"]["c"] == Counts(0, 30) and found["sees-well"]["c"].share == 1
    assert found["sees-half"]["all"] == Counts() and found["sees-half"]["all"].share is None


def test_two_raters_count_twice():
    ratings = [*rated("r1", "AC"), *rated("r2", "BC")]
    found = rating_counts(ratings, ITEMS, OWL)
    whole = [sum(groups["all"].grades[g] for groups in found.values()) for g in GRADES]
    assert whole == [1, 1, 2, 0]


def test_the_key_is_one_rater_more():
    people = [Rating("r1", code, "A") for code in ITEMS]
    (pair,) = agreement([*people, *exact_ratings(OWL, ITEMS)]).pairs
    assert pair.raters == ("r1", "key") and pair.same == pytest.approx(120 / 123)
    assert pair.kappa == 0  # who always says A agrees by chance alone


def test_the_released_figures_add_up():
    for groups in RELEASED.values():
        assert groups["single_turn"].total == 50 and groups["multi_turn"].total == 52
    for model, passed in RELEASED_PASSED.items():
        both = sum(counts.passed for counts in RELEASED[model].values())
        assert 0 <= both - passed <= 20, model  # 20 questions are in both
    owl, minigpt = RELEASED["mPLUG-Owl-7B"], RELEASED["MiniGPT-4-13B"]
    assert (owl["single_turn"].passed, minigpt["single_turn"].passed) == (42, 38)
    assert minigpt["single_turn"].a > owl["single_turn"].a  # and yet fewer A and B
    assert owl["single_turn"].d == 0 == owl["multi_turn"].d
