"""The toy OwlEval: the released mix, keys that an oracle of its own confirms, exact scores."""

import re
from collections import Counter

import numpy as np
import pytest

from course_lib.evaluation.owl_eval import (
    ABILITIES,
    CATEGORIES,
    DETAIL,
    Key,
    OwlAnswer,
    OwlEval,
    OwlQuestion,
    ask,
    category_mix,
    exact_score,
    exact_scores,
    is_empty,
)
from course_lib.evaluation.owl_eval_follow_ups import MAKERS
from course_lib.evaluation.owl_eval_toy import SEED, make_owl_eval, released_dialogues
from course_lib.world.language import NUMBER_WORDS, canonical_caption
from course_lib.world.questions import QUESTION_TYPES
from course_lib.world.questions import ask as ask_world
from course_lib.world.scene import COLOURS, FIRST_TEST_SCAN, PLACES, SIZES, sample_scenes
from course_lib.world.vocabulary import words

OWL = make_owl_eval()
SIDES = {"circle": 0, "triangle": 3, "square": 4, "star": 10}


def truth(question):
    """What a model that is never wrong says: the key, or the caption where there is none."""
    return OWL.keys[question.question_id].key or canonical_caption(OWL.scenes[question.image])


def right_answers(owl=OWL):
    return {q.question_id: OwlAnswer(q.question_id, truth(q)) for q in owl.questions}


def test_the_mix_is_the_released_one():
    assert len(OWL.questions) == 82 and len(OWL.dialogues()) == 50 == len(OWL.scenes)
    assert [q.question_id for q in OWL.questions] == list(range(1, 83))
    counts = {name: len(ids) for name, ids in OWL.groups().items()}
    abilities = {"a": 82, "b": 63, "c": 30, "d": 24, "e": 35, "f": 20}
    assert counts == {"all": 82, "single_turn": 50, "multi_turn": 52} | abilities
    assert category_mix(OWL) == {"single-turn only": 30, "multi-turn only": 32, "both": 20}
    turns = [len(questions) for questions in OWL.dialogues().values()]
    assert sum(count > 1 for count in turns) == 20
    assert max(turns) == 8 == len(OWL.dialogues()["10.png"]) and turns.count(8) == 1
    asked = [tuple("".join(q.abilities[1:]) for q in d) for d in OWL.dialogues().values()]
    assert asked == released_dialogues()
    assert set(MAKERS) == {word for dialogue in released_dialogues() for word in dialogue}


def test_categories_follow_the_place_in_the_dialogue():
    for questions in OWL.dialogues().values():
        first, *others = [q.categories for q in questions]
        assert first == (CATEGORIES if others else ("single_turn",))
        assert all(categories == ("multi_turn",) for categories in others)
        assert "f" not in questions[0].abilities


def test_it_is_always_the_same_and_another_seed_gives_another():
    assert make_owl_eval() == OWL and make_owl_eval(SEED) is not OWL
    for seed in range(6):
        other = make_owl_eval(seed)
        assert other != OWL and category_mix(other) == category_mix(OWL)
        assert {n: len(i) for n, i in other.groups().items()} == {
            n: len(i) for n, i in OWL.groups().items()
        }


def test_the_scenes_are_of_the_test_split_and_none_comes_twice():
    scenes = sample_scenes(600, SEED, "test")
    assert all(scene in scenes for scene in OWL.scenes.values())
    assert len(set(OWL.scenes.values())) == 50
    scans = [thing.scan for scene in OWL.scenes.values() for thing in scene.things]
    assert all(scan is None or scan >= FIRST_TEST_SCAN for scan in scans)


def test_every_word_is_one_that_the_toy_models_know():
    known = set(words())
    for question in OWL.questions:
        said = re.findall(r"[a-z0-9]+(?:-[a-z]+)?|[^\sa-z0-9]", question.text)
        assert set(said) <= known, question.text
    assert all(key.key in known for key in OWL.keys.values() if key.kind != DETAIL)


def test_no_question_comes_twice_in_a_dialogue_and_wordings_take_turns():
    for questions in OWL.dialogues().values():
        assert len({q.text for q in questions}) == len(questions)
    keys = Counter((key.kind, key.key) for key in OWL.keys.values() if key.kind != DETAIL)
    for kind in {kind for kind, _ in keys}:
        counts = [count for (name, _), count in keys.items() if name == kind]
        assert max(counts) <= 0.6 * sum(counts) or sum(counts) < 4, (kind, keys)


def test_the_worlds_own_wordings_have_the_worlds_own_answers():
    seen = 0
    for question in OWL.questions:
        scene, rng = OWL.scenes[question.image], np.random.default_rng(0)
        asked = [ask_world(scene, rng, kind) for kind in QUESTION_TYPES for _ in range(60)]
        known = {q.text: (q.type, q.answer) for q in asked if q is not None}
        if question.text in known:
            key, seen = OWL.keys[question.question_id], seen + 1
            assert (key.kind, key.key) == known[question.text], question
    assert seen == 34


