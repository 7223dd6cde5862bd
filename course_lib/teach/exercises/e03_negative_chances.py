"""How likely each wrong partner is to be drawn as a hard negative."""

import math

import torch

from course_lib.teach.task import Case, Exercise, Mistake


def negative_chances(similarity: torch.Tensor, temperature: float) -> torch.Tensor:
    """Returns (B, B): row i holds the chances of each text to be drawn for image i."""
    own = torch.eye(len(similarity), dtype=torch.bool)
    scores = (similarity / temperature).masked_fill(own, -math.inf)
    return scores.softmax(dim=1)


def reference(similarity: torch.Tensor, temperature: float) -> torch.Tensor:
    """Row after row, over the wrong partners alone."""
    chances = torch.zeros_like(similarity)
    for i, line in enumerate(similarity):
        wrong = [j for j in range(len(line)) if j != i]
        weights = torch.exp((line[wrong] - line[wrong].max()) / temperature)
        chances[i, wrong] = weights / weights.sum()
    return chances


def _own(similarity):
    return torch.eye(len(similarity), dtype=torch.bool)


def _own_kept(similarity, temperature):
    return (similarity / temperature).softmax(dim=1)


def _multiplied(similarity, temperature):
    return (similarity * temperature).masked_fill(_own(similarity), -math.inf).softmax(dim=1)


def _no_temperature(similarity, temperature):
    return similarity.masked_fill(_own(similarity), -math.inf).softmax(dim=1)


def _columns(similarity, temperature):
    return (similarity / temperature).masked_fill(_own(similarity), -math.inf).softmax(dim=0)


def _zero_score(similarity, temperature):
    return (similarity / temperature).masked_fill(_own(similarity), 0.0).softmax(dim=1)


def _zeroed_late(similarity, temperature):
    return (similarity / temperature).softmax(dim=1).masked_fill(_own(similarity), 0.0)


def _easiest(similarity, temperature):
    return (-similarity / temperature).masked_fill(_own(similarity), -math.inf).softmax(dim=1)


def _cases() -> list[Case]:
    three = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.8, 0.6], [0.4, -0.3, 0.7]])
    chance = torch.Generator().manual_seed(0)
    five = 2 * torch.rand(5, 5, generator=chance) - 1
    return [
        Case("3 pairs at temperature 0.5", (three, 0.5)),
        Case("5 pairs at temperature 0.07", (five, 0.07)),
    ]


EXERCISE = Exercise(
    objective="03.5",
    title="how likely is each wrong partner?",
    difficulty=2,
    minutes=8,
    contract=(
        "`similarity` is (B, B), image against text, own pairs on the diagonal; `temperature` a "
        "positive number. B is at least 2.",
        "Gives the chances (B, B): row i holds $P(j \\mid i)$ for each text j.",
        "An own pair has the chance 0, and every row sums to 1.",
    ),
    hints=(
        "$\\exp$ of something, divided by the sum of a row, is a softmax. A mask has already shown "
        "how a softmax leaves somebody out: by what the score becomes, not by what the weight "
        "becomes.",
        "Divide by the temperature. Let the diagonal lose before the softmax, so that the others "
        "share all of the chance. Then a softmax along the texts.",
        "`torch.eye(B, dtype=torch.bool)` is True on the diagonal and fits into "
        "`scores.masked_fill(…, -math.inf)`. `dim=1` runs along a row.",
    ),
    solution=negative_chances,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _own_kept,
            "the own pair is never drawn",
            "the diagonal takes part: a right pair would be taught as a wrong one",
        ),
        Mistake(
            _multiplied,
            "a low temperature sharpens",
            "the similarities were multiplied by the temperature, so all become nearly equal",
        ),
        Mistake(
            _no_temperature,
            "a low temperature sharpens",
            "the temperature was not used",
        ),
        Mistake(
            _columns,
            "every row sums to 1",
            "the softmax runs down the columns: that answers which image to draw for a text",
        ),
        Mistake(
            _zero_score,
            "the own pair is never drawn",
            "a score of 0 is no exclusion: its exponential is 1",
        ),
        Mistake(
            _zeroed_late,
            "every row sums to 1",
            "the own pair was taken out after the softmax, and what it had got is missing now",
        ),
        Mistake(
            _easiest,
            "similar partners are likelier",
            "the sign is turned: the pairs that are easiest to tell apart would be drawn",
        ),
    ),
)
