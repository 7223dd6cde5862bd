"""Stage 2's ids and labels: loss on the description and its end, and no description is cut."""

import torch

from course_lib.data.conversation_batch import Row, rows_batch
from course_lib.teach.task import Case, Exercise, Mistake

Rows = list[list[int]]


def curated_labels(
    prompt: list[int], answers: list[list[int]], end: list[int], most: int, pad: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Returns ids and labels of a batch whose rows have one prompt and an answer each."""
    said = [[*answer, *end] for answer in answers if len(answer) + len(end) <= most]
    longest = max(map(len, said), default=0)
    ids, labels = [], []
    for row in said:
        empty = longest - len(row)
        ids.append([*prompt, *row, *[pad] * empty])
        labels.append([-100] * len(prompt) + row + [-100] * empty)
    return ids, labels


def reference(
    prompt: list[int], answers: Rows, end: list[int], most: int, pad: int
) -> tuple[Rows, Rows]:
    """Lets the library pad, and asks of each place whether it lies behind the prompt."""
    rows = []
    for answer in answers:
        ids = [*prompt, *answer, *end]
        labels = [token if place >= len(prompt) else -100 for place, token in enumerate(ids)]
        if len(ids) - len(prompt) <= most:
            rows.append(Row(ids, labels, ()))
    if not rows:
        return [], []
    batch = rows_batch(rows, pad)
    return batch["input_ids"].tolist(), batch["labels"].tolist()


def _labelled(prompt, answers, end, most, pad, learn):
    """Gives right ids, and labels where `learn(place in the row, its length)` is True."""
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    lengths = [sum(label != -100 for label in row) for row in labels]
    made = [
        [token if learn(place, len(prompt) + n) else -100 for place, token in enumerate(row)]
        for row, n in zip(ids, lengths, strict=True)
    ]
    return ids, made


def _prompt_learned(prompt, answers, end, most, pad):
    return _labelled(prompt, answers, end, most, pad, lambda place, n: place < n)


def _end_unlearned(prompt, answers, end, most, pad):
    def learn(place, n):
        return len(prompt) <= place < n - len(end)

    return _labelled(prompt, answers, end, most, pad, learn)


def _padding_learned(prompt, answers, end, most, pad):
    return _labelled(prompt, answers, end, most, pad, lambda place, n: place >= len(prompt))


def _padding_by_id(prompt, answers, end, most, pad):
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    return ids, [[-100 if label == pad else label for label in row] for row in labels]


def _end_forgotten(prompt, answers, end, most, pad):
    fits = [answer for answer in answers if len(answer) + len(end) <= most]
    return curated_labels(prompt, fits, [], most, pad)


def _cut_and_no_end(prompt, answers, end, most, pad):
    cut = [[*answer, *end][:most] for answer in answers]
    return curated_labels(prompt, cut, [], most, pad)


def _cut_and_an_end(prompt, answers, end, most, pad):
    return curated_labels(prompt, [a[: most - len(end)] for a in answers], end, most, pad)


def _end_not_counted(prompt, answers, end, most, pad):
    return curated_labels(prompt, [a for a in answers if len(a) <= most], end, 10**6, pad)


def _exactly_is_too_long(prompt, answers, end, most, pad):
    return curated_labels(prompt, answers, end, most - 1, pad)


def _prompt_counted(prompt, answers, end, most, pad):
    return curated_labels(prompt, answers, end, most - len(prompt), pad)


def _answers_alone(prompt, answers, end, most, pad):
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    return ids, [row[len(prompt) :] for row in labels]


def _shifted(prompt, answers, end, most, pad):
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    return ids, [[*row[1:], -100] for row in labels]


def _zeros(prompt, answers, end, most, pad):
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    return ids, [[0 if label == -100 else label for label in row] for row in labels]


def _padded_to_the_limit(prompt, answers, end, most, pad):
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    full = len(prompt) + most
    return (
        [row + [pad] * (full - len(row)) for row in ids],
        [row + [-100] * (full - len(row)) for row in labels],
    )


def _a_tensor_cut_to_the_shortest(prompt, answers, end, most, pad):
    ids, labels = curated_labels(prompt, answers, end, most, pad)
    shortest = min((sum(x != -100 for x in row) for row in labels), default=0) + len(prompt)
    return tuple(torch.tensor(rows)[..., :shortest].tolist() for rows in (ids, labels))


def _cases() -> list[Case]:
    prompt, marks = [1, 30, 9, 9, 31], [77, 78]
    return [
        Case("one answer", (prompt, [[50, 51]], [2], 6, 0)),
        Case("two answers, padded with 0", (prompt, [[50, 51, 52], [53]], [2], 6, 0)),
        Case("padded with the end token", (prompt, [[53], [50, 51, 52]], [2], 6, 2)),
        Case("two tokens end an answer", (prompt, [[50, 51], [52]], marks, 4, 0)),
        Case("one of three is too long", (prompt, [[50] * 3, [51] * 5, [52]], [2], 4, 0)),
        Case("all are too long", (prompt, [[50] * 3, [51] * 4], marks, 4, 0)),
    ]


EXERCISE = Exercise(
    objective="08.2",
    title="loss on the description and its end",
    difficulty=2,
    minutes=12,
    contract=(
        "`prompt` are ids up to where an answer begins, places of the image included; all rows of "
        "the batch share it. `answers` are the ids of the descriptions, `end` those of what ends "
        "every one of them (`###`): one token or more.",
        "Gives two lists of rows: ids and labels, equally long. On the answer and on all of its "
        "end label i is id i, everywhere else it is -100. Nothing is shifted yet.",
        "An answer that with its end has more than `most` tokens is left out: half a description "
        "teaches to break off. Where none is left, both lists are empty.",
        "Rows are filled up on the right to the longest row that is left: the ids with `pad`, the "
        "labels with -100, whatever number `pad` is.",
    ),
    hints=(
        "First decide which answers stay, then build rows. What is padding you know from lengths; "
        "an id cannot tell you, since `pad` may be the end token.",
        "Put the end behind each answer and keep what is short enough. Find the longest. For each: "
        "ids are prompt, answer with end, padding; labels as many -100 as the prompt is long, the "
        "answer with its end, and as many -100 as there is padding.",
        "`[[*answer, *end] for answer in answers if len(answer) + len(end) <= most]` keeps. "
        "`max(map(len, said), default=0)` is the longest. "
        "`[-100] * len(prompt) + row + [-100] * empty` is a row of labels.",
    ),
    solution=curated_labels,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _prompt_learned,
            "the prompt carries no loss",
            "the prompt has labels, so the model learns to ask, and to say places of an image",
        ),
        Mistake(
            _end_unlearned,
            "the end carries loss",
            "the end has no label: nothing teaches the model to stop",
        ),
        Mistake(
            _padding_learned,
            "padding carries no loss",
            "what fills the rows up has labels, so the model learns to say padding",
        ),
        Mistake(
            _padding_by_id,
            "the place decides, not the id",
            "labels were taken away wherever the id is that of the padding, and the end token has "
            "the same one",
        ),
        Mistake(
            _end_forgotten, "an end behind every answer", "the answers have no end to be learned"
        ),
        Mistake(
            _cut_and_no_end,
            "no description is cut",
            "a long answer was cut to `most` tokens and lost its end, as in the released code: "
            "the model learns that it need not stop there",
        ),
        Mistake(
            _cut_and_an_end,
            "no description is cut",
            "a long answer was cut and an end put behind it: the model learns to stop in the "
            "middle of a sentence",
        ),
        Mistake(_end_not_counted, "the end counts, too", "the answer was measured without its end"),
        Mistake(
            _exactly_is_too_long,
            "`most` tokens are allowed",
            "an answer that with its end has exactly `most` tokens was left out",
        ),
        Mistake(
            _prompt_counted,
            "`most` is about the answer",
            "the prompt was counted as well, so that answers are left out which fit",
        ),
        Mistake(
            _answers_alone,
            "both lists are equally long",
            "the labels begin with the answer, though its ids begin behind the prompt",
        ),
        Mistake(
            _shifted,
            "a label stands at its own id",
            "the labels were moved by one; the loss does that itself",
        ),
        Mistake(
            _zeros,
            "-100 says that there is no loss",
            "0 stands where nothing is to be learned, and 0 is a token like any other",
        ),
        Mistake(
            _padded_to_the_limit,
            "the longest row decides",
            "every row was filled up to the limit; the language model would read much padding",
        ),
        Mistake(
            _a_tensor_cut_to_the_shortest,
            "no description is cut",
            "rows were cut to the shortest one, so that they fit into a tensor",
        ),
    ),
)
