"""The judge: its prompt, its two numbers, relative scores, and both biases measured offline."""

import json

import numpy as np
import pytest

from course_lib.evaluation.bench_exact import exact_scores
from course_lib.evaluation.judge import (
    UNREADABLE,
    Review,
    parse_review,
    position_bias,
    relative_scores,
    review_of,
)
from course_lib.evaluation.judge_files import file_name, read_reviews, write_reviews
from course_lib.evaluation.judge_prompt import (
    CANDIDATE_FIRST,
    ORDERS,
    REFERENCE_FIRST,
    Rule,
    comparisons,
    judge_messages,
    judge_prompt,
    own_rules,
    read_rules,
)
from course_lib.evaluation.judges import RuleJudge, journal_settings, judge_answers, review_all
from course_lib.evaluation.llava_bench import CATEGORIES, BenchAnswer, ask, make_bench
from course_lib.instructions.journal import Journal

BENCH = make_bench()
REFERENCE = [BENCH.references[q.question_id].text for q in BENCH.questions]
SAME = ask(BENCH, lambda questions: REFERENCE)
# One answer in four, whatever its category, is of no use.
WEAK = ask(BENCH, lambda questions: [t if i % 4 else "red" for i, t in enumerate(REFERENCE)])


def reviews(answers, judge, orders=ORDERS):
    compared = comparisons(BENCH, answers)
    return [review for order in orders for review in review_all(compared, judge, order)]


def relative(answers, judge, orders=ORDERS, unparsable="as released"):
    return relative_scores(reviews(answers, judge, orders), unparsable)["all"].relative


def pair(first, second, category="conv", order=REFERENCE_FIRST, id=0):
    return Review(id, category, f"{first} {second}", (first, second), order)


@pytest.mark.parametrize(
    ("review", "scores"),
    [
        ("8 7\nBoth are fine.", (8, 7)),
        ("8.5 9", (8.5, 9)),
        ("8,7", (8, 7)),
        ("10 10\r\nGood.", (10, 10)),
        ("100 0", (100, 0)),
        ("8 7.", (8, 7)),
    ],
)
def test_what_the_released_reader_reads(review, scores):
    assert parse_review(review) == scores


@pytest.mark.parametrize(
    "review",
    [
        "",
        "8",
        "8, 7\nA comma and a space are two spaces.",
        "8  7",
        " 8 7",
        "8 7 ",
        "\n8 7",
        "8/10 7/10",
        "Assistant 1: 8, Assistant 2: 7",
        "(8, 7)",
        "8 7 6",
        "eight seven",
        "Both answers are right.\n9 9",
        "nan nan",
        "inf 1",
    ],
)
def test_what_it_does_not_read(review):
    assert parse_review(review) == UNREADABLE == (-1, -1)


def test_a_relative_score_by_hand():
    """Four reviews: 100 × (6 + 9) ÷ (8 + 10) = 83.3, and 100 × (2 + 4) ÷ (8 + 4) = 50."""
    found = relative_scores([pair(8, 6), pair(10, 9), pair(8, 2, "detail"), pair(4, 4, "detail")])
    assert found["conv"].relative == pytest.approx(250 / 3) and found["conv"].reviews == 2
    assert found["detail"].relative == 50 and found["detail"].reference == 6
    assert found["all"].relative == pytest.approx(100 * 21 / 30)
    assert [*found] == ["conv", "detail", "all"]


def test_the_means_that_a_user_of_the_released_scripts_reported_give_what_was_reported():
    """LLaVA, issue 239: conv 92.4, detail 87.9, complex 110.3 (above 100), all 97.0."""
    means = {"conv": (7.5, 6.933), "detail": (7.733, 6.8), "complex": (7.8, 8.6)}
    found = relative_scores([pair(*scores, category) for category, scores in means.items()])
    shown = {name: round(group.relative, 1) for name, group in found.items()}
    assert shown == {"conv": 92.4, "detail": 87.9, "complex": 110.3, "all": 97.0}


@pytest.mark.parametrize(
    ("good", "unreadable", "as_released"),
    [
        ((8, 6), 0, 75.0),
        ((8, 6), 1, 100 * 17 / 23),  # 73.9: a candidate below the reference loses
        ((8, 2), 1, 100 * 5 / 23),  # 21.7 where 25.0 is right
        ((6, 9), 1, 100 * 26 / 17),  # 152.9 where 150.0 is right: one above it gains
        ((8, 8), 1, 100.0),
    ],
)
def test_what_an_unreadable_review_does(good, unreadable, as_released):
    found = [pair(*good)] * 3 + [pair(*UNREADABLE)] * unreadable
    assert relative_scores(found)["all"].relative == pytest.approx(as_released)
    left = relative_scores(found, "left out")["all"]
    assert left.relative == pytest.approx(100 * good[1] / good[0])
    assert (left.reviews, left.unparsable) == (3, unreadable)


