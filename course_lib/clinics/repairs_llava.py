"""The four repairs of LLaVA's clinic as exercises."""

from course_lib.clinics import bugs_llava as bugs
from course_lib.teach.task import Exercise, Mistake

REPAIRS = (
    Exercise(
        objective="07.4",
        title="an image in ids and labels",
        difficulty=2,
        minutes=6,
        contract=(
            "`ids` and `labels` are equally long; the image stands as one `image_id` in `ids`.",
            "Gives both with `places` entries for each image; a label stays at its own word.",
        ),
        hints=(
            "Write the two lists under each other, then put three places where one was. What has "
            "to happen in the lower list?",
            "Go through both lists at once. Put the token and the label down as often as the token "
            "takes places.",
            "`for token, label in zip(ids, labels)`; `count = places if token == image_id else 1`.",
        ),
        solution=bugs.expand_image,
        reference=bugs.expanded,
        cases=bugs.expand_cases,
        mistakes=(
            Mistake(
                bugs.expand_image_as_found,
                "a label stands at its own word",
                "the labels were filled up at the end, and what was to be learned stands in front "
                "of its word",
            ),
            Mistake(bugs.ids_alone, "both lists are equally long", "only the ids were made longer"),
            Mistake(
                bugs.filled_in_front,
                "what lies before the image stays",
                "the labels were filled up in front, which is right only where nothing with a "
                "label stands before an image and no image behind",
            ),
            Mistake(
                bugs.one_too_many, "the number of places", "there is one place more than asked"
            ),
        ),
    ),
    Exercise(
        objective="07.4",
        title="labels of several rounds",
        difficulty=2,
        minutes=6,
        contract=(
            "`rounds` are (prompt, answer) in ids, none with a start token.",
            "Gives ids, which begin with one `bos`, and labels: answers as they are, else -100.",
        ),
        hints=(
            "How often does the start token stand in the conversation, and how often was it "
            "counted?",
            "Do not search for answers in a finished list: when you write an answer down you know "
            "that it is one.",
            "`ids += prompt + answer` and `labels += [-100] * len(prompt) + answer`.",
        ),
        solution=bugs.label_rounds,
        reference=bugs.labelled,
        cases=bugs.round_cases,
        mistakes=(
            Mistake(
                bugs.label_rounds_as_found,
                "a label stands at its own word",
                "a start token is counted in every round, and stands in the first alone",
            ),
            Mistake(bugs.no_start, "the start token", "the conversation begins without it"),
            Mistake(
                bugs.ignored,
                "several rounds are learned",
                "a conversation that does not fit the count is left out: its loss is that of no "
                "word at all",
            ),
            Mistake(bugs.last_alone, "every answer is learned", "only the last answer has labels"),
        ),
    ),
    Exercise(
        objective="01.1",
        title="pixels on CLIP's scale",
        difficulty=1,
        minutes=4,
        contract=(
            "`images` is (B, 3, H, W), numbers from 0 to 1; `mean` and `std` are (3,), same scale.",
            "Gives the images with each channel shifted and scaled as CLIP wants it.",
        ),
        hints=(
            "Between which numbers do the pixels lie that come in, and which division expects "
            "0 to 255?",
            "Take the channel's mean off each pixel, divide by the channel's deviation.",
            "`mean[:, None, None]` is (3, 1, 1) and fits (B, 3, H, W).",
        ),
        solution=bugs.normalise,
        reference=bugs.normalised,
        cases=bugs.image_cases,
        mistakes=(
            Mistake(
                bugs.normalise_as_found,
                "the scale",
                "the pixels are divided by 255 a second time: every image is nearly black",
            ),
            Mistake(bugs.not_at_all, "shift and scale", "the pixels come out as they came in"),
            Mistake(bugs.channels_turned, "the order of colours", "red and blue changed places"),
            Mistake(bugs.times_std, "the scale", "it multiplies where it should divide"),
        ),
    ),
    Exercise(
        objective="07.5",
        title="groups of an optimiser",
        difficulty=1,
        minutes=4,
        contract=(
            "`names` are the parameters that train, as `named_parameters()` gives them.",
            "Gives two lists: those of the part `projector`, and all others, in their order.",
        ),
        hints=(
            "An optimiser trains what it is given and is silent about the rest. How would you make "
            "sure that no name is lost?",
            "Find the projector's by the beginning of their names. The others are what is left, "
            "whatever their names are.",
            '`name.startswith("projector.")`, and `name not in first` for the others.',
        ),
        solution=bugs.projector_groups,
        reference=bugs.grouped,
        cases=bugs.name_cases,
        mistakes=(
            Mistake(
                bugs.projector_groups_as_found,
                "no name is lost",
                "it looks for the part under a name of another code base, and finds nothing",
            ),
            Mistake(bugs.twice, "each name once", "the projector's names stand in both groups"),
            Mistake(
                bugs.wherever,
                "the part, not the word",
                "a layer elsewhere has the same word in its name",
            ),
            Mistake(
                bugs.weights_alone, "no name is lost", "the projector's biases are in no group"
            ),
        ),
    ),
)
