"""A conversation and the strings that LLaVA makes of it, typed by hand, for the tests of chats."""

import random

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.chat_templates import ChatTemplate, Turn, data_turn, typed_turn
from tests.llama_like import KINDS, llama_like

USER = "A chat between a user and an assistant. The assistant answers the user."
HUMAN = USER.replace("user", "human")
TALK = [
    data_turn("human", "what is this?\n<image>"),
    data_turn("gpt", "a red circle."),
    data_turn("human", "why?"),
    data_turn("gpt", "because it is round."),
]
STRINGS = {
    "vicuna_v1": f"<s>{USER} USER: <image>\nwhat is this? ASSISTANT: a red circle.</s>"
    "USER: why? ASSISTANT: because it is round.</s>",
    "llava_v1": f"<s>{HUMAN} USER: <image>\nwhat is this? ASSISTANT: a red circle.</s>"
    "USER: why? ASSISTANT: because it is round.</s>",
    "v0": f"<s>{HUMAN}\n\n### Human: what is this?\n<image>\n### Assistant: a red circle.\n"
    "### Human: why?\n### Assistant: because it is round.\n### ",
    "v0_inference": f"<s>{HUMAN}###Human: what is this?\n<image>###Assistant: a red circle."
    "###Human: why?###Assistant: because it is round.###",
}
STOPS = {"vicuna_v1": "</s>", "llava_v1": "</s>", "v0": "\n###", "v0_inference": "###"}
# What MiniGPT-4's second stage reads (section 3.3): another recipe's format, in five lines.
MINIGPT4 = ChatTemplate(
    system="",
    first="###Human: ",
    human="Human: ",
    assistant=" ###Assistant:",
    stop="###",
    image=("<Img>", "</Img> "),
)
TOKENIZERS = ("toy", *KINDS)


def tokenizer_of(kind: str):
    return build_tokenizer("llama") if kind == "toy" else llama_like(kind)


def written(pieces) -> str:
    return "".join(piece.text for piece in pieces)


PLAIN_WORDS = ["a", "red", "circle", "is", "at", "the", "top", "left", ",", "because", "it", "is"]
WORDS = [*PLAIN_WORDS, "round", ".", "seven", "odd", "7", "(", ")", "USER:", "Human:"]
MARKS = ["<image>", "###", "##", "### Assistant:", "ASSISTANT:", "\n", "things"]
EXOTIC = ["</s>", "<s>", "é", "x", "  ", "日本", "🦆", "\t"]


def random_talk(seed: int, exotic: bool) -> tuple[list[Turn], list[str]]:
    """Draws a conversation full of what could be mistaken for a mark; returns its answers too."""
    draw = random.Random(seed)
    words = WORDS + MARKS * 2 + EXOTIC * exotic
    turns, answers = [], []
    for number in range(draw.randint(1, 4)):
        said = [" ".join(draw.choices(words, k=draw.randint(1, 8))) + "!" for _ in range(2)]
        turns += [
            typed_turn("human", said[0], draw.randint(0, 2) if number == 0 else 0),
            typed_turn("gpt", said[1]),
        ]
        answers.append(said[1])
    return turns, answers
