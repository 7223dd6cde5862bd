"""Rows of the one format → a batch of a recipe; what is random comes from the rows' own seed.

A class here is what one recipe does with a row, whatever data set it is of: `corpora.streaming`
calls it with (rows, seed), in a worker. A row that a recipe cannot use (no picture, no caption)
gives its place to the next one that it can; a batch without any stops the run with a reason.
Letters: B rows, Q visual tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.tokenizers import IMAGE_TOKEN
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import GPT, HUMAN, ChatTemplate, data_turn, typed_turn
from course_lib.data.conversation_batch import Row, encode_conversations, rows_batch
from course_lib.data.interleaved import Chunk, document_row
from course_lib.data.llava_json import Conversation
from course_lib.data.prompts import blip2_prompt, pad_rows, training_batch, typed_ids
from course_lib.full_size.pictures import Pictures

Batch = dict[str, torch.Tensor]
CAPTION_WORDS = 32  # BLIP-2, LAVIS's max_txt_len; what is longer is cut
LONGEST = 2048  # positions of a conversation: LLaVA's model_max_length


def filled(rows: Sequence[dict], use: Callable[[dict], object], needs: str) -> list[dict]:
    """Returns as many rows, those that cannot be used replaced by the next that can.

    Args:
        rows: of a batch.
        use: true for a row that can be used.
        needs: what a row has to have, for the error.

    Raises:
        ValueError: when none can be used.
    """
    good = [bool(use(row)) for row in rows]
    if not any(good):
        raise ValueError(
            f"None of {len(rows)} rows has {needs}, such as row {rows[0]['id']!r}: give --data a "
            "data set of that kind."
        )
    usable = [number for number, is_good in enumerate(good) if is_good]
    ahead = (next((u for u in usable if u >= n), usable[0]) for n in range(len(rows)))
    return [rows[number] for number in ahead]


def has_pair(row: dict) -> bool:
    """Tells whether a row has a picture and a caption."""
    return row["image"] is not None and any(text.strip() for text in row["captions"])


def has_talk(row: dict) -> bool:
    """Tells whether a row has a conversation, about its picture or about nothing to see."""
    places = sum(turn["value"].count(IMAGE_TOKEN) for turn in row["conversations"])
    return bool(row["conversations"]) and places == (row["image"] is not None)


def caption_of(row: dict, chance: np.random.Generator) -> str:
    """Draws one of a row's captions."""
    texts = [text.strip() for text in row["captions"] if text.strip()]
    return texts[int(chance.integers(len(texts)))]


def _files(rows: Sequence[dict]) -> list[bytes]:
    return [row["image"]["bytes"] for row in rows]


def _reader(pictures: Pictures, rows: Sequence[dict], chance: np.random.Generator) -> Callable:
    """Returns a function from images' names, which are places in `rows`, to pixel_values."""

    def read(names: list[str]) -> Batch:
        files = _files([rows[int(name)] for name in names])
        return {"pixel_values": pictures(files, chance)}

    return read


@dataclass(frozen=True)
class Pairs:
    """Stage 1 of BLIP-2: pictures, and captions as [CLS] … [SEP].

    Args:
        words: BERT's tokenizer.
        pictures: makes pixel values.
        longest: tokens of a text; the rest is cut off.
    """

    words: PreTrainedTokenizerBase
    pictures: Pictures
    longest: int = CAPTION_WORDS

    def __call__(self, rows: Sequence[dict], seed: int) -> Batch:
        """Makes pixel_values, input_ids and attention_mask (B, T)."""
        chance = np.random.default_rng(seed)
        rows = filled(rows, has_pair, "a picture and a caption")
        texts = [caption_of(row, chance) for row in rows]
        ids = self.words(texts, truncation=True, max_length=self.longest).input_ids
        return {
            "pixel_values": self.pictures(_files(rows), chance),
            "input_ids": pad_rows(ids, self.words.pad_token_id),
            "attention_mask": pad_rows([[1] * len(row) for row in ids], 0),
        }


