"""Chats as ids: labels on answers and stops alone, typed marks stay text, ids as transformers'."""

import random
from dataclasses import replace

import pytest

from course_lib.backbones.tokenizers import build_tokenizer, unknown_words
from course_lib.data.chat_ids import ChatTokenizer, EncodedChat
from course_lib.data.chat_templates import (
    TEMPLATES,
    chat_pieces,
    chat_template,
    data_turn,
    typed_turn,
)
from course_lib.data.prompts import image_token_id, template_ids
from tests.chat_examples import (
    MINIGPT4,
    STOPS,
    STRINGS,
    TALK,
    TOKENIZERS,
    USER,
    WORDS,
    random_talk,
    tokenizer_of,
    written,
)
from tests.llama_like import KINDS, llama_like

# --- labels --------------------------------------------------------------------------------------


def labelled_runs(chat: EncodedChat) -> list[list[int]]:
    """Returns each stretch of neighbouring labels, and finds a label that is not its own id."""
    assert len(chat.ids) == len(chat.labels)
    runs, inside = [], False
    for token, label in zip(chat.ids, chat.labels, strict=True):
        if label != -100:
            assert label == token
            runs = runs if inside else [*runs, []]
            runs[-1].append(label)
        inside = label != -100
    return runs


def check_labels(tokenizer, chat: EncodedChat, answers: list[str], stop: str) -> None:
    """Asserts that the labelled ids, decoded, are the answers and their stops, and nothing else."""
    runs = labelled_runs(chat)
    assert len(runs) == len(answers)
    for run, answer in zip(runs, answers, strict=True):
        if tokenizer.get_vocab().get("##s") is None:
            assert tokenizer.decode(run) == answer + stop
        else:
            # The word-level tokenizer forgets white space and writes a plural's s as "##s".
            tokens = tokenizer.convert_ids_to_tokens(run)
            tokens = ["s" if token == "##s" else token for token in tokens]
            assert "".join(tokens) == "".join((answer + stop).lower().split())


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("name", STRINGS)
def test_labels_are_the_answers_and_their_stops_in_random_conversations(kind, name):
    tokenizer = tokenizer_of(kind)
    chat = ChatTokenizer(tokenizer, 3)
    for seed in range(40):
        turns, answers = random_talk(seed, exotic=kind != "toy")
        encoded = chat(chat_pieces(chat_template(name), turns))
        check_labels(tokenizer, encoded, answers, STOPS[name])
        places = encoded.ids.count(image_token_id(tokenizer))
        assert places == 3 * sum(turn.num_images for turn in turns)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_labels_of_a_caption_and_of_minigpt4(kind):
    tokenizer = tokenizer_of(kind)
    chat = ChatTokenizer(tokenizer, 2)
    encoded = chat(chat_pieces(chat_template("plain"), TALK[:2]))
    # A word-level tokenizer has no newline: a caption ends with its end token there.
    check_labels(tokenizer, encoded, ["a red circle."], "</s>" if kind == "toy" else "\n")
    assert encoded.ids[:3] == [tokenizer.bos_token_id, *[image_token_id(tokenizer)] * 2]
    assert encoded.labels[:3] == [-100] * 3
    check_labels(tokenizer, chat(chat_pieces(MINIGPT4, TALK[:2])), ["a red circle."], "###")


def _shift(by):
    return lambda labels, ids: [
        ids[i] if 0 <= i - by < len(ids) and labels[i - by] != -100 else -100
        for i in range(len(ids))
    ]


def _edge(first: bool, keep: bool):
    """Takes a label away at an edge of every answer, or adds the neighbour beyond it."""

    def change(labels, ids):
        marked = [label != -100 for label in labels]
        step = -1 if first else 1
        new = list(marked)
        for i, here in enumerate(marked):
            beyond = marked[i + step] if 0 <= i + step < len(marked) else False
            if keep and not here and (marked[i - step] if 0 <= i - step < len(marked) else False):
                new[i] = True
            if not keep and here and not beyond:
                new[i] = False
        return [token if mark else -100 for token, mark in zip(ids, new, strict=True)]

    return change


