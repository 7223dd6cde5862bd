"""A prompt with examples in front, and what the paper calls zero-shot."""

from typing import Any

from course_lib.teach.task import Case, Exercise, Mistake, call, refused

Example = tuple[str, str, str]
Made = tuple[str, list[str]]
MOST_NUMBERS = 3  # of a message: who lists all numbers there are names no count


def few_shot_prompt(
    examples: list[tuple[str, str, str]], query: tuple[str, str], shots: int
) -> tuple[str, list[str]]:
    """Returns the prompt and its images; an example is (image, question, answer)."""
    count = shots or 2
    if count > len(examples):
        raise ValueError(f"{count} examples are needed and {len(examples)} are there.")
    text, images = "", []
    for image, question, answer in examples[:count]:
        if shots:
            text += "<image>"
            images.append(image)
        text += f"question: {question} answer: {answer}<EOC>"
    image, question = query
    return f"{text}<image>question: {question} answer:", [*images, image]


def reference(examples: list[Example], query: tuple[str, str], shots: int) -> Made:
    """The same from the pieces of a list."""
    chosen = examples[: shots if shots > 0 else 2]
    if len(chosen) < (shots or 2):
        raise ValueError(f"{shots or 2} are wanted of {len(examples)}")
    tag = "<image>" if shots else ""
    pieces = [f"{tag}question: {asks} answer: {says}" for _, asks, says in chosen]
    pieces.append(f"<image>question: {query[1]} answer:")
    return "<EOC>".join(pieces), [row[0] for row in chosen if shots] + [query[0]]


def _run(answer: Any, case: Case) -> Any:
    """Where examples are too few, the output is what was raised, and which counts it names."""
    examples, _, shots = case.args
    counts = {shots or 2, len(examples)}
    if max(counts) == len(examples):
        return call(answer, case)
    return refused(answer, case, counts, MOST_NUMBERS)


def _write(
    examples, query, shots, count=None, tag=None, sees=None, asks="<image>", end="<EOC>", open=""
):
    """Writes a prompt in which one thing may be otherwise."""
    count = (shots or 2) if count is None else count
    if count > len(examples):
        raise ValueError(f"{count} of {len(examples)}")
    tag = ("<image>" if shots else "") if tag is None else tag
    sees = shots if sees is None else sees
    pieces = [f"{tag}question: {q} answer: {a}{end}" for _, q, a in examples[:count]]
    images = [image for image, _, _ in examples[:count] if sees]
    text = "".join(pieces) + f"{asks}question: {query[1]} answer:{open}"
    return text, [*images, *([query[0]] if asks else [])]


def _nothing_at_zero(examples, query, shots):
    return _write(examples, query, shots, count=shots)


def _sees_at_zero(examples, query, shots):
    return _write(examples, query, shots, tag="<image>", sees=True)


def _tags_at_zero(examples, query, shots):
    return _write(examples, query, shots, tag="<image>")


def _images_at_zero(examples, query, shots):
    return _write(examples, query, shots, sees=True)


def _blind_at_zero(examples, query, shots):
    return _write(examples, query, shots, asks="<image>" if shots else "")


def _query_without_tag(examples, query, shots):
    text, images = reference(examples, query, shots)
    head, _, tail = text.rpartition("<image>")
    return head + tail, images


def _query_image_first(examples, query, shots):
    text, images = reference(examples, query, shots)
    return text, [images[-1], *images[:-1]]


def _all_tags_first(examples, query, shots):
    text, images = reference(examples, query, shots)
    return "<image>" * len(images) + text.replace("<image>", ""), images


def _no_ends(examples, query, shots):
    return _write(examples, query, shots, end=" ")


def _closed(examples, query, shots):
    return _write(examples, query, shots, open="<EOC>")


def _space_behind(examples, query, shots):
    return _write(examples, query, shots, open=" ")


def _takes_what_is_there(examples, query, shots):
    return _write(examples, query, shots, count=min(shots or 2, len(examples)))


def _no_numbers(examples, query, shots):
    try:
        return reference(examples, query, shots)
    except ValueError:
        raise ValueError("too few examples") from None


