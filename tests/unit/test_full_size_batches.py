"""Rows of data sets become batches: what is read, what has a loss, what is drawn from a seed."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_template
from course_lib.data.images import ImageTransform, load_image
from course_lib.data.prompts import image_token_id
from course_lib.full_size.bert import open_words
from course_lib.full_size.making import Captions, Documents, Pairs, Talks, filled, has_pair
from course_lib.full_size.opening import open_tokenizer
from course_lib.full_size.pictures import CROPS, FLIPPED, PADDED, STRETCHED, WAYS, Pictures
from course_lib.recipes import minigpt4, mplug_owl
from tests import full_size_dirs as dirs

SIZE = 16
STRETCH = Pictures(SIZE, STRETCHED)


def png(width=40, height=30):
    """Draws a picture whose left half is red and whose right half grows brighter downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :] = np.linspace(0, 255, height, dtype=np.uint8)[:, None, None]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def row(number=0, captions=(), talk=(), image=True):
    turns = [{"from": who, "value": said} for who, said in talk]
    picture = {"bytes": png(), "path": "x.png"} if image else None
    return {
        "id": str(number),
        "image": picture,
        "captions": list(captions),
        "conversations": turns,
    }


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    root = tmp_path_factory.mktemp("words")
    for kind, make in (*dirs.WORDS.items(), ("bert", dirs.bert_words)):
        make().save_pretrained(root / kind)
    found = {kind: open_tokenizer(root / kind) for kind in dirs.WORDS}
    return {**found, "bert": open_words(root / "bert")}


def chance(seed=0):
    return np.random.default_rng(seed)


def test_pictures_that_are_not_drawn_are_those_of_the_transforms():
    image = load_image(png())
    assert torch.equal(STRETCH([png()], chance()), ImageTransform((SIZE, SIZE))([image]))
    centre = Pictures(SIZE, "centre")([png()], chance())
    assert torch.equal(centre, ImageTransform((SIZE, SIZE), center_crop=True)([image]))
    padded = Pictures(SIZE, PADDED)([png(40, 10)], chance())
    assert padded[0, :, 0].abs().max() < 0.02  # the mean colour, above and below
    assert padded[0, :, SIZE // 2].abs().max() > 0.5
    assert all(Pictures(SIZE, way)([png()] * 2, chance()).shape == (2, 3, 16, 16) for way in WAYS)
    with pytest.raises(ValueError, match="Unknown way 'centr'"):
        Pictures(SIZE, "centr")


def test_crops_come_from_their_generator_and_one_in_two_is_mirrored():
    crops = Pictures(SIZE, CROPS)
    assert torch.equal(crops([png()], chance(1)), crops([png()], chance(1)))
    assert not torch.equal(crops([png()], chance(1)), crops([png()], chance(2)))
    red = ImageTransform((1, 1))([Image.new("RGB", (1, 1), (255, 0, 0))])[0, :, 0, 0]

    def left_is_red(pixels):
        near = (pixels - red[:, None, None]).abs().amax(dim=1)
        return bool(near[:, :, :4].mean() < near[:, :, -4:].mean())

    assert all(left_is_red(crops([png()], chance(seed))) for seed in range(20))
    flips = [left_is_red(Pictures(SIZE, FLIPPED)([png()], chance(seed))) for seed in range(60)]
    assert 15 < sum(flips) < 45


def test_the_statistics_of_an_encoder_count(tmp_path):
    told = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 9, "width": 9}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    pixels = Pictures(SIZE, STRETCHED, tmp_path)([png()], chance())
    assert pixels.min() >= -1 and pixels.max() <= 1 and pixels.shape[-1] == SIZE
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [1]}')
    with pytest.raises(ValueError, match="has 1 means and 3 stds"):
        Pictures(SIZE, STRETCHED, tmp_path)


def test_rows_that_cannot_be_used_give_their_place_away():
    rows = [row(0), row(1, ["a"]), row(2, [" "]), row(3, ["b"], image=False), row(4, ["c"])]
    found = filled([*rows, row(5)], has_pair, "a picture and a caption")
    assert [r["id"] for r in found] == ["1", "1", "4", "4", "4", "1"]
    with pytest.raises(ValueError, match=r"None of 1 rows has a picture .* such as row '0'"):
        filled([row(0)], has_pair, "a picture and a caption")


def test_pairs_are_framed_by_bert(words):
    rows = [row(0, ["a red bowl", "a blue leaf"]), row(1, ["the old tree stands " * 20])]
    batch = Pairs(words["bert"], STRETCH, longest=8)(rows, 5)
    ids, bert = batch["input_ids"], words["bert"]
    assert ids.shape == (2, 8) and (ids[:, 0] == bert.cls_token_id).all()
    assert ids[1, -1] == bert.sep_token_id and batch["attention_mask"].sum(dim=1).tolist()[1] == 8
    texts = {
        bert.decode(Pairs(bert, STRETCH)(rows, seed)["input_ids"][0], skip_special_tokens=True)
        for seed in range(12)
    }
    assert texts == {"a red bowl", "a blue leaf"}


