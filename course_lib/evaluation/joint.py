"""How well a jointly tuned run does what came with text alone, several pictures, frames of a clip.

Everything asked is held out: scenes of another split, lists of words and wordings of facts that
training never draws. A question about several pictures is right when the answer names the right
ordinal and no other: by chance one in two to one in four is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import HUMAN, ChatTemplate, Turn, chat_pieces, typed_turn
from course_lib.data.toy_owl import OwlScenes, frames_of, several_turn
from course_lib.errors import counted
from course_lib.evaluation.batched import write_behind
from course_lib.evaluation.captions import named_things
from course_lib.evaluation.toy_answers import score_answer
from course_lib.instructions import teacher
from course_lib.instructions.toy_several import MOST_PICTURES, frame_parts, told
from course_lib.instructions.toy_text import WORDS, text_task, told_question
from course_lib.vlm import VLM
from course_lib.world.documents import ORDINALS
from course_lib.world.questions import balanced_questions

LONGEST = 48
TASKS = ("repeat", "pick", "facts")
_WORD = re.compile(r"[a-z]+|\d+")


class JointAsker:
    """Asks a run with any number of pictures in a prompt.

    Args:
        model: in eval mode or not; generation switches it for itself.
        chat: tokenizer that knows the places of an image.
        template: of the prompts.
        data: scenes and clips.
    """

    def __init__(
        self, model: VLM, chat: ChatTokenizer, template: ChatTemplate, data: OwlScenes
    ) -> None:
        self.model, self.chat, self.template, self.data = model, chat, template, data

    def answers(self, asked: Sequence[tuple[tuple[str, ...], Sequence[int]]]) -> list[str]:
        """Returns answers, in the order asked.

        Args:
            asked: (words between the pictures, rows of the pictures): one more words than rows.

        Raises:
            ValueError: for as many words as pictures, or a prompt that does not fit; says which.
        """
        prompts = [self._prompt(number, *one) for number, one in enumerate(asked)]

        def shown(part: list[int]) -> dict:
            rows = [row for index in part for row in asked[index][1]]
            return self.data.image_inputs(rows) if rows else {}

        tokenizer = self.chat.tokenizer
        written = write_behind(self.model, tokenizer, prompts, shown, LONGEST)
        return [tokenizer.decode(ids, skip_special_tokens=True) for ids in written]

    def _prompt(self, number: int, parts: tuple[str, ...], rows: Sequence[int]) -> list[int]:
        if len(parts) != len(rows) + 1:
            raise ValueError(
                f"Prompt {number} comes with {counted(len(rows), 'image')} and keeps places for "
                f"{len(parts) - 1}: write one place for each image."
            )
        pieces = chat_pieces(self.template, [Turn(HUMAN, tuple(parts))], answered=False)
        ids, limit = self.chat(pieces).ids, self.model.language.max_positions
        if limit is not None and len(ids) >= limit:
            raise ValueError(
                f"Prompt {number} takes {len(ids)} positions, visual tokens included, and the "
                f"language model {limit} with the answer: shorten it, or show fewer images."
            )
        return ids


def is_right(turn: teacher.Turn, answer: str) -> bool:
    """Tells whether an answer is right, by the kind of its question.

    Args:
        turn: question, key and kind of `toy_text`, `toy_several`, or of a question about a scene.
        answer: what was said.
    """
    words = _WORD.findall(answer.lower())
    if turn.kind == "repeat":
        return words == turn.key.split()
    if turn.kind == "pick":
        return [word for word in words if word in WORDS] == [turn.key]
    if turn.kind == "which":
        return {word for word in words if word in ORDINALS} == {turn.key}
    if turn.kind == "moved":
        named = [f"{thing.get('colour')} {thing.get('kind')}" for thing in named_things(answer)]
        return named == [turn.key]
    return score_answer(turn.key, turn.kind, answer)


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)


def image_scores(found: dict) -> dict:
    """Puts the nine types of question about one picture together.

    Args:
        found: of `evaluate_instructions`.

    Returns:
        all: mean over the types, those by held-out facts left out; blind: the same without the
        picture.
    """

    def mean(of: dict) -> float:
        kinds = ("conversation", "reasoning")
        shares = [share for kind in kinds for share in of[kind]["by_type"].values()]
        return sum(shares) / len(shares)

    return {"all": mean(found), "blind": mean(found["blind"])}


def text_scores(asker: JointAsker, per_type: int, seed: int = 0) -> dict:
    """Measures text-only instructions.

    Args:
        asker: the run, with held-out scenes; none of their pictures is shown.
        per_type: questions of each of nine types about scenes in words, and of each other kind.
        seed: of the questions.

    Returns:
        all: mean over the four kinds; by_kind: of "told" the mean over nine types; told:
        {question type: share right}. Comparing scenes in words is in the scores of pictures.
    """
    rng = np.random.default_rng((seed, 6))
    asked = balanced_questions(asker.data.scenes[: len(asker.data)], per_type, rng)
    turns = [told_question(asker.data.scenes[row], question, rng) for row, question in asked]
    others = [kind for kind in TASKS for _ in range(per_type)]
    turns += [text_task(kind, rng, held_out=True) for kind in others]
    kinds = [f"told.{question.type}" for _, question in asked] + others
    prompts = [(typed_turn(HUMAN, turn.question).parts, ()) for turn in turns]
    right: dict[str, list[bool]] = {}
    for kind, turn, answer in zip(kinds, turns, asker.answers(prompts), strict=True):
        right.setdefault(kind, []).append(is_right(turn, answer))
    shares = {kind: _share(found) for kind, found in right.items()}
    by_type = {k.removeprefix("told."): share for k, share in shares.items() if "." in k}
    by_kind = {"told": sum(by_type.values()) / len(by_type)}
    by_kind |= {kind: shares[kind] for kind in TASKS}
    return {"all": sum(by_kind.values()) / len(by_kind), "by_kind": by_kind, "told": by_type}


def several_scores(asker: JointAsker, per_count: int, seed: int = 0) -> dict:
    """Measures questions about two, three and four pictures.

    Args:
        asker: the run, with held-out scenes.
        per_count: questions of each kind for each number of pictures.
        seed: of pictures and questions.

    Returns:
        which: {"2": share right, …} of "which picture has …?"; in_words: the same questions with
        scenes in words for pictures, which tells a language model that cannot compare from a
        picture that was not read; inside: questions about one of the pictures; chance: {"2": 0.5,
        …} of the first two.
    """
    rng = np.random.default_rng((seed, 7))
    asked: list[tuple[str, str, teacher.Turn, tuple]] = []
    for count in range(2, MOST_PICTURES + 1):
        for kind in ("which", "inside"):
            made = 0
            while made < per_count:
                rows = [int(row) for row in rng.integers(len(asker.data), size=count)]
                found = several_turn(asker.data, rows, rng, which=kind == "which")
                if found is None:
                    continue
                made += 1
                parts, turn = found
                asked.append((kind, str(count), turn, (parts, rows)))
                if kind == "which":
                    words = told(parts, [asker.data.scenes[row] for row in rows], rng)
                    asked.append(("in_words", str(count), turn, ((words,), ())))
    answers = asker.answers([prompt for *_, prompt in asked])
    right: dict[str, dict[str, list[bool]]] = {"which": {}, "in_words": {}, "inside": {}}
    for (kind, count, turn, _), answer in zip(asked, answers, strict=True):
        right[kind].setdefault(count, []).append(is_right(turn, answer))
    scores = {kind: {n: _share(r) for n, r in counts.items()} for kind, counts in right.items()}
    return scores | {"chance": {n: 1 / int(n) for n in scores["which"]}}


def clip_scores(asker: JointAsker, count: int, seed: int = 0) -> dict:
    """Measures "what moved?" over frames.

    Args:
        asker: the run, with held-out clips.
        count: how many clips to ask about, from the first on.
        seed: of the number of frames.

    Returns:
        moved: share right; in_words: the same with the first and last scene in words for frames;
        chance: of naming one of the things at random.
    """
    rng = np.random.default_rng((seed, 8))
    clips, scenes = asker.data.clips[:count], asker.data.scenes
    asked: list[tuple[tuple[str, ...], Sequence[int]]] = []
    for clip in clips:
        rows = frames_of(clip, rng)
        asked.append((frame_parts(len(rows)), rows))
    for clip in clips:
        ends = (scenes[clip.before], scenes[clip.after])
        asked.append(((told(frame_parts(2), ends, rng),), ()))
    right = [
        is_right(clip.turn, answer)
        for clip, answer in zip([*clips, *clips], asker.answers(asked), strict=True)
    ]
    chance = [1 / len(scenes[clip.before].things) for clip in clips]
    shares = {"moved": _share(right[: len(clips)]), "in_words": _share(right[len(clips) :])}
    return shares | {"chance": sum(chance) / len(chance)}
