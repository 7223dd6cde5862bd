"""The official metrics: against numbers of the released code, and by hand where they are small."""

import json
from pathlib import Path

import pytest

from course_lib.evaluation.caption_benchmark import caption_benchmark
from course_lib.evaluation.cider import cider_d
from course_lib.evaluation.gqa_accuracy import gqa_accuracy, gqa_answer
from course_lib.evaluation.ptb_words import ptb_words
from course_lib.evaluation.science_choice import chosen, classes, options, science_accuracy
from course_lib.evaluation.vqa_accuracy import answer_accuracy, vqa_accuracy
from course_lib.evaluation.vqa_words import CONTRACTIONS, normalised, without_punctuation

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name):
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


# Where CoreNLP and our pattern part, of the captions that came after it was written.
DIFFER = {
    "An 8 1/2 x 11 sheet of paper",
    "A vintage photograph (c. 1920) of a man",
    "a laptop's keyboard,close-up",
}


def test_words_of_captions_are_those_of_the_official_tokenizer():
    found = golden("ptb_captions.json")
    assert len(found["written_with"]) > 150 and len(found["held_out"]) > 60
    for caption, words in found["written_with"].items():
        assert " ".join(ptb_words(caption)) == words, caption
    held_out = found["held_out"].items()
    assert {c for c, words in held_out if " ".join(ptb_words(c)) != words} == DIFFER


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man's dog can't swim.", "a man 's dog ca n't swim"),
        ("Two cats (asleep)!", "two cats -lrb- asleep -rrb-"),
        ("a black-and-white\n photo", "a black-and-white photo"),
        ("they're gonna eat 1,000 at 3:45 p.m.", "they 're gon na eat 1,000 at 3:45 p.m."),
        ("", ""),
        (" ... !", ""),
    ],
)
def test_words_by_hand(caption, words):
    assert " ".join(ptb_words(caption)) == words


def test_captions_score_what_the_official_evaluation_gives_on_raw_text():
    told = golden("cider_ptb.json")
    found = caption_benchmark(told["captions"], told["references"], told["domains"])
    assert found["cider_d"] == pytest.approx(told["overall"], rel=1e-12)
    assert found["by_type"] == pytest.approx(told["by_type"], rel=1e-12)
    # A domain is scored by its own rarities: it is no part of the overall mean.
    shares = [told["domains"].count(name) / 30 for name in found["by_type"]]
    parts = sum(s * v for s, v in zip(shares, found["by_type"].values(), strict=True))
    assert abs(parts - found["cider_d"]) > 1e-3
    # The words matter: split at spaces alone, the same captions score otherwise.
    assert abs(cider_d(told["captions"], told["references"])[0] - found["cider_d"]) > 5e-3


def test_a_single_image_and_a_domain_of_one_have_no_score():
    with pytest.raises(ValueError, match="at least two"):
        caption_benchmark(["a"], [["a"]])
    found = caption_benchmark(["a b", "c d"], [["a b"], ["c d"]], ["in-domain", "out-domain"])
    assert found["by_type"] == {} and found["words"] == 2


def test_vqa_words_are_those_of_the_official_evaluation():
    for text, punctuation, words in golden("vqa_accuracy.json")["words"]:
        assert without_punctuation(text) == punctuation, text
        assert normalised(text) == words, text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The two.", "2"),
        ("None", "0"),
        ("red/blue", "red blue"),
        ("red / blue", "red blue"),
        ("1,000", "1000"),
        ("dont", "don't"),
        ("Im", "im"),  # the list has a capital there
        ("somebody'd", "somebodyd"),
        ("3.5", "3.5"),
        ("a.m.", "am"),
        (".a" * 40, "a" * 32 + ".a" * 8),  # the flag that is read as a count
    ],
)
def test_vqa_words_by_hand(text, words):
    assert normalised(text) == words


def test_contractions_lack_one_apostrophe_each():
    assert CONTRACTIONS["couldn'tve"] == CONTRACTIONS["couldnt've"] == "couldn't've"
    assert "couldntve" not in CONTRACTIONS and len(CONTRACTIONS) == 114


