"""Rows with and without images as the parts of one step; a row that cannot be right is named.

mPLUG-Owl tunes on text-only and multimodal instructions together (arXiv 2304.14178, section 3.2).
Rows of one kind and like length share a part: text alone is not padded to the length of four
pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from course_lib.data.conversation_batch import ReadImages, Row, rows_batch
from course_lib.errors import counted
from course_lib.losses.lm import IGNORE
from course_lib.training.accumulation import MicroBatches

PART = 12  # rows of a part at `toy`: fewer cost more passes, more cost padding


def check_row(
    row: Row, name: str, image_token_id: int, num_visual_tokens: int, max_length: int | None = None
) -> None:
    """Refuses a row whose images, labels or length cannot be right.

    The released code takes the first image alone where placeholders are fewer than images
    (X-PLUG/mPLUG-Owl issue 58), gives NaN where the answer was cut off (issues 92, 93), and drops
    the text behind an image that does not fit any more.

    Args:
        row: ids, labels, names of images.
        name: of the sample, for the error.
        image_token_id: the word that keeps a place.
        num_visual_tokens: places of one image.
        max_length: longest row, visual tokens included; None where there is no limit.

    Raises:
        ValueError: names the sample, and both numbers that do not fit each other.
    """
    places = row.ids.count(image_token_id)
    if places != num_visual_tokens * len(row.images):
        shown, rest = divmod(places, num_visual_tokens)
        asked = counted(shown, "image") + (f" and {counted(rest, 'place')} more" if rest else "")
        raise ValueError(
            f"Sample {name} comes with {counted(len(row.images), 'image')} and its text keeps "
            f"places for {asked}: write one placeholder for each image."
        )
    if max_length is not None and len(row.ids) > max_length:
        raise ValueError(
            f"Sample {name} takes {len(row.ids)} positions, visual tokens included, and the "
            f"language model {max_length}: shorten it, or show fewer images."
        )
    if not num_labelled([row]):
        raise ValueError(
            f"Sample {name} has no labelled word: its answer is empty or was cut off. Leave it "
            "out, or allow a longer text."
        )


def num_labelled(rows: Iterable[Row]) -> int:
    """Counts the words that carry loss; the first of a row has nothing before it to predict it."""
    return sum(label != IGNORE for row in rows for label in row.labels[1:])


def micro_batches(
    groups: Iterable[Sequence[Row]],
    pad_token_id: int,
    read_images: ReadImages | None = None,
    most_rows: int = PART,
) -> MicroBatches:
    """Makes the parts of a step: rows of one group and of like length, the shortest first.

    Args:
        groups: rows that may share a part; empty groups are left out.
        pad_token_id: fills rows up.
        read_images: see `rows_batch`; never asked for the images of a part without any.
        most_rows: of a part.

    Returns:
        Parts as `rows_batch` gives them, and how many labelled words each has.

    Raises:
        ValueError: when no group has a row, or one has no labelled word.
    """
    kept = []
    for group in groups:
        rows = sorted(group, key=lambda row: len(row.ids))
        kept += [rows[start : start + most_rows] for start in range(0, len(rows), most_rows)]
    parts = [rows_batch(rows, pad_token_id, read_images) for rows in kept]
    return MicroBatches(parts, [num_labelled(rows) for rows in kept])
