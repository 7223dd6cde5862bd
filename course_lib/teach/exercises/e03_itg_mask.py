"""The mask of image-grounded text generation, for one image and its caption."""

import torch

from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.vpg import make_mask


def itg_mask(num_queries: int, num_text: int) -> torch.Tensor:
    """Returns the (S, S) mask of ITG, True where the row may read the column."""
    total = num_queries + num_text
    allowed = torch.ones(total, total).tril().bool()
    allowed[:num_queries, :num_queries] = True
    return allowed


def reference(num_queries: int, num_text: int) -> torch.Tensor:
    """The library's mask for one row without padding."""
    return make_mask("itg", num_queries, torch.ones(1, num_text))[0]


def _inverted(num_queries: int, num_text: int) -> torch.Tensor:
    return ~itg_mask(num_queries, num_text)


def _transposed(num_queries: int, num_text: int) -> torch.Tensor:
    return itg_mask(num_queries, num_text).T


def _causal_queries(num_queries: int, num_text: int) -> torch.Tensor:
    total = num_queries + num_text
    return torch.ones(total, total).tril().bool()


def _not_itself(num_queries: int, num_text: int) -> torch.Tensor:
    mask = itg_mask(num_queries, num_text)
    mask[num_queries:, num_queries:] = torch.ones(num_text, num_text).tril(-1).bool()
    return mask


def _text_is_blind(num_queries: int, num_text: int) -> torch.Tensor:
    mask = itg_mask(num_queries, num_text)
    mask[num_queries:, :num_queries] = False
    return mask


def _full_text(num_queries: int, num_text: int) -> torch.Tensor:
    mask = itg_mask(num_queries, num_text)
    mask[num_queries:] = True
    return mask


def _queries_read_text(num_queries: int, num_text: int) -> torch.Tensor:
    mask = itg_mask(num_queries, num_text)
    mask[:num_queries] = True
    return mask


def _everything(num_queries: int, num_text: int) -> torch.Tensor:
    return torch.ones(num_queries + num_text, num_queries + num_text).bool()


EXERCISE = Exercise(
    objective="03.4",
    title="the mask of ITG",
    difficulty=2,
    minutes=8,
    contract=(
        "Gives a boolean (S, S) tensor, S = Q + T, queries first.",
        "True where the row may read the column.",
        "Queries read queries alone; a word reads all queries, itself and the words before it.",
    ),
    hints=(
        "Draw the four blocks: query rows and text rows, query columns and text columns. Three of "
        "them hold one value everywhere; only one has a diagonal.",
        "Start from a square of True. Close the block in which a query would read a word. In the "
        "block in which a word reads words, keep what lies on and below the diagonal.",
        "`torch.ones(S, S).tril().bool()` is True on and below the diagonal, and three blocks are "
        "right. In the fourth, the first Q rows and columns, nobody has to wait for anybody.",
    ),
    solution=itg_mask,
    reference=reference,
    cases=lambda: [Case("1 query and 2 words", (1, 2)), Case("3 queries and 4 words", (3, 4))],
    mistakes=(
        Mistake(_inverted, "True means may read", "the mask is inverted: True has to allow"),
        Mistake(_transposed, "rows read columns", "rows and columns are exchanged"),
        Mistake(
            _causal_queries,
            "queries read queries",
            "the queries got a causal mask too, but they have no order: each reads them all",
        ),
        Mistake(
            _not_itself,
            "a word reads itself",
            "the diagonal is closed: position t predicts word t + 1, so it may read word t",
        ),
        Mistake(
            _text_is_blind,
            "a word reads the queries",
            "that is a causal mask without the image: the caption would be written blind",
        ),
        Mistake(
            _full_text,
            "a word reads no later word",
            "the words see what they have to predict, so the loss would fall to nothing",
        ),
        Mistake(
            _queries_read_text,
            "queries read queries alone",
            "the queries see the caption, and by way of them every word sees the whole of it",
        ),
        Mistake(
            _everything,
            "a word reads no later word",
            "this is the mask of ITM, under which everyone reads everyone",
        ),
    ),
)
