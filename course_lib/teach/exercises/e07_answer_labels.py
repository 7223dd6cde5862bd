"""Ids and labels of a chat in one pass: no piece is tokenised twice, nothing has to be counted."""

from functools import partial

from transformers import PreTrainedTokenizerBase

from course_lib.data.chat_templates import Piece
from course_lib.data.prompts import image_token_id, typed_ids
from course_lib.teach.task import Case, Exercise, Mistake

Pieces = list[tuple[str, list[int]]]
IdsAndLabels = tuple[list[int], list[int]]


def answer_labels(
    pieces: list[tuple[str, list[int]]], num_patches: int
) -> tuple[list[int], list[int]]:
    """Returns the ids of a chat and its labels, -100 where there is no loss."""
    ids: list[int] = []
    labels: list[int] = []
    for kind, new in pieces:
        if kind == "image":
            new = new * num_patches
        ids += new
        labels += new if kind in ("answer", "stop") else [-100] * len(new)
    return ids, labels


def reference(pieces: Pieces, num_patches: int) -> IdsAndLabels:
    """Takes each token with the kind of its piece, and asks it alone whether it is learned."""
    tokens = [
        (token, kind)
        for kind, piece in pieces
        for _ in range(num_patches if kind == "image" else 1)
        for token in piece
    ]
    learned = {"answer", "stop"}
    return [t for t, _ in tokens], [t if kind in learned else -100 for t, kind in tokens]


def kinds_and_ids(tokenizer: PreTrainedTokenizerBase, pieces: list[Piece]) -> Pieces:
    """Returns the library's pieces of a chat as the exercise wants them."""
    marks = {"image": ("image", image_token_id(tokenizer))}
    marks |= {"bos": ("start", tokenizer.bos_token_id), "eos": ("stop", tokenizer.eos_token_id)}
    listed = []
    for piece in pieces:
        kind = {"human": "human", "system": "system"}.get(piece.role, "name")
        said = ("answer" if piece.carries_loss else kind, typed_ids(tokenizer, piece.text))
        mark = marks.get(piece.special)
        listed.append((mark[0], [mark[1]]) if mark else said)
    return listed


def _labelled(pieces, num_patches, kinds):
    """Labels other kinds than the solution does; a number in `kinds` is the place of a piece."""
    ids, labels = [], []
    for place, (kind, piece) in enumerate(pieces):
        new = list(piece) * (num_patches if kind == "image" else 1)
        ids += new
        labels += new if kind in kinds or place in kinds else [-100] * len(new)
    return ids, labels


_stop_unlearned = partial(_labelled, kinds={"answer"})
_name_learned = partial(_labelled, kinds={"name", "answer", "stop"})
_question_learned = partial(_labelled, kinds={"human", "name", "answer", "stop"})


def _all_learned(pieces, num_patches):
    return _labelled(pieces, num_patches, {kind for kind, _ in pieces})


def _answers(pieces):
    return [place for place, (kind, _) in enumerate(pieces) if kind == "answer"]


def _last_answer(pieces, num_patches):
    last = _answers(pieces)[-1:]
    return _labelled(pieces, num_patches, {*last, *(place + 1 for place in last)})


def _counted_before_images(pieces, num_patches):
    ids, _ = answer_labels(pieces, num_patches)
    _, short = answer_labels(pieces, 1)
    return ids, short + [-100] * (len(ids) - len(short))


def _one_stop(pieces, num_patches):
    stops = [place for place, (kind, _) in enumerate(pieces) if kind == "stop"]
    return _labelled(pieces, num_patches, {"answer", *stops[-1:]})


def _shifted(pieces, num_patches):
    ids, labels = answer_labels(pieces, num_patches)
    return ids, [*labels[1:], -100]


def _one_place(pieces, num_patches):
    return answer_labels(pieces, 1)


def _labels_know_one_place(pieces, num_patches):
    return answer_labels(pieces, num_patches)[0], answer_labels(pieces, 1)[1]


def _zeros(pieces, num_patches):
    ids, labels = answer_labels(pieces, num_patches)
    return ids, [0 if label == -100 else label for label in labels]


def _by_the_number(pieces, num_patches):
    said = {token for kind, piece in pieces if kind in ("answer", "stop") for token in piece}
    ids, _ = answer_labels(pieces, num_patches)
    return ids, [token if token in said else -100 for token in ids]


def _answers_alone(pieces, num_patches):
    ids, labels = answer_labels(pieces, num_patches)
    return ids, [label for label in labels if label != -100]


