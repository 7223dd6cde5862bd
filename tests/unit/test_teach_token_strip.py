"""Token strips: what they mark as loss is what the library's loss really looks at."""

import matplotlib
import pytest
import torch
from transformers import T5ForConditionalGeneration

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import blip2_prompt, generation_batch, training_batch, typed_ids
from course_lib.losses.lm import labelled
from course_lib.teach import style
from course_lib.teach.token_places import LOSS, NO_LOSS, PADDING, VISUAL, strips_of
from course_lib.teach.token_strip import LINE, draw_token_strip, token_strip_text
from tests.tiny_models import text_config

matplotlib.use("Agg")
PROMPTS = ("", "in short:")
ANSWERS = ("a red star.", "a large blue star at top-left.")


def batch_of(kind, visual=16):
    tokenizer = build_tokenizer(kind)
    prompts = [blip2_prompt(tokenizer, text, visual) for text in PROMPTS]
    answers = [typed_ids(tokenizer, text) for text in ANSWERS]
    return tokenizer, training_batch(tokenizer, prompts, answers, kind == "t5")


OPT_TEXT = """\
the model reads (28 places)
place     0–15        16    17   18    19    20    21    22–27
token     <image>×16  </s>  a    red   star  .     </s>  <pad>×6
label     –           –     a    red   star  .     </s>  –
mark      ▣           ○     ●    ●     ●     ●     ●     ×
predicts  –           a     red  star  .     </s>  –     –

The state at a place predicts the label of the next place. The batch is not shifted: the loss shifts
it.

▣ visual token place   ● loss here   ○ no loss   × padding"""
T5_TEXT = """\
the encoder reads (20 places)
place     0–15        16    17–19
token     <image>×16  </s>  <pad>×3
mark      ▣           ○     ×

The encoder reads all of this at once; nothing here has a label.

the decoder reads (8 places)
place     0      1    2     3     4     5     6–7
token     <pad>  a    red   star  .     </s>  <pad>×2
label     a      red  star  .     </s>  –     –
mark      ●      ●    ●     ●     ●     ×     ×

The decoder reads its labels moved one place to the right, so the state at a place predicts the
label of that same place: no shift is left to do.

▣ visual token place   ● loss here   ○ no loss   × padding"""


@pytest.mark.parametrize(("kind", "text"), [("opt", OPT_TEXT), ("t5", T5_TEXT)])
def test_fixed_text(kind, text):
    assert token_strip_text(*batch_of(kind)) == text


@pytest.mark.parametrize("row", [0, 1])
def test_what_predicts_is_what_the_librarys_loss_looks_at(row):
    tokenizer, batch = batch_of("opt")
    places = strips_of(tokenizer, batch, row)[0].places
    marked = {place.first: place.predicts for place in places if place.predicts != "–"}
    positions, words = labelled(batch["labels"][row : row + 1])
    expected = tokenizer.convert_ids_to_tokens(words.tolist())
    assert marked == dict(zip(positions.tolist(), expected, strict=True))
    assert sum(place.kind == LOSS for place in places) == len(positions)


def test_the_decoders_row_is_what_t5_feeds_its_decoder():
    tokenizer, batch = batch_of("t5")
    model = T5ForConditionalGeneration(text_config("t5", vocabulary=len(tokenizer)))
    reads = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    for row in (0, 1):
        places = strips_of(tokenizer, batch, row)[1].places
        texts = [place.reads.split("×")[0] for place in places for _ in range(place.count)]
        assert texts == tokenizer.convert_ids_to_tokens(reads[row].tolist())


@pytest.mark.parametrize("kind", ["opt", "t5"])
@pytest.mark.parametrize("row", [0, 1])
def test_every_place_is_there_once_with_its_kind(kind, row):
    tokenizer, batch = batch_of(kind, visual=4)
    for strip in strips_of(tokenizer, batch, row):
        firsts = [place.first for place in strip.places]
        lengths = [place.count for place in strip.places]
        assert firsts == [sum(lengths[:i]) for i in range(len(lengths))]
    places = strips_of(tokenizer, batch, row)[0].places
    kinds = {kind: sum(p.count for p in places if p.kind == kind) for kind in (VISUAL, PADDING)}
    assert kinds == {VISUAL: 4, PADDING: int((batch["attention_mask"][row] == 0).sum())}


