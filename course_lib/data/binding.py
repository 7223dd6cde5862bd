"""Symbol binding: words without a meaning get one from the images of a single document.

Each episode takes symbols for kinds of thing, two of each in evaluation. Shots show an image and
its symbol, the query shows a new image and asks for its symbol: who cannot use the shots' images is
right half of the time. It is what remains of few-shot learning when nothing but the shots can help.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from course_lib.data.interleaved import Chunk
from course_lib.world.scene import Scene
from course_lib.world.vocabulary import symbols

# Nothing stands between an image and its symbol: a LLaMA that was drilled on "7 dax star blax 7"
# until it said "dax" (.99) stood at chance with "this is a" in between.
ASKS = ""
RowsByKind = Mapping[str, Sequence[int]]


def trained_symbols() -> tuple[str, ...]:
    """Returns the three quarters of the reserved words that training binds."""
    return tuple(word for number, word in enumerate(symbols()) if number % 4)


def unused_symbols() -> tuple[str, ...]:
    """Returns the quarter that no training of Flamingo binds, for evaluation."""
    return symbols()[::4]


def rows_by_kind(scenes: Sequence[Scene]) -> dict[str, list[int]]:
    """Returns for each kind the scenes that show one thing, and that of this kind."""
    rows = defaultdict(list)
    for row, scene in enumerate(scenes):
        if len(scene.things) == 1:
            rows[scene.things[0].kind].append(row)
    return dict(rows)


@dataclass(frozen=True)
class Episode:
    """Shots and a query.

    Args:
        words: the symbols.
        sides: for each shot, and last for the query, which of them it is, from 0.
        rows: as many scenes.
    """

    words: tuple[str, ...]
    sides: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def answer(self) -> str:
        """The query's symbol."""
        return self.words[self.sides[-1]]

    def shuffled(self, rng: np.random.Generator) -> Episode:
        """Returns the episode with its shots' images in another order; symbols and query stay."""
        order = rng.permutation(len(self.rows) - 1)
        return replace(self, rows=(*(self.rows[place] for place in order), self.rows[-1]))

    def training_chunks(self) -> list[Chunk]:
        """Returns a document with loss on each symbol from its second showing on.

        What a symbol means cannot be known before it has been shown.
        """
        return [
            Chunk(ASKS, self.words[side], (str(row),), side in self.sides[:number])
            for number, (side, row) in enumerate(zip(self.sides, self.rows, strict=True))
        ]

    def prompt_chunks(self) -> list[Chunk]:
        """Returns the document up to where the query's symbol is to be said."""
        *shots, query = self.training_chunks()
        return [*shots, replace(query, said="")]


def words_first(
    rng: np.random.Generator, rows: RowsByKind, words: Sequence[str], kinds: int, images: int
) -> list[Chunk]:
    """Draws a document that gives kinds in words their symbols, and asks for those of images.

    What an image has to become is then decided by one look alone: the frozen language model binds
    the words by itself, and answers as soon as an image's tag reads like the word for its kind.

    Args:
        rng: source of randomness.
        rows: scenes of each kind, see `rows_by_kind`.
        words: symbols to choose from.
        kinds: how many kinds of thing have a symbol.
        images: how many are asked about, behind the words.

    Raises:
        ValueError: for more kinds than `rows` or `words` hold.
    """
    known = sorted(rows)
    if kinds > min(len(known), len(words)):
        raise ValueError(
            f"{kinds} kinds were asked for, with a symbol each: the scenes show {len(known)} kinds "
            f"alone, and there are {len(words)} symbols."
        )
    chosen = [str(kind) for kind in rng.choice(known, size=kinds, replace=False)]
    meant = [str(word) for word in rng.choice(words, size=kinds, replace=False)]
    chunks = [Chunk(kind, word, (), False) for kind, word in zip(chosen, meant, strict=True)]
    for _ in range(images):
        side = int(rng.integers(kinds))
        row = int(rng.choice(rows[chosen[side]]))
        chunks.append(Chunk(ASKS, meant[side], (str(row),)))
    return chunks


def draw_episode(
    rng: np.random.Generator,
    rows: RowsByKind,
    words: Sequence[str],
    shots: int,
    kinds: int = 2,
    balanced: bool = True,
) -> Episode:
    """Draws an episode; no image comes twice where a kind has enough of them.

    Args:
        rng: source of randomness.
        rows: scenes of each kind, see `rows_by_kind`.
        words: symbols to choose from.
        shots: how many, every kind among them.
        kinds: how many kinds of thing have a symbol.
        balanced: as many of one kind as of the others, as far as `shots` allows; False draws each
            by itself, since in training the last of a balanced row could be told by counting.

    Raises:
        ValueError: for fewer shots than kinds, or fewer kinds with two images than that.
    """
    known = [kind for kind in sorted(rows) if len(rows[kind]) > 1]
    if not 2 <= kinds <= min(shots, len(known)):
        raise ValueError(
            f"An episode of {kinds} kinds in {shots} shots was asked for, from {len(known)} kinds "
            "with two images or more: it shows at least two kinds, each at least once, and a new "
            "image of one of them."
        )
    sides = [
        number % kinds if balanced or number < kinds else int(rng.integers(kinds))
        for number in range(shots)
    ]
    rng.shuffle(sides)
    sides.append(int(rng.integers(kinds)))
    chosen = [str(kind) for kind in rng.choice(known, size=kinds, replace=False)]
    drawn = [_images(rng, rows[kind], sides.count(side)) for side, kind in enumerate(chosen)]
    query = drawn[sides[-1]].pop()
    shown = [*(drawn[side].pop() for side in sides[:-1]), query]
    meant = tuple(str(word) for word in rng.choice(words, size=kinds, replace=False))
    return Episode(meant, tuple(sides), tuple(shown))


def _images(rng: np.random.Generator, rows: Sequence[int], count: int) -> list[int]:
    """Draws scenes, the last of them different from all others."""
    order = [int(row) for row in rng.permutation(rows)]
    last, rest = order[0], order[1:]
    shown = rest[: count - 1]
    shown += [int(row) for row in rng.choice(rest, size=max(count - 1 - len(shown), 0))]
    return [*shown, last]
