"""Several images in one prompt: their tokens take the kept places in reading order."""

import re
from typing import Any

import torch

from course_lib.fusion import splice
from course_lib.teach.task import Case, Exercise, Mistake, call

Tensor = torch.Tensor


def fill_images(
    embeds: torch.Tensor, ids: torch.Tensor, images: list[torch.Tensor], place: int
) -> torch.Tensor:
    """Returns (T, D): the embeddings of `ids` (T,), image tokens wherever the id is `place`."""
    is_place = ids == place
    tokens = torch.cat([embeds[:0], *images])  # (all image tokens, D), none without an image
    places = int(is_place.sum())
    if places != len(tokens):
        raise ValueError(f"{places} places for {len(tokens)} image tokens: make them as many.")
    filled = embeds.clone()
    filled[is_place] = tokens
    return filled


def reference(embeds: Tensor, ids: Tensor, images: list[Tensor], place: int) -> Tensor:
    """The library's splice, for a batch of one row."""
    tokens = torch.cat(images) if images else embeds.new_empty(0, embeds.shape[-1])
    return splice(embeds[None], tokens, (ids == place)[None])[0]


def _run(answer: Any, case: Case) -> Any:
    """Where the count does not fit, the output is what was raised, and which counts it names."""
    _, ids, images, place = case.args
    counts = {int((ids == place).sum()), sum(map(len, images))}
    if len(counts) == 1:
        return call(answer, case)
    try:
        made = call(answer, case)
    except ValueError as error:
        named = set(map(int, re.findall(r"\d+", str(error))))
        return "a ValueError with both counts" if counts <= named else "a ValueError without them"
    return made if made is ... else "raises nothing"


def _counted(embeds, ids, images, place):
    """Returns a copy, the mask and all tokens, once the counts fit."""
    is_place, tokens = ids == place, torch.cat([embeds[:0], *images])
    if int(is_place.sum()) != len(tokens):
        raise ValueError(f"{int(is_place.sum())} and {len(tokens)}")
    return embeds.clone(), is_place, tokens


def _first_image(embeds, ids, images, place):
    """As the released code did where placeholders and images are not equally many."""
    filled, kept = embeds.clone(), (ids == place).nonzero().flatten()
    tokens = torch.cat([embeds[:0], *images[:1]])[: len(kept)]
    filled[kept[: len(tokens)]] = tokens
    return filled


def _no_count(embeds, ids, images, place):
    tokens = torch.cat([embeds[:0], *images])
    kept = (ids == place).nonzero().flatten()
    count = min(len(kept), len(tokens))
    filled = embeds.clone()
    filled[kept[:count]] = tokens[:count]
    return filled


def _no_numbers(embeds, ids, images, place):
    filled, is_place, tokens = embeds.clone(), ids == place, torch.cat([embeds[:0], *images])
    if int(is_place.sum()) != len(tokens):
        raise ValueError("places and image tokens differ")
    filled[is_place] = tokens
    return filled


def _too_few_alone(embeds, ids, images, place):
    tokens, kept = torch.cat([embeds[:0], *images]), (ids == place).nonzero().flatten()
    if len(tokens) < len(kept):
        raise ValueError(f"{len(kept)} and {len(tokens)}")
    filled = embeds.clone()
    filled[kept] = tokens[: len(kept)]
    return filled


def _needs_an_image(embeds, ids, images, place):
    torch.cat(images)
    return fill_images(embeds, ids, images, place)


