"""The four repairs of mPLUG-Owl's clinic as exercises."""

from course_lib.clinics import bugs_mplug_owl as bugs
from course_lib.teach.task import Exercise, Mistake

REPAIRS = (
    Exercise(
        objective="09.1",
        title="what the abstractor reads",
        difficulty=1,
        minutes=4,
        contract=(
            "`hidden_states` holds what enters the first block and what each block gives; `norm` "
            "is the encoder's final norm.",
            "Gives what this abstractor was trained on: the last block's tokens, all of them, "
            "normed.",
        ),
        hints=(
            "The function would be right for another model of this course. Which one?",
            "Take the last entry instead of the one before it, keep the class token, and let every "
            "token go through the norm.",
            "`hidden_states[-1]` is (B, 1 + N, E), and `norm(...)` norms each of its tokens.",
        ),
        solution=bugs.tokens_read,
        reference=bugs.normed,
        cases=bugs.state_cases,
        mistakes=(
            Mistake(
                bugs.tokens_read_as_found, "the layer", "this is LLaVA's layer, without any norm"
            ),
            Mistake(bugs.no_norm, "the norm", "the tokens did not go through the final norm"),
            Mistake(bugs.second_last_normed, "the layer", "one block is left out"),
            Mistake(
                bugs.class_normed,
                "every token is normed",
                "the class token alone is normed, as transformers' pooled output has it",
            ),
            Mistake(bugs.no_class, "the class token", "the class token was dropped"),
        ),
    ),
    Exercise(
        objective="09.3",
        title="a LoRA that becomes part of its weight",
        difficulty=1,
        minutes=4,
        contract=(
            "`weight` is (out, in), `a` (r, in), `b` (out, r); training computed "
            "y = W x + (alpha / r) B A x.",
            "Gives the one weight with which W x alone is that y.",
        ),
        hints=(
            "Merging must not change what the model says. Which factor of the equation is not in "
            "the code?",
            "Multiply the two thin matrices so that the result is (out, in), scale it, add it.",
            "`weight + b @ a * (alpha / r)`.",
        ),
        solution=bugs.lora_weight,
        reference=bugs.merged,
        cases=bugs.weight_cases,
        mistakes=(
            Mistake(bugs.lora_weight_as_found, "the scale", "alpha / r was forgotten"),
            Mistake(bugs.scaled_by_alpha, "the scale", "it is not divided by the rank"),
            Mistake(bugs.scaled_twice, "the scale", "the scale went in twice"),
            Mistake(bugs.inverse, "the scale", "the scale is upside down"),
        ),
    ),
    Exercise(
        objective="09.3",
        title="merged once",
        difficulty=2,
        minutes=6,
        contract=(
            "`state` holds `weight`, `delta` (what the LoRA adds) and `merged`, True where it is "
            "added already.",
            "Gives a new state for evaluation (merged) or training (not merged), and leaves the "
            "old one as it is.",
            "Whoever asks a second time for the same mode gets the same weight.",
        ),
        hints=(
            "How often does a training script call `model.eval()`? And what does the second call "
            "do?",
            "Four situations: merged or not, training or not. In two of them nothing is to do.",
            "`if training and state['merged']` takes it off, "
            "`if not training and not state['merged']` adds it.",
        ),
        solution=bugs.switch_mode,
        reference=bugs.switched,
        cases=bugs.mode_cases,
        mistakes=(
            Mistake(
                bugs.switch_mode_as_found,
                "a second time changes nothing",
                "the update is added again at each call: nobody asks whether it is there",
            ),
            Mistake(bugs.flag_forgotten, "the flag", "`merged` is not set to what is true now"),
            Mistake(bugs.never_off, "training", "the update stays in the weight for training"),
            Mistake(bugs.never_on, "evaluation", "the update is never added"),
        ),
    ),
    Exercise(
        objective="09.4",
        title="pictures in a mixed batch",
        difficulty=1,
        minutes=5,
        contract=(
            "`has_image` says of each row whether it has a picture. The batch holds as many "
            "pictures as rows with one, in their order.",
            "Gives for each row the number of its picture, -1 for a row of text.",
        ),
        hints=(
            "A remainder keeps a number within a range. Does it make it the right number?",
            "Go through the rows with a counter of the pictures taken. A row of text takes none.",
            "`found.append(taken if has else -1)`, then `taken += has`.",
        ),
        solution=bugs.picture_of_row,
        reference=bugs.counted,
        cases=bugs.row_cases,
        mistakes=(
            Mistake(
                bugs.picture_of_row_as_found,
                "every row its own picture",
                "the number of the row was taken for that of the picture, and a remainder hides "
                "the error that this would have raised",
            ),
            Mistake(bugs.one_late, "numbers from 0", "it counts a row's own picture before it"),
            Mistake(bugs.text_takes_first, "text has none", "a row of text gets a picture"),
            Mistake(bugs.from_the_end, "the order", "the pictures are handed out from the end"),
        ),
    ),
)
