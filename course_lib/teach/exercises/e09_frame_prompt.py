"""A clip as a prompt: frames one behind the other, each as many places as any image."""

from course_lib.teach.task import Case, Exercise, Mistake

Frames = list[tuple[float, int]]
Prompt = tuple[list[int], list[int]]


def frame_prompt(
    opening: list[int],
    frames: list[tuple[float, int]],
    question: list[int],
    num_queries: int,
    place: int,
) -> tuple[list[int], list[int]]:
    """Returns the ids of the prompt, and the rows of the pictures in the order of their places."""
    rows = [row for _, row in sorted(frames)]
    places = [place] * (num_queries + 1) * len(rows)  # Q queries and the end token, each frame
    return [*opening, *places, *question], rows


def reference(
    opening: list[int], frames: Frames, question: list[int], num_queries: int, place: int
) -> Prompt:
    """Takes the earliest frame that is left, and puts its places, one by one."""
    ids, rows, left = list(opening), [], list(frames)
    while left:
        first = min(left, key=lambda frame: frame[0])
        left.remove(first)
        rows.append(first[1])
        for _ in range(num_queries):
            ids.append(place)
        ids.append(place)
    return ids + question, rows


def _rows(frames):
    return [row for _, row in sorted(frames)]


def _as_listed(opening, frames, question, num_queries, place):
    ids, _ = frame_prompt(opening, frames, question, num_queries, place)
    return ids, [row for _, row in frames]


def _by_row(opening, frames, question, num_queries, place):
    ids, rows = frame_prompt(opening, frames, question, num_queries, place)
    return ids, sorted(rows)


def _latest_first(opening, frames, question, num_queries, place):
    ids, rows = frame_prompt(opening, frames, question, num_queries, place)
    return ids, rows[::-1]


def _as_text(opening, frames, question, num_queries, place):
    ids, _ = frame_prompt(opening, frames, question, num_queries, place)
    return ids, [row for _, row in sorted(frames, key=lambda frame: str(frame[0]))]


def _no_end_token(opening, frames, question, num_queries, place):
    return [*opening, *[place] * num_queries * len(frames), *question], _rows(frames)


def _one_end_token(opening, frames, question, num_queries, place):
    places = num_queries * len(frames) + 1
    return [*opening, *[place] * places, *question], _rows(frames)


def _one_block(opening, frames, question, num_queries, place):
    return [*opening, *[place] * (num_queries + 1), *question], _rows(frames)


def _one_place_a_frame(opening, frames, question, num_queries, place):
    return [*opening, *[place] * len(frames), *question], _rows(frames)


def _opened_again(opening, frames, question, num_queries, place):
    block = [*opening, *[place] * (num_queries + 1)]
    return [*block * len(frames), *question], _rows(frames)


def _question_first(opening, frames, question, num_queries, place):
    places = [place] * (num_queries + 1) * len(frames)
    return [*question, *opening, *places], _rows(frames)


def _each_picture_once(opening, frames, question, num_queries, place):
    return frame_prompt(
        opening, list(enumerate(dict.fromkeys(_rows(frames)))), question, num_queries, place
    )


def _ends_alone(opening, frames, question, num_queries, place):
    first, *_, last = sorted(frames) * 2
    return frame_prompt(opening, [first, last], question, num_queries, place)


def _no_opening(opening, frames, question, num_queries, place):
    return frame_prompt([], frames, question, num_queries, place)


def _grows(opening, frames, question, num_queries, place):
    opening += [place] * (num_queries + 1) * len(frames)
    return opening + question, _rows(frames)


def _own_place(opening, frames, question, num_queries, place):
    return frame_prompt(opening, frames, question, num_queries, 9)


