"""How well a Flamingo does with examples in its prompt: questions, captions, symbols to bind.

Shots are (image, words) pairs of the same task in front of the query. "Zero-shot" is the paper's
(v1, section 3.3): two examples whose images are left out, which tell what an answer looks like and
nothing about seeing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from course_lib.data.binding import Episode, draw_episode, rows_by_kind, unused_symbols
from course_lib.data.interleaved import Chunk, document_row
from course_lib.data.prompts import typed_ids
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_interleaved import asked as in_words
from course_lib.data.toy_interleaved import question_chunk
from course_lib.evaluation.batched import next_logits, write_behind
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.vqa import vqa_scores
from course_lib.gated_vlm import GatedVLM
from course_lib.world.questions import Question, balanced_questions

SHOTS = (0, 2, 4, 8)
TEXT_SHOTS = 2
LONGEST = 48
Asked = Sequence[tuple[int, Question]]


class FewShotAnswerer:
    """Asks a Flamingo with examples in front.

    Args:
        model: in eval mode or not; generation switches it for itself.
        tokenizer: of its language model.
        data: the scenes and their features.
    """

    def __init__(
        self, model: GatedVLM, tokenizer: PreTrainedTokenizerBase, data: ToyScenes
    ) -> None:
        self.model, self.tokenizer, self.data = model, tokenizer, data

    def write(self, prompts: Sequence[Sequence[Chunk]], longest: int = LONGEST) -> list[str]:
        """Returns what the model writes behind each document, in the order given.

        Documents of like length are answered together. Images are rows of `data`.

        Raises:
            ValueError: when a document is longer than the language model's context.
        """
        ids, shown = self._read(prompts)
        written = write_behind(self.model, self.tokenizer, ids, shown, longest)
        return [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in written]

    def next_logits(self, prompts: Sequence[Sequence[Chunk]]) -> torch.Tensor:
        """Returns the logits of the word behind each document, (N, V); raises as `write`."""
        ids, shown = self._read(prompts)
        return next_logits(self.model, self.tokenizer, ids, shown)

    def _read(self, prompts: Sequence[Sequence[Chunk]]) -> tuple[list[list[int]], Callable]:
        limit = self.model.language.max_positions
        rows = [document_row(self.tokenizer, prompt, limit) for prompt in prompts]

        def shown(part: list[int]) -> dict:
            images = [int(name) for i in part for name in rows[i].images]
            return self.data.image_inputs(images) if images else {}

        return [row.ids for row in rows], shown

    def captions(self, rows: Sequence[int]) -> list[str]:
        """Returns the canonical caption that the model writes of each scene, without a prompt."""
        return self.write([[Chunk("", images=(str(row),))] for row in rows])

    def answers(
        self, asked: Asked, shots: Sequence[Sequence[Chunk]] | None = None, images: bool = True
    ) -> list[str]:
        """Returns the answers to questions about scenes.

        Args:
            asked: (row of the scene, question).
            shots: for each question what stands in front of it; None = nothing.
            images: False leaves the query's image out.
        """
        prompts = []
        for index, (row, question) in enumerate(asked):
            query = Chunk(in_words(question.text), images=(str(row),) if images else ())
            prompts.append([*(shots[index] if shots else ()), query])
        return self.write(prompts)

    def bound(self, episodes: Sequence[Episode]) -> dict[str, float]:
        """Returns the share of queries that got their symbol, and of those that got one of two."""
        written = self.write([episode.prompt_chunks() for episode in episodes], longest=2)
        pairs = list(zip(written, episodes, strict=True))
        right = sum(text == e.answer for text, e in pairs)
        either = sum(text in e.words for text, e in pairs)
        return {"right": right / len(pairs), "one of the two": either / len(pairs)}

    def chosen(self, episodes: Sequence[Episode]) -> float:
        """Returns the share of queries whose symbol is the likeliest of the episode's symbols.

        Chance is 1 in as many as there are symbols; of what is written it is less, since shots
        that contradict each other also make the model write a word that nobody showed.

        Raises:
            ValueError: for a symbol that is not one token.
        """
        logits = self.next_logits([episode.prompt_chunks() for episode in episodes])
        right = 0
        for row, episode in zip(logits, episodes, strict=True):
            ids = [_only_id(self.tokenizer, word) for word in episode.words]
            right += episode.words[int(row[ids].argmax())] == episode.answer
        return right / len(episodes)


def _only_id(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = typed_ids(tokenizer, word)
    if len(ids) != 1:
        raise ValueError(f"The symbol {word!r} is {len(ids)} tokens long: choose words of one.")
    return ids[0]


def question_shots(asked: Asked, count: int, rng: np.random.Generator) -> list[list[Chunk]]:
    """Draws for each question `count` other questions with their scenes and answers.

    With `count` 0 these are the paper's two examples without images.
    """
    shots = []
    for index in range(len(asked)):
        others = rng.choice(len(asked) - 1, size=count or TEXT_SHOTS, replace=False)
        chosen = [asked[other + (other >= index)] for other in others]
        shots.append([question_chunk(q, (row,) if count else ()) for row, q in chosen])
    return shots


def shot_curve(answerer: FewShotAnswerer, asked: Asked, seed: int = 0) -> dict[str, float]:
    """Returns {shots: VQA score, mean over types}, where "0" has two examples without images."""
    questions = [question for _, question in asked]
    curve = {}
    for count in SHOTS:
        shots = question_shots(asked, count, np.random.default_rng((seed, count, 15)))
        curve[str(count)] = vqa_scores(answerer.answers(asked, shots), questions)["all"]
    return curve


def binding_curve(
    answerer: FewShotAnswerer,
    episodes: int,
    seed: int = 0,
    shots: Sequence[int] = SHOTS[1:],
    words: Sequence[str] | None = None,
) -> dict[str, dict]:
    """Measures symbol binding with true shots, and with the shots' images in another order.

    Args:
        answerer: model and held-out scenes.
        episodes: how many for each number of shots.
        seed: of the episodes.
        shots: numbers of shots.
        words: symbols to draw from; None takes those that no training has bound.

    Returns:
        {shots: {right, one of the two, chosen, shuffled}}: shares of what is written, and of
        the choice between the two symbols, with true and with shuffled shots; there chance is 0.5.
    """
    rows = rows_by_kind(answerer.data.scenes)
    curve = {}
    for count in shots:
        rng = np.random.default_rng((seed, count, 16))
        drawn = [draw_episode(rng, rows, words or unused_symbols(), count) for _ in range(episodes)]
        found = answerer.bound(drawn)
        found["chosen"] = answerer.chosen(drawn)
        found["shuffled"] = answerer.chosen([one.shuffled(rng) for one in drawn])
        curve[str(count)] = found
    return curve


def evaluate_few_shot(
    answerer: FewShotAnswerer, per_type: int, num_captions: int, episodes: int, seed: int = 0
) -> dict:
    """Measures captions, questions and symbols.

    Args:
        answerer: model and held-out scenes.
        per_type: questions of each of the nine types.
        num_captions: scenes to caption, from the first on.
        episodes: of symbol binding, for each number of shots.
        seed: of questions and episodes.

    Returns:
        captions: {things_right, exact, cider}; vqa: {all, by_type, blind} of questions alone, where
        `blind` leaves the images out; shots: `shot_curve` of a quarter of the questions; binding:
        `binding_curve`.
    """
    data, rng = answerer.data, np.random.default_rng((seed, 5))
    asked = balanced_questions(data.scenes, per_type, rng)
    questions = [question for _, question in asked]
    vqa = vqa_scores(answerer.answers(asked), questions)
    vqa["blind"] = vqa_scores(answerer.answers(asked, images=False), questions)
    written = answerer.captions(range(num_captions))
    return {
        "captions": caption_scores(written, data.scenes[:num_captions]),
        "vqa": vqa,
        "shots": shot_curve(answerer, asked[::4], seed),
        "binding": binding_curve(answerer, episodes, seed),
    }
