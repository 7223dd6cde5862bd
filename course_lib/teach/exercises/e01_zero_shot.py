"""A classifier made of sentences: several prompts a class, averaged."""

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake


def zero_shot(images: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Returns (n,) integers: the class whose averaged prompt lies nearest to each picture."""
    classes = F.normalize(prompts.mean(dim=1), dim=-1)  # (classes, C)
    return (images @ classes.T).argmax(dim=1)


def reference(images: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Picture after picture, class after class, by the angle to the sum of the prompts."""
    rows = []
    for image in images:
        cosines = [F.cosine_similarity(image, own.sum(dim=0), dim=0) for own in prompts]
        rows.append(torch.stack(cosines).argmax())
    return torch.stack(rows)


def _mean_of_cosines(images, prompts):
    return (images @ prompts.mean(dim=1).T).argmax(dim=1)


def _best_prompt(images, prompts):
    return (
        (images @ prompts.flatten(0, 1).T).view(len(images), *prompts.shape[:2]).amax(2).argmax(1)
    )


def _first_prompt(images, prompts):
    return (images @ prompts[:, 0].T).argmax(dim=1)


def _pictures_for_classes(images, prompts):
    return (images @ F.normalize(prompts.mean(dim=1), dim=-1).T).argmax(dim=0)


def _number_of_the_prompt(images, prompts):
    return (images @ prompts.flatten(0, 1).T).argmax(dim=1)


def _mean_over_classes(images, prompts):
    return (images @ F.normalize(prompts.mean(dim=0), dim=-1).T).argmax(dim=1)


def _furthest(images, prompts):
    return (images @ F.normalize(prompts.mean(dim=1), dim=-1).T).argmin(dim=1)


def _cases() -> list[Case]:
    # The prompts of class 0 agree, those of class 1 spread: their mean is short.
    narrow = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    wide = torch.tensor([[0.0, 1.0], [0.96, -0.28]])
    chance = torch.Generator().manual_seed(3)
    images = F.normalize(torch.randn(40, 4, generator=chance), dim=-1)
    spread = torch.tensor([0.2, 0.7, 1.6])[:, None, None]
    middle = torch.randn(3, 1, 4, generator=chance)
    prompts = F.normalize(middle + spread * torch.randn(3, 5, 4, generator=chance), dim=-1)
    one = torch.tensor([[0.87, 0.493], [-0.6, 0.8], [0.98, -0.199]])
    return [
        Case("3 pictures, 2 classes with 2 prompts", (one, torch.stack([narrow, wide]))),
        Case("40 pictures, 3 classes with 5 prompts", (images, prompts)),
    ]


EXERCISE = Exercise(
    objective="01.6",
    title="a classifier made of sentences",
    difficulty=2,
    minutes=8,
    contract=(
        "`images` are (n, C), `prompts` (classes, sentences, C): for each class the vectors of "
        "its sentences, equally many; all vectors have length 1.",
        "A class is the mean of its prompts' vectors, brought to length 1 again.",
        "Gives (n,) integers (int64, as `argmax` makes them): for each picture the class with "
        "the largest cosine.",
    ),
    hints=(
        "Sentences of one class point in about the same direction. Their mean is that direction, "
        "but it is shorter than 1, and the shorter, the less they agree.",
        "Average over the prompts of each class, bring each mean to length 1, compare all pictures "
        "with all classes, and take the place of the largest number in each picture's row.",
        "`prompts.mean(dim=1)` is (classes, C), `F.normalize(…, dim=-1)` brings back the length, "
        "`images @ classes.T` is (n, classes). Along which axis does a picture choose?",
    ),
    solution=zero_shot,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _mean_of_cosines,
            "a class has length 1",
            "the mean was not brought back to length 1, so classes whose prompts agree win more "
            "often",
        ),
        Mistake(
            _best_prompt,
            "a class is the mean of its prompts",
            "the nearest single prompt decided",
        ),
        Mistake(
            _first_prompt,
            "a class is the mean of its prompts",
            "only the first prompt of each class was used",
        ),
        Mistake(
            _pictures_for_classes,
            "each picture chooses a class",
            "the largest number was looked for along the pictures: there is one answer a class",
        ),
        Mistake(
            _number_of_the_prompt,
            "the answer is a class",
            "this is the number of the nearest prompt among all prompts of all classes",
        ),
        Mistake(
            _mean_over_classes,
            "a class is the mean of its prompts",
            "the mean was taken over the classes, which mixes them",
        ),
        Mistake(_furthest, "the nearest class wins", "the smallest cosine was taken"),
    ),
)
