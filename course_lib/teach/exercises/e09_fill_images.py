"""Several images in one prompt: their tokens take the kept places in reading order."""

from typing import Any

import torch

from course_lib.fusion import splice
from course_lib.teach.task import Case, Exercise, Mistake, call, refused

Tensor = torch.Tensor
MOST_NUMBERS = 5  # of a message: who lists all numbers there are names no count


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
    embeds, ids, images, place = case.args
    counts = {int((ids == place).sum()), sum(map(len, images))}
    if len(counts) == 1:
        made = call(answer, case)
        shared = isinstance(made, Tensor) and made.data_ptr() == embeds.data_ptr()
        return "the row that came in" if shared else made
    return refused(answer, case, counts, MOST_NUMBERS)


def _counted(embeds, ids, images, place, kind=ValueError):
    """Returns a copy, the mask and all tokens, once the counts fit."""
    is_place, tokens = ids == place, torch.cat([embeds[:0], *images])
    if int(is_place.sum()) != len(tokens):
        raise kind(f"{int(is_place.sum())} and {len(tokens)}")
    return embeds.clone(), is_place, tokens


def _no_count(embeds, ids, images, place):
    kept, tokens = (ids == place).nonzero().flatten(), torch.cat([embeds[:0], *images])
    filled, count = embeds.clone(), min(len(kept), len(tokens))
    filled[kept[:count]] = tokens[:count]
    return filled


def _first_image(embeds, ids, images, place):
    """As the released code did where placeholders and images are not equally many."""
    return _no_count(embeds, ids, images[:1], place)


def _no_numbers(embeds, ids, images, place):
    try:
        return fill_images(embeds, ids, images, place)
    except ValueError:
        raise ValueError("places and image tokens differ") from None


def _asserts(embeds, ids, images, place):
    _counted(embeds, ids, images, place, AssertionError)
    return fill_images(embeds, ids, images, place)


def _itself(embeds, ids, images, place):
    return fill_images(embeds, ids, images, place) if images or place in ids else embeds


def _too_few_alone(embeds, ids, images, place):
    too_few = sum(map(len, images)) < int((ids == place).sum())
    return (fill_images if too_few else _no_count)(embeds, ids, images, place)


def _needs_an_image(embeds, ids, images, place):
    torch.cat(images)
    return fill_images(embeds, ids, images, place)


def _runs(is_place):
    """Returns (start, end) of each run of neighbouring places."""
    flags = [False, *is_place.tolist(), False]
    edges = [i for i in range(len(flags) - 1) if flags[i] != flags[i + 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _run_by_run(embeds, ids, images, place):
    filled = _counted(embeds, ids, images, place)[0]
    for (start, _), image in zip(_runs(ids == place), images, strict=False):
        filled[start : start + len(image)] = image
    return filled


def _token_by_token(embeds, ids, images, place):
    filled, is_place, tokens = _counted(embeds, ids, images, place)
    if images and len({len(image) for image in images}) == 1:
        tokens = torch.stack(images, dim=1).flatten(0, 1)
    filled[is_place] = tokens
    return filled


def _in_front(embeds, ids, images, place):
    filled, is_place, tokens = _counted(embeds, ids, images, place)
    return torch.cat([tokens, filled[~is_place]])


def _in_place(embeds, ids, images, place):
    _, is_place, tokens = _counted(embeds, ids, images, place)
    embeds[is_place] = tokens
    return embeds


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def case(says: str, row: str, images: int, tokens: int = 3, place: int = 9) -> Case:
        """A row such as "a###b" keeps places where # stands; "z" has a larger id than they."""
        ids = torch.tensor([place if sign == "#" else ord(sign) - ord("a") for sign in row])
        shown = [torch.randn(tokens, 2, generator=chance) for _ in range(images)]
        return Case(says, (torch.randn(len(row), 2, generator=chance), ids, shown, place))

    return [
        case("1 image of 2 tokens in 4 words", "a##b", 1, tokens=2),
        case("2 images, words between them", "ab###c###d", 2),
        case("2 images side by side, 1 apart", "a######b###c", 3),
        case("a place has the id 7, a word the id 25", "a##z", 1, tokens=2, place=7),
        case("text alone", "abcd", 0),
        case("6 places for 3 image tokens", "a######b", 1),
        case("4 places for 10 image tokens", "a####b", 2, tokens=5),
        case("3 places and no image", "a###b", 0),
        case("no place for an image of 7 tokens", "ab", 1, tokens=7),
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
        "of text alone, with no image and no place, comes out as a copy.",
        "Raises a `ValueError` when there are not as many places as image tokens, whichever are "
        "more. Its message names both numbers, as digits, and hardly any other. "
        "`embeds` itself does not change.",
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
            "nothing compares the counts: what finds no place is left out without a word",
        ),
        Mistake(
            _no_numbers,
            "the message names both counts",
            "it raises, but whoever reads the message cannot tell how many there were of which",
        ),
        Mistake(
            _asserts,
            "a wrong count raises a ValueError",
            "`assert` raises an AssertionError, and with `python -O` nothing at all",
        ),
        Mistake(
            _itself,
            "text alone gives a new row, too",
            "text alone comes back as the very row that came in: who writes into one changes both",
        ),
        Mistake(
            lambda embeds, ids, images, place: fill_images(embeds, ids, images, 9),
            "a place has the id `place`",
            "places were looked for by an id typed in, or by `>=`: a place has just the id `place`",
        ),
        Mistake(
            _too_few_alone,
            "a wrong count raises, whichever is more",
            "too few tokens raise, and too many are left out without a word",
        ),
        Mistake(
            _needs_an_image,
            "text alone is a row, too",
            "a row without images stops the run, as `torch.cat` does with an empty list",
        ),
        Mistake(
            _run_by_run,
            "two images side by side stay two",
            "each run of places got one image, so two images side by side became one",
        ),
        Mistake(
            lambda embeds, ids, images, place: fill_images(embeds, ids, images[::-1], place),
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
            _in_place,
            "the row stays as it was",
            "the tokens were written into the row that came in; it has pictures from now on",
        ),
    ),
)