# --- an oracle that knows the words of a question and nothing of how it was made ---


def named(scene, text):
    """The thing that words such as "the thing at top-left", "the red thing", "the 7" mean."""
    digits = [t for t in scene.things if t.is_digit]
    shapes = [t for t in scene.things if not t.is_digit]
    tests = {
        rf"\bat ({'|'.join(PLACES)})": lambda w: [t for t in scene.things if t.place == w],
        rf"the ({'|'.join(COLOURS)}) thing": lambda w: [t for t in scene.things if t.colour == w],
        r"the (\d)\b": lambda w: [t for t in digits if t.kind == w],
        r"(largest) number": lambda _: [max(digits, key=lambda t: int(t.kind))],
        r"(most) sides": lambda _: [max(shapes, key=lambda t: SIDES[t.kind])],
        r"the (odd|even) number": lambda w: [
            t for t in digits if (int(t.kind) % 2 == 1) == (w == "odd")
        ],
    }
    for pattern, find in tests.items():
        match = re.search(pattern, text)
        if match:
            (thing,) = find(match.group(1))
            return thing
    return None


def oracle(scene, text, it, them):
    """Returns (answer, what "it" means next, what "them" means next)."""
    things, digits = list(scene.things), [t for t in scene.things if t.is_digit]
    if text.startswith("how many"):
        return counted(things, text, it, them)
    if text.startswith("is there a "):
        name = text.removeprefix("is there a ").removesuffix("?").removesuffix(" thing")
        found = [t for t in things if name in (t.colour, t.kind)]
        return ("yes" if found else "no"), (found[0] if len(found) == 1 else None), []
    if text.startswith("which number"):
        places = re.findall("|".join(PLACES), text)
        rivals = [t for t in digits if t.place in places] + [it] * ("it or" in text)
        winner = max(rivals if places else digits, key=lambda t: int(t.kind))
        return winner.kind, winner, []
    if "larger than it" in text:
        (thing,) = [t for t in digits if int(t.kind) > int(it.kind)]
    elif "more sides than it" in text:
        (thing,) = [t for t in things if SIDES.get(t.kind, -1) > SIDES[it.kind]]
    elif "the other thing" in text:
        (thing,) = [t for t in things if t != it]
    else:
        thing = named(scene, text) or it
    for start, field in (
        ("what colour", "colour"),
        ("what size", "size"),
        ("where", "place"),
        ("what is", "kind"),
    ):
        if text.startswith(start):
            return getattr(thing, field), thing, []
    raise AssertionError(text)


def counted(things, text, it, them):
    if "sides has" in text or "corners has" in text:
        thing = it if text.endswith("has it?") else named_in(things, text)
        return NUMBER_WORDS[SIDES[thing.kind]], thing, []
    found = things
    if "of them" in text:
        word = text.removesuffix("?").split()[-1]
        found = [t for t in them if word in (t.colour, t.size)]
    elif "other things" in text:
        found = [t for t in things if t != it]
        for field in ("size", "colour"):
            if f"same {field}" in text:
                found = [t for t in found if getattr(t, field) == getattr(it, field)]
    elif "shapes" in text or "numbers" in text:
        found = [t for t in things if t.is_digit == ("numbers" in text)]
    else:
        sizes = [size for size in SIZES if size in text]
        found = [t for t in things if not sizes or t.size == sizes[0]]
    return NUMBER_WORDS[len(found)], None, found


def named_in(things, text):
    (thing,) = [t for t in things if f"at {t.place}?" in text or f"the {t.colour} thing" in text]
    return thing


@pytest.mark.parametrize("seed", [SEED, 1, 2, 3])
def test_an_oracle_of_its_own_confirms_every_key(seed):
    owl, checked = make_owl_eval(seed), Counter()
    for image, questions in owl.dialogues().items():
        it, them = None, []
        for question in questions:
            key = owl.keys[question.question_id]
            if key.kind != DETAIL:
                answer, it, them = oracle(owl.scenes[image], question.text, it, them)
                assert answer == key.key, (question, owl.scenes[image])
                checked["".join(question.abilities[1:])] += 1
    assert sum(checked.values()) == 80 and set(checked) == set(MAKERS)


def test_abilities_mean_what_they_say():
    for question in OWL.questions:
        scene, letters, text = OWL.scenes[question.image], question.abilities, question.text
        digits = [thing for thing in scene.things if thing.is_digit]
        assert not ("c" in letters and not digits), text
        if "f" in letters:
            assert re.search(r"\b(it|them|other)\b", text)
        else:
            assert not re.search(r"\b(it|them|other)\b", text)
        assert ("d" in letters) == bool(re.search(r"sides|corners|odd|even", text)), text
        if "e" in letters:
            counts = r"how many (?!sides|corners)|largest|larger|most sides|more sides|odd|even"
            assert re.search(counts, text), text
        kind = OWL.keys[question.question_id].kind
        assert kind != "parity" and (kind != "kind" or "c" in letters or "b" in letters)


