"""The four repairs of MiniGPT-4's clinic as exercises."""

from course_lib.clinics import bugs_minigpt4 as bugs
from course_lib.teach.task import Exercise, Mistake

REPAIRS = (
    Exercise(
        objective="08.2",
        title="a prompt cut at the image",
        difficulty=1,
        minutes=4,
        contract=(
            "`before` and `after` are the prompt's words in ids, without any special token.",
            "Gives start token, words, `places` times `image_id`, words: one text.",
        ),
        hints=(
            "What does a tokenizer put in front of a text if nobody forbids it? And how often was "
            "it called?",
            "The prompt was cut in two for the image's sake. It is still one text with one "
            "beginning.",
            "`[bos, *before, *[image_id] * places, *after]`.",
        ),
        solution=bugs.wrap_prompt,
        reference=bugs.wrapped,
        cases=bugs.prompt_cases,
        mistakes=(
            Mistake(
                bugs.wrap_prompt_as_found,
                "one start token",
                "the second part was tokenised as a text of its own, with a start token",
            ),
            Mistake(bugs.no_start, "one start token", "there is none"),
            Mistake(bugs.image_first, "the order", "the image stands in front of everything"),
            Mistake(bugs.one_place, "the image's places", "the image has one place"),
            Mistake(bugs.start_behind, "the start stands first", "it stands behind the image"),
        ),
    ),
    Exercise(
        objective="08.3",
        title="frozen and quiet",
        difficulty=1,
        minutes=5,
        contract=(
            "`model` has parts, its `named_children()`; `trained` names those that train.",
            "A part that trains wants gradients and is in train mode; every other part wants none "
            "and is in eval mode, with all modules inside it. Gives nothing.",
        ),
        hints=(
            "A weight that may not move, and dropout that may not draw: two switches.",
            "Go through the parts once and set both switches to the same answer.",
            "`part.requires_grad_(name in trained)` and `part.train(name in trained)`.",
        ),
        solution=bugs.set_modes,
        reference=bugs.modes,
        cases=bugs.model_cases,
        run=bugs.run_modes,
        mistakes=(
            Mistake(
                bugs.set_modes_as_found,
                "frozen parts are in eval mode",
                "the whole model is in train mode, and dropout draws in the frozen parts",
            ),
            Mistake(bugs.all_eval, "what trains is in train mode", "everything is in eval mode"),
            Mistake(bugs.modes_alone, "no gradient", "frozen parts want gradients"),
            Mistake(bugs.turned, "who trains", "it is the wrong way round"),
        ),
    ),
    Exercise(
        objective="01.3",
        title="a norm in half precision",
        difficulty=2,
        minutes=6,
        contract=(
            "`x` is (T, D) and `weight` (D,), in float16, whose largest number is 65,504.",
            "Gives x / sqrt(mean of x² + eps), times the weight, in the dtype of x; right for "
            "numbers of some hundreds, too.",
        ),
        hints=(
            "How large is the square of 300? And what is 1 / sqrt of infinity?",
            "Square and average in float32; come back when the numbers are near 1 again.",
            "`wide = x.float()`, then `(wide * scale).to(x.dtype)`.",
        ),
        solution=bugs.rms_norm,
        reference=bugs.normed,
        cases=bugs.half_cases,
        tolerance=2e-3,
        mistakes=(
            Mistake(
                bugs.rms_norm_as_found,
                "loud channels",
                "a square went beyond float16 and became infinite: the token is divided by that",
            ),
            Mistake(bugs.stays_wide, "the dtype", "it stays in float32"),
            Mistake(bugs.mean_taken_off, "no mean is taken off", "this is a LayerNorm"),
            Mistake(bugs.cut_off, "loud channels", "large numbers were cut off"),
            Mistake(bugs.sum_of_squares, "a mean", "it divides by the sum, not the mean"),
        ),
    ),
    Exercise(
        objective="08.2",
        title="an end that is learned",
        difficulty=1,
        minutes=4,
        contract=(
            "`input_ids` (B, S) are answers with their end token, padded on the right with "
            "`pad_id`, which is that same token; `attention_mask` is 0 at padding.",
            "Gives labels: the answer and its end as they are, -100 at padding.",
        ),
        hints=(
            "The same number means two things here. What tells them apart?",
            "Ask the mask about a place, not the id.",
            "`input_ids.masked_fill(attention_mask == 0, -100)`.",
        ),
        solution=bugs.end_labels,
        reference=bugs.labelled,
        cases=bugs.padded_cases,
        mistakes=(
            Mistake(
                bugs.end_labels_as_found,
                "the end is learned",
                "padding was found by its id, which the end token has as well",
            ),
            Mistake(bugs.everything, "padding is not learned", "padding has labels"),
            Mistake(bugs.zeros, "-100 says no loss", "0 stands where there is no loss"),
            Mistake(bugs.first_end_lost, "the end is learned", "each row's last word is left out"),
        ),
    ),
)
