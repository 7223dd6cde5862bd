"""The famous mismatch: a chat counted in parts, with tokenizers that do not cut where they do."""

import re
from collections.abc import Callable
from functools import partial

from course_lib.teach.task import Case, Exercise, Mistake

Tokenize = Callable[[str], list[str]]


def find_mismatch(text: str, tokenize: Callable[[str], list[str]]) -> tuple[int, int, list[str]]:
    """Returns the length of a chat, what counting its parts makes of it, and what has loss."""
    tokens = tokenize(text)
    counted, learned = 1, []
    for part in text.split("</s>")[:-1]:
        prompt = part.split(" ASSISTANT: ")[0] + " ASSISTANT: "
        start = counted + len(tokenize(prompt)) - 2
        counted += len(tokenize(part))
        learned += tokens[start:counted]
    return len(tokens), counted, learned if counted == len(tokens) else []


def reference(text: str, tokenize: Tokenize) -> tuple[int, int, list[str]]:
    """Marks the tokens of each part one after the other, as the released code covers labels."""
    whole = tokenize(text)
    marks = [False] * len(whole)
    position = 1
    for part in re.findall(r"(.+?)</s>", text, re.DOTALL):
        answer = part.index(" ASSISTANT: ") + len(" ASSISTANT: ")
        silent, length = len(tokenize(part[:answer])) - 2, len(tokenize(part))
        for place in range(position + silent, position + length):
            if place < len(marks):
                marks[place] = True
        position += length
    if position != len(whole):
        return len(whole), position, []
    return len(whole), position, [t for t, mark in zip(whole, marks, strict=True) if mark]


def tokenizers() -> dict[str, Tokenize]:
    """Returns four tokenizers that differ in spaces and start tokens alone, by what they do.

    The first is like LLaMA's in the days of LLaVA: a space belongs to the word behind it, each
    text gets one in front, also behind an end token. USER with a space is two tokens, without one
    it is a single token; LLaMA's vocabulary has it like that.
    """
    return {
        "a space in front, also behind an end token": _tokenizer("after stops"),
        "a space in front of the text alone": _tokenizer("once"),
        "no start token": _tokenizer("after stops", start=False),
        "words without spaces": _tokenizer("never"),
    }


def _tokenizer(space: str, start: bool = True) -> Tokenize:
    spaced = r"▁US(?=ER\b)|(?<=▁US)ER|▁?\w+|▁?[^\w▁]|▁"
    pattern = r"\w+|[^\w\s]" if space == "never" else spaced

    def tokenize(text: str) -> list[str]:
        tokens = ["<s>"] if start else []
        for number, stretch in enumerate(re.split("(</s>)", text)):
            if stretch == "</s>":
                tokens.append(stretch)
            elif stretch and space != "never":
                front = " " if number == 0 or space == "after stops" else ""
                tokens += re.findall(pattern, f"{front}{stretch}".replace(" ", "▁"))
            else:
                tokens += re.findall(pattern, stretch)
        return tokens

    return tokenize


def _parts(text):
    return text.split("</s>")[:-1]


def _count(text, tokenize, first=1, taken=2, end=0, opening=" ASSISTANT: ", behind="", keeps=False):
    """Counts like the solution, but for one number or one text."""
    tokens, counted, learned = tokenize(text), first, []
    for part in _parts(text):
        prompt = part.split(" ASSISTANT: ")[0] + opening
        start = counted + len(tokenize(prompt)) - taken
        counted += len(tokenize(part + behind))
        learned += tokens[start : counted - end]
    return len(tokens), counted, learned if keeps or counted == len(tokens) else []


_counts_from_0 = partial(_count, first=0)


def _empty_part_too(text, tokenize):
    return _count(f"{text}</s>", lambda said: tokenize(said.replace("</s></s>", "</s>")))


_stops_counted_too = partial(_count, behind="</s>")
_nothing_taken_off = partial(_count, taken=0)
_only_start_taken_off = partial(_count, taken=1)
_no_space_at_the_end = partial(_count, opening=" ASSISTANT:")
_stop_unlearned = partial(_count, end=1)
_labels_stay = partial(_count, keeps=True)


def _starts_over(text, tokenize):
    whole, counted, learned = find_mismatch(text, tokenize)
    tokens, wrong = tokenize(text), []
    for part in _parts(text):
        prompt = part.split(" ASSISTANT: ")[0] + " ASSISTANT: "
        wrong += tokens[len(tokenize(prompt)) - 1 : 1 + len(tokenize(part))]
    return whole, counted, wrong if learned else []


def _start_taken_off(text, tokenize):
    whole, counted, learned = find_mismatch(text, tokenize)
    counted -= len(_parts(text))
    return whole, counted, learned if counted == whole else []