# --- asking and scoring ---


def test_right_answers_score_one_everywhere_and_no_answers_nothing():
    whole = exact_scores(OWL, right_answers())
    assert whole == dict.fromkeys(["all", *CATEGORIES, *ABILITIES], 1.0)
    silent = {id: OwlAnswer(id, "hello.") for id in right_answers()}
    assert exact_scores(OWL, silent) == dict.fromkeys(["all", *CATEGORIES, *ABILITIES], 0.0)


def test_sentences_are_read_by_what_they_claim():
    by_text = {q.text: q.question_id for q in OWL.questions}
    id = by_text["how many of them are large?"]
    assert OWL.keys[id].key == "two"
    assert exact_score(OWL, id, "two of them are large.") == 1
    assert exact_score(OWL, id, "one of them is large.") == 0
    larger = next(i for i, k in OWL.keys.items() if k.kind == "larger")
    key = OWL.keys[larger].key
    assert exact_score(OWL, larger, f"the number {key} is the larger one.") == 1
    assert exact_score(OWL, larger, f"{key} or another") == 1
    assert exact_score(OWL, larger, "0 and 1 and 2") == 0


def test_answers_that_slip_by_one_line_are_mostly_wrong():
    texts = [truth(q) for q in OWL.questions]
    slipped = {i + 1: OwlAnswer(i + 1, texts[(i + 1) % 82]) for i in range(82)}
    assert exact_scores(OWL, slipped)["all"] < 0.2


def test_a_description_is_scored_by_its_things():
    id = next(id for id, key in OWL.keys.items() if key.kind == DETAIL)
    scene = OWL.scenes[OWL.question(id).image]
    first = canonical_caption(type(scene)(scene.things[:1]))
    assert len(scene.things) == 2
    assert exact_score(OWL, id, canonical_caption(scene)) == 1
    assert exact_score(OWL, id, first) == 0.5 and exact_score(OWL, id, "a dog.") == 0


def test_a_dialogue_is_asked_in_order_with_the_models_own_answers():
    calls = []

    def answer(image, said, question):
        calls.append((image, said, question))
        return f"answer to {question}"

    found = ask(OWL, answer, "m")
    assert len(calls) == 82 and list(found) == list(range(1, 83))
    assert found[5].model_id == "m" and found[5].text.startswith("answer to")
    eighth = calls[21]
    assert eighth[0] == "10.png" and len(eighth[1]) == 7
    texts = [q.text for q in OWL.dialogues()["10.png"]]
    assert eighth[1] == tuple((text, f"answer to {text}") for text in texts[:7])
    assert [q.text for q in OWL.before(22)] == texts[:7] and OWL.before(1) == ()
    with pytest.raises(ValueError, match="answer to question 1 is None"):
        ask(OWL, lambda *_: None)


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("", True),
        (" \n", True),
        ("模型拒绝回答", True),
        (" ��� ", True),
        ("…?!", True),
        ("2", False),
        ("模型 says no", False),
    ],
)
def test_place_holders_are_told_from_answers(text, empty):
    assert is_empty(text) == empty


def test_what_is_refused():
    question = OwlQuestion(1, "1.jpg", "what is it?")
    plain = OwlEval((question,))
    assert plain.groups() == {"all": (1,)} and category_mix(plain)["both"] == 0
    for make, words_ in (
        (lambda: OwlEval(()), "without a question"),
        (lambda: OwlEval((question, question)), "Question 1 stands 2 times"),
        (lambda: OWL.question(83), "No question has the id 83: .* 82 questions, 1 to 82"),
        (lambda: exact_score(plain, 1, "a dog"), "Question 1 has no key: only a person"),
        (lambda: exact_scores(OWL, {}), "82 of 82 questions have no answer: 1, 2, 3, 4, 5 and 77"),
        (
            lambda: exact_scores(OWL, right_answers() | {99: OwlAnswer(99, "x")}),
            "No question has the id 99",
        ),
        (
            lambda: exact_score(OwlEval((question,), {1: Key("hue", "red")}), 1, "red"),
            "Unknown kind of question",
        ),
    ):
        with pytest.raises(ValueError, match=words_):
            make()


def test_a_seed_without_a_fitting_scene_is_refused(monkeypatch):
    monkeypatch.setattr("course_lib.evaluation.owl_eval_toy._POOL", 20)
    with pytest.raises(ValueError, match=r"None of \d+ scenes can be asked .* another seed"):
        make_owl_eval()