def _repeats_in_place(pieces, num_patches):
    for kind, new in pieces:
        if kind == "image":
            new *= num_patches
    return answer_labels(pieces, 1)


def _cases() -> list[Case]:
    start, image, name = ("start", [1]), ("image", [9]), ("name", [30, 31])
    system, stop, signs = ("system", [20, 21]), ("stop", [2]), ("stop", [77, 78])
    asks = [start, system, ("human", [40, 41, 42]), name]
    shows = [start, system, ("human", [40]), image, ("human", [13, 41, 42]), name]
    says, more = ("answer", [50, 51]), [("human", [40, 60, 51]), name, ("answer", [61, 42])]

    def case(words: str, pieces: Pieces, num_patches: int) -> Case:
        return Case(words, ([(kind, list(ids)) for kind, ids in pieces], num_patches))

    return [
        case("a question and its answer", [*asks, says, stop], 4),
        case("with an image of 4 patches", [*shows, says, stop], 4),
        case("2 rounds, an image of 3 patches", [*shows, says, stop, *more, stop], 3),
        case("2 rounds, two tokens end an answer", [*asks, says, signs, *more, signs], 3),
        case("a prompt, nothing to learn yet", shows, 2),
    ]


EXERCISE = Exercise(
    objective="07.4",
    title="ids and labels in one pass",
    difficulty=2,
    minutes=8,
    contract=(
        "`pieces` is a chat in order, each piece a kind and its ids, tokenised already. The kinds "
        "are `start`, `system`, `human` (`USER:` and the question together), `image`, `name` (the "
        "words that open an answer, ` ASSISTANT:`), `answer` and `stop`.",
        "A piece `image` holds one id, which takes `num_patches` places, one for each patch.",
        "Gives two lists of the same length: the ids that the model reads, and the labels. A label "
        "is the id at its own place where the assistant has to say it, and -100 elsewhere. Nobody "
        "has shifted anything yet.",
        "The assistant has to say every answer of the chat and what ends it.",
    ),
    hints=(
        "Two lines under one another, ids and labels, and you write both with the same stroke of "
        "the pen. Then the only question at each piece is whether the model says it or reads it.",
        "Start with two empty lists. At each piece: repeat the id if it is an image, put the ids "
        "behind the first list, and behind the second either the same ids or as many -100.",
        "`new = new * num_patches` repeats a list without changing the old one. "
        "`labels += new if kind in (…) else [-100] * len(new)` keeps both lists equally long.",
    ),
    solution=answer_labels,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _stop_unlearned,
            "the stop carries loss",
            "what ends an answer has no label, so the model never learns to stop",
        ),
        Mistake(
            _name_learned,
            "the role's name carries no loss",
            "the name that opens the answer is learned too; it stands in every prompt, and the "
            "model has no need to say it",
        ),
        Mistake(
            _question_learned,
            "the question carries no loss",
            "the human's words have labels: the model learns to ask",
        ),
        Mistake(
            _all_learned,
            "what is given carries no loss",
            "everything has a label, even the places of patches, which are no words at all",
        ),
        Mistake(
            _last_answer,
            "every answer carries loss",
            "only the last answer is learned, though the model can learn all of them in one pass",
        ),
        Mistake(
            _counted_before_images,
            "a label stands at its own id",
            "the places of the answers were counted with one place for the image, so with more of "
            "them the labels stand too far in front",
        ),
        Mistake(
            _one_stop,
            "every stop carries loss",
            "only the end of the chat is learned, and not that an answer in the middle ends too",
        ),
        Mistake(
            _shifted,
            "a label stands at its own id",
            "the labels were moved by one; the loss will do that, and twice is once too often",
        ),
        Mistake(
            _one_place,
            "an image takes a place for each patch",
            "the image takes one place, and the splice will find too many visual tokens",
        ),
        Mistake(
            _labels_know_one_place,
            "both lists are equally long",
            "the places of the patches are in the ids and not in the labels",
        ),
        Mistake(
            _zeros,
            "-100 says that there is no loss",
            "0 stands where nothing is to be learned, and 0 is a word like any other",
        ),
        Mistake(
            _by_the_number,
            "the place decides, not the id",
            "words of the question that come up in an answer got a label too: they were found by "
            "their id",
        ),
        Mistake(
            _answers_alone,
            "both lists are equally long",
            "the labels hold the answers alone, as an encoder-decoder has them",
        ),
        Mistake(
            _repeats_in_place,
            "the pieces stay as they were",
            "`*=` repeats the ids inside the piece that came in, and whoever uses it again has "
            "too many places",
        ),
    ),
)
