"""Conversations as training batches of the VLM; what does not fit the context is cut and counted.

LLaVA cuts the spliced sequence at model_max_length, wherever that is (llava/model/llava_arch.py):
an answer then ends in the middle of a word and has no stop token to learn. Here whole pairs of
question and answer go, from the end. Letters: B batch, S spliced length, Q visual tokens, N
patches, E vision width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import ChatTemplate, chat_pieces
from course_lib.data.images import ImageTransform, load_image
from course_lib.data.llava_json import Conversation
from course_lib.data.prompts import pad_rows
from course_lib.losses.lm import IGNORE

# From names of images to {"pixel_values": …} or {"image_features": …}, in the same order.
ReadImages = Callable[[list[str]], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Row:
    """A conversation, ready for a batch.

    Args:
        ids: with Q places for each image.
        labels: see `EncodedChat`.
        images: names of the images whose places are left.
    """

    ids: list[int]
    labels: list[int]
    images: tuple[str, ...]


@dataclass(frozen=True)
class CutReport:
    """What did not fit the context; reports add up with `+`.

    Args:
        conversations: how many were looked at.
        cut: how many lost turns at their end.
        turns: how many turns they lost, questions and answers counted apart.
        left_out: ids of conversations whose first answer does not fit.
    """

    conversations: int = 0
    cut: int = 0
    turns: int = 0
    left_out: tuple[str, ...] = ()

    def __add__(self, other: CutReport) -> CutReport:
        return CutReport(
            self.conversations + other.conversations,
            self.cut + other.cut,
            self.turns + other.turns,
            self.left_out + other.left_out,
        )

    def __str__(self) -> str:
        return (
            f"{self.conversations:,} conversations: {self.cut:,} cut by {self.turns:,} turns, "
            f"{len(self.left_out):,} left out"
        )


def encode_conversations(
    conversations: Iterable[Conversation],
    template: ChatTemplate,
    tokenizer: ChatTokenizer,
    max_length: int | None = None,
) -> tuple[list[Row], CutReport]:
    """Makes rows of conversations: once for all steps, or step by step where there are many.

    Args:
        conversations: of `read_conversations`.
        template: see `chat_template`.
        tokenizer: knows Q.
        max_length: longest row, visual tokens included: the language model's `max_positions`.

    Returns:
        (rows in the same order, without those that are left out; what was cut).

    Raises:
        ValueError: for a conversation that the template does not take; says which.
    """
    rows: list[Row] = []
    report = CutReport()
    for conversation in conversations:
        row, one = _row(conversation, template, tokenizer, max_length)
        rows += [] if row is None else [row]
        report += one
    return rows, report


def _row(
    conversation: Conversation,
    template: ChatTemplate,
    tokenizer: ChatTokenizer,
    max_length: int | None,
) -> tuple[Row | None, CutReport]:
    try:
        whole = tokenizer(chat_pieces(template, conversation.turns))
    except ValueError as error:
        raise ValueError(f"Conversation {conversation.id!r}: {error}") from error
    chat = whole.cut(max_length)
    if not chat.ends:
        return None, CutReport(1, left_out=(conversation.id,))
    turns = 2 * (len(whole.ends) - len(chat.ends))
    kept = conversation.turns[: 2 * len(chat.ends)]
    images = conversation.images[: sum(turn.num_images for turn in kept)]
    return Row(chat.ids, chat.labels, images), CutReport(1, int(turns > 0), turns)


def rows_batch(
    rows: Sequence[Row], pad_token_id: int, read_images: ReadImages | None = None
) -> dict[str, torch.Tensor]:
    """Puts rows into a batch, padded on the right.

    The mask comes from the lengths. LLaVA asks which ids are padding, and pads with <unk>, so that
    its model never sees an <unk> of the text.

    Args:
        rows: B of them, with any number of images each.
        pad_token_id: fills up; hidden by the mask and without label.
        read_images: reads the images of all rows; not needed for text alone.

    Returns:
        input_ids, attention_mask and labels (B, S), and, where a row has an image, pixel_values
        (images, 3, height, width) or image_features (images, N, E), in reading order.

    Raises:
        ValueError: when there is no row, or nobody to read the images.
    """
    if not rows:
        raise ValueError("The batch has no conversation: all were left out, or none was given.")
    names = [name for row in rows for name in row.images]
    if names and read_images is None:
        raise ValueError(f"The rows show {len(names)} images: pass read_images.")
    return {
        **(read_images(names) if names and read_images else {}),
        "input_ids": pad_rows([row.ids for row in rows], pad_token_id),
        "attention_mask": pad_rows([[1] * len(row.ids) for row in rows], 0),
        "labels": pad_rows([row.labels for row in rows], IGNORE),
    }


def conversation_batch(
    conversations: Iterable[Conversation],
    template: ChatTemplate,
    tokenizer: ChatTokenizer,
    read_images: ReadImages | None = None,
    max_length: int | None = None,
) -> tuple[dict[str, torch.Tensor], CutReport]:
    """Does both: see `encode_conversations` and `rows_batch`."""
    rows, report = encode_conversations(conversations, template, tokenizer, max_length)
    return rows_batch(rows, tokenizer.pad_token_id, read_images), report


def image_folder(folder: str | Path, transform: ImageTransform) -> ReadImages:
    """Returns what reads images from a folder, as pixel_values (images, 3, height, width)."""

    def read(names: list[str]) -> dict[str, torch.Tensor]:
        pictures = [load_image(Path(folder) / name) for name in names]
        return {"pixel_values": transform(pictures)}

    return read
