"""From pieces of a chat to ids and labels, in one pass.

LLaVA tokenises a conversation as one string, tokenises its parts again to count how long they are,
and covers what it counted (llava/train/train.py, preprocess_v1). Where both do not add up, the
whole sample loses its labels: "tokenization mismatch … (ignored)", and the loss is 0. Here every
piece is tokenised once and its labels are written beside its ids, so nothing can disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from course_lib.data.chat_templates import ChatTemplate, Piece
from course_lib.data.prompts import image_token_id, typed_ids
from course_lib.losses.lm import IGNORE

# A newline is a byte of its own for LLaMA's tokenizer and grows together with no other sign.
_BEFORE = "\n"


@dataclass(frozen=True)
class EncodedChat:
    """A conversation as a model reads it.

    Args:
        ids: with Q places for each image.
        labels: as many; the id where it carries loss, -100 elsewhere; not shifted.
        ends: for each answer the position behind its stop: here the chat may be cut.
    """

    ids: list[int]
    labels: list[int]
    ends: list[int]

    def cut(self, max_length: int | None) -> EncodedChat:
        """Returns the chat without the last answers, as far as it is longer than `max_length`.

        Questions go with their answers. Nothing is left where the first answer does not fit.
        """
        if max_length is None or len(self.ids) <= max_length:
            return self
        ends = [end for end in self.ends if end <= max_length]
        length = ends[-1] if ends else 0
        return EncodedChat(self.ids[:length], self.labels[:length], ends)


class ChatTokenizer:
    """Turns pieces into ids and labels; what people type never becomes a special token.

    LLaMA's tokenizer puts a space before a text, so "red" alone is ▁red, as in "is red". A piece
    in the middle of a chat must not get one ("###" + "Human" would become "### Human"). Such a
    tokenizer therefore reads the piece behind a newline, whose ids are then taken off. A text at
    the start keeps that space, and one behind an image too: LLaVA tokenises both sides of an image
    apart (llava/mm_utils.py, tokenizer_image_token). Behind an end token both kinds of tokenizer
    exist, and we do what this one does.

    Args:
        tokenizer: of a decoder-only model; word-level or byte-level ones need no such care.
        num_visual_tokens: Q, places of an image.

    Raises:
        ValueError: for a tokenizer without an end token, or Q below 1.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, num_visual_tokens: int = 1) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError("The tokenizer has no end token: set tokenizer.eos_token.")
        if num_visual_tokens < 1:
            raise ValueError(f"An image takes at least 1 place, not {num_visual_tokens}.")
        self.tokenizer, self.num_visual_tokens = tokenizer, num_visual_tokens
        self._before = typed_ids(tokenizer, _BEFORE)
        alone = typed_ids(tokenizer, "a")
        self._adds_space = typed_ids(tokenizer, _BEFORE + "a") != self._before + alone
        behind_end = tokenizer(tokenizer.eos_token + "a", add_special_tokens=False).input_ids
        self._starts_behind_end = self._adds_space and behind_end[1:] == alone

    @property
    def pad_token_id(self) -> int:
        """Fills rows up; the mask hides it, so the end token serves where there is none."""
        pad = self.tokenizer.pad_token_id
        return self.tokenizer.eos_token_id if pad is None else pad

    def __call__(self, pieces: Iterable[Piece]) -> EncodedChat:
        """Writes ids and labels side by side; see `chat_pieces`.

        Raises:
            ValueError: for an image where the tokenizer knows no `<image>`.
        """
        chat = EncodedChat([], [], [])
        at_start = True
        for piece in pieces:
            new = self._ids(piece, at_start)
            chat.ids.extend(new)
            chat.labels.extend(new if piece.carries_loss else [IGNORE] * len(new))
            if piece.role == "stop":
                chat.ends.append(len(chat.ids))
            at_start = piece.special in ("bos", "image")
            at_start = at_start or (piece.special == "eos" and self._starts_behind_end)
        return chat

    def stop_ids(self, template: ChatTemplate) -> list[int]:
        """Returns the ids that end an answer under a template."""
        return self._ids(template.stop_piece, at_start=False)

    def _ids(self, piece: Piece, at_start: bool) -> list[int]:
        if piece.special == "image":
            return [image_token_id(self.tokenizer)] * self.num_visual_tokens
        if piece.special == "bos":
            # Some families (Qwen) have no start token, and their models never saw one.
            bos = self.tokenizer.bos_token_id
            return [] if bos is None else [bos]
        if piece.special == "eos":
            return [self.tokenizer.eos_token_id]
        if at_start or not self._adds_space:
            ids = typed_ids(self.tokenizer, piece.text)
        else:
            ids = self._continued(piece.text)
        # A word-level tokenizer has no newline: its end token stands for one that ends an answer.
        return ids or ([self.tokenizer.eos_token_id] if piece.role == "stop" else [])

    def _continued(self, text: str) -> list[int]:
        ids, count = typed_ids(self.tokenizer, _BEFORE + text), len(self._before)
        if ids[:count] != self._before:
            raise ValueError(
                f"This tokenizer writes a newline and {text[:20]!r} as one token: it cannot "
                "tokenise a chat piece by piece."
            )
        return ids[count:]
