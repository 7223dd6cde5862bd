"""MiniGPT-4's prompt: cut at the image, both sides tokenised apart, places in between."""

import re
from collections.abc import Callable

from course_lib.teach.task import Case, Exercise, Mistake

Tokenize = Callable[[str], list[str]]
CUT = "<ImageHere>"


def prompt_tokens(
    template: str, instruction: str, tokenize: Callable[[str], list[str]], num_queries: int
) -> list[str]:
    """Returns what the language model reads, with a place for each visual token."""
    sides = [side.replace("{}", instruction) for side in template.split("<ImageHere>")]
    before, behind = sides
    return ["<s>", *tokenize(before), *["<image>"] * num_queries, *tokenize(behind)]


def reference(template: str, instruction: str, tokenize: Tokenize, num_queries: int) -> list[str]:
    """Finds the cut by its place, and says side by side where the instruction goes."""
    start = template.index(CUT)
    tokens = ["<s>"]
    for number, side in enumerate((template[:start], template[start + len(CUT) :])):
        head, hole, tail = side.partition("{}")
        tokens += ["<image>"] * num_queries if number else []
        tokens += tokenize(head + (instruction if hole else "") + tail)
    return tokens


def tokens_of(text: str) -> list[str]:
    """A tokenizer like LLaMA's: a space belongs to the word behind it, each text gets one first."""
    spaced = "▁" + text.replace(" ", "▁") if text else ""
    return re.findall(r"▁?\w+(?<!▁)|▁?[^\w▁]+|▁", spaced)


def _cut_after_filling(template, instruction, tokenize, num_queries):
    before, behind = template.replace("{}", instruction).split(CUT)
    return ["<s>", *tokenize(before), *["<image>"] * num_queries, *tokenize(behind)]


def _every_tag_is_an_image(template, instruction, tokenize, num_queries):
    first, *others = template.replace("{}", instruction).split(CUT)
    tokens = ["<s>", *tokenize(first)]
    for side in others:
        tokens += [*["<image>"] * num_queries, *tokenize(side)]
    return tokens


def _in_one_go(template, instruction, tokenize, num_queries):
    before, behind = (side.replace("{}", instruction) for side in template.split(CUT))
    whole, count = tokenize(before + behind), len(tokenize(before))
    return ["<s>", *whole[:count], *["<image>"] * num_queries, *whole[count:]]


def _instruction_apart(template, instruction, tokenize, num_queries):
    tokens = ["<s>"]
    for piece in re.split(rf"({CUT}|{{}})", template):
        text = instruction if piece == "{}" else piece
        tokens += ["<image>"] * num_queries if piece == CUT else tokenize(text)
    return tokens


def _stripped(template, instruction, tokenize, num_queries):
    sides = [side.replace("{}", instruction) for side in template.split(CUT)]
    before, behind = (tokenize(side.strip()) for side in sides)
    return ["<s>", *before, *["<image>"] * num_queries, *behind]


def _start_twice(template, instruction, tokenize, num_queries):
    before, behind = (side.replace("{}", instruction) for side in template.split(CUT))
    image = ["<image>"] * num_queries
    return ["<s>", *tokenize(before), *image, "<s>", *tokenize(behind)]


def _no_start(template, instruction, tokenize, num_queries):
    return prompt_tokens(template, instruction, tokenize, num_queries)[1:]


def _one_place(template, instruction, tokenize, num_queries):
    return prompt_tokens(template, instruction, tokenize, 1)


def _image_in_front(template, instruction, tokenize, num_queries):
    before, behind = (side.replace("{}", instruction) for side in template.split(CUT))
    return [*["<image>"] * num_queries, "<s>", *tokenize(before), *tokenize(behind)]


def _tags_left_out(template, instruction, tokenize, num_queries):
    plain = template.replace("<Img>", "").replace("</Img>", "")
    return prompt_tokens(plain, instruction, tokenize, num_queries)


