"""Who may look at whom in a packed row, and where each document begins to count."""

import torch

from course_lib.data.packing import isolation
from course_lib.teach.task import Case, Exercise, Mistake

Tensor = torch.Tensor


def pack_sight(documents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns (may look (B, S, S), positions (B, S)) of packed rows."""
    length = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    back = torch.ones(length, length, dtype=torch.bool).tril()
    sees = same & back
    positions = sees.sum(dim=-1) - 1
    return sees, positions.masked_fill(documents == 0, 0)


def reference(documents: Tensor) -> tuple[Tensor, Tensor]:
    """The library's mask; positions counted one by one."""
    positions = torch.zeros_like(documents)
    for row, numbers in zip(positions, documents.tolist(), strict=True):
        for place in range(1, len(numbers)):
            if numbers[place] and numbers[place] == numbers[place - 1]:
                row[place] = row[place - 1] + 1
    return isolation(documents)[:, 0] == 0, positions


def _parts(documents):
    same = documents[:, :, None] == documents[:, None, :]
    back = torch.ones(documents.shape[1], documents.shape[1], dtype=torch.bool).tril()
    return same, back.expand_as(same).clone(), pack_sight(documents)[1]


def _leaks(documents):
    _, back, positions = _parts(documents)
    return back, positions


def _both_ways(documents):
    same, _, positions = _parts(documents)
    return same, positions


def _forward(documents):
    same, back, positions = _parts(documents)
    return same & back.transpose(1, 2), positions


def _not_itself(documents):
    same, back, positions = _parts(documents)
    return same & back & ~torch.eye(documents.shape[1], dtype=torch.bool), positions


def _inverted(documents):
    same, back, positions = _parts(documents)
    return ~(same & back), positions


def _empty_rows(documents):
    same, back, positions = _parts(documents)
    return same & back & (documents != 0)[:, :, None], positions


def _earlier_ones_too(documents):
    _, back, positions = _parts(documents)
    older = documents[:, :, None] >= documents[:, None, :]
    return older & back, positions


def _of_the_first_row(documents):
    same, back, positions = _parts(documents)
    return (same & back)[:1].expand_as(same).clone(), positions


def _one_for_all_rows(documents):
    same, back, positions = _parts(documents)
    return (same & back)[0], positions


def _positions_run_on(documents):
    same, back, _ = _parts(documents)
    places = torch.arange(documents.shape[1]).expand_as(documents)
    return same & back, places.clone()


def _from_one(documents):
    same, back, positions = _parts(documents)
    return same & back, positions + 1


def _padding_counts_on(documents):
    same, back, _ = _parts(documents)
    return same & back, (same & back).sum(dim=-1) - 1


EXERCISE = Exercise(
    objective="12.5",
    title="who sees whom in a pack",
    difficulty=2,
    minutes=10,
    contract=(
        "`documents` is (B, S): for every position of a packed row the number of its document, "
        "from 1 on in each row; 0 is padding at the end.",
        "First gives a bool tensor (B, S, S): True where the position of the second axis may look "
        "at that of the third. It may look at itself and back, within its own document alone.",
        "Padding looks back at padding, as if it were a document: a row that sees nothing at all "
        "would make the softmax NaN.",
        "Then gives the positions (B, S), whole numbers: from 0 on in every document, and 0 at all "
        "padding.",
    ),
    hints=(
        "Two things have to hold at once: you look back, and you stay in your document. Which of "
        "them is the same for every row of the batch?",
        "Compare the numbers with themselves, once along the second axis and once along the third. "
        "Make a lower triangle. Both together are the mask. A position is how many others one may "
        "see.",
        "`documents[:, :, None] == documents[:, None, :]` is (B, S, S); "
        "`torch.ones(S, S, dtype=torch.bool).tril()` is the triangle. "
        "`sees.sum(dim=-1) - 1` are the positions, and `masked_fill(documents == 0, 0)` does the "
        "padding.",
    ),
    solution=pack_sight,
    reference=reference,
    cases=lambda: [
        Case("1 row, 2 documents", (torch.tensor([[1, 1, 2]]),)),
        Case("the same with 2 places of padding", (torch.tensor([[1, 1, 2, 0, 0]]),)),
        Case("2 rows", (torch.tensor([[1, 2, 2, 3, 3, 3], [1, 1, 1, 1, 2, 0]]),)),
    ],
    mistakes=(
        Mistake(
            _leaks,
            "documents do not see each other",
            "this is the usual causal mask: every document reads those before it",
        ),
        Mistake(
            _both_ways,
            "nobody looks ahead",
            "documents are apart, but inside one a word sees those that it is to guess",
        ),
        Mistake(_forward, "one looks back", "the triangle is the wrong way round"),
        Mistake(
            _not_itself,
            "a position sees itself",
            "the diagonal is missing, and the first word of a document sees nothing",
        ),
        Mistake(_inverted, "True means may look", "True and False are exchanged"),
        Mistake(
            _empty_rows,
            "padding sees padding",
            "padding sees nothing at all: a softmax over nothing is NaN",
        ),
        Mistake(
            _earlier_ones_too,
            "its own document alone",
            "the numbers were compared with `>=`: earlier documents are seen, too",
        ),
        Mistake(
            _of_the_first_row,
            "each row has its own documents",
            "all rows got the mask of the first",
        ),
        Mistake(
            _one_for_all_rows,
            "a mask for each row",
            "one mask came out, for the first row, without the axis B",
        ),
        Mistake(
            _positions_run_on,
            "positions begin anew",
            "positions go on through the row: the second document would not begin at 0",
        ),
        Mistake(_from_one, "positions begin at 0", "positions begin at 1"),
        Mistake(
            _padding_counts_on,
            "padding is at position 0",
            "padding was counted like a document; a long row would leave the context that way",
        ),
    ),
)
