"""A chat that is too long ends with an answer, and what it lost is counted."""

from itertools import groupby

from course_lib.data.chat_ids import EncodedChat
from course_lib.teach.task import Case, Exercise, Mistake

Cut = tuple[list[int], list[int], int]


def cut_at_turn(
    ids: list[int], labels: list[int], max_length: int
) -> tuple[list[int], list[int], int]:
    """Returns the ids and labels that fit, whole rounds only, and how many turns are lost."""
    behind = [*labels[1:], -100]
    ends = [i + 1 for i in range(len(ids)) if labels[i] != -100 and behind[i] == -100]
    kept = [end for end in ends if end <= max_length]
    length = kept[-1] if kept else 0
    return ids[:length], labels[:length], 2 * (len(ends) - len(kept))


def _ends(labels: list[int]) -> list[int]:
    ends, position = [], 0
    for silent, run in groupby(labels, key=lambda label: label == -100):
        position += len(list(run))
        ends += [] if silent else [position]
    return ends


def reference(ids: list[int], labels: list[int], max_length: int) -> Cut:
    """The library's cut, with the ends found run by run."""
    whole = EncodedChat(ids, labels, _ends(labels))
    kept = whole.cut(max_length)
    return kept.ids, kept.labels, 2 * (len(whole.ends) - len(kept.ends))


def _anywhere(ids, labels, max_length):
    return ids[:max_length], labels[:max_length], cut_at_turn(ids, labels, max_length)[2]


def _without_stop(ids, labels, max_length):
    ends = [end - 1 for end in _ends(labels)]
    kept = [end for end in ends if end <= max_length]
    length = kept[-1] if kept else 0
    return ids[:length], labels[:length], 2 * (len(ends) - len(kept))


def _fits_no_more(ids, labels, max_length):
    return cut_at_turn(ids, labels, max_length - 1)


def _stop_by_id(ids, labels, max_length):
    stop = ids[_ends(labels)[0] - 1]
    ends = [place + 1 for place, token in enumerate(ids) if token == stop]
    kept = [end for end in ends if end <= max_length]
    length = kept[-1] if kept else 0
    return ids[:length], labels[:length], 2 * (len(ends) - len(kept))


def _behind_question(ids, labels, max_length):
    starts = [i for i, label in enumerate(labels) if label != -100 and labels[i - 1] == -100]
    places = sorted([*_ends(labels), *starts])
    kept = [place for place in places if place <= max_length]
    length = kept[-1] if kept else 0
    return ids[:length], labels[:length], len(places) - len(kept)


def _answers_counted(ids, labels, max_length):
    kept, own, lost = cut_at_turn(ids, labels, max_length)
    return kept, own, lost // 2


def _tokens_counted(ids, labels, max_length):
    kept, own, _ = cut_at_turn(ids, labels, max_length)
    return kept, own, len(ids) - len(kept)


def _kept_counted(ids, labels, max_length):
    kept, own, _ = cut_at_turn(ids, labels, max_length)
    return kept, own, 2 * len(_ends(own))


def _labels_whole(ids, labels, max_length):
    kept, _, lost = cut_at_turn(ids, labels, max_length)
    return kept, list(labels), lost


def _from_the_front(ids, labels, max_length):
    starts = [0, *_ends(labels)]
    start = next(start for start in starts if len(ids) - start <= max_length)
    return ids[start:], labels[start:], 2 * starts.index(start)


def _all_or_nothing(ids, labels, max_length):
    if len(ids) <= max_length:
        return list(ids), list(labels), 0
    return [], [], 2 * len(_ends(labels))


def _first_round_stays(ids, labels, max_length):
    return cut_at_turn(ids, labels, max(max_length, _ends(labels)[0]))


def _first_round_is_cut(ids, labels, max_length):
    kept, own, lost = cut_at_turn(ids, labels, max_length)
    return (kept, own, lost) if kept else (ids[:max_length], labels[:max_length], lost)


def _nothing_left_raises(ids, labels, max_length):
    ends = _ends(labels)
    length = [end for end in ends if end <= max_length][-1]
    return ids[:length], labels[:length], 2 * (len(ends) - ends.index(length) - 1)


