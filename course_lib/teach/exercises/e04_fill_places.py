"""The splice with its count: visual tokens take the places that the prompt keeps for them."""

from typing import Any

import torch

from course_lib.fusion import splice
from course_lib.teach.task import Case, Exercise, Mistake, call


def fill_places(
    embeds: torch.Tensor, visual: torch.Tensor, image_mask: torch.Tensor
) -> torch.Tensor:
    """Returns (B, S, D): visual tokens where the mask is True, the words everywhere else."""
    tokens = visual.flatten(0, 1)  # (all visual tokens, D)
    places = int(image_mask.sum())
    if places != len(tokens):
        raise ValueError(f"{places} places for {len(tokens)} visual tokens: make them as many.")
    spliced = embeds.clone()
    spliced[image_mask] = tokens
    return spliced


def reference(embeds: torch.Tensor, visual: torch.Tensor, image_mask: torch.Tensor) -> torch.Tensor:
    """The library's splice."""
    return splice(embeds, visual, image_mask)


def _run(answer: Any, case: Case) -> Any:
    """Where the count does not fit, the output is what was raised."""
    _, visual, image_mask = case.args
    if int(image_mask.sum()) == visual.shape[0] * visual.shape[1]:
        return call(answer, case)
    try:
        made = call(answer, case)
    except ValueError:
        return "raises ValueError"
    return made if made is ... else "raises nothing"


def _no_count(embeds, visual, image_mask):
    return embeds.masked_scatter(image_mask[..., None], visual)


def _torch_raises(embeds, visual, image_mask):
    spliced = embeds.clone()
    spliced[image_mask] = visual.flatten(0, 1)
    return spliced


def _asserts(embeds, visual, image_mask):
    assert int(image_mask.sum()) == len(visual.flatten(0, 1)), "counts differ"
    return fill_places(embeds, visual, image_mask)


def _one_image_a_row(embeds, visual, image_mask):
    if (image_mask.sum(dim=1) != visual.shape[1]).any():
        raise ValueError("a row needs one place for each visual token")
    return fill_places(embeds, visual, image_mask)


def _always_in_front(embeds, visual, image_mask):
    if int(image_mask.sum()) != len(visual.flatten(0, 1)):
        raise ValueError("counts differ")
    return torch.cat([visual, embeds[:, visual.shape[1] :]], dim=1)


def _columns_first(embeds, visual, image_mask):
    flipped = fill_places(embeds.transpose(0, 1), visual, image_mask.T)
    return flipped.transpose(0, 1)


def _first_image(embeds, visual, image_mask):
    return fill_places(embeds, visual[:1].expand_as(visual), image_mask)


def _added(embeds, visual, image_mask):
    return embeds + fill_places(torch.zeros_like(embeds), visual, image_mask)


def _in_place(embeds, visual, image_mask):
    if int(image_mask.sum()) != len(visual.flatten(0, 1)):
        raise ValueError("counts differ")
    embeds[image_mask] = visual.flatten(0, 1)
    return embeds


def _case(says: str, rows: list[str], images: int, tokens: int, width: int, seed: int) -> Case:
    """Makes a case; a row such as "##.." keeps places where # stands."""
    chance = torch.Generator().manual_seed(seed)
    mask = torch.tensor([[place == "#" for place in row] for row in rows])
    embeds = torch.randn(*mask.shape, width, generator=chance)
    return Case(says, (embeds, torch.randn(images, tokens, width, generator=chance), mask))


def _cases() -> list[Case]:
    return [
        _case("2 places in front of 2 words", ["##.."], 1, 2, 1, seed=0),
        _case("2 rows, an image of 2 tokens each", ["##...", ".##.."], 2, 2, 3, seed=1),
        _case("2 rows, the first with two images", ["##.##.", "..##.."], 3, 2, 3, seed=2),
        _case("2 places for 3 visual tokens", ["##.."], 1, 3, 2, seed=3),
        _case("2 places for 1 visual token", ["##.."], 1, 1, 2, seed=4),
        _case("no place for 2 visual tokens", ["...."], 1, 2, 2, seed=5),
    ]


EXERCISE = Exercise(
    objective="04.3",
    title="a splice that counts",
    difficulty=2,
    minutes=8,
    contract=(
        "`embeds` is (B, S, D), `visual` (images, Q, D), `image_mask` a boolean (B, S), True where "
        "a place is kept.",
        "Gives a new (B, S, D): the visual tokens stand in the places, in reading order (row by "
        "row, each from left to right), and everything else is as it was. A row may show several "
        "images or none.",
        "Raises a `ValueError` when there are not as many places as visual tokens, whichever are "
        "more. `embeds` itself does not change.",
    ),
    hints=(
        "All visual tokens in a line, all places in a line: the first goes to the first. Before "
        "that, compare how long the two lines are.",
        "Make one axis of images and tokens. Count the places. If the counts differ, raise with "
        "both numbers. Copy the embeddings, and let the mask choose where to write.",
        "`visual.flatten(0, 1)` is the line of tokens, `int(image_mask.sum())` counts. A boolean "
        "(B, S) mask can stand in brackets: `copy[image_mask] = …` writes in reading order.",
    ),
    solution=fill_places,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _no_count,
            "a wrong count raises",
            "nothing compares the counts: `masked_scatter` leaves out what finds no place and says "
            "nothing",
        ),
        Mistake(
            _torch_raises,
            "a wrong count raises a ValueError",
            "nothing compares the counts: torch stumbles over some of them with a RuntimeError "
            "about shapes, and a single token it copies into every place",
        ),
        Mistake(
            _asserts,
            "a wrong count raises a ValueError",
            "an assert raises an AssertionError, and Python drops asserts when it runs with -O",
        ),
        Mistake(
            _one_image_a_row,
            "a row may show several images",
            "every row was asked for exactly one image",
        ),
        Mistake(
            _always_in_front,
            "the mask says where",
            "the visual tokens were put in front, whatever the mask says",
        ),
        Mistake(
            _columns_first,
            "places are filled row by row",
            "the places were visited column by column, so rows took tokens of one another",
        ),
        Mistake(
            _first_image,
            "each row shows its own image",
            "every place got tokens of image 0",
        ),
        Mistake(
            _added,
            "a visual token replaces what kept its place",
            "the visual tokens were added to what stood there",
        ),
        Mistake(
            _in_place,
            "the words stay as they were",
            "the places were written into the tensor that came in, and whoever uses it again "
            "finds a picture in it",
        ),
    ),
)
