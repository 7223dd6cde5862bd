"""Greedy decoding: the likeliest word, behind it the next, until the end."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from course_lib.backbones.decoding import greedy as decode
from course_lib.teach.task import Case, Exercise, Mistake

ToLogits = Callable[[torch.Tensor], torch.Tensor]
Embed = Callable[[torch.Tensor], torch.Tensor]


@torch.no_grad()
def greedy(
    logits_of: Callable[[torch.Tensor], torch.Tensor],
    embed: Callable[[torch.Tensor], torch.Tensor],
    prompt: torch.Tensor,
    eos: int,
    longest: int,
) -> list[int]:
    """Writes behind a prompt of (1, S, D) vectors, one likeliest word at a time."""
    said: list[int] = []
    while len(said) < longest:
        word = logits_of(prompt)[0, -1].argmax()
        if word == eos:
            break
        said.append(word.item())
        prompt = torch.cat([prompt, embed(word.view(1, 1))], dim=1)
    return said


class _Reading:
    """A model for the library's loop that reads all of the text again for each word."""

    def __init__(self, logits_of: ToLogits, embed: Embed, prompt: torch.Tensor) -> None:
        self.logits_of, self.embed, self.text = logits_of, embed, prompt

    def first(self) -> torch.Tensor:
        return self.logits_of(self.text)[:, -1]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.text = torch.cat([self.text, self.embed(tokens[:, None])], dim=1)
        return self.first()


@torch.no_grad()
def reference(
    logits_of: ToLogits, embed: Embed, prompt: torch.Tensor, eos: int, longest: int
) -> list[int]:
    """The library's loop, without a cache."""
    return decode(_Reading(logits_of, embed, prompt), longest, {eos})[0]


def _write(logits_of, embed, prompt, eos, longest, place=-1, join=None):
    """Writes like the solution, but for the place that is read and how a word is joined on."""
    join = join or (lambda text, new: torch.cat([text, new], dim=1))
    said = []
    while len(said) < longest:
        word = logits_of(prompt)[0, place].argmax()
        if word == eos:
            break
        said.append(word.item())
        prompt = join(prompt, embed(word.view(1, 1)))
    return said


def _reads_first_place(logits_of, embed, prompt, eos, longest):
    return _write(logits_of, embed, prompt, eos, longest, place=0)


def _reads_prompt_alone(logits_of, embed, prompt, eos, longest):
    return _write(logits_of, embed, prompt, eos, longest, join=lambda text, new: text)


def _forgets_prompt(logits_of, embed, prompt, eos, longest):
    return _write(logits_of, embed, prompt, eos, longest, join=lambda text, new: new)


def _in_front(logits_of, embed, prompt, eos, longest):
    def join(text, new):
        return torch.cat([new, text], dim=1)

    return _write(logits_of, embed, prompt, eos, longest, join=join)


def _keeps_end(logits_of, embed, prompt, eos, longest):
    said = _write(logits_of, embed, prompt, eos, longest)
    return said if len(said) == longest else [*said, eos]


def _never_stops(logits_of, embed, prompt, eos, longest):
    return _write(logits_of, embed, prompt, -1, longest)


def _leaps_over_end(logits_of, embed, prompt, eos, longest):
    return [word for word in _never_stops(logits_of, embed, prompt, eos, longest) if word != eos]


def _one_more(logits_of, embed, prompt, eos, longest):
    return _write(logits_of, embed, prompt, eos, longest + 1)


WORDS = 7


def _embed(ids: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids, WORDS).float()


def _logits_of(embeds: torch.Tensor) -> torch.Tensor:
    """A model by pencil: word s of the text counts s + 1 times its id; the sum says what next."""
    ids = embeds.argmax(dim=-1)
    sums = (ids * torch.arange(1, ids.shape[1] + 1)).cumsum(dim=1)
    return F.one_hot((sums + 1) % WORDS, WORDS).float()


def _cases() -> list[Case]:
    def case(says: str, prompt: list[int], eos: int, longest: int) -> Case:
        return Case(says, (_logits_of, _embed, _embed(torch.tensor([prompt])), eos, longest))

    return [
        case("a prompt of 2 words, 2 words and the end", [2, 4], 3, 6),
        case("a prompt of 3 words, the end at once", [1, 2, 3], 1, 4),
        case("a prompt of 3 words, 4 words at most", [3, 5, 1], 2, 4),
    ]


EXERCISE = Exercise(
    objective="04.5",
    title="greedy decoding",
    difficulty=2,
    minutes=10,
    contract=(
        "`logits_of` maps vectors (1, S, D) to logits (1, S, V), `embed` ids (1, T) to vectors "
        "(1, T, D). `prompt` is (1, S, D): visual tokens and words, there is no difference.",
        "Gives a list of ids: the likeliest word behind the prompt, then the likeliest behind "
        "prompt and first word, and so on.",
        "Ends when the likeliest word is `eos`, which is not in the list, or when the list has "
        "`longest` words.",
    ),
    hints=(
        "The model gives logits at every position. Only one of them is about a word that nobody "
        "has written yet. And once a word is written it is a part of what is read.",
        "Until there are `longest` words: compute the logits of all that stands there, take the "
        "likeliest word of the last position, stop if it is the end. Note it, look up its vector, "
        "and put that behind everything.",
        "`word = logits_of(prompt)[0, -1].argmax()` is a tensor with one number, `word.item()` the "
        "id. `embed(word.view(1, 1))` is (1, 1, D), and `torch.cat([…, …], dim=1)` puts it behind.",
    ),
    solution=greedy,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _reads_first_place,
            "the last position says what comes next",
            "the word was read at position 0, which has seen no more than itself",
        ),
        Mistake(
            _reads_prompt_alone,
            "a written word is read",
            "the new word never joined the text, so the model is asked the same thing again",
        ),
        Mistake(
            _forgets_prompt,
            "the prompt is read every time",
            "the new word took the place of all that stood before it; without a cache of keys "
            "and values the model has then forgotten it",
        ),
        Mistake(_in_front, "a new word stands behind", "the new word was put in front of the text"),
        Mistake(
            _keeps_end,
            "the end is no word of the answer",
            "the end token was noted before it was noticed",
        ),
        Mistake(
            _never_stops,
            "the end ends",
            "nothing looks for the end token, so there are always as many words as allowed",
        ),
        Mistake(
            _leaps_over_end,
            "the end ends",
            "the end token was left out of the list, but what came behind it was written too",
        ),
        Mistake(_one_more, "at most `longest` words", "the loop runs once too often"),
    ),
)
