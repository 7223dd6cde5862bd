"""One head of the abstractor's attention: queries read themselves and the image in one softmax."""

import torch
from torch.func import functional_call
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.vpg.attention import MultiHeadAttention

Tensor = torch.Tensor


def query_keys(
    queries: torch.Tensor,
    image: torch.Tensor,
    w_q: torch.Tensor,
    w_k: torch.Tensor,
    w_v: torch.Tensor,
) -> torch.Tensor:
    """Returns (Q, K): what each query gathers from queries (Q, E) and image tokens (N, E)."""
    read = torch.cat([queries, image])  # (Q + N, E)
    scores = (queries @ w_q.T) @ (read @ w_k.T).T / w_q.shape[0] ** 0.5  # (Q, Q + N)
    return scores.softmax(dim=-1) @ (read @ w_v.T)


def reference(queries: Tensor, image: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    """The first head of the library's attention, with these weights, no bias, nothing mixed."""
    narrow, wide = w_q.shape
    with torch.device("meta"):  # draws no number
        attention = MultiHeadAttention(wide, wide, wide // narrow)
    tensors = {"out_proj.weight": torch.eye(wide)}
    for name, weight in (("q_proj", w_q), ("k_proj", w_k), ("v_proj", w_v)):
        others = weight.new_zeros(wide - narrow, wide)
        tensors[f"{name}.weight"] = torch.cat([weight, others])
    tensors |= {f"{name}_proj.bias": w_q.new_zeros(wide) for name in ("q", "k", "v", "out")}
    rows = torch.cat([queries, image])[None]
    return functional_call(attention, tensors, (queries[None], rows))[0, :, :narrow]


def _attend(asks, keys, values, w_q, w_k, w_v, scale=None, axis=-1):
    """Attention with any rows for keys and values; `scale` multiplies the scores."""
    scores = F.linear(asks, w_q) @ F.linear(keys, w_k).T
    scores = scores * (w_q.shape[0] ** -0.5 if scale is None else scale)
    return scores.softmax(dim=axis) @ F.linear(values, w_v)


def _image_alone(queries, image, *weights):
    return _attend(queries, image, image, *weights)


def _queries_alone(queries, image, *weights):
    return _attend(queries, queries, queries, *weights)


def _values_of_image(queries, image, *weights):
    values = torch.cat([torch.zeros_like(queries), image])
    return _attend(queries, torch.cat([queries, image]), values, *weights)


def _two_softmaxes(queries, image, *weights):
    return _queries_alone(queries, image, *weights) + _image_alone(queries, image, *weights)


def _scaled(scale, axis=-1):
    def answer(queries, image, *weights):
        read = torch.cat([queries, image])
        return _attend(queries, read, read, *weights, scale(weights[0], read), axis)

    return answer


def _all_rows_ask(queries, image, *weights):
    read = torch.cat([queries, image])
    return _attend(read, read, read, *weights)


def _image_asks(queries, image, *weights):
    read = torch.cat([queries, image])
    return _attend(image, read, read, *weights)


def _values_raw(queries, image, w_q, w_k, w_v):
    read = torch.cat([queries, image])
    return _attend(queries, read, read, w_q, w_k, torch.eye(w_v.shape[1]))


def _not_transposed(queries, image, *weights):
    read = torch.cat([queries, image])
    return _attend(queries, read, read, *(weight.T for weight in weights))


def _normed_again(queries, image, *weights):
    queries, image = (F.layer_norm(rows, rows.shape[-1:]) for rows in (queries, image))
    read = torch.cat([queries, image])
    return _attend(queries, read, read, *weights)


def _residual(queries, image, *weights):
    read = torch.cat([queries, image])
    return queries + _attend(queries, read, read, *weights)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance)

    w_q, w_k, w_v = ([[2.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [3.0, 1.0]], [[1.0, 2.0], [0.0, 4.0]])
    by_pencil = ([[1.0, 0.0]], [[0.0, 2.0]], w_q, w_k, w_v)
    square = (draw(2, 2), draw(3, 2), draw(2, 2), draw(2, 2), draw(2, 2))
    narrow = (draw(3, 4), draw(5, 4), draw(2, 4), draw(2, 4), draw(2, 4))
    return [
        Case("1 query, 1 image token", tuple(map(torch.tensor, by_pencil))),
        Case("2 queries, 3 image tokens", square),
        Case("3 queries, 5 image tokens, a head narrower than they are", narrow),
    ]


EXERCISE = Exercise(
    objective="09.1",
    title="who is read",
    difficulty=2,
    minutes=8,
    contract=(
        "`queries` is (Q, E) and `image` (N, E). Both are normed already, each by a norm with a "
        "gain and a shift of its own: norm nothing here.",
        "`w_q`, `w_k`, `w_v` are (K, E), one head of width K, stored as `nn.Linear` stores them. "
        "There are no biases.",
        "Each query reads all queries, itself included, and all image tokens, in **one** softmax. "
        "Keys and values are made of the same rows. Scores are divided by $\\sqrt{K}$.",
        "Gives (Q, K): the head alone, before heads are mixed and before the residual.",
    ),
    hints=(
        "In a cross-attention the rows that ask and the rows that are read are two lists. Here "
        "the second list holds everybody, the first is a part of it.",
        "Put queries and image tokens in one list of Q + N rows. Project the queries with `w_q`, "
        "the list with `w_k` and with `w_v`. Scores: each query against each key, divided by the "
        "root of the head's width. Softmax along the row of a query, then mix the values.",
        "`read = torch.cat([queries, image])` has Q + N rows, and `rows @ weight.T` is a linear "
        "layer. `w_q.shape[0] ** 0.5` is the root of K. With scores (Q, Q + N), "
        "`scores.softmax(dim=-1)` makes rows that sum to 1.",
    ),
    solution=query_keys,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _image_alone,
            "queries are read, too",
            "only the image is read, as in a Q-Former's cross-attention",
        ),
        Mistake(
            _queries_alone,
            "the image is read",
            "the queries read one another, and no picture comes in",
        ),
        Mistake(
            _values_of_image,
            "keys and values are the same rows",
            "the queries are keys, but nothing of them is mixed in: their values are missing",
        ),
        Mistake(
            _two_softmaxes,
            "one softmax over everybody",
            "queries and image got a softmax each, so both always weigh 1; in one softmax a query "
            "decides how much of the picture it takes",
        ),
        Mistake(
            _scaled(lambda w_q, read: 1.0),
            "scores are scaled",
            "the scores are not divided, and the softmax is too sharp",
        ),
        Mistake(
            _scaled(lambda w_q, read: w_q.shape[1] ** -0.5),
            "the head's width scales",
            "the scores were divided by the root of E, the width of the rows, and not of the head",
        ),
        Mistake(
            _scaled(lambda w_q, read: w_q.shape[0] ** -1.0),
            "the root scales",
            "the scores were divided by the width itself and not by its root",
        ),
        Mistake(
            _scaled(lambda w_q, read: w_q.shape[0] ** -0.5, axis=0),
            "the weights of a query sum to 1",
            "the softmax runs over the queries, so they compete for each token",
        ),
        Mistake(
            _all_rows_ask,
            "only queries ask",
            "the image tokens ask as well, and Q + N rows come out; they never change here",
        ),
        Mistake(_image_asks, "the queries ask", "the image tokens ask and the queries are left"),
        Mistake(
            _values_raw,
            "values are projected",
            "the rows themselves were mixed: `w_v` has no part in it",
        ),
        Mistake(
            _not_transposed,
            "a weight is (K, E)",
            "rows were multiplied with the weight as it is stored, so `in` and `out` are exchanged",
        ),
        Mistake(
            _normed_again,
            "what comes in is normed",
            "the rows were normed once more, which undoes the gain and the shift of their norms",
        ),
        Mistake(
            _residual,
            "the head alone",
            "the queries were added; the residual comes after the heads are mixed",
        ),
    ),
)
