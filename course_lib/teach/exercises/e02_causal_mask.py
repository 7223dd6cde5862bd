"""The causal mask of a batch with padding."""

import torch

from course_lib.teach.task import Case, Exercise, Mistake


def causal_mask(attention_mask: torch.Tensor) -> torch.Tensor:
    """Returns (B, S, S), True where the row's place may read the column's."""
    length = attention_mask.shape[1]
    earlier = torch.ones(length, length).tril().bool()
    own = torch.eye(length).bool()
    return earlier & attention_mask.bool()[:, None, :] | own


def reference(attention_mask: torch.Tensor) -> torch.Tensor:
    """The rule, pair by pair."""
    rows = []
    for real in attention_mask.tolist():
        places = range(len(real))
        rows.append([[j == i or (j < i and real[j] == 1) for j in places] for i in places])
    return torch.tensor(rows)


def _inverted(attention_mask):
    return ~causal_mask(attention_mask)


def _future(attention_mask):
    length = attention_mask.shape[1]
    later = torch.ones(length, length).triu().bool()
    return later & attention_mask.bool()[:, None, :] | torch.eye(length).bool()


def _not_itself(attention_mask):
    length = attention_mask.shape[1]
    return torch.ones(length, length).tril(-1).bool() & attention_mask.bool()[:, None, :]


def _reads_padding(attention_mask):
    batch, length = attention_mask.shape
    return torch.ones(length, length).tril().bool().expand(batch, -1, -1)


def _padding_is_silent(attention_mask):
    length = attention_mask.shape[1]
    earlier = torch.ones(length, length).tril().bool()
    return earlier & attention_mask.bool()[:, :, None] | torch.eye(length).bool()


def _rows_and_columns(attention_mask):
    length, real = attention_mask.shape[1], attention_mask.bool()
    earlier = torch.ones(length, length).tril().bool()
    return earlier & real[:, None, :] & real[:, :, None] | torch.eye(length).bool()


def _empty_rows(attention_mask):
    length = attention_mask.shape[1]
    return torch.ones(length, length).tril().bool() & attention_mask.bool()[:, None, :]


def _no_triangle(attention_mask):
    length = attention_mask.shape[1]
    return attention_mask.bool()[:, None, :].expand(-1, length, -1) | torch.eye(length).bool()


EXERCISE = Exercise(
    objective="02.2",
    title="a causal mask with padding",
    difficulty=2,
    minutes=8,
    contract=(
        "`attention_mask` is (B, S): 1 for a token, 0 for padding, which may stand on either side.",
        "Gives a boolean (B, S, S): True where the row's place may read the column's.",
        "A place reads itself and the tokens before it, and no padding but itself.",
        "That goes for the rows of padding as well: a row that reads nobody would turn into NaN "
        "in the softmax.",
    ),
    hints=(
        "Two conditions have to hold together, and one exception goes over both: who stands "
        "earlier, who is a token, and everybody reads itself.",
        "Make a lower triangle (S, S). Make the columns of padding False, for every row of the "
        "batch. At last make the diagonal True again.",
        "`torch.ones(S, S).tril().bool()` is the triangle, `attention_mask.bool()[:, None, :]` "
        "says for each column whether it is a token; `&` joins them, `| torch.eye(S).bool()` "
        "opens the diagonal.",
    ),
    solution=causal_mask,
    reference=reference,
    cases=lambda: [
        Case("2 tokens", (torch.tensor([[1, 1]]),)),
        Case("1 pad, then 2 tokens", (torch.tensor([[0, 1, 1]]),)),
        Case("2 rows of 4 places", (torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0]]),)),
    ],
    mistakes=(
        Mistake(_inverted, "True means may read", "the mask is inverted: True has to allow"),
        Mistake(
            _future,
            "nobody reads what comes later",
            "rows and columns are exchanged: this is the upper triangle",
        ),
        Mistake(
            _not_itself,
            "a place reads itself",
            "the diagonal is closed: place t predicts token t + 1, so it may read token t",
        ),
        Mistake(
            _reads_padding,
            "nobody reads padding",
            "the triangle is there, and the attention mask was not used",
        ),
        Mistake(
            _padding_is_silent,
            "nobody reads padding",
            "the rows of padding were closed; what has to close is the column that is read",
        ),
        Mistake(
            _rows_and_columns,
            "a row of padding reads the tokens before it",
            "rows of padding were closed as well: only the columns of padding have to be",
        ),
        Mistake(
            _empty_rows,
            "a row reads at least itself",
            "padding in front reads nobody, and a softmax over nothing is NaN",
        ),
        Mistake(
            _no_triangle,
            "nobody reads what comes later",
            "only padding is closed: every token sees the word that it has to predict",
        ),
    ),
)
