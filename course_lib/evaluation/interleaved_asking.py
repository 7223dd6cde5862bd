"""A Flamingo is asked behind the tag of one image; what a person types stays text."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from course_lib.data.interleaved import Chunk, document_row
from course_lib.evaluation.asking import framed
from course_lib.evaluation.vqa import is_right
from course_lib.world.questions import Question


class InterleavedAsker:
    """Puts a question as a document of one chunk: start token, tag, "question: … answer:".

    Args:
        tokenizer: of the language model.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    def wording(self, prompt: str) -> str:
        """Returns the question in the paper's words; none for a wish for a caption."""
        return framed(prompt, short=False)

    def ids(self, prompt: str, num_images: int) -> list[int]:
        """Returns the ids of the prompt, one tag an image."""
        return self.ids_of(self.wording(prompt), num_images)

    def ids_of(self, words: str, num_images: int) -> list[int]:
        """Returns the ids of a prompt with these very words behind the tags."""
        images = tuple(map(str, range(num_images)))
        return document_row(self.tokenizer, [Chunk(words, images=images)]).ids

    def is_right(self, answer: str, question: Question) -> bool:
        """Compares texts: this recipe answers with the one right word, or with the caption."""
        return is_right(answer, question)
