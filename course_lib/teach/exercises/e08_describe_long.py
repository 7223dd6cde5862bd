"""Describe, and ask to go on where the answer is short: step one of MiniGPT-4's curation."""

from collections.abc import Callable

from course_lib.curation.describing import Said, describe
from course_lib.teach.task import Case, Exercise, Mistake

Ask = Callable[[list[str]], tuple[str, int]]


def describe_long(
    ask: Callable[[list[str]], tuple[str, int]], wish: str, short: int
) -> tuple[str, int]:
    """Returns a description, continued once where it was short, and all tokens it took."""
    text, tokens = ask([wish])
    if not text or tokens > short:
        return text, tokens
    more, new = ask([wish, text, "Continue"])
    return f"{text} {more}".strip(), tokens + new


def reference(ask: Ask, wish: str, short: int) -> tuple[str, int]:
    """The library's, for one image."""

    def asked(turns: list[tuple[str, tuple[str, ...]]]) -> list[Said]:
        return [Said(*ask(list(said))) for _, said in turns]

    (found,) = describe(["image"], asked, wish, short)
    return found.text, found.tokens


def _rule(ask, wish, is_short, turns=None, join=" "):
    """Continues where `is_short(text, tokens)`, with other turns or another joint."""
    text, tokens = ask([wish])
    if not is_short(text, tokens):
        return text, tokens
    more, new = ask([wish, text, "Continue"] if turns is None else turns(wish, text))
    return f"{text}{join}{more}".strip(), tokens + new


def _only_below(ask, wish, short):
    return _rule(ask, wish, lambda text, tokens: text and tokens < short)


def _nothing_continued(ask, wish, short):
    return _rule(ask, wish, lambda text, tokens: tokens <= short)


def _always(ask, wish, short):
    return _rule(ask, wish, lambda text, tokens: bool(text))


def _by_words(ask, wish, short):
    return _rule(ask, wish, lambda text, tokens: text and len(text.split()) <= short)


def _by_letters(ask, wish, short):
    return _rule(ask, wish, lambda text, tokens: text and len(text) <= short)


def _a_new_talk(ask, wish, short):
    def turns(wish, text):
        return ["Continue"]

    return _rule(ask, wish, lambda text, tokens: text and tokens <= short, turns)


def _without_its_answer(ask, wish, short):
    def turns(wish, text):
        return [wish, "Continue"]

    return _rule(ask, wish, lambda text, tokens: text and tokens <= short, turns)


def _second_alone(ask, wish, short):
    text, tokens = ask([wish])
    if text and tokens <= short:
        return ask([wish, text, "Continue"])
    return text, tokens


def _until_long(ask, wish, short):
    text, tokens = ask([wish])
    turns = [wish, text]
    while text and tokens <= short:
        more, new = ask([*turns, "Continue"])
        text, tokens, turns = f"{text} {more}".strip(), tokens + new, [*turns, "Continue", more]
    return text, tokens


def _without_a_space(ask, wish, short):
    return _rule(ask, wish, lambda text, tokens: text and tokens <= short, join="")


def _first_counted(ask, wish, short):
    return describe_long(ask, wish, short)[0], ask([wish])[1]


WISH = "describe it."


def _model(first: tuple[str, int], more: tuple[str, int] = ("", 0)) -> Ask:
    """Makes a model that answers by what was said before."""

    def ask(turns: list[str]) -> tuple[str, int]:
        if turns == [WISH]:
            return first
        if turns == [WISH, first[0], "Continue"]:
            return more
        if len(turns) > 3:
            return "and so on.", 20
        return ("continue what?", 3) if len(turns) == 1 else ("a circle.", 3)

    return ask


def _cases() -> list[Case]:
    star, seven = ("a red star.", 4), ("a blue 7 is at its left.", 8)
    return [
        Case("an answer of 4 tokens, at most 5 are short", (_model(star, seven), WISH, 5)),
        Case("an answer of 8 tokens, at most 5 are short", (_model(seven, star), WISH, 5)),
        Case("an answer of exactly 8 tokens", (_model(seven, star), WISH, 8)),
        Case("no answer", (_model(("", 0), seven), WISH, 5)),
        Case("nothing more to say", (_model(star), WISH, 5)),
        Case("both together are still short", (_model(star, seven), WISH, 30)),
        Case("7 words, 8 tokens, at most 7 are short", (_model(seven, star), WISH, 7)),
    ]


EXERCISE = Exercise(
    objective="08.5",
    title="describe, and go on where it is short",
    difficulty=1,
    minutes=6,
    contract=(
        "`ask(turns)` puts a conversation to the model, human and model by turns and the human "
        "last, and gives (text, how many tokens it wrote). `wish` asks for a description.",
        "Gives the description and all tokens that were written for it.",
        "An answer of at most `short` tokens is taken for unfinished: the model is asked once "
        "more, in the same conversation, with `Continue` as the next turn. Both answers together, "
        "a space between them and none at the ends, are the description.",
        "An empty answer is not continued: there is nothing to go on from. Nobody is asked a third "
        "time.",
    ),
    hints=(
        "A model knows of a conversation only what it is given. If it is to go on, what has to "
        "stand before the word `Continue`?",
        "Ask with the wish alone. If the answer is empty, or has more tokens than `short`, you are "
        "done. If not, ask with three turns: the wish, the answer, `Continue`. Join both texts and "
        "add the tokens up.",
        "`text, tokens = ask([wish])`, then `if not text or tokens > short: return …`. The second "
        "question is `ask([wish, text, 'Continue'])`; `f'{text} {more}'.strip()` joins, also where "
        "nothing more comes.",
    ),
    solution=describe_long,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _only_below, "at most, not fewer than", "the limit itself was taken for long enough"
        ),
        Mistake(
            _nothing_continued,
            "an empty answer is not continued",
            "the model was asked to go on from nothing",
        ),
        Mistake(
            _always,
            "a long answer is done",
            "every answer was continued, however long it was",
        ),
        Mistake(
            _by_words,
            "tokens are counted",
            "the words were counted; the rule is about tokens, and full stops are some, too",
        ),
        Mistake(
            _by_letters,
            "tokens are counted",
            "the letters were counted; the rule is about tokens",
        ),
        Mistake(
            _a_new_talk,
            "the same conversation",
            "`Continue` was asked alone: the model knows neither the picture nor what it said",
        ),
        Mistake(
            _without_its_answer,
            "its own answer stands before",
            "the answer is missing between the wish and `Continue`, so the model cannot know what "
            "it is to go on from",
        ),
        Mistake(
            _second_alone,
            "both answers together",
            "the second answer was given without the first",
        ),
        Mistake(
            _until_long,
            "once more, and no more",
            "the model was asked until the answer was long, which only makes it repeat itself",
        ),
        Mistake(
            _without_a_space,
            "a space between both",
            "both answers were joined without a space",
        ),
        Mistake(
            _first_counted,
            "all tokens count",
            "the tokens of the second answer are missing",
        ),
    ),
)