def _cases() -> list[Case]:
    off, image = -100, [9, 9, 9]

    def chat(*rounds: tuple[list[int], list[int]]) -> tuple[list[int], list[int]]:
        """Joins rounds of a question and an answer with its stop."""
        ids = [token for question, answer in rounds for token in [*question, *answer]]
        labels = [label for question, answer in rounds for label in [off] * len(question) + answer]
        return ids, labels

    first, second = ([1, *image, 11, 12], [21, 22, 2]), ([13], [23, 24, 2])
    third = ([14, 15], [25, 2])
    two, three = chat(first, second), chat(first, second, third)
    return [
        Case("1 round of 9 tokens, 9 fit", (*chat(first), 9)),
        Case("2 rounds of 9 and 4 tokens, 12 fit", (*two, 12)),
        Case("2 rounds of 9 and 4 tokens, 10 fit", (*two, 10)),
        Case("3 rounds of 9, 4 and 4 tokens, 13 fit", (*three, 13)),
        Case("3 rounds of 9, 4 and 4 tokens, 15 fit", (*three, 15)),
        Case("3 rounds of 9, 4 and 4 tokens, 20 fit", (*three, 20)),
        Case("a stop's id in the 2nd question, 10 fit", (*chat(first, ([2, 13], [23, 2])), 10)),
        Case("3 rounds, not even the first fits", (*three, 8)),
    ]


EXERCISE = Exercise(
    objective="07.4",
    title="cut at a turn",
    difficulty=2,
    minutes=12,
    contract=(
        "`ids` and `labels` are those of a chat of one or more rounds, each a question and its "
        "answer. The places of the patches are among the ids. Labels are -100 everywhere but on "
        "the answers, which end with their stop token.",
        "Gives the ids and the labels that are left, at most `max_length` of each, and how many "
        "turns were lost: a question and an answer are two.",
        "The end is always behind an answer with its stop, never inside one and never behind a "
        "question. As many rounds are kept as fit, from the front, where the image is.",
        "Where not even the first round fits, nothing is left: two empty lists, all turns lost.",
    ),
    hints=(
        "Nobody tells you where the answers end, and the labels know. Write the labels of two "
        "rounds in a line and mark the places where you would be allowed to cut.",
        "An answer ends at a label that is followed by -100, or by nothing. Collect the places "
        "behind those. Keep the places that are not beyond `max_length`, cut at the last of them, "
        "and count the others twice.",
        "With `behind = [*labels[1:], -100]` the end is where `labels[i] != -100` and "
        "`behind[i] == -100`; the place behind it is `i + 1`. `kept[-1] if kept else 0` also works "
        "when the list is empty.",
    ),
    solution=cut_at_turn,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _anywhere,
            "the end is behind an answer",
            "the chat was cut at the last token that fits, wherever that is; this is what the "
            "released code does",
        ),
        Mistake(
            _without_stop,
            "an answer keeps its stop",
            "the cut stands before the stop token, so the last answer never ends",
        ),
        Mistake(
            _fits_no_more,
            "a chat that just fits is whole",
            "a round that ends exactly at the limit was thrown away",
        ),
        Mistake(
            _stop_by_id,
            "the labels know where an answer ends",
            "ends were found by the stop token's id, which a question may hold, too",
        ),
        Mistake(
            _behind_question,
            "a question goes with its answer",
            "a question without its answer is left at the end: it takes room and teaches nothing",
        ),
        Mistake(
            _answers_counted,
            "questions are turns too",
            "rounds were counted, and a round is two turns",
        ),
        Mistake(_tokens_counted, "turns are counted", "these are tokens and not turns"),
        Mistake(_kept_counted, "what is lost is counted", "these are the turns that are left"),
        Mistake(
            _labels_whole,
            "ids and labels are cut alike",
            "the ids were cut and the labels were not",
        ),
        Mistake(
            _from_the_front,
            "the first rounds are kept",
            "rounds were taken off the front, and the image stands in the first",
        ),
        Mistake(
            _all_or_nothing,
            "what fits is kept",
            "a chat that is too long was left out as a whole, with the rounds that fit",
        ),
        Mistake(
            _first_round_stays,
            "nothing is longer than the limit",
            "the first round was kept though it does not fit",
        ),
        Mistake(
            _first_round_is_cut,
            "the end is behind an answer",
            "where no round fits, the first was cut in the middle",
        ),
        Mistake(
            _nothing_left_raises,
            "nothing may be left",
            "where no round fits, the list of ends is empty and has no last one",
        ),
    ),
)
