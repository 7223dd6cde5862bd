"""Packing: short rows share one long row, none of them sees another, and little is padding.

Rows that merely stand behind each other leak. transformers keeps them apart only where a model
finds restarting positions, gets no attention mask and no cache, and passes the positions on: LLaMA
does, OPT does not, and whoever hands over a mask of ones, or leaves `use_cache` as it is, has the
leak in silence. Here the mask itself says who may look at whom. It takes S² places a row; kernels
for packed rows (FlashAttention's) would not need it.

Letters: B packed rows, S their length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from course_lib.data.conversation_batch import ReadImages, Row, rows_batch
from course_lib.data.prompts import pad_rows
from course_lib.losses.lm import IGNORE

Pack = list[Row]


def pack_rows(rows: Sequence[Row], max_length: int) -> list[Pack]:
    """Puts each row, the longest first, into the first pack that has room (first-fit decreasing).

    It needs at most 11/9 of the fewest packs possible, and one. Packs of long rows come first:
    shuffle packs as you would rows.

    Args:
        rows: with visual tokens' places.
        max_length: positions of a pack. Positions restart with every row, so a pack may be longer
            than the language model's context; no row may.

    Returns:
        Packs; every row is in one of them.

    Raises:
        ValueError: for a row that is empty or longer than a pack, with its number and length.
    """
    lengths = [len(row.ids) for row in rows]
    for number, length in enumerate(lengths):
        if not 0 < length <= max_length:
            raise ValueError(
                f"Row {number} (from 0) has {length} positions, visual tokens included, and a pack "
                f"takes 1 to {max_length}: cut it (max_length of encode_conversations) or leave it "
                "out."
            )
    packs: list[Pack] = [[] for _ in rows]
    room = _Room(len(rows), max_length)
    for number in sorted(range(len(rows)), key=lambda number: -lengths[number]):
        packs[room.take(lengths[number])].append(rows[number])
    return [pack for pack in packs if pack]


class _Room:
    """Free places of bins; the first bin with enough of them is found in log2(bins) looks.

    A tree in a list: node n has the children 2n and 2n + 1, and holds the most room below it.
    """

    def __init__(self, bins: int, places: int) -> None:
        self.leaves = 1 << max(bins - 1, 0).bit_length()
        self.most = [places] * (2 * self.leaves)

    def take(self, places: int) -> int:
        """Takes places of the first bin that has them; returns its number."""
        node = 1
        while node < self.leaves:
            node *= 2
            node += self.most[node] < places
        found = node - self.leaves
        self.most[node] -= places
        while node > 1:
            node //= 2
            self.most[node] = max(self.most[2 * node], self.most[2 * node + 1])
        return found


def filled(packs: Sequence[Pack], max_length: int) -> float:
    """Returns which share of the packs' positions words and visual tokens take, 0 to 1."""
    words = sum(len(row.ids) for pack in packs for row in pack)
    return words / (len(packs) * max_length) if packs else 0.0


def packed_batch(
    packs: Sequence[Pack], pad_token_id: int, read_images: ReadImages | None = None
) -> dict[str, torch.Tensor]:
    """Makes a batch of packs, padded on the right; see `rows_batch`.

    The first word of a row loses its label: it would be predicted by the last of the row before.
    Alone it has none either, so the loss is that of the same rows unpacked.

    Args:
        packs: B of them.
        pad_token_id: fills up.
        read_images: reads the images of all rows, which stay in their rows' order.

    Returns:
        What `rows_batch` gives, and, each (B, S): documents, from 1 in every pack, 0 at padding;
        position_ids, from 0 in every document and at padding 0.

    Raises:
        ValueError: when there is no pack, or nobody to read the images.
    """
    joined = [
        Row(
            [word for row in pack for word in row.ids],
            [label for row in pack for label in (IGNORE, *row.labels[1:])],
            tuple(name for row in pack for name in row.images),
        )
        for pack in packs
    ]
    documents = [[number for number, row in enumerate(pack, 1) for _ in row.ids] for pack in packs]
    positions = [[place for row in pack for place in range(len(row.ids))] for pack in packs]
    return {
        **rows_batch(joined, pad_token_id, read_images),
        "documents": pad_rows(documents, 0),
        "position_ids": pad_rows(positions, 0),
    }


def isolation(documents: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Makes the mask that lets a position look back within its own document alone.

    Args:
        documents: (B, S), see `packed_batch`. Padding is a document, too: it sees itself, so that
            no row of the softmax is empty.
        dtype: of the model's activations.

    Returns:
        (B, 1, S, S), 0 where query (third axis) may see key (fourth), else the least number of the
        dtype: transformers adds it to the scores as it is, with eager attention and with sdpa.
    """
    length = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    back = torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    mask = torch.zeros(same.shape, dtype=dtype, device=documents.device)
    return mask.masked_fill(~(same & back), torch.finfo(dtype).min)[:, None]