def _cases() -> list[Case]:
    opening, question = [1, 30, 31], [40, 41, 42]

    def case(says: str, frames: Frames, num_queries: int, place: int = 9) -> Case:
        return Case(says, (list(opening), frames, list(question), num_queries, place))

    return [
        case("2 frames, 1 query", [(0.0, 5), (0.5, 6)], 1),
        case("3 frames of 2 queries, not in order", [(1.0, 4), (0.0, 7), (0.5, 6)], 2),
        case("4 frames, two show the same picture", [(0.0, 3), (0.5, 3), (1.0, 8), (1.5, 8)], 2),
        case("frames of 9.5 and 10 seconds", [(10.0, 2), (9.5, 1), (9.0, 3)], 2, 50),
    ]


EXERCISE = Exercise(
    objective="09.6",
    title="a clip as a prompt",
    difficulty=1,
    minutes=6,
    contract=(
        "`opening` holds the ids of everything before the first frame, from the start token to "
        "`frames:`, and `question` the ids behind the last one. Both are tokenised already.",
        "`frames` lists pairs (seconds, row): when the frame was taken, and which row of the data "
        "holds its picture. They need not be in order; no two have the same time. A row can come "
        "up twice, where nothing moved.",
        "A frame takes `num_queries` places and one more for the end token, as any image does. "
        "Every place has the id `place`. No word and no sign stands between frames.",
        "Gives two lists: the ids, which are opening, places, question, and the rows of the "
        "pictures in order of time, one for each frame. `opening` itself does not change.",
    ),
    hints=(
        "For the language model a clip is several images without words between them. What tells "
        "the first from the last is only the order of the pictures that fill the places.",
        "Sort the frames by their seconds and keep the rows. A frame has Q + 1 places, so count "
        "how many all frames have. Put opening, places and question behind one another.",
        "`sorted(frames)` sorts pairs by what stands first in them. `[place] * 3` repeats. "
        "`[*opening, *places, *question]` makes a new list, where `opening += …` changes the old "
        "one.",
    ),
    solution=frame_prompt,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _as_listed,
            "pictures in order of time",
            "the pictures are in the order of the list, and before and after may be exchanged",
        ),
        Mistake(
            _by_row,
            "pictures in order of time",
            "the rows were sorted by their number, which says nothing about time",
        ),
        Mistake(
            _latest_first,
            "pictures in order of time",
            "the latest frame comes first, so everything moves back",
        ),
        Mistake(
            _as_text,
            "pictures in order of time",
            "seconds were sorted as text, where 10 comes before 9",
        ),
        Mistake(
            _no_end_token,
            "a frame takes Q + 1 places",
            "the end token of each frame has no place",
        ),
        Mistake(
            _one_end_token,
            "a frame takes Q + 1 places",
            "one end token was counted for the whole clip; each frame is an image and has its own",
        ),
        Mistake(
            _one_block,
            "each frame has its places",
            "the whole clip got the places of one image; that is another model, trained on video",
        ),
        Mistake(
            _one_place_a_frame,
            "a frame takes Q + 1 places",
            "each frame has one place, as before the placeholder is made longer",
        ),
        Mistake(
            _opened_again,
            "no word between frames",
            "the opening was written before each frame, and a start token in the middle with it",
        ),
        Mistake(
            _question_first,
            "the question stands last",
            "the question stands in front of the clip, where it cannot read any frame yet",
        ),
        Mistake(
            _each_picture_once,
            "each frame is shown",
            "a picture that comes up twice was shown once, though time went by",
        ),
        Mistake(
            _ends_alone,
            "each frame is shown",
            "only the first and the last frame were kept",
        ),
        Mistake(
            _own_place,
            "a place has the id `place`",
            "the places have an id that was typed in; another tokenizer has another for `<image>`",
        ),
        Mistake(
            _no_opening,
            "the opening stands first",
            "the opening is missing, and the start token with it",
        ),
        Mistake(
            _grows,
            "the opening stays as it was",
            "`+=` writes the places into the list that came in, and the next clip begins with them",
        ),
    ),
)