def test_captions_stand_behind_the_places_and_end(words):
    opt = words["opt"]
    batch = Captions(opt, 3, False, STRETCH)([row(0, ["a small red bowl"])], 0)
    ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    assert ids[:4] == [image_token_id(opt)] * 3 + [opt.bos_token_id]
    assert opt.decode(ids[4:-1]) == "a small red bowl" and ids[-1] == opt.eos_token_id
    assert labels == [-100] * 4 + ids[4:]
    cut = Captions(opt, 3, False, STRETCH, longest=2)([row(0, ["a small red bowl"])], 0)
    assert cut["input_ids"].shape[1] == 3 + 1 + 2 + 1


def test_a_t5_is_given_the_beginning_and_says_the_rest(words):
    t5, text = words["t5"], "a small red circle at top-left."
    whole = t5(text, add_special_tokens=False).input_ids
    make, cuts = Captions(t5, 3, True, STRETCH), set()
    for seed in range(30):
        batch = make([row(0, [text])], seed)
        given = batch["input_ids"][0].tolist()
        said = batch["labels"][0].tolist()
        assert given[:3] == [image_token_id(t5)] * 3 and given[-1] == said[-1] == t5.eos_token_id
        assert given[3:-1] + said[:-1] == whole
        cuts.add(len(said))
    assert len(cuts) == len(whole) - 1


def test_talks_have_their_loss_on_answers(words):
    llama = words["llama"]
    chat = ChatTokenizer(llama, 4)
    talk = [("human", "<image>\nwhat?"), ("gpt", "a red bowl"), ("human", "and?"), ("gpt", "no")]
    make = Talks(chat, chat_template("vicuna_v1"), STRETCH)
    batch = make(
        [row(0, talk=talk), row(1, talk=[("human", "hi"), ("gpt", "yes")], image=False)], 0
    )
    assert batch["pixel_values"].shape[0] == 1
    assert (batch["input_ids"] == image_token_id(llama)).sum(dim=1).tolist() == [4, 0]
    said = [label for label in batch["labels"][0].tolist() if label != -100]
    assert llama.decode(said) == "a red bowl</s> no</s>"
    text = make([row(1, talk=[("human", "hi"), ("gpt", "yes")], image=False)], 0)
    assert "pixel_values" not in text
    with pytest.raises(ValueError, match="has a conversation, or a picture and a caption"):
        make([row(0, talk=[("human", "<image>\nwhat?"), ("gpt", "x")], image=False)], 0)
    short = Talks(chat, chat_template("vicuna_v1"), STRETCH, longest=5)
    with pytest.raises(ValueError, match=r"an answer that ends within 5 positions"):
        short([row(0, talk=talk)], 0)


def test_a_talk_that_is_too_long_gives_its_place_away(words):
    long = [("human", "<image>\nwhat?"), ("gpt", "a red bowl " * 60)]
    fits = [("human", "<image>\nwhat?"), ("gpt", "a red bowl")]
    chat = ChatTokenizer(words["llama"], 4)
    make = Talks(chat, chat_template("plain"), STRETCH, longest=40)
    batch = make([row(0, talk=long), row(1, talk=fits)], 0)
    assert len(batch["input_ids"]) == len(batch["pixel_values"]) == 2
    assert torch.equal(batch["input_ids"][0], batch["input_ids"][1])


@pytest.mark.parametrize("template", [minigpt4.STAGE2_TEMPLATE, mplug_owl.TEMPLATE])
def test_a_caption_is_asked_for_by_one_of_the_wishes(words, template):
    llama = words["llama"]
    make = Talks(ChatTokenizer(llama, 3), template, STRETCH, wishes=("One?", "Two?"))
    asked = set()
    for seed in range(12):
        batch = make([row(0, ["a red bowl"])], seed)
        text = llama.decode([i for i in batch["input_ids"][0].tolist()])
        asked |= {wish for wish in ("One?", "Two?") if wish in text}
        assert template.assistant.strip() in text and "a red bowl" in text
    assert asked == {"One?", "Two?"}


def test_documents_show_one_tag_a_picture_and_leave_out_what_does_not_fit(words):
    llama = words["llama"]
    rows = [row(n, [text]) for n, text in enumerate(["a bowl", "a leaf", "a tree", "the street"])]
    batch = Documents(llama, STRETCH, pairs=2)(rows, 0)
    tags = batch["input_ids"] == image_token_id(llama)
    assert tags.sum(dim=1).tolist() == [2, 2] and len(batch["pixel_values"]) == 4
    labelled = batch["labels"] != -100
    assert not (labelled & tags).any() and not labelled[:, 0].any()
    ends = batch["input_ids"] == llama.eos_token_id
    assert (ends & labelled).sum(dim=1).tolist() == [2, 2]
    short = Documents(llama, STRETCH, pairs=2, longest=8)(rows, 0)
    assert (short["input_ids"] == image_token_id(llama)).sum(dim=1).tolist() == [1, 1]
    assert len(short["pixel_values"]) == 2
