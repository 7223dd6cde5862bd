"""Interleaved documents: where the loss lies, which images belong to which words, what is odd."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.binding import (
    ASKS,
    Episode,
    draw_episode,
    rows_by_kind,
    trained_symbols,
    unused_symbols,
    words_first,
)
from course_lib.data.interleaved import Chunk, document_row
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_interleaved import PAIRS_ALONE, Interleaved, ToyDocuments, question_chunk
from course_lib.evaluation.few_shot import (
    FewShotAnswerer,
    binding_curve,
    evaluate_few_shot,
    question_shots,
)
from course_lib.evaluation.interleaved_asking import InterleavedAsker
from course_lib.world.questions import balanced_questions
from course_lib.world.vocabulary import symbols
from tests.tiny_runs import tiny_encoder
from tests.unit.test_gated_vlm import tiny

TOKENIZER = build_tokenizer("llama")
TAG, BOS, EOS = image_token_id(TOKENIZER), TOKENIZER.bos_token_id, TOKENIZER.eos_token_id


@pytest.fixture(scope="module")
def data():
    return ToyScenes(200, 0, "train", tiny_encoder(drop_cls=True))


def ids(text):
    return TOKENIZER(text, add_special_tokens=False).input_ids


def test_loss_lies_on_what_is_said_and_its_end_alone():
    chunks = [
        Chunk("question: is there a star? answer:", "no", ("7",)),
        Chunk("what is it?", "a red circle", carries_loss=False),
        Chunk("", "blue", ("8",)),
    ]
    row = document_row(TOKENIZER, chunks)
    said = [[*ids(text), EOS] for text in ("no", "a red circle", "blue")]
    given = [[TAG, *ids(chunks[0].given)], ids(chunks[1].given), [TAG]]
    whole = [BOS, *given[0], *said[0], *given[1], *said[1], *given[2], *said[2]]
    assert row.ids == whole and row.images == ("7", "8")
    hidden = [-100] * (len(given[1]) + len(said[1]) + 1)
    assert row.labels == [-100] * (1 + len(given[0])) + said[0] + hidden + said[2]


@pytest.mark.parametrize(
    ("chunks", "letters"),
    [
        ([Chunk("red", "blue")], "<ab>"),
        ([Chunk("red", "blue", ("0", "1"))], "<IIab>"),
        ([Chunk("red", "blue", ("0",)), Chunk("", images=("1",))], "<Iab>I"),
        ([Chunk("", "blue", ("0",))], "<Ib>"),
        ([Chunk("red", "", ("0",))], "<Ia"),
        ([], "<"),
    ],
    ids=["no image", "two in a row", "image last", "image alone", "a prompt", "nothing"],
)
def test_odd_documents(chunks, letters):
    names = {"<": BOS, ">": EOS, "I": TAG, "a": ids("red")[0], "b": ids("blue")[0]}
    row = document_row(TOKENIZER, chunks)
    assert row.ids == [names[letter] for letter in letters]
    assert len(row.images) == letters.count("I") and len(row.labels) == len(row.ids)


def test_a_typed_placeholder_is_text_and_a_long_document_is_refused():
    row = document_row(TOKENIZER, [Chunk("what is <image> here?", "red", ("0",))])
    assert row.ids.count(TAG) == 1
    with pytest.raises(ValueError, match=r"has 41 tokens and 10 images.*reads 40"):
        document_row(TOKENIZER, [Chunk("red", "blue", (str(n),)) for n in range(10)], 40)


def test_symbols_of_training_and_evaluation_are_apart():
    assert len(trained_symbols()) == 48 and len(unused_symbols()) == 16
    assert set(trained_symbols()) | set(unused_symbols()) == set(symbols())


@pytest.mark.parametrize("balanced", [True, False])
def test_an_episode_shows_two_kinds_and_asks_for_a_new_image(data, balanced):
    rows, rng = rows_by_kind(data.scenes), np.random.default_rng(0)
    first = []
    for number in range(200):
        shots = 2 + number % 7
        episode = draw_episode(rng, rows, symbols(), shots, balanced=balanced)
        shown = list(zip(episode.sides, episode.rows, strict=True))
        kinds = {side: data.scenes[row].things[0].kind for side, row in shown}
        for side, row in shown:
            assert [thing.kind for thing in data.scenes[row].things] == [kinds[side]]
        assert len(set(kinds.values())) == 2 and len(episode.sides) == shots + 1
        assert episode.rows[-1] not in episode.rows[:-1]
        assert len(set(episode.words)) == 2 and episode.answer == episode.words[episode.sides[-1]]
        if balanced:
            assert episode.sides[:-1].count(0) in (shots // 2, (shots + 1) // 2)
        first.append(episode.sides[0])
    assert 60 < sum(first) < 140


def test_an_episode_of_more_kinds_shows_each(data):
    rng = np.random.default_rng(3)
    for number in range(60):
        kinds = 3 + number % 3
        episode = draw_episode(rng, rows_by_kind(data.scenes), symbols(), 5, kinds, False)
        assert len(set(episode.words)) == kinds and set(episode.sides[:-1]) == set(range(kinds))


def test_a_symbol_counts_from_its_second_showing_on(data):
    rng = np.random.default_rng(1)
    episode = draw_episode(rng, rows_by_kind(data.scenes), symbols(), 5)
    chunks, shown = episode.training_chunks(), set()
    for chunk, side, row in zip(chunks, episode.sides, episode.rows, strict=True):
        assert chunk == Chunk(ASKS, episode.words[side], (str(row),), side in shown)
        shown.add(side)
    prompt = episode.prompt_chunks()
    assert prompt[:-1] == chunks[:-1] and prompt[-1].said == "" and prompt[-1].given == ASKS


def test_shuffling_moves_the_shots_images_and_nothing_else(data):
    rng = np.random.default_rng(2)
    episode = draw_episode(rng, rows_by_kind(data.scenes), symbols(), 8)
    moved = episode.shuffled(rng)
    assert moved.rows != episode.rows and sorted(moved.rows) == sorted(episode.rows)
    assert moved.rows[-1] == episode.rows[-1]
    assert (moved.words, moved.sides) == (episode.words, episode.sides)


def test_an_episode_needs_two_kinds_with_two_images():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"2 kinds in 4 shots.*from 1 kinds"):
        draw_episode(rng, {"star": [1, 2], "7": [3]}, symbols(), 4)
    with pytest.raises(ValueError, match="2 kinds in 1 shots"):
        draw_episode(rng, {"star": [1, 2], "7": [3, 4]}, symbols(), 1)
    scarce = draw_episode(rng, {"star": [1, 2], "7": [3, 4]}, symbols(), 8)
    assert scarce.rows[-1] not in scarce.rows[:-1]


def test_words_come_first_and_images_alone_are_asked_about(data):
    rows, rng = rows_by_kind(data.scenes), np.random.default_rng(4)
    for _ in range(40):
        chunks = words_first(rng, rows, trained_symbols(), kinds=3, images=4)
        meaning = {chunk.given: chunk.said for chunk in chunks[:3]}
        assert len(meaning) == len(set(meaning.values())) == 3
        assert not any(chunk.images or chunk.carries_loss for chunk in chunks[:3])
        for chunk in chunks[3:]:
            (thing,) = data.scenes[int(chunk.images[0])].things
            assert chunk == Chunk(ASKS, meaning[thing.kind], chunk.images)
    with pytest.raises(ValueError, match=r"4 kinds were asked for.*there are 3 symbols"):
        words_first(rng, rows, symbols()[:3], kinds=4, images=1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_documents_with_words_first(data, share):
    documents = ToyDocuments(data, TOKENIZER, Interleaved(in_words=share))
    rng = np.random.default_rng(6)
    drawn = [documents.symbols(rng) for _ in range(30)]
    assert all(bool(d[0].given) == bool(share) for d in drawn)
    assert all(len(d[-1].images) == 1 and d[-1].said in documents.words for d in drawn)


def test_a_batch_is_a_function_of_its_step(data):
    documents = ToyDocuments(data, TOKENIZER, Interleaved())
    one, other = (documents.batch(3, batch_size=12, seed=0) for _ in range(2))
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    assert not torch.equal(one["input_ids"], documents.batch(4, 12, 0)["input_ids"])
    assert len(one["image_features"]) == int((one["input_ids"] == TAG).sum())
    assert one["attention_mask"].shape == one["input_ids"].shape == one["labels"].shape


@pytest.mark.parametrize("questions", [2, 4])
def test_images_come_with_the_words_about_them(data, questions):
    reading = Interleaved(mix=(0, 1, 0), most_images=3, questions=questions)
    documents = ToyDocuments(data, TOKENIZER, reading)
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(30):
        chunks = documents.questions(rng)
        seen.add(sum(len(chunk.images) for chunk in chunks))
        assert all(len(c.images) == (n % questions == 0) for n, c in enumerate(chunks))
        rows = np.repeat([chunk.images[0] for chunk in chunks[::questions]], questions)
        for question, row in zip(chunks, rows, strict=True):
            if "how many things" in question.given:
                count = len(data.scenes[int(row)].things)
                assert question.said == ("one", "two", "three")[count - 1]
    assert seen == {1, 2, 3}
    pairs = ToyDocuments(data, TOKENIZER, PAIRS_ALONE).batch(0, 20, 0)["input_ids"]
    assert ((pairs == TAG).sum(1) == 1).all()


def test_shots_are_other_questions_and_zero_shot_has_words_alone(data):
    asked = balanced_questions(data.scenes, 2, np.random.default_rng(0))
    for count in (0, 2, 8):
        shots = question_shots(asked, count, np.random.default_rng(1))
        for (row, question), found in zip(asked, shots, strict=True):
            assert len(found) == (count or 2) and all(chunk.said for chunk in found)
            assert all(len(chunk.images) == bool(count) for chunk in found)
            assert question_chunk(question, (row,) if count else ()) not in found


def test_a_whole_evaluation_of_an_untrained_model(data):
    answerer = FewShotAnswerer(tiny_of_context(), TOKENIZER, data)
    found = evaluate_few_shot(answerer, per_type=4, num_captions=4, episodes=3)
    assert set(found) == {"captions", "vqa", "shots", "binding"}
    assert set(found["shots"]) == {"0", "2", "4", "8"} and set(found["binding"]) == {"2", "4", "8"}
    assert set(found["vqa"]) == {"all", "by_type", "blind"}
    assert set(found["binding"]["8"]) == {"right", "one of the two", "chosen", "shuffled"}


def tiny_of_context(length=384):
    model = tiny(closed=False)
    model.language.config.max_position_embeddings = length
    return model


def test_answers_come_in_the_order_asked_and_a_long_prompt_is_refused(data, monkeypatch):
    answerer = FewShotAnswerer(tiny_of_context(), TOKENIZER, data)
    prompts = [[Chunk("red " * n, images=(str(n),))] for n in (5, 1, 9, 3)]
    together = answerer.write(prompts, longest=4)
    assert together == [answerer.write([prompt], longest=4)[0] for prompt in prompts]
    short = FewShotAnswerer(tiny_of_context(40), TOKENIZER, data)
    with pytest.raises(ValueError, match=r"reads 40 tokens"):
        short.write([[Chunk("red " * 60)]])


def test_binding_is_counted_by_what_is_written(data, monkeypatch):
    answerer = FewShotAnswerer(tiny_of_context(), TOKENIZER, data)
    asked = []

    def oracle(prompts, longest=2):
        asked.append(prompts)
        said = []
        for prompt in prompts:
            kinds = {c.said: data.scenes[int(c.images[0])].things[0].kind for c in prompt[:-1]}
            wanted = data.scenes[int(prompt[-1].images[0])].things[0].kind
            said.append(next((word for word, kind in kinds.items() if kind == wanted), "none"))
        return said

    def sure(prompts):
        return functional.one_hot(torch.tensor([ids(word)[0] for word in oracle(prompts)]), 500)

    monkeypatch.setattr(answerer, "write", oracle)
    monkeypatch.setattr(answerer, "next_logits", sure)
    found = binding_curve(answerer, 300, shots=(4,), words=["blax", "zert"])["4"]
    assert found["right"] == found["one of the two"] == found["chosen"] == 1.0
    assert 0.35 < found["shuffled"] < 0.65
    assert {c.said for prompt in asked[0] for c in prompt} == {"blax", "zert", ""}


def test_the_likeliest_next_word_is_the_one_that_is_written(data):
    answerer = FewShotAnswerer(tiny_of_context(), TOKENIZER, data)
    prompts = [[Chunk("red " * n, images=(str(n),))] for n in (5, 1, 9, 3)]
    likeliest = answerer.next_logits(prompts).argmax(1).tolist()
    assert [
        TOKENIZER.decode([one], skip_special_tokens=True) for one in likeliest
    ] == answerer.write(prompts, longest=1)
    episode = Episode(("red blue", "zert"), (0, 1, 0), (1, 2, 3))
    with pytest.raises(ValueError, match=r"'red blue' is 2 tokens long"):
        answerer.chosen([episode])


def test_a_person_is_asked_for_in_the_papers_words():
    asker = InterleavedAsker(TOKENIZER)
    assert asker.ids("is there a star?", 1) == [
        BOS,
        TAG,
        *ids("question: is there a star? answer:"),
    ]
    assert asker.ids("describe", 1) == [BOS, TAG] and asker.ids("describe", 0) == [BOS]
    assert asker.ids("what is <image>?", 0).count(TAG) == 0
