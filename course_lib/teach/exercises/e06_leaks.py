"""Words and numbers by which a teacher gives away that it read and did not see."""

import re

from course_lib.teach.task import Case, Exercise, Mistake


def leaks(text: str) -> list[str]:
    """Returns, in order and in lower case, what betrays captions, boxes or coordinates."""
    word = r"\b(?:captions?|box(?:es)?|coordinates?)\b"
    number = r"(?<![\d.])(?:0?\.\d+|1\.0+)(?!\d)"
    return re.findall(f"{word}|{number}", text.lower())


WORDS = {"caption", "captions", "box", "boxes", "coordinate", "coordinates"}


def reference(text: str) -> list[str]:
    """Goes from word to word and asks what each one is."""
    found = []
    for word in re.findall(r"[a-z]+|[\d.]+", text.lower()):
        number = word.rstrip(".")
        is_share = "." in number and 0 <= float(number) <= 1
        if word in WORDS or is_share:
            found.append(word if word in WORDS else number)
    return found


def _in_words(text):
    words = r"captions?|box(?:es)?|coordinates?"
    return re.findall(rf"{words}|(?<![\d.])(?:0?\.\d+|1\.0+)(?!\d)", text.lower())


def _case(text):
    word = r"\b(?:captions?|box(?:es)?|coordinates?)\b"
    return re.findall(rf"{word}|(?<![\d.])(?:0?\.\d+|1\.0+)(?!\d)", text)


def _no_plural(text):
    word = r"\b(?:caption|box|coordinate)\b"
    return re.findall(rf"{word}|(?<![\d.])(?:0?\.\d+|1\.0+)(?!\d)", text.lower())


def _with_zero_only(text):
    word = r"\b(?:captions?|box(?:es)?|coordinates?)\b"
    return re.findall(rf"{word}|(?<![\d.])(?:0\.\d+|1\.0+)(?!\d)", text.lower())


def _every_decimal(text):
    word = r"\b(?:captions?|box(?:es)?|coordinates?)\b"
    return re.findall(rf"{word}|\d*\.\d+", text.lower())


def _no_one(text):
    word = r"\b(?:captions?|box(?:es)?|coordinates?)\b"
    return re.findall(rf"{word}|(?<![\d.])0?\.\d+(?!\d)", text.lower())


def _inside_numbers(text):
    word = r"\b(?:captions?|box(?:es)?|coordinates?)\b"
    return re.findall(rf"{word}|0?\.\d+|1\.0+", text.lower())


def _words_only(text):
    return [found for found in leaks(text) if found in WORDS]


def _first(text):
    return leaks(text)[:1]


def _words_then_numbers(text):
    return sorted(leaks(text), key=lambda found: found not in WORDS)


def _cases() -> list[Case]:
    return [
        Case("'a red star.'", ("a red star.",)),
        Case("'the caption says so.'", ("the caption says so.",)),
        Case("two words with capital letters", ("The Caption and the BOX say so.",)),
        Case("plurals", ("its boxes have coordinates, its captions have none.",)),
        Case("'a boxing match near a matchbox.'", ("a boxing match near a matchbox.",)),
        Case("a corner", ("from 0.042, .5 to 1.000 and 0.958.",)),
        Case("numbers that are no corner", ("7 things, 3.5 kg, 10.25 and 1.05 m.",)),
        Case("a number in front of a word", ("at 0.25 the box begins, by its coordinate.",)),
    ]


EXERCISE = Exercise(
    objective="06.4",
    title="what gives a teacher away?",
    difficulty=2,
    minutes=10,
    contract=(
        "Gives all that betrays the source, in the order of the text and in lower case.",
        "Words: caption, box, coordinate and their plurals, whole words, in any case. "
        "(A boxing match is no box.)",
        "Numbers: with a decimal point and decimals, from 0 to 1, such as `0.42`, `.42` and "
        "`1.000`. (7 and 3.5 are none; the full stop behind a number does not belong to it.)",
        "An empty list where nothing does.",
    ),
    hints=(
        "Two patterns, one for words and one for numbers, and the order of the text across both: "
        "that asks for a single search with either-or.",
        "Make the text lower case. A word pattern needs borders on both sides. A number pattern "
        "has two forms, a dot with decimals behind an optional 0, or 1 with nothing but zeros, and "
        "neither may be a piece of a longer number.",
        r"`re.findall(a + '|' + b, text.lower())` finds both in order. `\b` is a border of a word; "
        r"`0?\.\d+` and `1\.0+` are the numbers; `(?<![\d.])` in front and `(?!\d)` behind forbid "
        "a longer one. Groups have to be `(?:…)`, since findall gives what a plain group holds.",
    ),
    solution=leaks,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(_in_words, "whole words", "a word inside a longer word was taken, too"),
        Mistake(
            _case,
            "upper and lower case",
            "capital letters were not found: an answer begins with one",
        ),
        Mistake(_no_plural, "plurals as well", "the plural ends differently and was not found"),
        Mistake(_with_zero_only, "`.42` is a number, too", "the 0 in front may be missing"),
        Mistake(
            _every_decimal,
            "numbers from 0 to 1",
            "every number with decimals was taken; 3.5 kg betrays nothing",
        ),
        Mistake(_no_one, "1.000 is a corner, too", "a box at the right edge ends at exactly 1"),
        Mistake(
            _inside_numbers,
            "whole numbers",
            "a piece of a longer number was taken for a number of its own",
        ),
        Mistake(_words_only, "numbers as well", "only words were looked for"),
        Mistake(_first, "all of them", "the search stopped at the first find"),
        Mistake(
            _words_then_numbers,
            "in the order of the text",
            "words and numbers were searched one after the other and put together",
        ),
    ),
)
