"""The four repairs of VPGTrans's clinic as exercises."""

from course_lib.clinics import bugs_vpgtrans as bugs
from course_lib.teach.task import Exercise, Mistake

REPAIRS = (
    Exercise(
        objective="10.3",
        title="two layers become one",
        difficulty=2,
        minutes=6,
        contract=(
            "`w_s`, `b_s` are the source's projector, `w_w`, `b_w` the word converter, weights as "
            "`nn.Linear` stores them. A visual token goes through the projector first.",
            "Gives weight and bias of one layer that does the same as both.",
        ),
        hints=(
            "Write y = W_w (W_s v + b_s) + b_w and take the brackets away.",
            "The matrix that acts first stands on the right of the product. The first bias goes "
            "through the second matrix, too.",
            "`w_w @ w_s` is the weight; the bias is what a zero vector comes to.",
        ),
        solution=bugs.merge,
        reference=bugs.merged,
        cases=bugs.layer_cases,
        mistakes=(
            Mistake(
                bugs.merge_as_found,
                "the order",
                "the converter comes first; with equal widths nothing raises",
            ),
            Mistake(bugs.bias_left, "the first bias", "the projector's bias was left out"),
            Mistake(
                bugs.biases_added, "the first bias", "it did not go through the converter's matrix"
            ),
            Mistake(bugs.turned, "the axes", "the weight is transposed"),
        ),
    ),
    Exercise(
        objective="10.4",
        title="every tensor accounted for",
        difficulty=1,
        minutes=5,
        contract=(
            "`source` is what a run saved, its Q-Former under `vpg.head.`; `wanted` are the names "
            "in a Q-Former of its own.",
            "Gives each wanted name with the source's tensor, and nothing else.",
        ),
        hints=(
            "The two sides name the same thing differently, and `strict=False` says nothing about "
            "it. Print one name of each side.",
            "Go through the names that are wanted, not through those that are there: then one that "
            "is missing cannot be passed over.",
            '`source[f"vpg.head.{name}"]` raises where a tensor is missing.',
        ),
        solution=bugs.inherited,
        reference=bugs.renamed,
        cases=bugs.tensor_cases,
        mistakes=(
            Mistake(
                bugs.inherited_as_found,
                "names fit",
                "no name of the source is among those wanted, and nothing is loaded",
            ),
            Mistake(bugs.names_kept, "names fit", "the names still begin with those of the run"),
            Mistake(bugs.too_little_off, "names fit", "only a part of the beginning was taken off"),
            Mistake(bugs.everything, "nothing else", "the projector came along"),
        ),
    ),
    Exercise(
        objective="10.1",
        title="the axis of a direction",
        difficulty=1,
        minutes=4,
        contract=(
            "`made` and `wanted` are (B, T, D): captions, words, numbers of a word.",
            "Gives the mean over all words of 1 - cos between the two vectors, a scalar.",
        ),
        hints=(
            "Read the documentation of `cosine_similarity`: along which axis does it work if "
            "nobody says?",
            "A word is a vector along the last axis. The result before the mean is (B, T).",
            "`torch.cosine_similarity(made, wanted, dim=-1)`, then the mean of 1 minus it.",
        ),
        solution=bugs.direction_loss,
        reference=bugs.angle,
        cases=bugs.vector_cases,
        mistakes=(
            Mistake(
                bugs.direction_loss_as_found,
                "the axis",
                "the cosine was taken along axis 1, over the words of a caption",
            ),
            Mistake(bugs.sign_lost, "small is good", "the cosine itself is lowered: words flee"),
            Mistake(bugs.summed, "a mean", "it is a sum, which grows with the batch"),
            Mistake(bugs.over_the_batch, "the axis", "the cosine was taken over the captions"),
        ),
    ),
    Exercise(
        objective="10.5",
        title="the rate of an update",
        difficulty=1,
        minutes=4,
        contract=(
            "`rates` holds one rate for each update; `accumulate` micro-batches make an update; "
            "`micro_step` counts micro-batches from 0.",
            "Gives the rate of the update that the micro-batch belongs to; behind the plan's end "
            "the last one.",
        ),
        hints=(
            "The plan is written in updates. What does the loop count?",
            "Divide without remainder, and do not go beyond the last entry.",
            "`micro_step // accumulate`, and `min(..., len(rates) - 1)`.",
        ),
        solution=bugs.rate_of_micro_step,
        reference=bugs.rate,
        cases=bugs.step_cases,
        mistakes=(
            Mistake(
                bugs.rate_of_micro_step_as_found,
                "updates are counted",
                "micro-batches are counted as if each were an update",
            ),
            Mistake(bugs.one_early, "counted from 0", "the next rate begins a micro-batch early"),
            Mistake(bugs.multiplied, "updates are counted", "it multiplies instead of dividing"),
            Mistake(bugs.first_for_ever, "the plan is followed", "the first rate stays for ever"),
        ),
    ),
)