def test_neighbouring_images_are_told_apart_where_their_size_is_known():
    tokenizer = build_tokenizer("opt")
    prompts = [blip2_prompt(tokenizer, "?", 4, num_images) for num_images in (2, 1)]
    batch = generation_batch(tokenizer, prompts, False)
    names = [p.reads for p in strips_of(tokenizer, batch, 0, num_query_tokens=4)[0].places]
    assert names == ["<image>×4", "<image>×4", "</s>", "?"]
    assert strips_of(tokenizer, batch, 0)[0].places[0].reads == "<image>×8"
    left = strips_of(tokenizer, batch, 1)[0].places
    assert (left[0].reads, left[0].kind, left[1].reads) == ("<pad>×4", PADDING, "<image>×4")
    text = token_strip_text(tokenizer, batch, 1)
    assert "no labels" in text and "label  " not in text and "loss here" not in text


def test_wrong_labels_are_shown_as_they_are():
    tokenizer, batch = batch_of("opt")
    batch["labels"] = batch["labels"].roll(-1, dims=1)  # shifted by hand, so twice in the end
    place = strips_of(tokenizer, batch, 0)[0].places[1]
    assert (place.reads, place.label, place.predicts) == ("</s>", "a", "red")


def test_long_rows_are_broken_and_no_line_is_too_long():
    tokenizer = build_tokenizer("opt")
    answer = typed_ids(tokenizer, "a large blue star at top-left and " * 8)
    batch = training_batch(tokenizer, [blip2_prompt(tokenizer, "", 16)], [answer], False)
    lines = token_strip_text(tokenizer, batch).splitlines()
    assert max(map(len, lines)) <= LINE and sum(line.startswith("token") for line in lines) > 2
    words = " ".join(line[10:] for line in lines if line.startswith("token")).split()
    assert words == ["<image>×16", "</s>", *tokenizer.convert_ids_to_tokens(answer), "</s>"]


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_the_figure_says_the_same_in_words_and_in_boxes(kind):
    tokenizer, batch = batch_of(kind)
    figure = draw_token_strip(tokenizer, batch, 1)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for strip in strips_of(tokenizer, batch, 1):
        assert strip.title in texts
        assert all(place.reads in texts for place in strip.places)
    assert {"▣ visual token place", "● loss here", "○ no loss"} <= set(texts)
    fills = [patch.get_facecolor() for patch in figure.axes[0].patches]
    orange = matplotlib.colors.to_rgba(style.look("words").colour)
    losses = sum(p.kind == LOSS for s in strips_of(tokenizer, batch, 1) for p in s.places)
    assert fills.count(orange) == losses + 1  # and one in the key
    figure.canvas.draw()
    edge = figure.bbox.width
    assert all(0 <= t.get_window_extent().x1 <= edge for t in figure.axes[0].texts)
    matplotlib.pyplot.close(figure)


def test_a_plain_tokenizer_and_real_marks_of_spaces():
    tokenizer = build_tokenizer("bert")
    ids = torch.tensor([tokenizer("a red star").input_ids])
    places = strips_of(tokenizer, {"input_ids": ids})[0].places
    assert {place.kind for place in places} == {NO_LOSS} and len(places) == ids.shape[1]

    class Marked:
        bos_token_id, unk_token_id = 0, 1

        def convert_tokens_to_ids(self, token):
            return 1

        def convert_ids_to_tokens(self, index):
            return ["Ġred", "▁red", "Ċ"][index]

    names = [
        p.reads for p in strips_of(Marked(), {"input_ids": torch.tensor([[0, 1, 2]])})[0].places
    ]
    assert names == ["␣red", "␣red", "↵"]


def test_what_is_refused():
    tokenizer, batch = batch_of("opt")
    with pytest.raises(ValueError, match="no row 2: the batch has rows 0 to 1"):
        strips_of(tokenizer, batch, 2)
    with pytest.raises(ValueError, match="no row -1"):
        strips_of(tokenizer, batch, -1)
    with pytest.raises(ValueError, match="no input_ids, only"):
        strips_of(tokenizer, {"labels": batch["labels"]})
    with pytest.raises(ValueError, match="encoder_decoder=True"):
        strips_of(tokenizer, batch | {"labels": batch["labels"][:, :5]})
    with pytest.raises(ValueError, match="no word 99999"):
        strips_of(tokenizer, {"input_ids": torch.tensor([[99999]])})
    with pytest.raises(ValueError, match="no word -100"):
        strips_of(tokenizer, {"input_ids": torch.tensor([[-100]])})
    with pytest.raises(ValueError, match="num_query_tokens=0"):
        strips_of(tokenizer, batch, num_query_tokens=0)
