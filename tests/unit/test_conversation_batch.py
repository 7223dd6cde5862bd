"""Batches of conversations: places for images, padding, cuts at turns, and the VLM's own loss."""

import json
import random
from dataclasses import replace

import pytest
import torch
from PIL import Image

from course_lib.backbones import LanguageModel, VisionEncoder
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_pieces, chat_template, data_turn
from course_lib.data.conversation_batch import (
    CutReport,
    Row,
    conversation_batch,
    encode_conversations,
    image_folder,
    rows_batch,
)
from course_lib.data.images import ImageTransform
from course_lib.data.llava_json import Conversation, read_conversations
from course_lib.data.prompts import image_token_id
from course_lib.recipes import llava
from tests.llama_like import KINDS, llama_like
from tests.tiny_models import clip_vision, language_model

Q = 4
SHORT = replace(chat_template("vicuna_v1"), system="")


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer("llama")


@pytest.fixture(scope="module")
def chat(tokenizer):
    return ChatTokenizer(tokenizer, Q)


def talk(name: str, *said: str, images=()) -> Conversation:
    roles = ("human", "gpt") * len(said)
    turns = tuple(data_turn(role, text) for role, text in zip(roles, said, strict=False))
    return Conversation(name, tuple(images), turns)


TALKS = [
    talk(
        "one", "<image>\nwhat is this?", "a red circle.", "why?", "it is round.", images=["a.png"]
    ),
    talk("text", "what is odd?", "seven"),
    talk("two", "<image> or <image>?", "the first", images=["b.png", "a.png"]),
]


def numbered(names: list[str]) -> dict[str, torch.Tensor]:
    """Stands for a feature cache: each image has a number of its own everywhere."""
    values = torch.tensor([float(ord(name[0])) for name in names])
    return {"image_features": values[:, None, None].expand(-1, Q, 16).clone()}


@pytest.fixture
def folder(tmp_path):
    draw = random.Random(0)
    for name in ("a.png", "b.png"):
        pixels = bytes(draw.randrange(256) for _ in range(20 * 12 * 3))
        Image.frombytes("RGB", (20, 12), pixels).save(tmp_path / name)
    return tmp_path


def test_rows_are_the_chats_padded_on_the_right_and_images_in_reading_order(tokenizer, chat):
    batch, report = conversation_batch(TALKS, SHORT, chat, numbered)
    assert report == CutReport(3) and str(report) == (
        "3 conversations: 0 cut by 0 turns, 0 left out"
    )
    lengths = batch["attention_mask"].sum(1).tolist()
    assert batch["input_ids"].shape == (3, max(lengths)) == batch["labels"].shape
    for row, conversation in enumerate(TALKS):
        encoded = chat(chat_pieces(SHORT, conversation.turns))
        size = lengths[row]
        assert batch["input_ids"][row, :size].tolist() == encoded.ids
        assert batch["labels"][row, :size].tolist() == encoded.labels
        assert (batch["input_ids"][row, size:] == tokenizer.pad_token_id).all()
        assert (batch["labels"][row, size:] == -100).all()
        assert batch["attention_mask"][row].tolist() == [1] * size + [0] * (max(lengths) - size)
    places = (batch["input_ids"] == image_token_id(tokenizer)).sum(1)
    assert places.tolist() == [Q, 0, 2 * Q]
    assert batch["image_features"][:, 0, 0].tolist() == [97.0, 98.0, 97.0]


def test_decoded_labels_are_what_the_assistant_said(tokenizer, chat):
    batch, _ = conversation_batch(TALKS, SHORT, chat, numbered)
    said = [tokenizer.decode(row[row != -100]) for row in batch["labels"]]
    assert said == ["a red circle. </s> it is round. </s>", "seven </s>", "the first </s>"]