def _cases() -> list[Case]:
    chat = "###Human: <Img><ImageHere></Img> {} ###Assistant: "
    behind = "###Human: {} <Img><ImageHere></Img> ###Assistant: "
    return [
        Case("stage 1, no prompt, 2 queries", ("<ImageHere>", "", tokens_of, 2)),
        Case("a wish, 2 queries", (chat, "describe it.", tokens_of, 2)),
        Case("a wish, 3 queries", (chat, "what is red?", tokens_of, 3)),
        Case("the image behind the wish", (behind, "what is red?", tokens_of, 2)),
        Case("somebody types <ImageHere>", (chat, "why <ImageHere>?", tokens_of, 2)),
        Case("a template with {x}", (chat + "{x}", "describe it.", tokens_of, 2)),
        Case("typed, the image behind it", (behind, "why <ImageHere>?", tokens_of, 2)),
    ]


EXERCISE = Exercise(
    objective="08.2",
    title="the prompt, cut at the image",
    difficulty=2,
    minutes=8,
    contract=(
        "`template` holds `<ImageHere>` once, where the image goes, and `{}` once or not at all, "
        "where the instruction goes. Everything else in it is plain text, `<Img>` too.",
        "`instruction` is what a person typed. Whatever stands in it is text: a typed "
        "`<ImageHere>` is no place of an image.",
        "`tokenize(text)` gives the tokens of a text, without a start token. Each side of the "
        "image is tokenised by itself, in one go and with all its spaces: tokens must not grow "
        "together across the image.",
        "Gives the list of tokens: `<s>` once, the side before the image, `num_queries` times "
        "`<image>`, the side behind it.",
    ),
    hints=(
        "The template comes from you and the instruction from a stranger. Which of the two steps, "
        "cutting and filling in, has to come first, so that the stranger cannot cut?",
        "Cut the template at `<ImageHere>`: two sides. Put the instruction into each side, where "
        "its `{}` is. Tokenise the sides. Put start token, first side, places, second side in a "
        "row.",
        "`template.split('<ImageHere>')` gives two sides, `side.replace('{}', instruction)` fills "
        "in and does nothing where there is no `{}`. `['<image>'] * num_queries` are the places, "
        "and `[first, *some, *others]` joins lists.",
    ),
    solution=prompt_tokens,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _cut_after_filling,
            "what is typed does not cut",
            "the instruction was filled in first, so a typed `<ImageHere>` made a third side",
        ),
        Mistake(
            _every_tag_is_an_image,
            "what is typed is no image",
            "a typed `<ImageHere>` got places of its own, and the splice will miss an image",
        ),
        Mistake(
            _in_one_go,
            "both sides are tokenised apart",
            "the whole text was tokenised at once, so `<Img>` and `</Img>` grew together, and the "
            "checkpoint has never seen that token",
        ),
        Mistake(
            _instruction_apart,
            "a side is tokenised in one go",
            "the instruction was tokenised by itself; a tokenizer that puts a space before every "
            "text then gives two spaces",
        ),
        Mistake(
            _stripped,
            "every space stays",
            "spaces at the ends of a side were taken off, and the one behind `Assistant:` is a "
            "token that training had there",
        ),
        Mistake(
            _start_twice, "one start token", "the second side begins with a start token of its own"
        ),
        Mistake(
            _no_start,
            "one start token",
            "the start token is missing; `tokenize` does not put it",
        ),
        Mistake(
            _one_place,
            "a place for each query",
            "the image takes one place, and the Q-Former gives `num_queries` tokens",
        ),
        Mistake(
            _image_in_front,
            "the image stands where the template has it",
            "the image stands before everything, as in BLIP-2; here the start token and "
            "`###Human: <Img>` come first",
        ),
        Mistake(
            _tags_left_out,
            "`<Img>` is plain text and stays",
            "the tags around the image were left out; they are no special tokens, but the model "
            "reads them as words",
        ),
    ),
)
