"""Repetition, the first failure after stage 1: a stretch of words that follows itself."""

from collections import Counter

from course_lib.evaluation.failures import TOY, runs
from course_lib.teach.task import Case, Exercise, Mistake


def first_loop(words: list[str]) -> tuple[int, list[str]]:
    """Returns how often a stretch is said in a row, and the stretch; (0, []) without a loop."""
    for size in range(1, len(words) // 2 + 1):
        least = 3 if size < 3 else 2
        for start in range(len(words) - size + 1):
            stretch = words[start : start + size]
            times = 1
            while words[start + times * size : start + (times + 1) * size] == stretch:
                times += 1
            if times >= least:
                return times, stretch
    return 0, []


def reference(words: list[str]) -> tuple[int, list[str]]:
    """The library's runs, under the rules that its detector has."""
    for size in range(1, len(words) // 2 + 1):
        least = TOY.loop_short if size < 3 else TOY.loop_long
        for times, start in runs(words, size):
            if times >= least:
                return times, words[start : start + size]
    return 0, []


def _times(words, start, size):
    stretch, times = words[start : start + size], 1
    while words[start + times * size : start + (times + 1) * size] == stretch:
        times += 1
    return times


def _loop(words, sizes, least):
    """Looks as the solution does, at other sizes or for other counts."""
    for size in sizes:
        for start in range(len(words) - size + 1):
            times = _times(words, start, size)
            if times >= least(size):
                return times, words[start : start + size]
    return 0, []


def _sizes(words):
    return range(1, len(words) // 2 + 1)


def _rule(size):
    return 3 if size < 3 else 2


def _two_for_all(words):
    return _loop(words, _sizes(words), lambda size: 2)


def _three_for_all(words):
    return _loop(words, _sizes(words), lambda size: 3)


def _more_than(words):
    return _loop(words, _sizes(words), lambda size: _rule(size) + 1)


def _words_alone(words):
    return _loop(words, [1], _rule)


def _in_blocks(words):
    for size in _sizes(words):
        for start in range(0, len(words), size):
            times = _times(words, start, size)
            if times >= _rule(size):
                return times, words[start : start + size]
    return 0, []


def _longest_first(words):
    return _loop(words, reversed(_sizes(words)), _rule)


def _half_left_out(words):
    return _loop(words, range(1, len(words) // 2), _rule)


def _first_place(words):
    for start in range(len(words)):
        for size in _sizes(words):
            times = _times(words, start, size)
            if times >= _rule(size) and start + size <= len(words):
                return times, words[start : start + size]
    return 0, []


def _anywhere(words):
    for size in _sizes(words):
        stretches = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        stretch, count = stretches.most_common(1)[0]
        if count >= _rule(size):
            return count, list(stretch)
    return 0, []


def _at_the_end(words):
    for size in _sizes(words):
        stretch, times = words[len(words) - size :], 1
        while words[len(words) - (times + 1) * size : len(words) - times * size] == stretch:
            times += 1
        if times >= _rule(size):
            return times, stretch
    return 0, []


def _repeats(words):
    times, stretch = first_loop(words)
    return max(times - 1, 0), stretch


def _as_a_text(words):
    times, stretch = first_loop(words)
    return times, stretch * times


def _cases() -> list[Case]:
    texts = (
        "a red star",
        "red red red",
        "a very very red star",
        "very red very red",
        "no no no yes yes yes yes",
        "a red star a red star",
        "a star is red a star is red too",
        "at top at top at top of it",
        "so at top at top at top",
        "a 7 and a 7 at top-left",
        "the star is a star and a red star is a star",
        "it is a 3 a 3 a 3 a 3 and so on",
        "a red 2 is here a red 2 is here no no no more",
    )
    return [Case(repr(text), (text.split(),)) for text in texts]


EXERCISE = Exercise(
    objective="08.4",
    title="a stretch that follows itself",
    difficulty=3,
    minutes=15,
    contract=(
        "`words` is a text, word by word. A *stretch* is one or more words in a row. It loops if "
        "it follows itself directly: a stretch of one or two words at least 3 times in all, a "
        "longer one at least 2 times. (People do say *very, very*.)",
        "Gives how many times in a row the stretch is said, and the stretch as a list of words; "
        "`(0, [])` where nothing loops.",
        "Of several loops take the one with the shortest stretch; of equally short ones the one "
        "that begins first; and count all its times in a row.",
        "The same words in two places with others between them are no loop.",
    ),
    hints=(
        "Lay the text on top of itself, moved by a few words. Where both agree for long enough, "
        "something follows itself. By how many words do you have to move it, and where do you "
        "begin?",
        "For each size from 1 to half of the text, for each place: take the stretch that begins "
        "there. Count how often it stands right behind itself. As soon as the count is enough for "
        "this size, you are done.",
        "`words[start : start + size]` is the stretch, "
        "`words[start + times * size : start + (times + 1) * size]` what stands behind `times` of "
        "it; a slice that reaches over the end is shorter and equals nothing. "
        "`while … == stretch: times += 1`, from `times = 1`.",
    ),
    solution=first_loop,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _two_for_all,
            "one or two words need 3 times",
            "a short stretch was taken for a loop when it came twice, as in *very very*",
        ),
        Mistake(
            _three_for_all,
            "three words and more need 2 times",
            "a whole phrase may come twice without being noticed",
        ),
        Mistake(
            _more_than,
            "at least, not more than",
            "a loop had to come once more than the rule asks for",
        ),
        Mistake(
            _words_alone,
            "stretches of several words loop, too",
            "only single words were looked at",
        ),
        Mistake(
            _in_blocks,
            "a loop may begin anywhere",
            "the text was cut into blocks of the same size, so a loop that begins between two "
            "borders is not found",
        ),
        Mistake(
            _longest_first,
            "the shortest stretch counts",
            "long stretches were tried first, so two of a loop's turns were taken for one",
        ),
        Mistake(
            _half_left_out,
            "a stretch may be half of the text",
            "the sizes end one too early: a text that is one phrase twice is not found",
        ),
        Mistake(
            _first_place,
            "the shortest before the first",
            "the first place was taken where something loops, though a shorter stretch loops "
            "further back",
        ),
        Mistake(
            _anywhere,
            "in a row",
            "it was counted how often a stretch comes anywhere; a text may well speak of a star "
            "three times",
        ),
        Mistake(
            _at_the_end,
            "a loop may end",
            "only the end of the text was looked at; a model can also get out of a loop again",
        ),
        Mistake(
            _repeats,
            "the first time counts",
            "it was counted how often the stretch comes again, without its first time",
        ),
        Mistake(
            _as_a_text,
            "the stretch once",
            "all of the loop was given; the stretch alone is asked for",
        ),
    ),
)
