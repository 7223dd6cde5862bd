"""Decisions on disk: at once, resumed, undone, cut short; bad ones are named with their line."""

import json
import os

import pytest

from course_lib.curation.curated_set import kept_captions
from course_lib.curation.decisions import Decision, DecisionFile, read_decisions
from course_lib.curation.proposing import Proposal
from course_lib.data.line_file import append_line, finished_lines

PROPOSALS = [Proposal(str(n), f"a red {n} is at top-left.", f"red {n}") for n in range(1, 7)]
EDITED = "a blue 3 is at top-right."


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "decisions.jsonl"


@pytest.fixture
def begun(path):
    """A file with one decision of each kind."""
    file = DecisionFile(path, PROPOSALS)
    file.decide("1", "accept")
    file.decide("2", "reject")
    file.decide("3", "edit", f" {EDITED} ")
    return path


def row(image_id, decision, **more):
    return json.dumps({"image_id": image_id, "decision": decision, **more}) + "\n"


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return path


# --- writing -------------------------------------------------------------------------------------


def test_decisions_are_on_disk_at_once_and_opening_goes_on(begun):
    rows = [json.loads(line) for line in begun.read_text().splitlines()]
    assert [r["decision"] for r in rows] == ["accept", "reject", "edit"]
    assert rows[0]["of"] == PROPOSALS[0].code and set(rows[0]) == {"image_id", "decision", "of"}
    assert rows[2]["caption"] == EDITED
    file = DecisionFile(begun, PROPOSALS)
    assert file.made == {
        "1": Decision("1", "accept", PROPOSALS[0].caption, 1),
        "2": Decision("2", "reject", "", 2),
        "3": Decision("3", "edit", EDITED, 3),
    }
    file.decide("6", "accept")
    assert list(read_decisions(begun, PROPOSALS)) == ["1", "2", "3", "6"]


def test_an_edit_that_changes_nothing_is_an_acceptance(path):
    DecisionFile(path, PROPOSALS).decide("1", "edit", f"{PROPOSALS[0].caption}  ")
    assert read_decisions(path, PROPOSALS)["1"].decision == "accept"
    assert "caption" not in json.loads(path.read_text())


def test_the_last_decision_can_be_taken_back_and_made_anew(begun):
    file = DecisionFile(begun, PROPOSALS)
    assert file.undo() == "3" and list(file.made) == ["1", "2"]
    file.decide("3", "reject")
    assert file.made["3"].decision == "reject"
    again = read_decisions(begun, PROPOSALS)
    assert again["3"] == Decision("3", "reject", "", 5) and len(begun.read_text().splitlines()) == 5
    for image in ("3", "2", "1"):
        assert file.undo() == image
    with pytest.raises(ValueError, match="Nothing is decided yet"):
        file.undo()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("1", "accept"), "'1' was decided already, in line 1"),
        (("2", "edit", "a red 2."), "'2' was decided already, in line 2"),
        (("9", "accept"), "Unknown image '9'"),
        (("4", "keep"), "Unknown decision 'keep'"),
        (("4", "edit", "  "), "edited caption of image '4' is empty"),
        (("4", "edit"), "edited caption of image '4' is empty"),
        (("4", "edit", "a red 4. ###"), "holds '###'"),
        (("4", "undo"), "Nothing is decided about image '4'"),
    ],
)
def test_what_is_refused_is_not_written(begun, given, words):
    before, file = begun.read_bytes(), DecisionFile(begun, PROPOSALS)
    made = dict(file.made)
    with pytest.raises(ValueError, match=words):
        file.decide(*given)
    assert begun.read_bytes() == before and file.made == made


def test_two_tabs_on_one_file_cannot_decide_one_image_twice(begun):
    one, other = DecisionFile(begun, PROPOSALS), DecisionFile(begun, PROPOSALS)
    one.decide("4", "accept")
    with pytest.raises(ValueError, match="in line 4"):
        other.decide("4", "reject")
    other.decide("5", "reject")
    assert list(read_decisions(begun, PROPOSALS)) == ["1", "2", "3", "4", "5"]


def test_a_file_that_cannot_be_written_decides_nothing(begun, monkeypatch):
    file = DecisionFile(begun, PROPOSALS)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        file.decide("4", "accept")
    assert "4" not in file.made


# --- a kill in the middle of a line --------------------------------------------------------------