def _asserts(examples, query, shots):
    assert (shots or 2) <= len(examples), "too few examples"
    return reference(examples, query, shots)


def _cases() -> list[Case]:
    rows = [
        ("a.png", "how many?", "two"),
        ("b.png", "which digit?", "seven"),
        ("c.png", "what is at top-left?", "a red star"),
        ("d.png", "is it odd?", "yes"),
    ]
    query = ("q.png", "which colour?")
    return [
        Case("1 shot", (rows, query, 1)),
        Case("2 shots of 4 examples", (rows, query, 2)),
        Case("4 shots", (rows, query, 4)),
        Case("0 shots of 4 examples", (rows, query, 0)),
        Case("3 shots of 2 examples", (rows[:2], query, 3)),
        Case("0 shots of 1 example", (rows[:1], query, 0)),
    ]


EXERCISE = Exercise(
    objective="05.6",
    title="a prompt with shots",
    difficulty=2,
    minutes=8,
    contract=(
        "`examples` lists (image, question, answer), the images by name. `query` is (image, "
        "question). `shots` says how many examples are shown, the first ones, in their order.",
        "Gives the text of the prompt, and a list of the images in reading order.",
        "An example reads `<image>question: … answer: …<EOC>`. Behind all of them the query reads "
        "`<image>question: … answer:` and ends there, without a space.",
        "With 0 shots the prompt is the paper's zero-shot: the first two examples stand in front "
        "as text alone, without tag and image. The query keeps its image.",
        "Raises a `ValueError` when there are fewer examples than the prompt needs. Its message "
        "names both numbers, as digits: how many are needed, how many are there.",
    ),
    hints=(
        "What does a model that never saw your kind of question have to be told, besides what is "
        "in the picture? How much of that is told by an example whose picture was taken away?",
        "Decide how many examples are needed: `shots`, or two where that is 0. Raise if there are "
        "fewer. Write each, with its tag and image only where `shots` is not 0. Write the query.",
        "`count = shots or 2`; in the loop over `examples[:count]`: `if shots:` put the tag into "
        "the text and the image into the list, then "
        '`text += f"question: {question} answer: {answer}<EOC>"`. The query comes last in both.',
    ),
    solution=few_shot_prompt,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _nothing_at_zero,
            "zero-shot shows two texts",
            "with 0 shots nothing stands in front; that is not what the paper measured",
        ),
        Mistake(
            _sees_at_zero,
            "zero-shot shows no other image",
            "with 0 shots the two examples kept tags and images: these are 2 shots",
        ),
        Mistake(
            _tags_at_zero,
            "a tag for each image",
            "the images of the two examples are gone and their tags are not",
        ),
        Mistake(
            _images_at_zero,
            "a tag for each image",
            "the tags of the two examples are gone and their images are not",
        ),
        Mistake(
            _blind_at_zero,
            "the query keeps its image",
            "with 0 shots the query lost its image as well, and nothing is left to be seen",
        ),
        Mistake(_query_without_tag, "the query has a tag", "the query's tag is missing"),
        Mistake(
            _query_image_first,
            "images in reading order",
            "the query's image is the first of the list, and each example got a wrong one",
        ),
        Mistake(
            _all_tags_first,
            "a tag before its words",
            "all tags stand in front, and every word would read the last image",
        ),
        Mistake(
            _no_ends,
            "each example is closed",
            "no mark tells where an answer ends, and none tells the model when to stop",
        ),
        Mistake(
            _closed, "the query stays open", "a mark closes the query before its answer is said"
        ),
        Mistake(
            _space_behind,
            "no space at the end",
            "a space behind the last colon: to many tokenizers that is a word of its own",
        ),
        Mistake(
            _takes_what_is_there,
            "too few examples raise",
            "fewer shots than were asked for are shown, and a table would call them more",
        ),
        Mistake(
            _no_numbers,
            "the message names both counts",
            "it raises, but the message says neither how many are needed nor how many are there",
        ),
        Mistake(
            _asserts,
            "too few examples raise a ValueError",
            "`assert` raises an AssertionError, and with `python -O` nothing at all",
        ),
    ),
)
