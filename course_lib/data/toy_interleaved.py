"""Toy scenes as Flamingo reads them: captions, questions with answers, and symbols to bind.

One document shows several images, each in front of what is said of it, and every word looks at the
last image before it. The paper adds up the gradients of several data sets in each step (v1, section
4.1.4); here a batch holds documents of all three kinds, which does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from course_lib.data.binding import draw_episode, rows_by_kind, trained_symbols, words_first
from course_lib.data.conversation_batch import rows_batch
from course_lib.data.interleaved import Chunk, document_row
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import toy_images
from course_lib.world.documents import CAPTION_PROMPTS
from course_lib.world.language import captions
from course_lib.world.questions import Question, ask


@dataclass(frozen=True)
class Interleaved:
    """What a training of Flamingo reads.

    Args:
        mix: shares of documents with captions, with questions, with symbols; they need not sum
            to 1.
        most_images: of a document with captions or questions; 1 leaves pairs, as of a web page's
            image and its alt text.
        questions: asked of each image.
        most_shots: of a document with symbols; the paper trains on 5 images at most, and shows 32.
        most_kinds: of things with a symbol in one document; evaluation has two.
        in_words: share of documents with symbols that say the kinds in words first and show images
            behind them alone, see `binding.words_first`.
    """

    mix: tuple[float, float, float] = (0.2, 0.65, 0.15)
    most_images: int = 3
    questions: int = 4
    most_shots: int = 8
    most_kinds: int = 4
    in_words: float = 0.6


PAIRS_ALONE = Interleaved(mix=(0.4, 0.6, 0.0), most_images=1)


def asked(question: str) -> str:
    """Returns the paper's wording of a question (section 3.3)."""
    return f"question: {question} answer:"


def caption_chunk(data: ToyScenes, row: int, style: int = 0, carries_loss: bool = True) -> Chunk:
    """Returns a scene with one of its five captions; the canonical one needs no prompt."""
    said = captions(data.scenes[row])[style]
    return Chunk(CAPTION_PROMPTS[style], said, (str(row),), carries_loss)


def question_chunk(
    question: Question, images: Sequence[int] = (), carries_loss: bool = True
) -> Chunk:
    """Returns a question with its answer, behind the images that are given."""
    return Chunk(asked(question.text), question.answer, tuple(map(str, images)), carries_loss)


class ToyDocuments:
    """Draws interleaved documents about toy scenes, and makes batches of them.

    Args:
        data: the scenes and their features.
        tokenizer: of the language model.
        reading: what is read.
        max_length: longest document, in tokens; None takes any.
    """

    def __init__(
        self,
        data: ToyScenes,
        tokenizer: PreTrainedTokenizerBase,
        reading: Interleaved,
        max_length: int | None = None,
    ) -> None:
        self.data, self.tokenizer = data, tokenizer
        self.reading, self.max_length = reading, max_length
        self.rows = rows_by_kind(data.scenes)
        self.words = trained_symbols()

    def captions(self, rng: np.random.Generator) -> list[Chunk]:
        """Draws scenes with a caption each, the canonical one six times in ten."""
        styles = [0 if rng.random() < 0.6 else int(rng.integers(1, 5)) for _ in self._images(rng)]
        return [caption_chunk(self.data, self._row(rng), style) for style in styles]

    def questions(self, rng: np.random.Generator) -> list[Chunk]:
        """Draws scenes with questions behind each."""
        chunks = []
        for _ in self._images(rng):
            row = self._row(rng)
            for number in range(self.reading.questions):
                question = ask(self.data.scenes[row], rng)
                chunks.append(question_chunk(question, () if number else (row,)))
        return chunks

    def symbols(self, rng: np.random.Generator) -> list[Chunk]:
        """Draws an episode of symbol binding, or a document that binds words and asks of images."""
        most_shots = self.reading.most_shots
        if rng.random() < self.reading.in_words:
            kinds = int(rng.integers(2, self.reading.most_kinds + 1))
            return words_first(rng, self.rows, self.words, kinds, int(rng.integers(2, 7)))
        kinds = int(rng.integers(2, min(self.reading.most_kinds, most_shots) + 1))
        shots = int(rng.integers(kinds, most_shots + 1))
        return draw_episode(rng, self.rows, self.words, shots, kinds, False).training_chunks()

    def _images(self, rng: np.random.Generator) -> range:
        return range(int(rng.integers(1, self.reading.most_images + 1)))

    def _row(self, rng: np.random.Generator) -> int:
        return int(rng.integers(len(self.data)))

    def batch(self, step: int, batch_size: int, seed: int) -> dict[str, torch.Tensor]:
        """Makes the batch of a step, stateless.

        Returns:
            input_ids, attention_mask, labels (B, S); image_features (images, N, E).
        """
        rng = np.random.default_rng((seed, step, 8))
        chances = np.array(self.reading.mix) / sum(self.reading.mix)
        draws = (self.captions, self.questions, self.symbols)
        kinds = rng.choice(len(draws), size=batch_size, p=chances)
        documents = [draws[kind](rng) for kind in kinds]
        rows = [document_row(self.tokenizer, d, self.max_length) for d in documents]
        return rows_batch(
            rows, self.tokenizer.pad_token_id, lambda names: toy_images(self.data, names)
        )
