"""The four repairs of BLIP-2's clinic as exercises."""

from course_lib.clinics import bugs_blip2 as bugs
from course_lib.teach.task import Exercise, Mistake

REPAIRS = (
    Exercise(
        objective="03.1",
        title="queries for every image",
        difficulty=1,
        minutes=4,
        contract=(
            "`query_tokens` is (1, Q, H), learned once for all images.",
            "Gives (images, Q, H): every image gets all Q queries, in their order.",
        ),
        hints=(
            "Which queries does image 0 get, and which image 1? Write down the numbers for three "
            "queries and two images.",
            "The axis of images is there already and has length 1: it is to become longer, and "
            "no other axis is to be touched.",
            "`expand(images, -1, -1)` or `repeat(images, 1, 1)`.",
        ),
        solution=bugs.queries_for_batch,
        reference=bugs.stacked,
        cases=bugs.query_cases,
        mistakes=(
            Mistake(
                bugs.queries_for_batch_as_found,
                "every image has all queries",
                "each query was repeated beside itself, and the rows were cut out of that: with "
                "one image nobody notices",
            ),
            Mistake(bugs.one_row, "a row for each image", "there is one row for all images"),
            Mistake(bugs.axes_turned, "the axes", "images and queries changed places"),
            Mistake(bugs.one_query, "all queries", "the first query stands in every place"),
        ),
    ),
    Exercise(
        objective="04.5",
        title="the side of the padding",
        difficulty=1,
        minutes=5,
        contract=(
            "`rows` are prompts in ids; a word of a prompt may have the padding's own id.",
            "Gives ids and mask, (B, longest): whoever reads the last column reads a word.",
        ),
        hints=(
            "Generation reads the last position of each row and writes behind it. What stands "
            "there in a short row?",
            "Put the padding in front of the words, and the mask's zeros in front of its ones.",
            "`[pad_id] * gap + row` and `[0] * gap + [1] * len(row)`.",
        ),
        solution=bugs.pad_prompts,
        reference=bugs.padded,
        cases=bugs.prompt_cases,
        mistakes=(
            Mistake(
                bugs.pad_prompts_as_found,
                "the last column holds words",
                "short prompts end with padding, and the answer is written behind that",
            ),
            Mistake(
                bugs.mask_stays_right, "mask and ids agree", "the mask has its zeros on the right"
            ),
            Mistake(
                bugs.mask_by_the_id,
                "the place decides, not the id",
                "a word with the padding's id counts as padding",
            ),
            Mistake(bugs.mask_inverted, "1 is a word", "the mask is the wrong way round"),
        ),
    ),
    Exercise(
        objective="04.4",
        title="labels of a padded caption",
        difficulty=1,
        minutes=4,
        contract=(
            "`input_ids` (B, S) hold prompt, caption, its end, and padding on the right, where "
            "`attention_mask` is 0.",
            "Gives labels (B, S), not shifted: the caption and its end, -100 elsewhere.",
        ),
        hints=(
            "Decode what the function as found asks for. Which word would a model learn to say "
            "most of all?",
            "Two kinds of places teach nothing: the prompt, and the padding.",
            "`masked_fill(attention_mask == 0, -100)` for one, a slice for the other.",
        ),
        solution=bugs.caption_labels,
        reference=bugs.labelled,
        cases=bugs.caption_cases,
        mistakes=(
            Mistake(bugs.caption_labels_as_found, "padding is not learned", "padding has labels"),
            Mistake(bugs.prompt_learned, "the prompt is not learned", "the prompt has labels"),
            Mistake(
                bugs.moved_by_one,
                "a label stands at its own word",
                "the labels are shifted, and the loss will shift them again",
            ),
            Mistake(
                bugs.one_word_lost, "all of the caption", "the caption's first word has no label"
            ),
        ),
    ),
    Exercise(
        objective="03.4",
        title="a mask that is added",
        difficulty=1,
        minutes=4,
        contract=(
            "`attention_mask` is (B, T), 1 at words and 0 at padding.",
            "Gives (B, 1, 1, T) floats to add to scores: 0 at words, -10000 at padding.",
        ),
        hints=(
            "What is added to a score that may stay, and what to one that has to vanish behind a "
            "softmax?",
            "Turn the mask round first: 1 where something has to vanish. Then scale it.",
            "`1.0 - attention_mask.float()`, with two new axes, times -10000.",
        ),
        solution=bugs.additive_mask,
        reference=bugs.added,
        cases=bugs.mask_cases,
        mistakes=(
            Mistake(
                bugs.additive_mask_as_found,
                "words are read",
                "the mask is inverted: words vanish and padding stays",
            ),
            Mistake(
                bugs.ones_and_zeros,
                "padding vanishes",
                "a mask of ones and zeros was added as it is",
            ),
            Mistake(
                bugs.too_near, "padding vanishes", "what is added is too small to make it vanish"
            ),
            Mistake(
                bugs.rows_masked,
                "the axis of what is read",
                "who reads was masked, not what is read",
            ),
        ),
    ),
)
