"""Boxes in pixels, written as the lines that a teacher without eyes reads."""

from course_lib.instructions.symbols import Box, Example, normalised, symbolic_prompt
from course_lib.teach.task import Case, Exercise, Mistake

Things = list[tuple[str, tuple[float, float, float, float]]]


def boxes_to_symbols(
    things: list[tuple[str, tuple[float, float, float, float]]], width: int, height: int
) -> list[str]:
    """Returns a line for each thing: its name, then left, top, right, bottom from 0 to 1."""
    lines = []
    for name, (left, top, wide, high) in things:
        corners = left / width, top / height, (left + wide) / width, (top + high) / height
        numbers = ", ".join(f"{min(max(share, 0), 1):.3f}" for share in corners)
        lines.append(f"{name}: [{numbers}]")
    return lines


def reference(things: Things, width: int, height: int) -> list[str]:
    """The library's own lines, without the captions that stand above them."""
    boxes = [Box(name, normalised(*box, width, height)) for name, box in things]
    return symbolic_prompt(Example("", "", (), tuple(boxes))).splitlines()[1:]


def _written(things, corners_of, form="{:.3f}"):
    lines = []
    for name, box in things:
        numbers = ", ".join(form.format(min(max(n, 0), 1)) for n in corners_of(*box))
        lines.append(f"{name}: [{numbers}]")
    return lines


def _wide_and_high(things, width, height):
    return _written(things, lambda x, y, w, h: (x / width, y / height, w / width, h / height))


def _one_side(things, width, height):
    return _written(
        things, lambda x, y, w, h: (x / width, y / width, (x + w) / width, (y + h) / width)
    )


def _rows_first(things, width, height):
    return _written(
        things,
        lambda x, y, w, h: (y / height, x / width, (y + h) / height, (x + w) / width),
    )


def _middle(things, width, height):
    return _written(
        things,
        lambda x, y, w, h: ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height),
    )


def _corners(width, height):
    return lambda x, y, w, h: (x / width, y / height, (x + w) / width, (y + h) / height)


def _two_decimals(things, width, height):
    return _written(things, _corners(width, height), "{:.2f}")


def _zeros_lost(things, width, height):
    lines = []
    for name, box in things:
        four = [round(min(max(n, 0), 1), 3) for n in _corners(width, height)(*box)]
        lines.append(f"{name}: {four}")
    return lines


def _not_cut(things, width, height):
    lines = []
    for name, box in things:
        numbers = ", ".join(f"{n:.3f}" for n in _corners(width, height)(*box))
        lines.append(f"{name}: [{numbers}]")
    return lines


def _cut_before(things, width, height):
    return _written(
        things,
        lambda x, y, w, h: (
            max(x, 0) / width,
            max(y, 0) / height,
            (max(x, 0) + w) / width,
            (max(y, 0) + h) / height,
        ),
    )


def _pixels(things, width, height):
    return [
        f"{name}: [{', '.join(f'{n:.3f}' for n in (x, y, x + w, y + h))}]"
        for name, (x, y, w, h) in things
    ]


def _cases() -> list[Case]:
    dog = ("dog", (48.0, 120.0, 192.0, 360.0))
    kite = ("kite", (-2.5, -4.0, 66.0, 50.5))
    person = ("person", (300.25, 10.0, 345.5, 468.75))
    return [
        Case("a dog in an image of 480 × 480 pixels", ([dog], 480, 480)),
        Case("a dog and a person in an image of 640 × 480", ([dog, person], 640, 480)),
        Case("a kite over the edge, 640 × 480", ([kite], 640, 480)),
        Case("no thing", ([], 640, 480)),
    ]


EXERCISE = Exercise(
    objective="06.1",
    title="boxes as text",
    difficulty=1,
    minutes=8,
    contract=(
        "`things` is a list of (name, box). A box is in pixels, as COCO stores it: left edge, top "
        "edge, width, height. The image is `width` × `height` pixels.",
        "Gives one line a thing, in the same order, such as `dog: [0.100, 0.250, 0.500, 1.000]`: "
        "left, top, right, bottom. Left and right are shares of the image's width, top and bottom "
        "of its height, always with three decimals.",
        "A box may reach over the edge of the image: a corner below 0 is written as 0, one above 1 "
        "as 1.",
    ),
    hints=(
        "A teacher who reads two corners need not know how large the image is. What do the third "
        "and the fourth number of a stored box say, and what should they say?",
        "For each thing: the right edge is left plus width, the bottom edge top plus height. "
        "Divide each edge by the side of the image that it runs along, keep it between 0 and 1, "
        "and write it with three decimals.",
        '`f"{share:.3f}"` keeps zeros at the end, `min(max(share, 0), 1)` keeps a number between 0 '
        'and 1, `", ".join(…)` puts commas between.',
    ),
    solution=boxes_to_symbols,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _wide_and_high,
            "right and bottom are edges",
            "the third and fourth number are still the box's width and height",
        ),
        Mistake(
            _one_side,
            "tops and bottoms are shares of the height",
            "everything was divided by the image's width; a square image does not show it",
        ),
        Mistake(
            _rows_first,
            "left comes before top",
            "rows came before columns, as in an array; a box is written x first",
        ),
        Mistake(
            _middle,
            "left and top are edges",
            "these are the middle and the size of the box, the convention of other data sets",
        ),
        Mistake(
            _two_decimals,
            "three decimals",
            "two decimals were written: in a wide photograph a hundredth is several pixels",
        ),
        Mistake(
            _zeros_lost,
            "three decimals",
            "a rounded number loses the zeros at its end when it is printed",
        ),
        Mistake(
            _not_cut,
            "corners stay between 0 and 1",
            "a box that reaches over the edge was not cut off there",
        ),
        Mistake(
            _cut_before,
            "the right edge stays where it was",
            "left and top were cut off first, and that pushed right and bottom further out",
        ),
        Mistake(_pixels, "shares, not pixels", "nothing was divided by the image's size"),
    ),
)