def _runs(is_place):
    """Returns (start, end) of each run of neighbouring places."""
    flags = [False, *is_place.tolist(), False]
    edges = [i for i in range(len(flags) - 1) if flags[i] != flags[i + 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _neighbours_are_one(embeds, ids, images, place):
    filled, is_place, _ = _counted(embeds, ids, images, place)
    for (start, end), image in zip(_runs(is_place), images, strict=False):
        filled[start:end] = image.repeat(end - start, 1)[: end - start]
    return filled


def _last_image_first(embeds, ids, images, place):
    return fill_images(embeds, ids, images[::-1], place)


def _token_by_token(embeds, ids, images, place):
    filled, is_place, tokens = _counted(embeds, ids, images, place)
    if images and len({len(image) for image in images}) == 1:
        tokens = torch.stack(images, dim=1).flatten(0, 1)
    filled[is_place] = tokens
    return filled


def _in_front(embeds, ids, images, place):
    filled, is_place, tokens = _counted(embeds, ids, images, place)
    return torch.cat([tokens, filled[~is_place]])


def _added(embeds, ids, images, place):
    filled, is_place, tokens = _counted(embeds, ids, images, place)
    filled[is_place] += tokens
    return filled


def _in_place(embeds, ids, images, place):
    _, is_place, tokens = _counted(embeds, ids, images, place)
    embeds[is_place] = tokens
    return embeds


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def case(says: str, row: str, images: int, tokens: int = 3) -> Case:
        """A row such as "a###b" keeps places where # stands; their id is 9."""
        ids = torch.tensor([9 if sign == "#" else ord(sign) - ord("a") for sign in row])
        shown = [torch.randn(tokens, 2, generator=chance) for _ in range(images)]
        return Case(says, (torch.randn(len(row), 2, generator=chance), ids, shown, 9))

    return [
        case("1 image of 2 tokens in 4 words", "a##b", 1, tokens=2),
        case("2 images, words between them", "ab###c###d", 2),
        case("2 images side by side, 1 apart", "a######b###c", 3),
        case("text alone", "abcd", 0),
        case("6 places for 3 image tokens", "a######b", 1),
        case("3 places for 9 image tokens", "a###b", 3),
        case("3 places and no image", "a###b", 0),
        case("no place for an image of 3 tokens", "ab", 1),
    ]


EXERCISE = Exercise(
    objective="09.5",
    title="several images, one row",
    difficulty=2,
    minutes=8,
    contract=(
        "`embeds` is (T, D), one row of embeddings, and `ids` (T,) their ids. A place that is kept "
        "for an image token has the id `place`. `images` lists the tokens of each image, in the "
        "order in which the images are shown, each (Q + 1, D).",
        "Gives a new (T, D): the image tokens stand in the places in reading order, the first "
        "image's first, and everything else is as it was. Two images may stand side by side. A row "
        "of text alone, with no image and no place, comes out as it is.",
        "Raises a `ValueError` when there are not as many places as image tokens, whichever are "
        "more. Its message names both numbers, as digits. `embeds` itself does not change.",
    ),
    hints=(
        "Where one image ends and the next begins need not be looked for in the row. All places "
        "in a line, all tokens in a line: the first goes to the first.",
        "Mark the places by their id. Put the images' tokens behind one another. Count both and, "
        "if they differ, raise with both numbers. Copy the embeddings and write the tokens where "
        "the mark is. What does your code do when the list of images is empty?",
        "`ids == place` is the mark, and `copy[mask] = tokens` writes in reading order. "
        "`torch.cat` refuses an empty list; with `embeds[:0]`, which has no rows, in front it has "
        'something to hold on to. `raise ValueError(f"{places} places for …")`.',
    ),
    solution=fill_images,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _first_image,
            "every image is shown",
            "the first image alone was shown and nobody was told, as the released code does",
        ),
        Mistake(
            _no_count,
            "a wrong count raises",
            "nothing compares the counts: what finds no place is left out, and what has no token "
            "stays a place",
        ),
        Mistake(
            _no_numbers,
            "the message names both counts",
            "it raises, but whoever reads the message cannot tell how many there were of which",
        ),
        Mistake(
            _too_few_alone,
            "a wrong count raises, whichever is more",
            "too few tokens raise, and too many are left out without a word",
        ),
        Mistake(
            _needs_an_image,
            "text alone is a row, too",
            "a row without images stops the run, as `torch.cat` does with an empty list; half of "
            "every batch has none",
        ),
        Mistake(
            _neighbours_are_one,
            "two images side by side stay two",
            "each run of places got one image, so two images side by side became one and the "
            "next image moved up",
        ),
        Mistake(
            _last_image_first,
            "the first image stands first",
            "the images came in the wrong order, the last one first",
        ),
        Mistake(
            _token_by_token,
            "an image stays together",
            "the images were shuffled into one another: the first token of each, then the second",
        ),
        Mistake(
            _in_front,
            "the places say where",
            "all images were put in front of the words",
        ),
        Mistake(
            _added,
            "a token replaces what kept its place",
            "the image tokens were added to the embeddings that stood there",
        ),
        Mistake(
            _in_place,
            "the row stays as it was",
            "the tokens were written into the row that came in, and whoever uses it again finds "
            "pictures in it",
        ),
    ),
)
