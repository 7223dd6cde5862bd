"""A chat-tuned run is asked in its own template; what a person types stays text.

`<image>`, `</s>` or "ASSISTANT:" in a question are characters like all others: the places of an
image, the roles and the end token are put by the template alone.
"""

from __future__ import annotations

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import (
    HUMAN,
    ChatTemplate,
    chat_pieces,
    chat_template,
    typed_turn,
)
from course_lib.evaluation.asking import CAPTION_WISHES
from course_lib.evaluation.captions import named_things
from course_lib.evaluation.toy_answers import score_answer
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.world.questions import Question

CAPTION = "caption"  # the type under which `teach.chat_figure.known_questions` has the caption


class ChatAsker:
    """Puts a question as the first turn of a conversation, its image in front of it.

    Args:
        chat: tokenizer that knows Q.
        template: see `chat_template`.
    """

    def __init__(self, chat: ChatTokenizer, template: ChatTemplate) -> None:
        self.chat, self.template = chat, template

    def wording(self, prompt: str) -> str:
        """Returns the question; a wish for a caption becomes the instruction to describe."""
        words = prompt.strip()
        return DETAIL_QUESTIONS[0] if words.lower().rstrip(".") in CAPTION_WISHES else words

    def ids(self, prompt: str, num_images: int = 1) -> list[int]:
        """Returns the ids of the prompt, up to where the answer begins."""
        return self.ids_of(self.wording(prompt), num_images)

    def ids_of(self, words: str, num_images: int) -> list[int]:
        """Returns the ids of a prompt with these very words as the first turn."""
        turn = typed_turn(HUMAN, words, num_images)
        return self.chat(chat_pieces(self.template, [turn], answered=False)).ids

    def caption_ids(self) -> list[int]:
        """Returns the ids behind which stage 1 trains a caption: those of an image and no word."""
        turn = typed_turn(HUMAN, "", num_images=1)
        return self.chat(chat_pieces(chat_template("plain"), [turn], answered=False)).ids

    def is_right(self, answer: str, question: Question) -> bool:
        """Reads what a sentence claims; a description has to name the caption's things, no other.

        Whoever answers in sentences is not held to the teacher's wording.
        """
        if question.type == CAPTION:
            return sorted_things(answer) == sorted_things(question.answer)
        return score_answer(question.answer, question.type, answer)


def sorted_things(text: str) -> list[str]:
    """Returns the things that a text names, in an order of their own."""
    return sorted(str(sorted(thing.items())) for thing in named_things(text))
