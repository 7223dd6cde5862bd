"""The four repairs of Flamingo's clinic as exercises."""

from course_lib.clinics import bugs_flamingo as bugs
from course_lib.teach.task import Exercise, Mistake

REPAIRS = (
    Exercise(
        objective="05.3",
        title="who reads which image",
        difficulty=2,
        minutes=6,
        contract=(
            "`tags` is (T,), True where the tag of an image stands.",
            "Gives (T, images) bool, True = may read: a word reads the last image before it, a tag "
            "its own image, and what stands before all images reads none.",
        ),
        hints=(
            "Does True mean *may* or *must not*? Write the table of a text of three words with one "
            "image.",
            "Give each word the number of tags up to it. Compare it with the numbers of the "
            "images, from 1.",
            "`tags.cumsum(dim=0)[:, None] == torch.arange(1, count + 1)`.",
        ),
        solution=bugs.may_read,
        reference=bugs.readable,
        cases=bugs.tag_cases,
        mistakes=(
            Mistake(bugs.may_read_as_found, "True is may", "the mask is inverted"),
            Mistake(bugs.one_late, "a tag reads its own image", "it begins one word late"),
            Mistake(bugs.all_before, "the last image alone", "older images are read as well"),
            Mistake(
                bugs.first_for_all,
                "nothing before the first image",
                "words before all images read the first one",
            ),
        ),
    ),
    Exercise(
        objective="05.2",
        title="a gate that starts closed",
        difficulty=1,
        minutes=4,
        contract=(
            "`states` and `looked` are (B, T, D), `alpha` is the gate's parameter and starts at 0.",
            "Gives the states with what was read added through Flamingo's gate: at alpha = 0 they "
            "are unchanged, bit by bit.",
        ),
        hints=(
            "Which function of a number gives 0 at 0, and between -1 and 1 everywhere?",
            "The states go straight through; only what was read is multiplied.",
            "`states + alpha.tanh() * looked`.",
        ),
        solution=bugs.gated,
        reference=bugs.opened,
        cases=bugs.gate_cases,
        mistakes=(
            Mistake(bugs.gated_as_found, "closed at 0", "a sigmoid is half open at 0"),
            Mistake(bugs.gate_at_one, "closed at 0", "the gate starts at one"),
            Mistake(bugs.all_gated, "the states go through", "the states are gated, too"),
            Mistake(bugs.mixed, "the states go through", "an open gate takes the states away"),
            Mistake(bugs.no_gate, "a gate", "the gate is not used"),
        ),
    ),
    Exercise(
        objective="05.5",
        title="what trains",
        difficulty=1,
        minutes=4,
        contract=(
            "`names` are all parameters; the parts are `vpg.encoder`, `vpg.head` (the resampler), "
            "`gated` and `language`.",
            "Gives, in their order, the names of what Flamingo trains: resampler and gated layers.",
        ),
        hints=(
            "Two parts train, and one of them has no word in its name that tells so.",
            "Decide by the part at the beginning of a name, not by a word anywhere in it.",
            '`name.startswith(("vpg.head.", "gated."))`.',
        ),
        solution=bugs.trains,
        reference=bugs.picked,
        cases=bugs.name_cases,
        mistakes=(
            Mistake(bugs.trains_as_found, "the resampler trains", "the resampler is left out"),
            Mistake(bugs.encoder_too, "the encoder is frozen", "the encoder trains along"),
            Mistake(bugs.all_of_them, "the language model is frozen", "everything trains"),
            Mistake(bugs.head_alone, "the gated layers train", "the gated layers are left out"),
            Mistake(
                bugs.by_a_word,
                "the part decides",
                "a layer of the language model has the same word in its name",
            ),
        ),
    ),
    Exercise(
        objective="02.4",
        title="shifted once",
        difficulty=1,
        minutes=4,
        contract=(
            "`logits` (B, T, V) are those of the places, `ids` (B, T) the words at the places.",
            "Gives the mean loss, a scalar: each place predicts the word behind it.",
        ),
        hints=(
            "For the text `a red star`: which word stands at the place whose logits are compared "
            "with `star`?",
            "Leave out the last place of the logits and the first word of the ids, each once.",
            "`logits[:, :-1]` against `ids[:, 1:]`, both flattened.",
        ),
        solution=bugs.next_word_loss,
        reference=bugs.word_loss,
        cases=bugs.loss_cases,
        mistakes=(
            Mistake(
                bugs.next_word_loss_as_found,
                "shifted once",
                "the labels were shifted, and then shifted again: it asks for the word after next",
            ),
            Mistake(bugs.never_shifted, "shifted once", "a place is asked for its own word"),
            Mistake(bugs.shifted_back, "the direction", "a place is asked for the word before it"),
            Mistake(bugs.summed, "a mean", "it is a sum over the words"),
        ),
    ),
)