def _from_the_front(text, tokenize):
    tokens, counted, learned = tokenize(text), 1, []
    end = 0
    for part in _parts(text):
        answer = end + part.index(" ASSISTANT:") + len(" ASSISTANT:")
        end += len(part) + len("</s>")
        start, counted = len(tokenize(text[:answer])), len(tokenize(text[:end]))
        learned += tokens[start:counted]
    return len(tokens), counted, learned


def _cases() -> list[Case]:
    one = "Be brief. USER: what is this? ASSISTANT: a circle.</s>"
    two = one + "USER: is it red? ASSISTANT: yes.</s>"
    old, newer, no_start, words = tokenizers().values()
    return [
        Case("1 round, LLaVA's own tokenizer", (one, old)),
        Case("2 rounds, LLaVA's own tokenizer", (two, old)),
        Case("1 round, no space behind an end token", (one, newer)),
        Case("2 rounds, no space behind an end token", (two, newer)),
        Case("1 round, no start token", (one, no_start)),
        Case("2 rounds, no start token", (two, no_start)),
        Case("2 rounds, the toy world's words, no spaces", (two, words)),
    ]


EXERCISE = Exercise(
    objective="07.4",
    title="tokenization mismatch",
    difficulty=3,
    minutes=15,
    contract=(
        "`text` is a chat as `chat_string` writes it, with one or more rounds, every answer ended "
        "by `</s>`. `tokenize` gives the tokens of any text as a list of strings, most tokenizers "
        "with their start token in front, every time.",
        "Count as the released code does. A part is what stands before an `</s>`; behind the last "
        "one nothing stands, and that is no part. The count begins with 1 and grows by the number "
        "of tokens of each part, tokenised alone.",
        "Find the tokens with loss as it does, among the tokens of the whole text. Let n be the "
        "number of tokens of a part up to and with ` ASSISTANT: ` (both spaces), tokenised alone, "
        "less 2. The first n tokens from the old count on carry no loss; the others, up to the new "
        "count, do.",
        "Gives three values: the number of tokens of the whole text, the count, and the list of "
        "tokens that carry loss. Where the two numbers differ, no token does: an empty list.",
    ),
    hints=(
        "Print the tokens of a whole chat of two rounds, and under them those of its two parts. "
        "What do the parts have that the whole has not, and the other way round? The 1 and the 2 "
        "of the recipe are what makes both equal, for one tokenizer.",
        "Tokenise the text. Begin the count with 1. For each part: cut it behind ` ASSISTANT: `, "
        "tokenise that and subtract 2, which gives the first token with loss, from the count on. "
        "Add the part's own number to the count. Take the tokens between the two places. At the "
        "end compare both numbers.",
        "`text.split('</s>')[:-1]` are the parts; `part.split(' ASSISTANT: ')[0] + ' ASSISTANT: '` "
        "is a part without its answer. `start = counted + len(tokenize(prompt)) - 2`, then "
        "`counted += len(tokenize(part))`, and `tokens[start:counted]` carry loss.",
    ),
    solution=find_mismatch,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _counts_from_0,
            "the count begins with 1",
            "the count begins with 0, so all places are one too small",
        ),
        Mistake(
            _empty_part_too,
            "a part stands before an end token",
            "the empty text behind the last end token was counted as a part, with its start token",
        ),
        Mistake(
            _stops_counted_too,
            "a part has no end token",
            "each part was counted with its end token; the start token that every part gets "
            "already counts for that",
        ),
        Mistake(
            _start_taken_off,
            "a part counts with all its tokens",
            "the start token of each part was taken off: the released code lets it stand for the "
            "end token that the part has lost",
        ),
        Mistake(
            _nothing_taken_off,
            "two tokens are taken off",
            "nothing was subtracted, so the first two tokens of every answer have no loss",
        ),
        Mistake(
            _only_start_taken_off,
            "two tokens are taken off",
            "only one token was subtracted, for the start; the space at the end, which is a token "
            "of its own there, belongs to the first word of the answer",
        ),
        Mistake(
            _no_space_at_the_end,
            "the part up to the colon ends with a space",
            "the space behind the colon is missing, so the 2 takes the colon off instead",
        ),
        Mistake(
            _stop_unlearned,
            "the end token carries loss",
            "the last token of every stretch was left out, and that is the end token",
        ),
        Mistake(
            _labels_stay,
            "where the numbers differ, nothing has loss",
            "the numbers were not compared, so tokens carry loss that stand in the wrong places",
        ),
        Mistake(
            _starts_over,
            "a part begins where the one before it ended",
            "every part was looked for at the beginning of the chat",
        ),
        Mistake(
            _from_the_front,
            "parts are tokenised alone",
            "the whole text was tokenised up to each place. That is a better way to count, and "
            "what the released code does is to tokenise the parts",
        ),
    ),
)
