"""Toy scenes as mPLUG-Owl's stage 2 reads them: text alone, one picture, several, frames of a clip.

A step has as many rows of text alone as with pictures, the paper's 128 and 128 (arXiv 2304.14178,
section 4.1), each kind in a part of its own. Letters: Q visual tokens, N image tokens, E width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from course_lib.backbones.vision import VisionEncoder
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import GPT, HUMAN, ChatTemplate, Turn, chat_pieces, typed_turn
from course_lib.data.conversation_batch import Row
from course_lib.data.joint_batch import check_row, micro_batches
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import Instructions, toy_images, turns_of
from course_lib.instructions import teacher
from course_lib.instructions.mix import PAPER_MIX
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.toy_several import (
    MOST_PICTURES,
    Move,
    frame_parts,
    how_many,
    in_one_picture,
    move,
    picture_parts,
    which_picture,
)
from course_lib.instructions.toy_text import text_turns
from course_lib.training.accumulation import MicroBatches
from course_lib.world.draw import draw_scenes
from course_lib.world.scene import SPLITS, sample_scenes

IMAGE_KINDS = ("one", "several", "clip")


@dataclass(frozen=True)
class Joint:
    """What a step of stage 2 reads.

    Args:
        text: share of the rows that are text alone: 0 for images alone, 1 for text alone.
        text_shares: of `toy_text.TEXT_KINDS`.
        image_shares: of `IMAGE_KINDS`.
        mix: of conversation, detail and reasoning, in text and about one picture.
    """

    text: float = 0.5
    text_shares: tuple[float, ...] = (4, 2, 3, 3, 6)
    image_shares: tuple[float, ...] = (2, 3, 1)
    mix: tuple[float, ...] = PAPER_MIX


PAPER = Joint()


@dataclass(frozen=True)
class Clip:
    """Rows of the pictures before and after something moved, and what is asked about it."""

    before: int
    after: int
    turn: teacher.Turn


class OwlScenes(ToyScenes):
    """Scenes of one split and clips made of some of them; row i is a picture.

    Args:
        count: scenes; `len` and `lengths` speak of these alone.
        seed: scene i and its move depend on seed, split and i alone.
        split: "train", "test" or "combos".
        encoder: makes features of pictures, or anything that does (a frozen VPG).
        clips: how many clips to make; their second pictures follow the scenes.
        cache: directory of the feature cache; None keeps the features in memory alone.
        encoded: False where the encoder trains: batches then hold pixels.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        split: str,
        encoder: VisionEncoder,
        clips: int = 0,
        cache: Path | None = None,
        encoded: bool = True,
    ) -> None:
        self.scenes = sample_scenes(count, seed, split)
        self.lengths = torch.tensor([len(scene.things) for scene in self.scenes])
        moves = self._moves(clips, seed, split)
        self.clips = [
            Clip(row, count + number, made.turn) for number, (row, made) in enumerate(moves)
        ]
        self.scenes += [made.after for _, made in moves]
        self.images = draw_scenes(self.scenes)
        self.encoder, self.features = encoder, None
        if encoded:
            names = [f"{split}-{seed}-{i}" for i in range(count)]
            names += [f"{split}-{seed}-{row}-moved" for row, _ in moves]
            self.features = self._encoded(names, cache)

    def _moves(self, wanted: int, seed: int, split: str) -> list[tuple[int, Move]]:
        found: list[tuple[int, Move]] = []
        for row, scene in enumerate(self.scenes):
            if len(found) == wanted:
                break
            made = move(scene, np.random.default_rng((seed, SPLITS.index(split), row, 9)))
            if made is not None:
                found.append((row, made))
        if len(found) < wanted:
            raise ValueError(
                f"{len(self.scenes)} scenes make {len(found)} clips, {wanted} are wanted: give "
                "more scenes or ask for fewer clips."
            )
        return found

    def image_inputs(self, rows: list[int]) -> dict[str, torch.Tensor]:
        """Returns image_features (B, N or Q, E), or pixel_values where nothing is encoded."""
        return super().image_inputs(rows, cached=self.features is not None)


