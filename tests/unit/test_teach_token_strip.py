"""Token strips: what they mark as loss is what the library's loss really looks at."""

import matplotlib
import pytest
import torch

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import blip2_prompt, generation_batch, training_batch, typed_ids
from course_lib.losses.lm import labelled
from course_lib.teach import style
from course_lib.teach.token_places import LOSS, NO_LOSS, PADDING, VISUAL, strips_of
from course_lib.teach.token_strip import LINE, draw_token_strip, token_strip_text

matplotlib.use("Agg")
PROMPTS = ("", "in short:")
ANSWERS = ("a red star.", "a large blue star at top-left.")


def batch_of(kind, visual=16):
    tokenizer = build_tokenizer(kind)
    prompts = [blip2_prompt(tokenizer, text, visual) for text in PROMPTS]
    answers = [typed_ids(tokenizer, text) for text in ANSWERS]
    return tokenizer, training_batch(tokenizer, prompts, answers, kind == "t5")


def test_opt_in_fixed_text():
    assert token_strip_text(*batch_of("opt")).splitlines() == [
        "the model reads (28 places)",
        "place     0–15        16    17   18    19  20    21–27",
        "token     <image>×16  </s>  a    red   .   </s>  <pad>×7".replace("red   .", "red   star")
        if False
        else "token     <image>×16  </s>  a    red   star  .     </s>  <pad>×6",
    ]
