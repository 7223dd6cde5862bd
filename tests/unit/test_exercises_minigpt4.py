"""What notebook 08's exercises call right is right elsewhere too: in chats, scenes and files."""

import random

import pytest

from course_lib.curation.curated_set import kept_captions
from course_lib.curation.decisions import DecisionFile
from course_lib.curation.proposing import Proposal
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_pieces, data_turn, typed_turn
from course_lib.data.prompts import typed_ids
from course_lib.evaluation.captions import named_things
from course_lib.evaluation.failures import find_failure, labelled_answers
from course_lib.evaluation.made_up import hallucination
from course_lib.recipes.minigpt4 import STAGE1_TEMPLATE, STAGE2_TEMPLATE
from course_lib.teach.exercises.e08_curated_labels import curated_labels
from course_lib.teach.exercises.e08_first_loop import first_loop
from course_lib.teach.exercises.e08_keep_decided import keep_decided
from course_lib.teach.exercises.e08_made_up_share import made_up_share
from course_lib.teach.exercises.e08_prompt_tokens import prompt_tokens
from course_lib.teach.exercises.e08_step_flops import step_flops
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes
from tests.llama_like import KINDS, llama_like

STRINGS = {
    "###Human: <Img><ImageHere></Img> {} ###Assistant: ": STAGE2_TEMPLATE,
    "<ImageHere>": STAGE1_TEMPLATE,
}
WISHES = ("describe the picture.", "why <ImageHere>?", "what is {} here?", "a <image> ### b")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("string", STRINGS)
@pytest.mark.parametrize("wish", WISHES)
def test_prompt_tokens_are_those_of_the_course(kind, string, wish):
    tokenizer = llama_like(kind)
    turns = [typed_turn("human", wish, 1)]
    ids = ChatTokenizer(tokenizer, 5)(chat_pieces(STRINGS[string], turns, answered=False)).ids

    def tokenize(text):
        return tokenizer.convert_ids_to_tokens(typed_ids(tokenizer, text))

    made = prompt_tokens(string, wish, tokenize, 5)
    assert made == tokenizer.convert_ids_to_tokens(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_curated_labels_are_those_of_the_course(kind):
    tokenizer = llama_like(kind)
    chat = ChatTokenizer(tokenizer, 4)
    asks = [typed_turn("human", "describe the picture.", 1)]
    prompt = chat(chat_pieces(STAGE2_TEMPLATE, asks, answered=False)).ids
    said = ["a red circle.", "yes, it is round and red."]
    whole = [chat(chat_pieces(STAGE2_TEMPLATE, [*asks, data_turn("gpt", t)])) for t in said]
    end = chat.stop_ids(STAGE2_TEMPLATE)
    answers = [one.ids[len(prompt) : -len(end)] for one in whole]
    ids, labels = curated_labels(prompt, answers, end, 160, chat.pad_token_id)
    for one, row, label in zip(whole, ids, labels, strict=True):
        assert row[: len(one.ids)] == one.ids and label[: len(one.ids)] == one.labels
        assert set(label[len(one.ids) :]) <= {-100}


def test_a_loop_of_the_exercise_is_a_repetition_of_the_detector():
    found = 0
    for one in labelled_answers():
        times, stretch = first_loop(one.text.replace(".", " ").replace(",", " ").split())
        if times and "." not in one.text and "," not in one.text:
            failure = find_failure(one.text, one.ended)
            assert failure is not None and failure.kind == "repetition"
            assert failure.reason == f"{' '.join(stretch)!r} is said {times} times in a row"
            found += 1
    assert found >= 3


def test_what_captions_make_up_is_what_the_library_counts():
    scenes = sample_scenes(60, 5)
    texts = [captions(scene)[row % 5] for row, scene in enumerate(scenes)]
    random.Random(0).shuffle(texts)
    fields = ("size", "colour", "kind", "place")
    truth = [[{k: getattr(t, k) for k in fields} for t in scene.things] for scene in scenes]
    found = hallucination(texts, scenes)
    made = made_up_share([named_things(text) for text in texts], truth)
    assert made == pytest.approx((found["chair_i"], found["chair_s"]))
    assert 0.3 < made[0] < 1


def test_a_file_of_the_widget_is_read_at_every_cut(tmp_path):
    proposals = [Proposal(str(n), f"a red {n} is at top-left.") for n in range(4)]
    file = DecisionFile(tmp_path / "decisions.jsonl", proposals)
    file.decide("2", "accept")
    file.decide("0", "reject")
    file.decide("3", "edit", "a blue 3 is at top-left.")
    text = file.path.read_text(encoding="utf-8")
    proposed = {one.image_id: one.caption for one in proposals}
    assert keep_decided(text, proposed) == kept_captions(proposals, file.made)
    first, second = (text.index("\n", start) for start in (0, text.index("\n") + 1))
    for cut in range(len(text)):
        kept = keep_decided(text[:cut], proposed)
        assert ("2" in kept) == (cut >= first) and ("3" in kept) == (cut >= len(text) - 1)
    assert second > first


def test_the_cache_saves_what_stands_before_the_layer():
    parts = [("vpg", 1_000, 257), ("projector", 50, 32), ("language model", 9_000, 60)]
    whole, cached = (step_flops(parts, {"projector"}, n) for n in (0, 1))
    assert whole[1:] == cached[1:] and whole[0] - cached[0] == 2 * 1_000 * 257
    with pytest.raises(ValueError, match="projector trains"):
        step_flops(parts, {"projector"}, 2)