def test_wherever_a_kill_cuts_the_finished_lines_count_and_nothing_is_lost(begun):
    whole = begun.read_bytes()
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        begun.write_bytes(whole[:cut])
        # A line whose closing brace is there is whole, though its end is missing.
        finished = sum(cut >= end for end in ends)
        assert len(read_decisions(begun, PROPOSALS)) == finished
        assert begun.read_bytes() == whole[:cut], "reading changes nothing"
        file = DecisionFile(begun, PROPOSALS)
        file.decide("5", "accept")
        found = read_decisions(begun, PROPOSALS)
        assert list(found) == [*"123"[:finished], "5"]
        assert begun.read_bytes().count(b"\n") == finished + 1


def test_a_line_of_other_bytes_at_the_end_is_taken_away(begun):
    with open(begun, "ab") as stream:
        stream.write(b'{"image_id": "4", "decision": "acc\xc3')
    DecisionFile(begun, PROPOSALS).decide("4", "reject")
    assert read_decisions(begun, PROPOSALS)["4"].decision == "reject"


# --- files that people write ---------------------------------------------------------------------


def test_a_hand_written_file_needs_no_codes_and_may_have_numbers_and_blank_lines(path):
    write(path, row(1, "accept"), "\n", row("2", "edit", caption=EDITED), row(3, "reject").strip())
    found = read_decisions(path, PROPOSALS)
    assert [(d.image_id, d.decision) for d in found.values()] == [
        ("1", "accept"),
        ("2", "edit"),
        ("3", "reject"),
    ]
    assert read_decisions(path.with_name("none.jsonl"), PROPOSALS) == {}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([row("1", "accept"), row("77", "accept")], "line 2: Unknown image '77'"),
        ([row("1", "accept"), row("1", "reject")], "line 2: Image '1' was decided already, in li"),
        ([row("1", "accept"), row("1", "accept")], "line 2: Image '1' was decided already"),
        (["half a line\n", row("1", "accept")], "line 1, is damaged"),
        ([row("1", "maybe")], "line 1: Unknown decision 'maybe'"),
        (['{"image_id": "1"}\n'], "line 1: It is no decision"),
        (["[1, 2]\n"], "line 1: It is no decision"),
        ([row("1", "edit")], "line 1: The edited caption of image '1' is empty"),
        ([row("1", "edit", caption=7)], "line 1: The edited caption of image '1' is no text"),
        (
            [row("1", "accept", caption="other.")],
            "line 1: .* decided by 'accept' with",
        ),
        ([row("1", "accept", of="0" * 12)], "line 1: .* another caption was proposed"),
        ([row("1", "undo")], "line 1: Nothing is decided about image '1'"),
    ],
)
def test_bad_lines_are_named(path, lines, words):
    write(path, *lines)
    for read in (read_decisions, DecisionFile):
        with pytest.raises(ValueError, match=words):
            read(path, PROPOSALS)


def test_decisions_about_captions_that_were_made_again_are_refused(begun):
    others = [Proposal(p.image_id, p.caption.upper(), p.said) for p in PROPOSALS]
    with pytest.raises(ValueError, match="line 1: Image '1' was decided about when another"):
        read_decisions(begun, others)
    with pytest.raises(ValueError, match="no proposal to decide about"):
        DecisionFile(begun, [])


# --- what is kept --------------------------------------------------------------------------------


def test_accepted_and_edited_captions_are_kept_in_the_order_of_the_proposals(begun):
    DecisionFile(begun, PROPOSALS[::-1]).decide("6", "accept")
    kept = kept_captions(PROPOSALS, read_decisions(begun, PROPOSALS))
    assert kept == {"1": PROPOSALS[0].caption, "3": EDITED, "6": PROPOSALS[5].caption}
    assert list(kept_captions(PROPOSALS[::-1], read_decisions(begun, PROPOSALS))) == ["6", "3", "1"]


def test_a_set_without_an_accepted_pair_is_refused(path):
    with pytest.raises(ValueError, match="of 6 proposals 0 are rejected and 6 undecided"):
        kept_captions(PROPOSALS, {})
    write(path, row("1", "reject"), row("2", "accept"), row("2", "undo"))
    with pytest.raises(ValueError, match="1 are rejected and 5 undecided; accept at least one"):
        kept_captions(PROPOSALS, read_decisions(path, PROPOSALS))


# --- the file of lines ---------------------------------------------------------------------------


def test_lines_are_appended_in_any_alphabet(tmp_path):
    path = tmp_path / "a" / "lines.jsonl"
    assert list(finished_lines(path)) == []
    for text in ("é", "日本", 'quote " and \n newline'):
        append_line(path, {"text": text})
    assert [r["text"] for _, r in finished_lines(path)] == ["é", "日本", 'quote " and \n newline']
    assert [number for number, _ in finished_lines(path)] == [1, 2, 3]