def frames_of(clip: Clip, rng: np.random.Generator) -> list[int]:
    """Returns the rows of two to four frames, the move between any two of them."""
    count = int(rng.integers(2, MOST_PICTURES + 1))
    still = int(rng.integers(1, count))
    return [clip.before] * still + [clip.after] * (count - still)


def several_turn(
    data: OwlScenes, rows: Sequence[int], rng: np.random.Generator, which: bool
) -> tuple[tuple[str, ...], teacher.Turn] | None:
    """Asks about several pictures.

    Args:
        data: the scenes.
        rows: two to four of them.
        rng: of every choice.
        which: True asks which picture has something, False what is in one of them.

    Returns:
        (words between the pictures, question and answer); None where no question is possible.
    """
    scenes = [data.scenes[row] for row in rows]
    turn = which_picture(scenes, rng) if which else in_one_picture(scenes, rng)
    return None if turn is None else (picture_parts(len(rows), turn.question), turn)


def _row(
    chat: ChatTokenizer, template: ChatTemplate, turns: Sequence[Turn], images: Iterable[int]
) -> Row:
    whole = chat(chat_pieces(template, turns))
    return Row(whole.ids, whole.labels, tuple(str(image) for image in images))


def _said(turns: Sequence[teacher.Turn]) -> list[Turn]:
    sides = [(typed_turn(HUMAN, t.question), typed_turn(GPT, t.answer)) for t in turns]
    return [side for pair in sides for side in pair]


def image_turns(
    data: OwlScenes, kind: str, index: int, rng: np.random.Generator, joint: Joint
) -> tuple[list[Turn], list[int]]:
    """Draws an instruction with pictures.

    Args:
        data: scenes and clips.
        kind: one of `IMAGE_KINDS`.
        index: the scene that it is about, or the first picture of several.
        rng: of every choice.
        joint: the mix.

    Returns:
        (turns, rows of the pictures in reading order).
    """
    if kind == "clip" and data.clips:
        clip = data.clips[int(rng.integers(len(data.clips)))]
        rows = frames_of(clip, rng)
        return [Turn(HUMAN, frame_parts(len(rows))), typed_turn(GPT, clip.turn.answer)], rows
    if kind == "several":
        others = rng.integers(len(data), size=how_many(rng) - 1)
        rows = [index, *(int(row) for row in others)]
        asked = several_turn(data, rows, rng, which=rng.random() < 0.5)
        if asked is not None:
            parts, turn = asked
            return [Turn(HUMAN, parts), typed_turn(GPT, turn.answer)], rows
    type = TYPES[int(rng.choice(len(TYPES), p=np.array(joint.mix) / sum(joint.mix)))]
    return turns_of(data.scenes[index], type, rng, Instructions()), [index]


def joint_batch(
    data: OwlScenes,
    chat: ChatTokenizer,
    template: ChatTemplate,
    step: int,
    batch_size: int,
    seed: int,
    joint: Joint = PAPER,
    max_length: int | None = None,
) -> MicroBatches:
    """Makes the parts of a step, stateless: text alone, one picture, several pictures and clips.

    Raises:
        ValueError: for a row that cannot be right; see `check_row`.
    """
    rng = np.random.default_rng((seed, step, 11))
    text = round(joint.text * batch_size)
    shares = np.array(joint.image_shares) / sum(joint.image_shares)
    groups: dict[str, list[Row]] = {"text": [], "one": [], "several": []}
    for _ in range(text):
        turns = text_turns(rng, data.scenes, joint.text_shares, joint.mix)
        groups["text"].append(_row(chat, template, _said(turns), ()))
    for _ in range(batch_size - text):
        kind = IMAGE_KINDS[int(rng.choice(len(IMAGE_KINDS), p=shares))]
        turns, rows = image_turns(data, kind, int(rng.integers(len(data))), rng, joint)
        group = "one" if len(rows) == 1 else "several"
        groups[group].append(_row(chat, template, turns, rows))
    sizes = (image_token_id(chat.tokenizer), chat.num_visual_tokens, max_length)
    for group, members in groups.items():
        for number, row in enumerate(members):
            check_row(row, f"{number} of {group!r}, step {step}", *sizes)
    return micro_batches(groups.values(), chat.pad_token_id, partial(toy_images, data))
