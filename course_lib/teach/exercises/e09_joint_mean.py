"""One step from several parts: each labelled word counts the same, whichever part it is in."""

import contextlib
import math
from typing import Any

import torch

from course_lib.teach.task import Case, Exercise, Mistake, call

Tensor = torch.Tensor


def joint_mean(losses: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the weight of each part's loss (P,) and the mean over all labelled words, a scalar.

    `losses` (P,) holds each part's mean over its own labelled words, `words` (P,) how many it has.
    """
    total = words.sum()
    if total == 0:
        raise ValueError(f"{len(words)} parts without a labelled word: there is nothing to learn.")
    weights = words / total
    return weights, (weights * losses)[words > 0].sum()


def reference(losses: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    """Gives every labelled word its part's mean, and takes the mean of all of them."""
    owner = torch.arange(len(words)).repeat_interleave(words)
    if len(owner) == 0:
        raise ValueError("there is no labelled word")
    weights = torch.stack([(owner == part).float().mean() for part in range(len(words))])
    return weights, losses[owner].mean()


def _run(answer: Any, case: Case) -> Any:
    """Makes tensors, and numbers of what comes out; without any word, tells what was raised."""
    losses, words = case.args
    without = not any(words)
    values = torch.tensor([math.nan if loss is None else loss for loss in losses])
    kept = values.clone()
    try:
        made = call(answer, Case(case.says, (values, torch.tensor(words))))
    except ValueError:
        if without:
            return "raises ValueError"
        raise
    if made is ... or without:
        return made if made is ... else "raises nothing"
    if not torch.equal(values.nan_to_num(), kept.nan_to_num()):
        return "changes `losses` in place"
    if not isinstance(made, tuple | list) or len(made) != 2:
        return made
    return {"weights": _numbers(made[0]), "mean": _numbers(made[1])}


def _numbers(value: Any) -> Any:
    if isinstance(value, torch.Tensor | list | tuple | float | int):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            return torch.as_tensor(value, dtype=torch.float32)
    return value


def _refused(words):
    if words.sum() == 0:
        raise ValueError("no words")


def _mean_of_means(losses, words):
    _refused(words)
    weights = torch.full_like(losses, 1 / len(losses))
    return weights, losses.mean()


def _mean_of_full_parts(losses, words):
    _refused(words)
    weights = (words > 0) / (words > 0).sum()
    return weights, losses[words > 0].mean()


def _nan(losses, words):
    _refused(words)
    weights = words / words.sum()
    return weights, (weights * losses).sum()


def _hides_nan(losses, words):
    _refused(words)
    weights = words / words.sum()
    return weights, (weights * losses).nansum()


def _sums(losses, words):
    _refused(words)
    return words.float(), (words * losses)[words > 0].sum()


def _by_the_largest(losses, words):
    _refused(words)
    weights = words / words.max()
    return weights, (weights * losses)[words > 0].sum()


def _over_parts(losses, words):
    weights, mean = joint_mean(losses, words)
    return weights / len(words), mean / len(words)


def _mean_right_weights_equal(losses, words):
    _, mean = joint_mean(losses, words)
    return torch.full_like(losses, 1 / len(losses)), mean


def _turned(losses, words):
    _refused(words)
    shares = torch.where(words > 0, 1 / words, 0.0)
    weights = shares / shares.sum()
    return weights, (weights * losses)[words > 0].sum()


def _zero_without_words(losses, words):
    weights = words / words.sum().clamp(min=1)
    return weights, (weights * losses)[words > 0].sum()


def _exchanged(losses, words):
    weights, mean = joint_mean(losses, words)
    return mean, weights


def _skips_empty(losses, words):
    weights, mean = joint_mean(losses, words)
    return weights[words > 0], mean


def _cases() -> list[Case]:
    # None stands for NaN, which is not equal to itself: the check could not compare its inputs.
    return [
        Case("text with 6 words, images with 2", ([1.0, 5.0], [6, 2])),
        Case("text alone, one part", ([2.0], [3])),
        Case("3 parts", ([0.5, 2.0, 4.0], [10, 5, 1])),
        Case("a part without a labelled word", ([1.0, None, 3.0], [3, 0, 1])),
        Case("a part with words whose loss is NaN", ([1.0, None], [2, 2])),
        Case("no labelled word in any part", ([None, None], [0, 0])),
    ]


EXERCISE = Exercise(
    objective="09.4",
    title="not a mean of means",
    difficulty=2,
    minutes=8,
    contract=(
        "A step has P parts, some of text alone, some with images. `losses` is (P,): the loss that "
        "the model gives for each part, a mean over the labelled words of this part. `words` is "
        "(P,): how many labelled words each has.",
        "Gives two things. First the weights (P,): what each part's loss is multiplied by before "
        "its `backward`, so that in the sum each labelled word of the step counts the same. Then "
        "the loss of the step, the mean over all labelled words.",
        "A part with 0 labelled words has a loss of NaN, a mean of nothing. Its weight is 0, and "
        "it must not make the mean NaN. A NaN in a part that **has** words is a real fault, and "
        "the mean has to show it.",
        "Raises a `ValueError` when no part has a labelled word.",
    ),
    hints=(
        "Two words in one part and six in another: how much of the step should one word be? Say "
        "the number, and ask what part of it the model's mean has given already.",
        "Add all words up. If there are none, raise. A part's weight is its share of the words. "
        "The mean is the sum of weight times loss, over the parts that have words: leave the "
        "others out before you add, since 0 times NaN is NaN.",
        "`weights = words / words.sum()` divides whole numbers into fractions. "
        "`values[words > 0]` keeps the parts that have words. `nansum` would be shorter and would "
        "hide a real NaN.",
    ),
    solution=joint_mean,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _mean_of_means,
            "each word counts the same",
            "that is a mean of means: a word of the part with fewer words counts for more",
        ),
        Mistake(
            _mean_of_full_parts,
            "each word counts the same",
            "parts without words are left out, but those that stay count the same, however many "
            "words they have",
        ),
        Mistake(
            _nan,
            "an empty part does no harm",
            "the empty part has the weight 0, and 0 times NaN is NaN",
        ),
        Mistake(
            _hides_nan,
            "a real NaN shows",
            "every NaN is skipped, also that of a part with words, and nobody would notice that "
            "the run is broken",
        ),
        Mistake(
            _sums,
            "weights are shares",
            "the parts were weighted with their words and never divided by all of them",
        ),
        Mistake(
            _by_the_largest,
            "weights are shares of all words",
            "the words were divided by the largest part's, so the weights do not sum to 1",
        ),
        Mistake(
            _over_parts,
            "weights sum to 1",
            "the shares were divided by the number of parts as well, as accumulation often does",
        ),
        Mistake(
            _mean_right_weights_equal,
            "the weights belong to the mean",
            "the mean that is reported is right, and the gradients are those of a mean of means",
        ),
        Mistake(
            _turned,
            "more words, more weight",
            "the weights are turned round: fewer words weigh more",
        ),
        Mistake(
            _zero_without_words,
            "nothing to learn raises",
            "a step without any labelled word passes as a loss of 0, the best there is",
        ),
        Mistake(_exchanged, "weights first, then the mean", "the two results are exchanged"),
        Mistake(
            _skips_empty,
            "a weight for each part",
            "the empty part has no weight at all, so the weights behind it belong to other parts",
        ),
    ),
)
