"""Which image a word reads, as a mask: the last one before it (Flamingo, section 3.1.3)."""

import torch

from course_lib.fusion.shown_images import image_index, readable_images
from course_lib.teach.task import Case, Exercise, Mistake


def seen_image(is_tag: torch.Tensor) -> torch.Tensor:
    """Returns (T, I) bool: which of the I images each of T tokens reads; is_tag is (T,) bool."""
    last = is_tag.long().cumsum(0)  # 1 from the first tag on, 0 before it
    numbers = torch.arange(1, int(is_tag.sum()) + 1)
    return last[:, None] == numbers


def reference(is_tag: torch.Tensor) -> torch.Tensor:
    """The library's mask for a batch of one text."""
    return readable_images(image_index(is_tag[None]), int(is_tag.sum()), "last")[0]


def _all_so_far(is_tag):
    return readable_images(image_index(is_tag[None]), int(is_tag.sum()), "all")[0]


def _tag_is_blind(is_tag):
    index = is_tag.long().cumsum(0) - is_tag.long()
    return index[:, None] == torch.arange(1, int(is_tag.sum()) + 1)


def _first_for_all_before(is_tag):
    index = is_tag.long().cumsum(0).clamp(min=1)
    return index[:, None] == torch.arange(1, int(is_tag.sum()) + 1)


def _counts_from_zero(is_tag):
    return is_tag.long().cumsum(0)[:, None] == torch.arange(int(is_tag.sum()))


def _inverted(is_tag):
    return ~reference(is_tag)


def _transposed(is_tag):
    return reference(is_tag).T


def _cases() -> list[Case]:
    texts = {
        "a word, a tag, a word": ".I.",
        "two images": ".I..I..",
        "two tags in a row, one at the end": "..II..I",
        "no image at all": "...",
    }
    return [Case(says, (torch.tensor([c == "I" for c in t]),)) for says, t in texts.items()]


EXERCISE = Exercise(
    objective="05.3",
    title="which image a word reads",
    difficulty=1,
    minutes=6,
    contract=(
        "`is_tag` is (T,) bool, True at the tag of each image, in reading order.",
        "Gives (T, I) bool, I being the number of tags: True where the token reads the image.",
        "A token reads the last image whose tag has come, and a tag reads its own image. A token "
        "before the first tag reads nothing. Without a tag the mask has no columns.",
    ),
    hints=(
        "Give each token the number of its image first. What has to be counted on the way from "
        "the first token to it?",
        "Count the tags up to each token, itself included: 0 before the first tag, then 1, then "
        "2. A token reads image number i where its count is i, counted from 1.",
        "`is_tag.long().cumsum(0)` counts. Compared with `torch.arange(1, count + 1)`, after one "
        "of the two got a second axis by `[:, None]`, it gives a table of True and False.",
    ),
    solution=seen_image,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _all_so_far,
            "the last image alone",
            "earlier images are read as well; they reach a word through self-attention only",
        ),
        Mistake(
            _tag_is_blind,
            "a tag reads its own image",
            "the count leaves the token itself out, so that a tag reads the image before its own",
        ),
        Mistake(
            _first_for_all_before,
            "nothing before the first image",
            "words in front of the first tag were given the first image, which has not come yet",
        ),
        Mistake(
            _counts_from_zero,
            "images count from 1",
            "the images are numbered from 0, and 0 is the number of a token without an image",
        ),
        Mistake(_inverted, "True means may read", "the mask is inverted"),
        Mistake(_transposed, "a row is a token", "rows and columns are exchanged"),
    ),
)