def test_vqa_accuracy_is_the_mean_over_nine_of_ten_people():
    for matches, score in enumerate((0, 0.3, 0.6, 0.9, 1, 1, 1, 1, 1, 1, 1)):
        people = ["cat"] * matches + ["dog"] * (10 - matches)
        assert answer_accuracy("cat", people) == pytest.approx(score), matches


def test_people_keep_their_words_where_all_agree():
    assert answer_accuracy("two", ["two"] * 10) == 0  # the quirk: "2" against "two"
    assert answer_accuracy("2", ["2"] * 10) == 1
    assert answer_accuracy("yes", ["yes."] * 9 + ["no"]) == 1  # not all equal: "." goes
    assert answer_accuracy("yes", ["yes."] * 10) == 0


def test_vqa_accuracy_equals_the_official_evaluation():
    told = golden("vqa_accuracy.json")
    rows = told["questions"]
    for row in rows:
        assert answer_accuracy(row["answer"], row["people"]) == pytest.approx(row["accuracy"])
    columns = [[row[key] for row in rows] for key in ("answer", "people", "type")]
    found = vqa_accuracy(*columns)
    assert 100 * found["accuracy"] == pytest.approx(told["overall"])
    assert {k: 100 * v for k, v in found["by_type"].items()} == pytest.approx(told["by_type"])
    assert len({row["accuracy"] for row in rows}) > 4


@pytest.mark.parametrize("people", [[], ["a"] * 9, ["a"] * 11])
def test_vqa_accuracy_wants_ten_people(people):
    with pytest.raises(ValueError, match=f"has {len(people)} answers"):
        vqa_accuracy(["a"], [people])


@pytest.mark.parametrize("call", [vqa_accuracy, gqa_accuracy])
def test_lists_that_do_not_belong_together_are_refused(call):
    for answers, truths in (([], []), (["a"], [])):
        with pytest.raises(ValueError, match="at least one"):
            call(answers, truths)
    with pytest.raises(ValueError, match="at least one"):
        science_accuracy([1], [], [])


def test_gqa_by_hand():
    found = gqa_accuracy(
        ["Pipe.", "the pipe", "two", " no"],
        ["pipe", "pipe", "2", "no"],
        ["query", "query", "query", "verify"],
    )
    assert found["accuracy"] == 0.5 and found["accuracy_lavis"] == 1.0
    assert found["by_type"] == {"query": pytest.approx(1 / 3), "verify": 1.0}
    assert gqa_answer(" A red Bus.. ") == "a red bus"


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("B", 1),
        (" B\n", 1),
        ("B. rain", 1),
        ("B.", -1),  # no space behind: LLaVA's rule
        ("(B)", -1),
        ("b", -1),
        ("It is wet. The answer is B.", 1),
        ("The answer is B", -1),  # nothing behind the letter
        ("The answer is A. The answer is B.", -1),
        ("The answer is Z.", -1),
        ("D", -1),  # there are three choices
        ("AB", -1),
        ("", -1),
        ("Because of rain", -1),
    ],
)
def test_a_letter_is_read_as_llava_reads_it(answer, place):
    assert chosen(answer, 3) == place


def test_scienceqa_by_hand():
    assert options(["a rock", "rain"]) == "(A) a rock (B) rain"
    told = {"subject": "natural science", "hint": "h", "grade": "grade7"}
    assert classes(told, True) == ["NAT", "TXT", "IMG", "G7-12"]
    assert classes({"grade": "grade6", "subject": "social science"}, False) == ["SOC", "NO", "G1-6"]
    found = science_accuracy([0, -1, 2], [0, 1, 1], [["NAT"], ["NAT", "IMG"], ["IMG"]])
    assert found == {
        "accuracy": pytest.approx(1 / 3),
        "unread": pytest.approx(1 / 3),
        "by_type": {"IMG": 0.0, "NAT": 0.5},
    }