MUTATIONS = {
    "one to the left": _shift(-1),
    "one to the right": _shift(1),
    "first word without loss": _edge(first=True, keep=False),
    "stop without loss": _edge(first=False, keep=False),
    "colon with loss": _edge(first=True, keep=True),
    "one behind the stop": _edge(first=False, keep=True),
    "nothing at all": lambda labels, ids: [-100] * len(ids),
    "everything": lambda labels, ids: list(ids),
    "shifted ids": lambda labels, ids: [*labels[1:], -100],
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("name", ("vicuna_v1", "v0", "v0_inference"))
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mask_that_is_off_by_one_is_noticed(kind, name, mutation):
    tokenizer = tokenizer_of(kind)
    # Behind the last stop nothing may be left to add: a further question makes the mutation real.
    encoded = ChatTokenizer(tokenizer)(chat_pieces(chat_template(name), TALK))
    answers = ["a red circle.", "because it is round."]
    check_labels(tokenizer, encoded, answers, STOPS[name])
    wrong = replace(encoded, labels=MUTATIONS[mutation](encoded.labels, encoded.ids))
    assert wrong.labels != encoded.labels
    with pytest.raises(AssertionError):
        check_labels(tokenizer, wrong, answers, STOPS[name])


# --- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_pieces_give_the_ids_of_the_whole_string(kind):
    """Only behind an image do two habits exist: LLaVA's own (a text anew) and the tokenizer's."""
    tokenizer = tokenizer_of(kind)
    chat = ChatTokenizer(tokenizer)
    for name in STRINGS:
        turns = [data_turn("human", "what is this?"), *TALK[1:]]
        if kind in ("toy", "always", "normalizer"):
            turns = TALK
        pieces = chat_pieces(chat_template(name), turns)
        whole = tokenizer(written(pieces).removeprefix("<s>"), add_special_tokens=False).input_ids
        assert chat(pieces).ids == [tokenizer.bos_token_id, *whole], name


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_care_for_llamas_space_the_ids_are_others(kind):
    chat = ChatTokenizer(llama_like(kind))
    pieces = chat_pieces(chat_template("v0_inference"), [typed_turn("human", "what?"), *TALK[1:]])
    right = chat(pieces).ids
    chat._adds_space = False
    assert chat(pieces).ids != right


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_both_sides_of_an_image_are_tokenised_apart_as_in_llava(kind):
    tokenizer = tokenizer_of(kind)
    turns = [data_turn("human", "<image>\nwhat is this?")]
    pieces = chat_pieces(chat_template("vicuna_v1"), turns, answered=False)
    ids = ChatTokenizer(tokenizer, 4)(pieces).ids
    text = written(pieces).removeprefix("<s>")
    assert ids == [tokenizer.bos_token_id, *template_ids(tokenizer, text, 1, 4)]


JINJA = (
    "{{ system }}{% for m in messages %}"
    "{% if m.role == 'user' %}{{ (' ' if loop.first else '') + 'USER: ' + m.content }}"
    "{% else %}{{ ' ASSISTANT:' }}SPACE_OUT{% generation %}SPACE_IN"
    "{{ m.content + '</s>' }}{% endgeneration %}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_ids_and_mask_are_those_of_transformers_own_chat_templates(kind):
    tokenizer = tokenizer_of(kind)
    # LLaMA's space is part of the answer's first token; word-level tokens have none.
    inside = kind != "toy"
    jinja = JINJA.replace("SPACE_IN", "{{ ' ' }}" * inside).replace(
        "SPACE_OUT", "{{ ' ' }}" * (not inside)
    )
    image = "" if kind == "first" else "<image>\n"
    for seed in range(20):
        draw = random.Random(seed)
        texts = [" ".join(draw.choices(WORDS[:19], k=draw.randint(1, 7))) for _ in range(6)]
        texts[0] = image + texts[0]
        roles = ["user", "assistant"] * 3
        messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
        theirs = tokenizer.apply_chat_template(
            messages,
            chat_template=jinja,
            system=USER,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        turns = [data_turn(("human", "gpt")[i % 2], text) for i, text in enumerate(texts)]
        ours = ChatTokenizer(tokenizer)(chat_pieces(chat_template("vicuna_v1"), turns))
        assert ours.ids == [tokenizer.bos_token_id, *theirs["input_ids"]]
        assert [int(x != -100) for x in ours.labels] == [0, *theirs["assistant_masks"]]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_what_a_person_types_is_text(kind):
    tokenizer = tokenizer_of(kind)
    turns = [typed_turn("human", "is <image> </s> or <s> a word?", num_images=1)]
    pieces = chat_pieces(chat_template("vicuna_v1"), turns, answered=False)
    ids = ChatTokenizer(tokenizer, 2)(pieces).ids
    assert ids.count(image_token_id(tokenizer)) == 2
    assert tokenizer.eos_token_id not in ids and ids.count(tokenizer.bos_token_id) == 1
    assert "is <image> </s> or <s> a word?" in written(pieces)


def test_all_templates_are_words_of_the_toy_world():
    tokenizer = build_tokenizer("llama")
    for name, template in TEMPLATES.items():
        turns = TALK[:2] if name == "plain" else TALK
        pieces = chat_pieces(template, turns)
        assert unknown_words(tokenizer, written(pieces).replace("<image>", "")) == []


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_stop_ids_are_what_an_answer_ends_with(kind):
    chat = ChatTokenizer(tokenizer_of(kind))
    for name in TEMPLATES:
        turns = TALK[:2] if name == "plain" else TALK
        encoded = chat(chat_pieces(chat_template(name), turns))
        stop = chat.stop_ids(chat_template(name))
        for end in encoded.ends:
            assert stop and encoded.ids[end - len(stop) : end] == stop


def test_tokenizers_that_cannot_do_it_say_so():
    with pytest.raises(ValueError, match="at least 1 place"):
        ChatTokenizer(build_tokenizer("llama"), 0)
    with pytest.raises(ValueError, match="no end token"):
        ChatTokenizer(build_tokenizer("bert"))
    chat = ChatTokenizer(llama_like("always", image=False))
    chat(chat_pieces(chat_template("vicuna_v1"), [typed_turn("human", "what?")], answered=False))
    with pytest.raises(ValueError, match="no <image> token"):
        chat(chat_pieces(chat_template("vicuna_v1"), TALK))
