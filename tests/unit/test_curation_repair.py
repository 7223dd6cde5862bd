"""Descriptions are made, continued, repaired and filtered; no teacher knows more than the text."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from course_lib.curation.describing import CONTINUE, WISH, Described, Said, describe
from course_lib.curation.filters import caption_fault, marks_fault
from course_lib.curation.proposing import Proposal, propose, read_proposals, write_proposals
from course_lib.curation.repairers import REPAIR, EndpointRepairer, RuleRepairer, repair_messages
from course_lib.curation.toy_repair import repair
from course_lib.evaluation.captions import things_right
from course_lib.evaluation.failures import PHOTOGRAPHS, find_failure, labelled_answers
from course_lib.evaluation.made_up import made_up_things
from course_lib.evaluation.scene_grammar import TOKEN
from course_lib.instructions.budget import Budget
from course_lib.instructions.chat_endpoint import EndpointRefuses, Patience
from course_lib.instructions.journal import Journal
from course_lib.instructions.messages import most_tokens
from course_lib.instructions.toy_rules import detail
from course_lib.instructions.validate import unknown_words
from course_lib.world.language import canonical_caption, captions
from course_lib.world.scene import COLOURS, KINDS, PLACES, SIZES, sample_scenes
from tests.chat_server import ChatServer
from tests.paid_teacher import ONE

STATES = {*SIZES, *COLOURS, *KINDS, *PLACES}


def stated(text):
    return Counter(word for word in TOKEN.findall(text.lower()) if word in STATES)


# --- describing ----------------------------------------------------------------------------------


def test_a_short_answer_is_continued_in_the_same_conversation_and_joined():
    asked = []

    def ask(turns):
        asked.append(turns)
        long = {"a": Said("a long answer", 81), "b": Said(" a short one ", 80), "c": Said("", 0)}
        if len(turns[0][1]) == 1:
            return [long[image] for image, _ in turns]
        return [Said("and more.", 3, ended=False) for _ in turns]

    found = describe(["a", "b", "c"], ask)
    assert asked[0] == [(image, (WISH,)) for image in "abc"]
    assert asked[1] == [("b", (WISH, "a short one", CONTINUE))]
    assert found == [
        Described("a", "a long answer", False, 81, True),
        Described("b", "a short one and more.", True, 83, False),
        Described("c", "", False, 0, True),
    ]
    assert CONTINUE == "Continue"


def test_nothing_short_is_asked_once_and_other_limits_hold():
    calls = []

    def ask(turns):
        calls.append(len(turns))
        return [Said("word", 5) for _ in turns]

    describe(["a", "b"], ask, short=4)
    assert calls == [2]
    describe(["a", "b"], ask, short=5)
    assert calls == [2, 2, 2]
    assert describe([], ask) == []


def test_images_that_come_twice_and_lost_answers_are_refused():
    with pytest.raises(ValueError, match="'b' comes 2 times"):
        describe(["a", "b", "b"], lambda turns: [])
    with pytest.raises(ValueError, match="1 images were asked about and 0 answers"):
        describe(["a"], lambda turns: [])


# --- the rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        (
            "a small red circle at top-left and a large blue 7 at bottom-right.",
            "a small red circle is at top-left. a large blue 7 is at bottom-right.",
        ),
        ("a small red circle at top-left and a", "a small red circle is at top-left."),
        ("a small red circle at top-left and a large blue", "{0} there is a large blue thing."),
        ("a small a small a small red circle at top-left", "{0}"),
        ("a small red circle at top-left. a small red circle at top-left.", "{0}"),
        ("a small red circle at top-left. click here for more pictures.", "{0}"),
        ("a small red circle at top-left ### human: and? ### assistant: a star.", "{0}"),
        ("a small xyzzy red § circle at top-left", "{0}"),
        ("a small red circle is at top-left. nothing is at bottom-left.", "{0} nothing is at bott"),
        (
            "the picture shows two things. a small red circle is at top-left.",
            "the picture shows two t",
        ),
        ("orange star.", "there is an orange star."),
        ("bottom-right a large", "a large thing is at bottom-right."),
        ("a large red 1 at top-left a small star", "a large red 1 is at top-left. there is a sma"),
        ("top-left. bottom-right.", ""),
        ("red red red red.", ""),
        ("sorry, i cannot see the picture.", ""),
        ("", ""),
    ],
)
def test_descriptions_are_mended_with_their_own_words(text, repaired):
    wanted = repaired.format("a small red circle is at top-left.")
    found = repair(text)
    assert found == wanted or (len(wanted) > 20 and found.startswith(wanted)), found


def test_good_sentences_stay_as_they_are():
    rng = np.random.default_rng(0)
    for scene in sample_scenes(200, 1, "test"):
        told = detail(scene, rng)[0].answer
        assert repair(told) == told
        said = repair(canonical_caption(scene))
        assert things_right(said, scene) == (len(scene.things), len(scene.things))
        assert find_failure(said) is None


def test_what_is_wrong_stays_wrong_since_nobody_looks_at_the_scene():
    scenes = sample_scenes(50, 2, "test")
    for scene, other in pairwise(scenes):
        caption = canonical_caption(other)
        before, after = made_up_things(caption, scene), made_up_things(repair(caption), scene)
        assert before == after


def broken(text, rng):
    """Breaks a description as a weak model might: loops, cuts, junk, lost and changed words."""
    words = text.split()
    for _ in range(rng.randint(1, 4)):
        place, length = rng.randrange(len(words)), rng.randint(1, 6)
        kind = rng.randrange(5)
        if kind == 0:
            words[place:place] = words[place : place + length] * rng.randint(1, 3)
        elif kind == 1:
            words = words[: max(place, 1)]
        elif kind == 2:
            words.insert(place, rng.choice(["xyzzy", "§§", "the", "a", "###", "...", "and"]))
        elif kind == 3 and len(words) > 1:
            del words[place]
        else:
            rng.shuffle(words)
    return " ".join(words)


def test_no_repair_of_anything_states_more_than_it_was_given():
    rng, draw = random.Random(3), np.random.default_rng(0)
    texts = [answer.text for answer in labelled_answers()]
    for scene in sample_scenes(150, 4, "test"):
        for text in (*captions(scene), detail(scene, draw)[0].answer):
            texts.append(broken(text, rng))
    assert len(texts) > 1000
    repaired = 0
    for text in texts:
        found = repair(text)
        assert not stated(found) - stated(text), (text, found)
        assert unknown_words(found) == []
        repaired += bool(found) and find_failure(text) is not None and find_failure(found) is None
    assert repaired > 400, "and many of them are whole afterwards"


# --- filters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "fault"),
    [
        ("a red circle is at top-left.", ""),
        (" ", "is empty"),
        ("a red circle ### human: hi", "'###', which belongs to the conversation"),
        ("a <Img> red circle.", "'<Img>'"),
        ("i am sorry, a red circle is at top-left.", "speaks of itself: 'sorry'"),
        ("here is the corrected version: a red circle.", "speaks of itself: 'corrected version'"),
        (
            "a red circle is at top-left. a red circle is at top-left.",
            "fails as language (repetition: ",
        ),
        ("a red circle is at top-left. there is a", "fails as language (fragment: "),
        ("a red circle is at top-left, obviously.", "words that the toy world lacks: obviously"),
        ("a red circle is at top-left. a star is there.", "says more than it was made of: star"),
        ("a red circle is at top-left of a red thing.", "says more than it was made of: red"),
    ],
)
def test_hard_filters_say_why(caption, fault):
    found = caption_fault(caption, "a red circle at top-left")
    assert found.startswith(fault) if fault == "" or fault == "is empty" else fault in found
    assert bool(found) == bool(fault)


def test_photographs_are_filtered_without_the_toy_words():
    said = "A woman with a hat stands by the river."
    assert caption_fault(said, "a woman hat river", PHOTOGRAPHS) == ""
    assert "speaks of itself" in caption_fault("I cannot see it, but " + said, "", PHOTOGRAPHS)
    assert "repetition" in caption_fault(f"{said} {said}", "", PHOTOGRAPHS)
    assert marks_fault("") == "is empty" and marks_fault("a hat") == ""


# --- proposals -----------------------------------------------------------------------------------

DESCRIBED = [
    Described("1", "a small red circle at top-left and a"),
    Described("2", "click here for more pictures."),
    Described("3", "a large blue 7 at bottom-right a large blue 7 at bottom-right a large blue 7"),
    Described("4", ""),
]
SETTINGS = {"teacher": "x"}


def test_rules_propose_what_passes_and_note_the_rest(tmp_path):
    with Journal(tmp_path / "answers.jsonl", SETTINGS) as journal:
        proposals, report = propose(DESCRIBED, RuleRepairer(), journal)
    assert [(p.image_id, p.caption) for p in proposals] == [
        ("1", "a small red circle is at top-left."),
        ("3", "a large blue 7 is at bottom-right."),
    ]
    assert proposals[0].said == DESCRIBED[0].text
    assert report.accepted == {REPAIR: 2} and report.wanted == {REPAIR: 4}
    assert report.rejected == {"nothing in the description speaks of a picture": 2}
    with Journal(tmp_path / "answers.jsonl", SETTINGS) as journal:
        assert propose(DESCRIBED, None_asked(), journal)[0] == proposals
    write_proposals(proposals, tmp_path / "proposals.jsonl")
    assert read_proposals(tmp_path / "proposals.jsonl") == proposals


class None_asked(RuleRepairer):
    """A teacher that must not be asked: everything is in the journal."""

    def answer(self, *_):
        raise AssertionError("it is in the journal")


def test_another_worlds_text_is_rejected_and_not_cut_to_pieces():
    found = RuleRepairer().answer(Described("1", "Two dogs run along a sunny beach together."))
    assert "not in the toy world's words" in found.rejected and not found.turns


def test_a_proposals_code_belongs_to_its_words():
    one = Proposal("1", "a red circle.")
    assert one.code == Proposal("1", "a red circle.", "said").code and len(one.code) == 12
    others = (Proposal("2", "a red circle."), Proposal("1", "a red star."))
    assert len({one.code, *(other.code for other in others)}) == 3


def test_descriptions_twice_and_broken_proposal_files_are_refused(tmp_path):
    with Journal(tmp_path / "a.jsonl", SETTINGS) as journal:
        with pytest.raises(ValueError, match="'1' comes 2 times"):
            propose([DESCRIBED[0], DESCRIBED[0]], RuleRepairer(), journal)
        assert propose([], RuleRepairer(), journal)[0] == []
    path = tmp_path / "p.jsonl"
    with pytest.raises(ValueError, match="make the proposals first"):
        read_proposals(path)
    path.write_text('{"image_id": "1", "caption": "a red star."}\n')
    with pytest.raises(ValueError, match="line 1, is no proposal"):
        read_proposals(path)


# --- the endpoint --------------------------------------------------------------------------------


def paid(server, tokens=1e6, **kind):
    patience = Patience(3, 5.0, 8.0, lambda seconds: None)
    chosen = {"base_url": server.url, "api_key": "none", "patience": patience, **kind}
    return EndpointRepairer("m", Budget(tokens), **chosen)


def test_the_endpoint_is_sent_the_text_alone_and_pays_from_the_budget(tmp_path):
    say = ("say", " a small red circle is at top-left. ")
    with ChatServer(lambda number, messages: say) as server:
        teacher = paid(server)
        with Journal(tmp_path / "a.jsonl", SETTINGS) as journal:
            proposals, report = propose(DESCRIBED[:1] + DESCRIBED[3:], teacher, journal)
        sent = server.script.requests
    assert [p.caption for p in proposals] == ["a small red circle is at top-left."]
    assert len(sent) == 1, "an empty description is not worth a question"
    assert [m["role"] for m in sent[0]["messages"]] == ["system", "user"]
    assert sent[0]["messages"][-1]["content"] == DESCRIBED[0].text
    assert report.spent == ONE == teacher.budget.spent


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (
            ("say", "a small red circle at top-left and a star."),
            "says more than it was made of: st",
        ),
        (("say", "I'm sorry, I cannot help with that."), "speaks of itself"),
        ("empty", "nothing in the description"),
        ("long", "cut off at max_tokens"),
        (("status", 400, {}), "status 400"),
    ],
)
def test_what_the_endpoint_gets_wrong_is_rejected_with_the_reason(tmp_path, action, reason):
    path = tmp_path / "a.jsonl"
    with ChatServer(lambda number, messages: action) as server, Journal(path, SETTINGS) as journal:
        proposals, report = propose(DESCRIBED[:1], paid(server), journal)
    assert proposals == [] and any(reason in why for why in report.rejected), report.rejected


def test_a_refusal_stops_and_nothing_is_asked_beyond_the_budget(tmp_path):
    journal = Journal(tmp_path / "a.jsonl", SETTINGS)
    refused = pytest.raises(EndpointRefuses, match="401")
    with ChatServer(lambda number, messages: ("status", 401, {})) as server, journal, refused:
        propose(DESCRIBED[:1], paid(server), journal)
    most = most_tokens(repair_messages(DESCRIBED[0])) + 64
    with ChatServer(lambda number, messages: ("say", "a red circle.")) as server:
        with Journal(tmp_path / "b.jsonl", SETTINGS) as journal:
            teacher = paid(server, tokens=most - 1, max_tokens=64)
            proposals, report = propose(DESCRIBED[:1], teacher, journal)
        assert not server.script.requests
    assert proposals == [] and "budget would be passed" in report.stopped