def test_text_alone_has_no_images_in_its_batch(chat):
    batch, _ = conversation_batch(TALKS[1:2], SHORT, chat)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_the_images_of_a_folder_become_pixel_values(folder, chat):
    transform = ImageTransform((16, 16))
    batch, _ = conversation_batch(TALKS, SHORT, chat, image_folder(folder, transform))
    assert batch["pixel_values"].shape == (3, 3, 16, 16)
    expected = transform([Image.open(folder / name) for name in ("a.png", "b.png", "a.png")])
    assert torch.equal(batch["pixel_values"], expected)
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"b\.png is damaged"):
        conversation_batch(TALKS, SHORT, chat, image_folder(folder, transform))


@pytest.mark.parametrize("kind", KINDS)
def test_a_hub_tokenizer_without_padding_token_hides_what_it_pads_with(kind):
    chat = ChatTokenizer(llama_like(kind), Q)
    batch, _ = conversation_batch(TALKS, chat_template("vicuna_v1"), chat, numbered)
    hidden = batch["attention_mask"] == 0
    assert hidden.any() and (batch["labels"][hidden] == -100).all()
    assert (batch["input_ids"][hidden] == chat.tokenizer.eos_token_id).all()
    # A row's own end tokens are seen and learned, whatever fills the rows up.
    seen = (batch["labels"] == chat.tokenizer.eos_token_id).sum(1)
    assert seen.tolist() == [2, 1, 1]


def test_unknown_words_of_the_text_are_seen(tokenizer, chat):
    batch, _ = conversation_batch([talk("u", "a turquoise zebra?", "no")], SHORT, chat)
    assert tokenizer.unk_token_id in batch["input_ids"][0].tolist()
    assert batch["attention_mask"].all()


def long_talk(exchanges: int, later_image: bool = False) -> Conversation:
    said, images = ["<image>\nwhat is this?", "a red circle."], ["a.png"]
    for number in range(1, exchanges):
        said += [f"and {number}?", f"{number} is a number , yes."]
    if later_image:
        said[-2], images = "<image>\n" + said[-2], ["a.png", "b.png"]
    return talk("long", *said, images=images)


@pytest.mark.parametrize("template", [SHORT, chat_template("v0"), chat_template("vicuna_v1")])
@pytest.mark.parametrize("kind", ["toy", "always"])
def test_every_length_is_cut_behind_a_stop_and_counted(template, kind):
    chat = ChatTokenizer(build_tokenizer("llama") if kind == "toy" else llama_like(kind), Q)
    conversation = long_talk(4, later_image=True)
    whole = chat(chat_pieces(template, conversation.turns))
    stop, seen = chat.stop_ids(template), set()
    for limit in range(1, len(whole.ids) + 2):
        rows, report = encode_conversations([conversation], template, chat, limit)
        if not rows:
            assert report == CutReport(1, 0, 0, ("long",)) and limit < whole.ends[0]
            continue
        (row,) = rows
        kept = sum(end <= len(row.ids) for end in whole.ends)
        assert len(row.ids) <= limit and whole.ids[: len(row.ids)] == row.ids
        assert whole.labels[: len(row.ids)] == row.labels
        fits = [end for end in whole.ends if end <= limit]
        assert kept == len(fits) and report.turns == 2 * (4 - kept)
        assert report.cut == (kept < 4) and report.left_out == ()
        last = len(row.ids) if kept < 4 else whole.ends[-1]
        assert row.ids[last - len(stop) : last] == stop == row.labels[last - len(stop) : last]
        places = row.ids.count(image_token_id(chat.tokenizer))
        assert places == Q * len(row.images) and len(row.images) == (2 if kept == 4 else 1)
        seen.add(kept)
        assert limit < len(whole.ids) or row.ids == whole.ids
    assert seen == {1, 2, 3, 4}


