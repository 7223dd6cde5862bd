"""One typed prompt about one picture: from pixels and words to an answer and what to say about it.

The console script, the chat widget and its picture on paper all ask here, so they say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.data.prompts import (
    blip2_prompt,
    check_prompt,
    describe_unknown_words,
    generation_batch,
)
from course_lib.evaluation.vqa import is_right
from course_lib.vlm import VLM
from course_lib.world.questions import Question

CAPTION_WISHES = ("describe", "describe the picture", "caption")


class Asker(Protocol):
    """How a recipe puts what a person typed to its language model."""

    def wording(self, prompt: str) -> str:
        """Returns the words that the model reads around and with the prompt; may be none."""

    def ids(self, prompt: str, num_images: int) -> list[int]:
        """Returns the ids of the whole prompt, with the places of the visual tokens."""

    def ids_of(self, words: str, num_images: int) -> list[int]:
        """Does the same for words that are put as they are, as a benchmark words them."""

    def is_right(self, answer: str, question: Question) -> bool:
        """Tells whether an answer in this recipe's style says what the scene says."""


class OpenedRun(Protocol):
    """What asking needs of a run; `course_lib.commands.runs.Opened` is one.

    `asker` is None for a run of stage 1 without a language model, which cannot be asked.
    """

    model: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
    asker: Asker | None


def check_has_language(opened: OpenedRun) -> None:
    """Refuses a run that cannot answer.

    Raises:
        ValueError: for a run of stage 1, which has no language model.
    """
    if not isinstance(opened.model, VLM):
        raise ValueError("A stage-1 run has no language model to answer with: give a stage-2 run.")


def question_in_words(question: str, short: bool) -> str:
    """Returns the paper's wording: "Question: … Answer:", or "Short answer:" for T5."""
    return f"question: {question} {'short answer:' if short else 'answer:'}"


def framed(prompt: str, short: bool) -> str:
    """Puts a question into BLIP-2's wording; "describe" asks for the caption, without words."""
    words = prompt.strip()
    if words.lower().rstrip(".") in CAPTION_WISHES:
        return ""
    return question_in_words(words, short)


class Blip2Asker:
    """Asks as BLIP-2 is asked: the visual tokens first, then "question: … answer:".

    Args:
        tokenizer: of the language model.
        num_query_tokens: Q.
        short: T5's wording.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, num_query_tokens: int, short: bool
    ) -> None:
        self.tokenizer, self.num_query_tokens, self.short = tokenizer, num_query_tokens, short

    def wording(self, prompt: str) -> str:
        """Returns the question in the paper's words; none for a wish for a caption."""
        return framed(prompt, self.short)

    def ids(self, prompt: str, num_images: int) -> list[int]:
        """Returns BLIP-2's prompt; see `blip2_prompt`."""
        return self.ids_of(self.wording(prompt), num_images)

    def ids_of(self, words: str, num_images: int) -> list[int]:
        """Returns BLIP-2's prompt with these very words."""
        return blip2_prompt(self.tokenizer, words, self.num_query_tokens, num_images)

    def is_right(self, answer: str, question: Question) -> bool:
        """Compares texts: this recipe answers with the one right word, or with the caption."""
        return is_right(answer, question)


def blip2_asker(model: VLM, tokenizer: PreTrainedTokenizerBase) -> Blip2Asker:
    """Returns how a BLIP-2 of stage 2 is asked."""
    queries = model.vpg.head.config.num_query_tokens
    return Blip2Asker(tokenizer, queries, model.language.is_encoder_decoder)


def answer_to(
    opened: OpenedRun,
    pixel_values: torch.Tensor | None,
    prompt: str,
    max_new_tokens: int = 48,
    on_token: Callable[[str], object] | None = None,
) -> tuple[str, list[str]]:
    """Answers what a person typed about one picture.

    Args:
        opened: an opened stage-2 run.
        pixel_values: (1, 3, 48, 48), normalised; None asks the language model without a picture.
        prompt: a question, or "describe" for the caption.
        max_new_tokens: most words of the answer.
        on_token: is called after each new word with the answer so far; the last call gets the
            answer that is returned.

    Returns:
        The answer, and a sentence for each word that the model does not know.

    Raises:
        ValueError: for an empty prompt, one beyond the context, or a run of stage 1.
    """
    check_has_language(opened)
    language, tokenizer = opened.model.language, opened.tokenizer
    ids = opened.asker.ids(prompt, 0 if pixel_values is None else 1)
    check_prompt(tokenizer, prompt, ids, language.max_positions)
    batch = generation_batch(tokenizer, [ids], language.is_encoder_decoder)
    if pixel_values is not None:
        batch["pixel_values"] = pixel_values
    written: list[int] = []

    def tell(_row: int, token: int) -> None:
        written.append(token)
        if on_token is not None:
            on_token(tokenizer.decode(written, skip_special_tokens=True))

    opened.model.generate(batch, max_new_tokens=max_new_tokens, on_token=tell)
    answer = tokenizer.decode(written, skip_special_tokens=True)
    return answer, describe_unknown_words(tokenizer, prompt)
