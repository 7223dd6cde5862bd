"""VPGTrans's word converter: one linear layer from a language model's words to another's.

    g(x) = W_w x + b_w          trained until g(a source word) points where the target's word does

arXiv 2305.01278, section 3.2; official: VPGTrans/VPGTrans, tools/linear_proj/*.py. Behind the
source's projector it gives a projector for the target: see `merged_projector`.

Letters: S width of the source's words, T of the target's, V_s and V_t sizes of the vocabularies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

Pair = tuple[int, int]


@dataclass(frozen=True)
class ConverterSettings:
    """How a converter is trained; the defaults are those of the released scripts.

    Args:
        epochs: passes over the captions; 5 within a family, 8 from one to another.
        learning_rate: of plain SGD, constant (the scripts' drop by 10 comes at a tenth epoch that
            they never reach).
        batch_size: captions a step, with all their words.
        held_out: share of the distinct source words that training never sees, to measure on. 0
            trains on all, which is what a projector should be merged with.
        seed: of the initialisation, the order and the choice of held-out words.

    Raises:
        ValueError: for values that cannot be meant.
    """

    epochs: int = 5
    learning_rate: float = 5.0
    batch_size: int = 4096
    held_out: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or self.learning_rate <= 0:
            raise ValueError(
                f"epochs={self.epochs}, batch_size={self.batch_size} and "
                f"learning_rate={self.learning_rate}: all three must be above 0."
            )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out={self.held_out}: hold out a share from 0 to below 1.")


PAPER = ConverterSettings()


@dataclass(frozen=True)
class ConverterReport:
    """What training gave; cosines are means over distinct pairs, each counting once.

    Args:
        pairs: distinct pairs that were trained.
        held_out_pairs: distinct pairs that were not.
        steps: of SGD.
        start: cosine of the trained pairs before the first step.
        trained: their cosine after the last.
        held_out: cosine of the pairs that were never seen; None where there are none.
        constant: what one constant vector, the best for the trained pairs, reaches on the held-out
            ones: words that a model never met all drift the same way, and then this is high, too.
    """

    pairs: int
    held_out_pairs: int
    steps: int
    start: float
    trained: float
    held_out: float | None
    constant: float | None


class WordConverter(nn.Linear):
    """One linear layer with bias, [..., S] -> [..., T].

    Args:
        source_width: S.
        target_width: T.
        seed: of the initialisation, torch's own for a linear layer; torch's generator stays as it
            is.
    """

    def __init__(self, source_width: int, target_width: int, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(source_width, target_width)


def cosine_loss(
    made: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Computes the mean of 1 - cos(made, wanted), a scalar from 0 to 2.

    Only directions count: `made` may have any length, which is one reason why a merged projector
    alone does not work yet.

    Args:
        made: (n, T), what the converter gave.
        wanted: (n, T), the target's embeddings.
        weights: (n,), how often each row counts; None = once.
    """
    loss = 1 - F.cosine_similarity(made, wanted, dim=-1)
    return loss.mean() if weights is None else (loss * weights).sum() / weights.sum()