def test_reports_add_up_and_a_batch_goes_on_without_what_is_left_out(chat):
    whole = [len(chat(chat_pieces(SHORT, t.turns)).ids) for t in TALKS]
    limit = whole[0] - 1
    batch, report = conversation_batch(TALKS, SHORT, chat, numbered, max_length=limit)
    assert report == CutReport(3, 1, 2) and batch["input_ids"].shape[1] <= limit
    batch, report = conversation_batch(TALKS, SHORT, chat, numbered, max_length=whole[1])
    assert report.left_out == ("one", "two") and batch["input_ids"].shape == (1, whole[1])
    assert "image_features" not in batch
    total = CutReport(3, 1, 2) + report
    assert total == CutReport(6, 1, 2, ("one", "two"))
    assert str(CutReport(158_000, 3, 8)) == "158,000 conversations: 3 cut by 8 turns, 0 left out"
    with pytest.raises(ValueError, match="no conversation: all were left out"):
        conversation_batch(TALKS, SHORT, chat, numbered, max_length=3)


def test_what_a_template_does_not_take_is_named(chat):
    with pytest.raises(ValueError, match=r"Conversation 'one': .* image and its caption alone"):
        encode_conversations(TALKS, chat_template("plain"), chat)
    with pytest.raises(ValueError, match="1 images: pass read_images"):
        rows_batch([Row([1], [1], ("a.png",))], 0)


def test_captions_for_stage_one(tokenizer, chat):
    pair = talk("p", "<image>\ndescribe the picture.", "a red circle.", images=["a.png"])
    batch, _ = conversation_batch([pair], chat_template("plain"), chat, numbered)
    ids = [1, *[image_token_id(tokenizer)] * Q, *tokenizer("a red circle.").input_ids[1:], 2]
    assert batch["input_ids"].tolist() == [ids]
    assert batch["labels"].tolist() == [[-100] * (1 + Q) + ids[1 + Q :]]


@pytest.fixture(scope="module")
def model(tokenizer):
    language = LanguageModel(language_model("llama", 0, vocabulary=len(tokenizer)))
    encoder = VisionEncoder(clip_vision(), layer=-2, drop_cls=True)
    return llava.build(encoder, 16, language, image_token_id(tokenizer)).eval()


@torch.no_grad()
def test_a_batch_has_the_loss_of_its_rows_one_by_one(model, chat, folder):
    read = image_folder(folder, ImageTransform((16, 16)))
    limit = model.language.max_positions
    batch, _ = conversation_batch(TALKS, SHORT, chat, read, limit)
    sums = words = 0.0
    for conversation in TALKS:
        one, _ = conversation_batch([conversation], SHORT, chat, read, limit)
        count = int((one["labels"] != -100).sum())
        sums, words = sums + float(model(one)) * count, words + count
    assert float(model(batch)) == pytest.approx(sums / words, rel=1e-5)


@torch.no_grad()
def test_cached_features_give_the_loss_of_the_pixels(model, chat, folder):
    read = image_folder(folder, ImageTransform((16, 16)))
    pixels, _ = conversation_batch(TALKS, SHORT, chat, read)
    features = model.vpg.encoder(pixels["pixel_values"])
    cached, _ = conversation_batch(TALKS, SHORT, chat, lambda names: {"image_features": features})
    assert float(model(cached)) == pytest.approx(float(model(pixels)), rel=1e-6)


@torch.no_grad()
def test_from_a_file_to_a_loss_with_a_broken_record_on_the_way(model, chat, folder, tmp_path):
    said = [{"from": "human", "value": "<image>\nwhat?"}, {"from": "gpt", "value": "a red star."}]
    items = [{"id": str(n), "image": name, "conversations": said} for n, name in enumerate("ab")]
    for item in items:
        item["image"] += ".png"
    items.insert(1, {"id": "lost", "image": "lost.png", "conversations": said})
    path = tmp_path / "talks.json"
    path.write_text(json.dumps(items))
    good, problems = read_conversations(path, folder)
    assert [p.id for p in problems] == ["lost"]
    read = image_folder(folder, ImageTransform((16, 16)))
    batch, report = conversation_batch(good, SHORT, chat, read, model.language.max_positions)
    assert report == CutReport(2) and torch.isfinite(model(batch))
