"""Chat templates: a conversation becomes pieces, and each piece says whether it carries loss.

The joined texts of the pieces are the string that LLaVA reads, byte for byte: separators, spaces
and the missing space behind an open "ASSISTANT:". LLaVA first joins that string and afterwards
looks for the answers in it (llava/conversation.py, then llava/train/train.py); here nobody has to
look for anything. A recipe with another format makes a `ChatTemplate` of its own and passes it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.backbones.tokenizers import IMAGE_TOKEN
from course_lib.errors import unknown_name_error

HUMAN, GPT = "human", "gpt"
BOS, EOS = "<s>", "</s>"  # as LLaMA writes them; a tokenizer's own start and end token are put


@dataclass(frozen=True)
class Piece:
    """A stretch of a chat that is tokenised in one go.

    Args:
        text: what LLaVA's string has here. A piece begins with its own space, if there is one.
        role: "system", "human", "assistant", or "stop" for what ends an answer.
        carries_loss: True where the model has to say this itself.
        special: "bos", "eos" or "image" for a token instead of a text.
    """

    text: str
    role: str
    carries_loss: bool = False
    special: str = ""


@dataclass(frozen=True)
class Turn:
    """What one side says at a time.

    Args:
        role: "human" or "gpt", as LLaVA's files name them.
        parts: the words, cut where an image stands: one part has no image, two parts have one.
    """

    role: str
    parts: tuple[str, ...]

    @property
    def num_images(self) -> int:
        """How many images the turn shows."""
        return len(self.parts) - 1


def data_turn(role: str, value: str) -> Turn:
    """Reads a turn of a data file, where `<image>` is the place of an image."""
    return Turn(role, tuple(value.split(IMAGE_TOKEN)))


def typed_turn(role: str, text: str, num_images: int = 0) -> Turn:
    """Makes a turn of what a person typed: `<image>` in it is text, images come before it."""
    return Turn(role, ("",) * num_images + (text,))


@dataclass(frozen=True)
class ChatTemplate:
    """What stands around the words of a conversation.

    Args:
        system: the sentence that opens it, may be "".
        first: between that sentence and the first human's words.
        human: between the end of an answer and the next human's words.
        assistant: behind the human's words; a prompt for generation ends here.
        answer: between that and the answer's words; belongs to the answer, so it carries loss.
        stop: ends an answer and carries loss; `EOS` is the tokenizer's end token.
        closing: behind the last stop.
        image: what stands before and behind a turn's one image.
        image_first: whether that image comes before the words or behind them.
        keeps_words: False throws the human's words away and keeps the images.
    """

    system: str
    first: str
    human: str
    assistant: str
    answer: str = " "
    stop: str = EOS
    closing: str = ""
    image: tuple[str, str] = ("", "\n")
    image_first: bool = True
    keeps_words: bool = True

    @property
    def stop_piece(self) -> Piece:
        """What ends every answer, and is learned with it."""
        return Piece(self.stop, "stop", True, "eos" if self.stop == EOS else "")


def _system(person: str) -> str:
    """The course's own opening sentence, in words that the toy models know.

    A released checkpoint was trained with the sentence of its own conversation file, and wants that
    one byte for byte: `replace(chat_template("vicuna_v1"), system=...)`.
    """
    return f"A chat between a {person} and an assistant. The assistant answers the {person}."


def _two_separators(person: str) -> ChatTemplate:
    return ChatTemplate(_system(person), " USER: ", "USER: ", " ASSISTANT:")


# Stage 1 since July 2023 (conv_llava_plain, preprocess_plain): image, caption, newline.
_PLAIN = ChatTemplate("", "", "", "", answer="", stop="\n", image=("", ""), keeps_words=False)
# What the first LLaVA trained on (train.py of April 2023, _add_speaker_and_signal) ...
_V0 = ChatTemplate(
    _system("human"),
    "\n\n### Human: ",
    " Human: ",
    "\n### Assistant:",
    stop="\n###",
    closing=" ",
    image=("\n", ""),
    image_first=False,
)
# ... and what it was then asked with (conversation.py, SeparatorStyle.SINGLE), which differs.
_V0_INFERENCE = ChatTemplate(
    _system("human"),
    "###Human: ",
    "Human: ",
    "###Assistant:",
    stop="###",
    image=("\n", ""),
    image_first=False,
)
TEMPLATES = {
    "plain": _PLAIN,
    "v0": _V0,
    "v0_inference": _V0_INFERENCE,
    "llava_v1": _two_separators("human"),
    "vicuna_v1": _two_separators("user"),
}


def chat_template(name: str) -> ChatTemplate:
    """Returns one of LLaVA's templates; `dataclasses.replace` gives it another system sentence.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in TEMPLATES:
        raise unknown_name_error("chat template", name, TEMPLATES)
    return TEMPLATES[name]