@dataclass(frozen=True)
class Captions:
    """Stage 2 of BLIP-2, and VPGTrans: visual tokens, then the caption.

    An encoder–decoder is given the beginning of the caption and says the rest, cut anywhere
    (prefix language modelling, BLIP-2, section 3.3; the released code gives it nothing).

    Args:
        tokenizer: the language model's.
        queries: Q.
        encoder_decoder: True for T5.
        pictures: makes pixel values.
        longest: tokens of a caption; the rest is cut off.
    """

    tokenizer: PreTrainedTokenizerBase
    queries: int
    encoder_decoder: bool
    pictures: Pictures
    longest: int = CAPTION_WORDS

    def __call__(self, rows: Sequence[dict], seed: int) -> Batch:
        """Makes pixel_values, and what `training_batch` makes of prompts and captions."""
        chance = np.random.default_rng(seed)
        rows = filled(rows, has_pair, "a picture and a caption")
        prompts, answers = [], []
        for row in rows:
            prompt = blip2_prompt(self.tokenizer, "", self.queries)
            answer = typed_ids(self.tokenizer, caption_of(row, chance))[: self.longest]
            if self.encoder_decoder and len(answer) > 1:
                cut = int(chance.integers(1, len(answer)))
                prompt, answer = [*prompt[:-1], *answer[:cut], prompt[-1]], answer[cut:]
            prompts.append(prompt)
            answers.append(answer)
        texts = training_batch(self.tokenizer, prompts, answers, self.encoder_decoder)
        return {"pixel_values": self.pictures(_files(rows), chance), **texts}


@dataclass(frozen=True)
class Talks:
    """LLaVA, MiniGPT-4, mPLUG-Owl and VPGTrans's stage 3: conversations, or pairs as such.

    Args:
        chat: the language model's tokenizer, which knows Q.
        template: of the conversations; one that throws the human's words away takes pairs alone.
        pictures: makes pixel values.
        longest: positions of a conversation; later turns are left out.
        wishes: ways to ask for a description where a row has a caption and no conversation.
    """

    chat: ChatTokenizer
    template: ChatTemplate
    pictures: Pictures
    longest: int = LONGEST
    wishes: tuple[str, ...] = ("",)

    def __call__(self, rows: Sequence[dict], seed: int) -> Batch:
        """Makes input_ids, attention_mask, labels (B, S), and pixel_values of all pictures."""
        chance = np.random.default_rng(seed)
        rows = filled(rows, self._usable, "a conversation, or a picture and a caption")
        told = [self._conversation(row, number, chance) for number, row in enumerate(rows)]
        kept, _ = encode_conversations(told, self.template, self.chat, self.longest)
        if not kept:
            raise ValueError(
                f"None of {len(rows)} conversations, such as {rows[0]['id']!r}, has an answer that "
                f"ends within {self.longest} positions: take another data set, or a language "
                "model that reads longer texts."
            )
        # As many rows as were asked for: those that were too long give their places to others.
        kept = (kept * len(rows))[: len(rows)]
        read = _reader(self.pictures, rows, chance)
        return rows_batch(kept, self.chat.pad_token_id, read)

    def _usable(self, row: dict) -> bool:
        return has_talk(row) if row["conversations"] else has_pair(row)

    def _conversation(self, row: dict, number: int, chance: np.random.Generator) -> Conversation:
        shown = () if row["image"] is None else (str(number),)
        if row["conversations"]:
            turns = [data_turn(turn["from"], turn["value"]) for turn in row["conversations"]]
            return Conversation(row["id"], shown, tuple(turns))
        wish = self.wishes[int(chance.integers(len(self.wishes)))]
        answer = typed_turn(GPT, caption_of(row, chance))
        return Conversation(row["id"], shown, (typed_turn(HUMAN, wish, num_images=1), answer))


@dataclass(frozen=True)
class Documents:
    """Flamingo: documents of some pairs, image after image, each followed by what is said of it.

    Pages with images (M3W, MMC4) have no script here, so that documents are made of pairs. A pair
    alone is what the paper's other data sets have; several in a row are what makes a model learn
    from examples (section 5).

    Args:
        tokenizer: the language model's.
        pictures: makes pixel values.
        pairs: in a document.
        longest: tokens of a document (256 in the paper); pairs that do not fit are left out.
    """

    tokenizer: PreTrainedTokenizerBase
    pictures: Pictures
    pairs: int = 3
    longest: int = 256

    def __call__(self, rows: Sequence[dict], seed: int) -> Batch:
        """Makes input_ids, attention_mask, labels (B / pairs, S), and pixel_values."""
        chance = np.random.default_rng(seed)
        rows = filled(rows, has_pair, "a picture and a caption")
        kept = [
            self._document(rows[first : first + self.pairs], first, chance)
            for first in range(0, len(rows), self.pairs)
        ]
        read = _reader(self.pictures, rows, chance)
        return rows_batch(kept, self.tokenizer.pad_token_id, read)

    def _document(self, rows: Sequence[dict], first: int, chance: np.random.Generator) -> Row:
        chunks: list[Chunk] = []
        for number, row in enumerate(rows, first):
            # Half of the texts begin with a space (section 4.1.4), which a tokenizer may drop.
            text = " " * int(chance.integers(2)) + caption_of(row, chance)
            longer = [*chunks, Chunk("", text, (str(number),))]
            if chunks and len(document_row(self.tokenizer, longer).ids) > self.longest:
                break
            chunks = longer
        return document_row(self.tokenizer, chunks)