def test_a_judge_that_nobody_can_read_gives_everybody_100():
    found = [pair(*UNREADABLE)] * 5
    assert relative_scores(found)["all"].relative == 100
    left = relative_scores(found, "left out")["all"]
    assert left.relative is None and left.reviews == 0 and left.unparsable == 5
    nothing = relative_scores([pair(1, 1), pair(*UNREADABLE)])["all"]
    assert nothing.relative is None and nothing.reference == 0, "0 divides nothing"


def test_averaging_is_refused_without_reviews_or_with_an_unknown_way():
    with pytest.raises(ValueError, match="no review to average"):
        relative_scores([])
    with pytest.raises(ValueError, match="did you mean 'left out'"):
        relative_scores([pair(1, 2)], "leave out")


def test_the_prompt_has_context_question_two_answers_and_the_rule_in_this_order():
    compared = comparisons(BENCH, WEAK)[2]
    prompt = judge_prompt(compared)
    parts = [
        "[Context]\n" + compared.context.captions[0],
        "4: [0.083, 0.104, 0.417, 0.438]",
        "[Question]\n" + compared.question.text,
        "[Assistant 1]\n" + compared.reference.text,
        "[End of Assistant 1]",
        "[Assistant 2]\n" + compared.candidate.text,
        "[End of Assistant 2]",
        "[System]\n" + own_rules()["complex"].prompt,
    ]
    places = [prompt.index(part) for part in parts]
    assert places == sorted(places)
    other = comparisons(BENCH, WEAK)[0]
    assert other.reference.text != other.candidate.text
    swapped = judge_prompt(other, CANDIDATE_FIRST)
    assert f"[Assistant 1]\n{other.candidate.text}\n" in swapped
    assert f"[Assistant 2]\n{other.reference.text}\n" in swapped
    assert [m["role"] for m in judge_messages(compared)] == ["system", "user"]
    with pytest.raises(ValueError, match="Unknown order 'swapped'"):
        judge_prompt(compared, "swapped")


def test_rules_are_our_own_three_and_others_can_be_read(tmp_path):
    assert {*own_rules()} == {*CATEGORIES}
    path = tmp_path / "rule.json"
    path.write_text(json.dumps({c: {"role": "Helper", "prompt": "Score."} for c in CATEGORIES}))
    rules = read_rules(path)
    assert rules["conv"] == Rule("Helper", "Score.")
    assert "[Helper 2]\n" in judge_prompt(comparisons(BENCH, SAME, rules)[0])
    with pytest.raises(ValueError, match=r"category \(no rule is for it\) 'complex'"):
        comparisons(BENCH, SAME, {name: rules[name] for name in ("conv", "detail")})
    for text in ("[]", "{", '{"conv": "x"}', '{"conv": {"role": "a"}}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="is no rule file"):
            read_rules(path)


def test_answers_are_compared_with_the_reference_of_the_same_id():
    shuffled = {answer.question_id: answer for answer in SAME[::-1]}
    for compared in comparisons(BENCH, shuffled):
        assert compared.reference.text == compared.candidate.text
    with pytest.raises(ValueError, match="1 of 90 questions have no answer: 89"):
        comparisons(BENCH, SAME[:-1])


def test_the_rule_judge_is_ten_plus_ninety_times_the_exact_score():
    exact = exact_scores(BENCH, WEAK)
    for orders in (ORDERS, ORDERS[:1], ORDERS[1:]):
        found = relative_scores(reviews(WEAK, RuleJudge(), orders))
        for name, score in exact.items():
            assert found[name].relative == pytest.approx(10 + 90 * score)
            assert found[name].reference == 10
    assert position_bias(reviews(WEAK, RuleJudge())) == 0


def test_a_position_bias_is_measured_and_cancels_over_both_orders():
    """The same words twice: 90.0 in the released order, 111.1 in the other, 100.0 in both."""
    biased = RuleJudge(position_bias=1)
    assert relative(SAME, biased, ORDERS[:1]) == pytest.approx(90)
    assert relative(SAME, biased, ORDERS[1:]) == pytest.approx(1000 / 9)
    assert relative(SAME, biased) == pytest.approx(100)
    assert position_bias(reviews(SAME, biased)) == pytest.approx(1)
    # A useless answer scores 1 and can lose nothing, so less than the whole point is measured.
    right = relative(WEAK, RuleJudge())
    released, both = relative(WEAK, biased, ORDERS[:1]), relative(WEAK, biased)
    assert right - released > 7 and abs(right - both) < 1
    assert 0.8 < position_bias(reviews(WEAK, biased)) < 1


def test_unreadable_reviews_pull_a_relative_score_and_leaving_them_out_does_not():
    garbling = RuleJudge(unparsable=0.3)
    found = reviews(WEAK, garbling, ORDERS[:1])
    share = sum(not review.readable for review in found) / len(found)
    assert 0.2 < share < 0.4
    group = relative_scores(found, "left out")["all"]
    n, k, c, r = group.reviews, group.unparsable, group.candidate, group.reference
    released = relative_scores(found)["all"].relative
    assert released == pytest.approx(100 * (n * c - k) / (n * r - k))
    assert released < group.relative - 0.5
    assert relative(WEAK, RuleJudge(unparsable=1), ORDERS[:1]) == 100


def test_a_bias_needs_both_orders_of_a_question():
    with pytest.raises(ValueError, match="both orders"):
        position_bias(reviews(SAME, RuleJudge(), ORDERS[:1]))
    garbled = [pair(9, 8, id=1), pair(*UNREADABLE, order=CANDIDATE_FIRST, id=1)]
    with pytest.raises(ValueError, match="both orders"):
        position_bias(garbled)
    whole = [pair(9, 5, id=2), pair(7, 8, order=CANDIDATE_FIRST, id=2)]
    assert position_bias([*garbled, *whole]) == 1.5, "(4 - 1) ÷ 2"


def test_the_rule_judge_refuses_senseless_biases():
    for bias in (-1, 9.5, float("nan")):
        with pytest.raises(ValueError, match="position bias"):
            RuleJudge(position_bias=bias)
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match="cannot be unparsable"):
            RuleJudge(unparsable=share)


