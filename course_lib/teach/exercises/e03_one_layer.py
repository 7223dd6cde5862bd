"""One layer of the Q-Former: who goes through which part, and in which order."""

import torch

from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.vpg import QFormerConfig
from course_lib.vpg.qformer_layer import QFormerLayer


def one_layer(
    layer: QFormerLayer, hidden: torch.Tensor, num_queries: int, image: torch.Tensor
) -> torch.Tensor:
    """Returns (B, Q + T, d): queries and text after one layer."""
    hidden = layer.self_attention_norm(hidden + layer.self_attention(hidden))
    queries, text = hidden[:, :num_queries], hidden[:, num_queries:]
    queries = layer.cross_attention_norm(queries + layer.cross_attention(queries, image))
    return torch.cat([layer.query_ffn(queries), layer.text_ffn(text)], dim=1)


def reference(
    layer: QFormerLayer, hidden: torch.Tensor, num_queries: int, image: torch.Tensor
) -> torch.Tensor:
    """The library's layer, which a test compares with transformers'."""
    return layer(hidden, num_queries, image)[0]


def _meet(layer, hidden):
    return layer.self_attention_norm(hidden + layer.self_attention(hidden))


def _see(layer, hidden, image):
    return layer.cross_attention_norm(hidden + layer.cross_attention(hidden, image))


def _feed(layer, queries, text):
    return torch.cat([layer.query_ffn(queries), layer.text_ffn(text)], dim=1)


def _all_read_the_image(layer, hidden, num_queries, image):
    hidden = _see(layer, _meet(layer, hidden), image)
    return _feed(layer, hidden[:, :num_queries], hidden[:, num_queries:])


def _one_ffn(layer, hidden, num_queries, image):
    hidden = _meet(layer, hidden)
    queries = _see(layer, hidden[:, :num_queries], image)
    return layer.query_ffn(torch.cat([queries, hidden[:, num_queries:]], dim=1))


def _image_first(layer, hidden, num_queries, image):
    queries = _see(layer, hidden[:, :num_queries], image)
    hidden = _meet(layer, torch.cat([queries, hidden[:, num_queries:]], dim=1))
    return _feed(layer, hidden[:, :num_queries], hidden[:, num_queries:])


def _halves_apart(layer, hidden, num_queries, image):
    queries, text = _meet(layer, hidden[:, :num_queries]), hidden[:, num_queries:]
    text = _meet(layer, text) if text.shape[1] else text
    return _feed(layer, _see(layer, queries, image), text)


def _nothing_added(layer, hidden, num_queries, image):
    hidden = layer.self_attention_norm(layer.self_attention(hidden))
    queries, text = hidden[:, :num_queries], hidden[:, num_queries:]
    queries = layer.cross_attention_norm(layer.cross_attention(queries, image))
    return _feed(layer, queries, text)


def _norm_first(layer, hidden, num_queries, image):
    hidden = hidden + layer.self_attention(layer.self_attention_norm(hidden))
    queries, text = hidden[:, :num_queries], hidden[:, num_queries:]
    seen = layer.cross_attention(layer.cross_attention_norm(queries), image)
    return _feed(layer, queries + seen, text)


def _added_twice(layer, hidden, num_queries, image):
    hidden = _meet(layer, hidden)
    queries, text = _see(layer, hidden[:, :num_queries], image), hidden[:, num_queries:]
    return _feed(layer, queries, text) + torch.cat([queries, text], dim=1)


def _cases() -> list[Case]:
    config = QFormerConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=16, encoder_hidden_size=6, dropout=0
    )
    chance = torch.Generator().manual_seed(0)
    layers = []
    with torch.random.fork_rng(devices=[]):  # a new layer draws from torch's global generator
        for seed in range(2):
            torch.manual_seed(seed)
            layers.append(QFormerLayer(config, cross_attention=True).requires_grad_(False))

    def states(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance)

    return [
        Case("1 query, 1 word and 2 patches", (layers[0], states(1, 2, 8), 1, states(1, 2, 6))),
        Case("3 queries, 2 words, 5 patches", (layers[1], states(2, 5, 8), 3, states(2, 5, 6))),
        Case("3 queries without text", (layers[1], states(1, 3, 8), 3, states(1, 5, 6))),
    ]


EXERCISE = Exercise(
    objective="03.2",
    title="one layer from its parts",
    difficulty=2,
    minutes=10,
    contract=(
        "`hidden` is (B, Q + T, d), the `num_queries` queries first, and `image` (B, N, E); gives "
        "the next `hidden`, of the same shape. T may be 0.",
        "`layer.self_attention(h)` and `layer.cross_attention(z, image)` give what was read and "
        "nothing else; each has a norm: `layer.self_attention_norm`, `layer.cross_attention_norm`.",
        "`layer.query_ffn(z)` and `layer.text_ffn(t)` add and normalise by themselves.",
    ),
    hints=(
        "For each part ask who goes through it: queries and text together, queries alone, or text "
        "alone. The equations above say it by their letters h, z and t.",
        "All tokens read one another: add, normalise. Cut into queries and text. The queries read "
        "the image: add, normalise. Then each half through its own network, and both joined again.",
        "Every update has the form `x = norm(x + attention(x, …))`. Cut with "
        "`hidden[:, :num_queries]` and `hidden[:, num_queries:]`, join with "
        "`torch.cat([…, …], dim=1)`.",
    ),
    solution=one_layer,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _all_read_the_image,
            "text never touches a patch",
            "the words went through cross-attention too",
        ),
        Mistake(
            _one_ffn,
            "each half has its own network",
            "the feed-forward network of the queries was used for the words as well",
        ),
        Mistake(
            _image_first,
            "the order of the parts",
            "the image was read before the tokens had read one another",
        ),
        Mistake(
            _halves_apart,
            "queries and text read one another",
            "self-attention ran on each half by itself, and then the two never meet",
        ),
        Mistake(
            _nothing_added,
            "a part adds to what was there",
            "what a token was before is lost: the part's result replaces it",
        ),
        Mistake(
            _norm_first,
            "the norm comes last",
            "this is pre-norm, as in GPT-2; BERT and with it the Q-Former normalise the sum",
        ),
        Mistake(
            _added_twice,
            "a part adds to what was there",
            "the feed-forward networks add by themselves, and here their input was added again",
        ),
    ),
)
