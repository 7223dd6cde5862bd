"""Does a description fail as language? Empty, repeating, endless, off the topic, or in pieces.

MiniGPT-4, arXiv 2304.10592, section 3.1 and table 3: after stage 1 a third of all descriptions
failed, by the eyes of people who looked for repetition, fragments and irrelevant content; no code
was released for it. Here rules look, in the order of `KINDS`, and the first that finds something
says why. Whether a description is true is another question: see `made_up`.

The rules were made with one half of `failure_examples.jsonl` and are held against the other
(`labelled_answers`): texts of the toy world, most of them written for this purpose by the rules'
own author and some by zoo models whose visual tokens were disturbed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from course_lib.evaluation.scene_grammar import TOKEN, broken_phrase, speaks_of_picture

KINDS = ("empty", "repetition", "endless", "off_topic", "fragment")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_ENDS = re.compile(r"[.!?\"')\]]\s*$")
_NEVER_LAST = {"a", "an", "the", "and", "or", "of", "at", "in", "on", "with", "to", "is", "are"}


@dataclass(frozen=True)
class Failure:
    """What is wrong with an answer.

    Args:
        kind: one of `KINDS`.
        reason: where it shows, in words.
    """

    kind: str
    reason: str


@dataclass(frozen=True)
class Rules:
    """When an answer fails.

    Args:
        loop_short: times in a row that one or two words may not be said.
        loop_long: the same for three words and more.
        marks: the same for one mark ("....").
        phrase: times that the same four words may not come, anywhere in the text.
        sentence: times that a sentence of three words or more may not come.
        least_words: of a description.
        least_about: share of sentences that have to speak of the picture.
        broken: says what is broken in a sentence; None looks at no grammar.
        about: see `speaks_of_picture`; None has no idea of the topic, as for photographs.
    """

    loop_short: int = 3
    loop_long: int = 2
    marks: int = 5
    phrase: int = 4
    sentence: int = 2
    least_words: int = 3
    least_about: float = 0.5
    broken: Callable[[str], str] | None = broken_phrase
    about: Callable[[str, bool | None], bool | None] | None = speaks_of_picture


TOY = Rules()
PHOTOGRAPHS = Rules(broken=None, about=None)


def find_failure(text: str, ended: bool = True, rules: Rules = TOY) -> Failure | None:
    """Looks for the first failure of an answer to "describe the picture".

    Args:
        text: the answer, without special tokens.
        ended: whether its stop token came; False where it ran into the limit.
        rules: `TOY`, or `PHOTOGRAPHS` for any other world.

    Returns:
        The failure, or None.
    """
    words = [token for token in TOKEN.findall(text.lower()) if token[0].isalnum()]
    if not words:
        return Failure("empty", "there is no word in it")
    looped = _repetition(text, words, rules)
    if looped:
        return Failure("repetition", looped)
    if not ended:
        return Failure("endless", f"no stop came within {len(words)} words")
    sentences = _SENTENCE.findall(text)
    strayed = _off_topic(sentences, rules)
    if strayed:
        return Failure("off_topic", strayed)
    broken = _fragment(sentences, words, rules)
    return Failure("fragment", broken) if broken else None


def _repetition(text: str, words: list[str], rules: Rules) -> str:
    tokens = TOKEN.findall(text.lower())
    for size in range(1, len(tokens) // 2 + 1):
        most = rules.loop_short if size < 3 else rules.loop_long
        for times, start in runs(tokens, size):
            unit = tokens[start : start + size]
            mark = size == 1 and not unit[0].isalnum()
            if times >= (rules.marks if mark else most):
                return f"{' '.join(unit)!r} is said {times} times in a row"
    fours = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    for phrase, count in fours.most_common(1):
        if count >= rules.phrase:
            return f"{' '.join(phrase)!r} is said {count} times"
    said_in = (TOKEN.findall(sentence.lower()) for sentence in _SENTENCE.findall(text))
    sentences = Counter(tuple(w for w in said if w[0].isalnum()) for said in said_in)
    for said, count in sentences.most_common():
        if count >= rules.sentence and len(said) >= 3:
            return f"the sentence {' '.join(said)!r} comes {count} times"
    return ""


def runs(tokens: list[str], size: int) -> Iterator[tuple[int, int]]:
    """Yields how often a stretch of `size` tokens follows itself, and where it begins."""
    equal = 0
    for index in range(size, len(tokens) + 1):
        if index < len(tokens) and tokens[index] == tokens[index - size]:
            equal += 1
            continue
        if equal >= size:
            yield equal // size + 1, index - equal - size
        equal = 0


def _off_topic(sentences: Sequence[str], rules: Rules) -> str:
    if rules.about is None:
        return ""
    found: list[bool] = []
    for sentence in sentences:
        about = rules.about(sentence, found[-1] if found else None)
        if about is not None:
            found.append(about)
    if not found or sum(found) / len(found) >= rules.least_about:
        return ""
    return f"{sum(found)} of {len(found)} sentences speak of the picture"


def _fragment(sentences: Sequence[str], words: list[str], rules: Rules) -> str:
    if len(words) < rules.least_words:
        return f"{len(words)} words are no description"
    for sentence in sentences:
        broken = rules.broken(sentence) if rules.broken else ""
        if broken:
            return broken
    if not _ENDS.search(sentences[-1]):
        # A caption may lack its full stop, as all captions of stage 1 do; a last sentence may not.
        if len(sentences) > 1:
            return "the last sentence breaks off"
        if words[-1] in _NEVER_LAST:
            return f"it ends with {words[-1]!r}"
    return ""


def failure_rate(answers: Sequence[tuple[str, bool]], rules: Rules = TOY) -> dict:
    """Counts failures, as the paper's table 3 does over 100 images.

    Args:
        answers: (text, whether its stop token came).
        rules: see `find_failure`.

    Returns:
        {rate: share of answers that fail, by_kind: {kind: share}}.

    Raises:
        ValueError: without an answer.
    """
    if not answers:
        raise ValueError("There is no answer to judge: describe at least one image.")
    found = [find_failure(text, ended, rules) for text, ended in answers]
    counts = Counter(failure.kind for failure in found if failure is not None)
    shares = {kind: counts[kind] / len(answers) for kind in KINDS}
    return {"rate": sum(counts.values()) / len(answers), "by_kind": shares}


@dataclass(frozen=True)
class Labelled:
    """An answer and what a person calls it: a kind of `KINDS`, or "good".

    Args:
        text: the answer.
        ended: whether its stop token came.
        label: by the definitions of `KINDS`, the first that applies.
        half: "choose" for making rules and thresholds, "held out" for measuring them.
        note: what makes it tricky, "" where nothing does.
    """

    text: str
    ended: bool
    label: str
    half: str
    note: str = ""


@cache
def labelled_answers() -> tuple[Labelled, ...]:
    """Returns the 200 labelled answers, 100 of either half."""
    path = Path(__file__).parent / "failure_examples.jsonl"
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    keys = ("text", "ended", "label", "half", "note")
    return tuple(Labelled(**{key: row[key] for key in keys}) for row in rows)
