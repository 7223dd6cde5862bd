"""The page of evidence says what the result files say, and every card of the course is on it."""

import json

import nbformat
import pytest

from course_lib.book import evidence
from course_lib.book.cells import Place, printed, read
from course_lib.devtools.environment import find_notebooks
from course_lib.teach import claims

HERE = Place("99_nothing", 4, 3)


def write_rows(folder, experiment, scores):
    """Writes three seeds of two arms: `scores` is arm → the scores of the seeds."""
    rows = [
        {"experiment": experiment, "arm": arm, "seed": seed, "steps": 20, "scores": found}
        for arm, of_seeds in scores.items()
        for seed, found in enumerate(of_seeds)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{experiment}.jsonl").write_text(text)


@pytest.fixture
def results(tmp_path):
    many = [{"vqa": 0.6 + seed / 50, "blind": 0.3} for seed in range(3)]
    few = [{"vqa": 0.5 - seed / 50, "blind": 0.3} for seed in range(3)]
    write_rows(tmp_path, "first", {"many, of them": many, "few": few})
    write_rows(tmp_path, "second", {"many, of them": few, "few": many})
    return tmp_path


def card_of(folder, **words):
    given = {"better": "many, of them", "worse": "few", "metric": "vqa", **words}
    claim = claims.Claim("more is better | always", "no number", **given)
    return claims.card(claims.judged(claim, folder))


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ({"experiment": "first"}, claims.REPRODUCED),
        ({"experiment": "second"}, claims.CONTRADICTED),
        ({"experiment": "first", "metric": "blind"}, claims.NOT_VISIBLE),
        ({"experiment": "first", "over": "blind"}, claims.REPRODUCED),
    ],
)
def test_a_card_leads_back_to_its_file(results, words, verdict):
    found = evidence.evidence_of(card_of(results, **words), HERE, results)
    assert found.judged.verdict == verdict
    assert found.judged.claim.experiment in ("first", "second")
    if "over" in words:
        assert found.judged.claim.over == "blind"
    elif words.get("metric") is None:
        assert found.judged.claim.experiment == words["experiment"]


def test_a_card_that_no_file_gives_stops_the_book(results):
    card = card_of(results, experiment="first")
    for wrong in (card.replace("0.60", "0.61"), card.replace("reproduced", "contradicted")):
        assert wrong != card
        with pytest.raises(ValueError, match=r"99_nothing, cell 3.*make notebooks NB=99"):
            evidence.evidence_of(wrong, HERE, results)


def test_what_is_no_card_is_named():
    with pytest.raises(ValueError, match="no claim card"):
        evidence.claim_of("claim: nothing\nverdict: reproduced")
    assert evidence.cards_in("judged pairs: (24, 27)  verdicts: (24, 2)\n") == []


def test_rows_of_a_notebooks_own_training(tmp_path):
    measured = [{"a, b": 0.5 + seed / 100, "c": 0.2} for seed in range(3)]
    rows = [
        {"notebook": "99_nothing", "variant": f"seed {seed}", "measured": row}
        for seed, row in enumerate(measured)
    ]
    rows.append({"notebook": "99_nothing", "variant": "avx2", "measured": {"a, b": 0, "c": 1}})
    (tmp_path / "bands.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = tuple((row["a, b"], row["c"]) for row in measured)
    claim = claims.Claim("a is more", "none", "bands", "a, b", "c", "share")
    card = claims.card(claims.Judged(claim, pairs, 7, claims.verdict(list(pairs))))
    found = evidence.evidence_of(card, HERE, tmp_path)
    assert found.judged.pairs == pairs and found.judged.verdict == claims.REPRODUCED


def test_every_card_of_the_course_is_on_the_page_with_its_verdict():
    rows = evidence.collect(find_notebooks())
    stored = [
        card
        for path in find_notebooks()
        for cell in read(path).cells
        for card in evidence.cards_in(printed(cell))
    ]
    assert len(rows) == len(stored) >= 36
    for row, card in zip(rows, stored, strict=True):
        assert claims.card(row.judged) == card
        assert claims.verdict(list(row.judged.pairs)) == row.judged.verdict
        assert card.endswith(f"verdict: {row.judged.verdict}")
    verdicts = sum(text.count("verdict: ") for path in find_notebooks() for text in _texts(path))
    assert verdicts == len(stored), "a printed verdict that is no card"
    lines = [line for line in evidence.render(rows).splitlines() if line.startswith("| ")]
    tables = len({row.place.notebook for row in rows})
    assert len(lines) == len(rows) + tables  # a line of titles each
    for line, row in zip([x for x in lines if not x.startswith("| claim |")], rows, strict=True):
        assert f"| {row.judged.verdict} |" in line and row.place.link() in line


def _texts(path):
    return [printed(cell) for cell in nbformat.read(path, as_version=4).cells]