def test_a_review_says_which_answer_stood_where():
    answers = [BenchAnswer(a.question_id, a.text, f"c{a.question_id}") for a in WEAK]
    compared = comparisons(BENCH, answers)[4]
    first, second = (review_of(compared, order, "9 3\nx") for order in ORDERS)
    assert first.reference_and_candidate == (9, 3) == second.reference_and_candidate[::-1]
    assert first.answer_ids == (4, "c4") == second.answer_ids[::-1]


def test_reviews_are_written_in_the_released_layout_and_read_again(tmp_path):
    found = reviews(WEAK, RuleJudge(position_bias=2, unparsable=0.1))
    write_reviews(tmp_path, found)
    row = json.loads((tmp_path / "reviews.jsonl").read_text().splitlines()[0])
    keys = ["id", "question_id", "answer1_id", "answer2_id", "category", "content", "tuple"]
    assert [*row] == keys and row["tuple"] == [10, 1] and row["answer2_id"] == "candidate-0"
    again = [
        review for order in ORDERS for review in read_reviews(tmp_path / file_name(order), order)
    ]
    assert relative_scores(again) == relative_scores(found)
    assert position_bias(again) == position_bias(found)
    path = tmp_path / "bad.jsonl"
    for bad in ({"tuple": [1]}, {"tuple": [1, "2"]}, {"tuple": [1, 2], "category": None}, {}):
        path.write_text(json.dumps({**row, "tuple": None, **bad}) + "\n")
        with pytest.raises(ValueError, match="line 1: it needs a category and a tuple"):
            read_reviews(path)
    path.write_text(json.dumps(row) + '\n{"id": 2, "question_id"')
    with pytest.raises(ValueError, match="line 2: No JSON"):
        read_reviews(path)


def test_a_run_with_a_journal_gives_what_reviewing_at_once_gives_and_goes_on(tmp_path):
    compared, judge = comparisons(BENCH, WEAK), RuleJudge(1, 0.2)
    settings = journal_settings(compared, judge)
    with Journal(tmp_path / "a.jsonl", settings) as journal:
        first, report = judge_answers(compared, judge, journal)
    assert report.stopped == "" and report.accepted == report.wanted == {REFERENCE_FIRST: 90}
    assert first == review_all(compared, judge)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    with Journal(tmp_path / "a.jsonl", settings) as journal:
        both, report = judge_answers(compared, judge, journal, ORDERS)
    assert both == reviews(WEAK, judge) and report.accepted == dict.fromkeys(ORDERS, 90)
    after = (tmp_path / "a.jsonl").read_text().splitlines()
    assert after[:91] == lines and len(after) == 181
    others = journal_settings(comparisons(BENCH, SAME), judge)
    with pytest.raises(ValueError, match="was begun with answers"):
        Journal(tmp_path / "a.jsonl", others)
    assert settings["questions"] != others["questions"]
    assert {**settings, "judge": ""} == {**journal_settings(compared, RuleJudge()), "judge": ""}


def test_the_rule_judge_writes_reasons_that_fit_its_numbers():
    compared = comparisons(BENCH, WEAK)
    rng = np.random.default_rng(0)
    text = RuleJudge().answer(compared[0], REFERENCE_FIRST, rng).turns[0].answer
    assert text == "10 1\nThe answer of Assistant 1 beats that of Assistant 2."
    text = RuleJudge().answer(compared[0], CANDIDATE_FIRST, rng).turns[0].answer
    assert text == "1 10\nThe answer of Assistant 2 beats that of Assistant 1."
    text = RuleJudge().answer(compared[1], CANDIDATE_FIRST, rng).turns[0].answer
    assert text == "10 10\nBoth answers are equally right."