def check_turns(turns: Sequence[Turn], answered: bool = True) -> None:
    """Refuses turns that are no conversation.

    Args:
        turns: the human first, then both in turn.
        answered: True expects an answer at the end, False a question.

    Raises:
        ValueError: says which turn is wrong, and why.
    """
    if not turns:
        raise ValueError("The conversation has no turn: give a question and its answer.")
    for number, turn in enumerate(turns, 1):
        expected = (GPT, HUMAN)[number % 2]
        if turn.role not in (HUMAN, GPT):
            raise ValueError(f"Turn {number} is from {turn.role!r}: write 'human' or 'gpt'.")
        if turn.role != expected:
            what = "the human comes first" if number == 1 else "a turn was skipped"
            raise ValueError(f"Turn {number} is from {turn.role!r} and not {expected!r}: {what}.")
        if turn.role == GPT and turn.num_images:
            raise ValueError(
                f"Turn {number} is an answer and holds {IMAGE_TOKEN}: put it in a question."
            )
        if not turn.num_images and not turn.parts[0].strip():
            raise ValueError(f"Turn {number} is empty: write something, or leave the pair out.")
    if (turns[-1].role == GPT) != answered:
        what = "has no answer: add one" if answered else "is an answer: end with a question"
        raise ValueError(f"The last turn, number {len(turns)}, {what}.")


def chat_pieces(
    template: ChatTemplate, turns: Sequence[Turn], answered: bool = True
) -> list[Piece]:
    """Writes a conversation as pieces, or a prompt that ends where an answer begins.

    Loss lies on the assistant's words and on what ends them (LLaVA, table 2: the green words), for
    every answer of the conversation. The code of April 2023 also trained the role's name.

    Args:
        template: see `chat_template`.
        turns: see `check_turns`.
        answered: False for a prompt: the last turn is the human's.

    Raises:
        ValueError: for turns that are no conversation, or no pair of image and caption for "plain".
    """
    check_turns(turns, answered)
    if not template.keeps_words and (len(turns) > 2 or not turns[0].num_images):
        raise ValueError(
            "This template takes an image and its caption alone: take another for a conversation."
        )
    pieces = [Piece(BOS, "system", special="bos"), Piece(template.system, "system")]
    # Without a system sentence there is nothing that the first turn has to be kept apart from.
    opening = template.first if template.system else template.first.lstrip()
    for turn in turns:
        if turn.role == HUMAN:
            pieces += _human(template, turn, opening)
            pieces.append(Piece(template.assistant, "assistant"))
        else:
            pieces.append(Piece(template.answer + turn.parts[0], "assistant", True))
            pieces.append(template.stop_piece)
            opening = template.human
    if answered:
        pieces.append(Piece(template.closing, "system"))
    return [piece for piece in pieces if piece.text]


def _human(template: ChatTemplate, turn: Turn, opening: str) -> list[Piece]:
    """Writes a human's turn.

    One image goes to the template's place, wherever the file has it (preprocess_multimodal in
    train.py, which would drop a second one); several stay where they are.
    """
    parts = turn.parts
    if not template.keeps_words:
        parts = ("",) * len(parts)
    elif turn.num_images == 1:
        parts = _placed(template, "".join(parts).strip())
    pieces = [Piece(opening + parts[0], "human")]
    for part in parts[1:]:
        pieces += [Piece(IMAGE_TOKEN, "human", special="image"), Piece(part, "human")]
    return pieces


def _placed(template: ChatTemplate, words: str) -> tuple[str, str]:
    before, behind = template.image
    if not words:
        return before.strip("\n"), behind.strip("\n")
    return (before, behind + words) if template.image_first else (words + before, behind)
