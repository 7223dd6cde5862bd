"""How many positions a language model reads of one picture and its words."""

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import blip2_prompt
from course_lib.teach.task import Case, Exercise, Mistake


def row_length(num_queries: int, num_words: int) -> int:
    """Returns how many positions OPT reads of a picture and words."""
    return num_queries + 1 + num_words


def reference(num_queries: int, num_words: int) -> int:
    """Builds such a prompt as the course does, and counts."""
    tokenizer = build_tokenizer("opt", 384)
    return len(blip2_prompt(tokenizer, " ".join(["red"] * num_words), num_queries))


EXERCISE = Exercise(
    objective="00.1",
    title="how long is what the language model reads?",
    difficulty=1,
    minutes=3,
    contract=(
        "A picture becomes `num_queries` visual tokens. Behind them stands the start token BOS, "
        "then a text of `num_words` words, each of them one token.",
        "Gives how many positions the language model reads in all.",
    ),
    hints=(
        "A position is a place in the row of vectors that the language model reads. Every visual "
        "token takes one, exactly like a word.",
        "Count three groups and add them: what the picture brings, what starts the text, the text.",
        "The start token is a single position: `num_queries + … + num_words`.",
    ),
    solution=row_length,
    reference=reference,
    cases=lambda: [Case("2 visual tokens and 3 words", (2, 3)), Case("16 and no word", (16, 0))],
    mistakes=(
        Mistake(
            lambda num_queries, num_words: num_queries + num_words,
            "the start token counts",
            "the start token is missing: it is a position too, though nobody typed it",
        ),
        Mistake(
            lambda num_queries, num_words: 1 + 1 + num_words,
            "a picture is several positions",
            "the picture was counted as one position, but each of its visual tokens takes one",
        ),
        Mistake(
            lambda num_queries, num_words: 1 + num_words,
            "visual tokens stand in the row",
            "the picture was left out: its visual tokens stand in the same row as the words",
        ),
        Mistake(
            lambda num_queries, num_words: 37 + 1 + num_words,
            "the head decides how many",
            "37 vectors leave the encoder; the head behind it returns fewer, one a query",
        ),
    ),
)