def train_converter(
    source_table: torch.Tensor,
    target_table: torch.Tensor,
    captions: Sequence[Sequence[Pair]],
    settings: ConverterSettings = PAPER,
) -> tuple[WordConverter, ConverterReport]:
    """Trains a converter on the words of captions, frequent words counting more often.

    The same on every call. A step computes each distinct pair of its captions once, with its
    number as weight: the gradient of the whole stream of words in a part of the time.

    Args:
        source_table: (V_s, S), the source's word embeddings; read in float32.
        target_table: (V_t, T), the target's.
        captions: for each caption its pairs (source id, target id). Pairs of two vocabularies may
            come as one caption: an epoch is then one step, so give it more epochs.
        settings: see there.

    Returns:
        (converter in eval mode, report).

    Raises:
        ValueError: when no pair is left to train on, or an id lies beyond its table.
    """
    words = _Words(source_table, target_table, captions, settings)
    converter = WordConverter(source_table.shape[1], target_table.shape[1], settings.seed)
    optimizer = torch.optim.SGD(converter.parameters(), lr=settings.learning_rate)
    start, steps = words.cosine(converter, words.trained), 0
    for batch, counts in words.batches(settings):
        loss = cosine_loss(converter(words.source[batch[:, 0]]), words.target[batch[:, 1]], counts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    converter.eval()
    report = ConverterReport(
        len(words.trained),
        len(words.held_out),
        steps,
        start,
        words.cosine(converter, words.trained),
        words.cosine(converter, words.held_out),
        words.constant(),
    )
    return converter, report


class _Words:
    """The pairs of all captions, some of them held out, and the two tables they point into."""

    def __init__(
        self,
        source_table: torch.Tensor,
        target_table: torch.Tensor,
        captions: Sequence[Sequence[Pair]],
        settings: ConverterSettings,
    ) -> None:
        self.source, self.target = source_table.detach().float(), target_table.detach().float()
        self.chance = torch.Generator().manual_seed(settings.seed)
        pairs = torch.tensor([p for row in captions for p in row]).reshape(-1, 2).long()
        _check_ids(pairs, self.source, self.target)
        names = pairs[:, 0].unique()
        drawn = torch.randperm(len(names), generator=self.chance)
        unseen = torch.isin(pairs[:, 0], names[drawn[: round(settings.held_out * len(names))]])
        if unseen.all():
            raise ValueError(
                f"There are {len(names)} distinct words and a share of {settings.held_out} is held "
                "out: none is left to train on."
            )
        self.trained = pairs[~unseen].unique(dim=0)
        self.held_out = pairs[unseen].unique(dim=0)
        owner = torch.arange(len(captions)).repeat_interleave(torch.tensor([*map(len, captions)]))
        lengths = owner[~unseen].bincount(minlength=len(captions)).tolist()
        self.captions = [row for row in pairs[~unseen].split(lengths) if len(row)]

    def batches(self, settings: ConverterSettings) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields the distinct pairs (n, 2) of a step's captions, and how often each comes (n,)."""
        base = len(self.target)
        for _ in range(settings.epochs):
            order = torch.randperm(len(self.captions), generator=self.chance)
            for chosen in order.split(settings.batch_size):
                pairs = torch.cat([self.captions[i] for i in chosen.tolist()])
                codes, counts = (pairs[:, 0] * base + pairs[:, 1]).unique(return_counts=True)
                yield torch.stack([codes // base, codes % base], dim=1), counts

    @torch.no_grad()
    def cosine(self, converter: WordConverter, pairs: torch.Tensor) -> float | None:
        """Returns the mean cosine of distinct pairs (n, 2); None of no pairs."""
        if not len(pairs):
            return None
        made = converter(self.source[pairs[:, 0]])
        return 1 - float(cosine_loss(made, self.target[pairs[:, 1]]))

    def constant(self) -> float | None:
        """Returns what the best constant of the trained pairs reaches on the held-out ones."""
        if not len(self.held_out):
            return None
        best = F.normalize(self.target[self.trained[:, 1]], dim=1).mean(dim=0, keepdim=True)
        return 1 - float(cosine_loss(best, self.target[self.held_out[:, 1]]))


def _check_ids(pairs: torch.Tensor, *tables: torch.Tensor) -> None:
    if not len(pairs):
        raise ValueError("There are 0 pairs of words: a converter needs some to train on.")
    for name, ids, table in zip(("source", "target"), pairs.T, tables, strict=True):
        if int(ids.min()) < 0 or int(ids.max()) >= len(table):
            raise ValueError(
                f"The pairs name {name} words {int(ids.min())} to {int(ids.max())}, and the "
                f"{name}'s table has {len(table)} rows: take both from the same language model."
            )
