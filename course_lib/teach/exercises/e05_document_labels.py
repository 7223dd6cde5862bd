"""A document with images between its words: what is read, and which words the loss asks for."""

from course_lib.teach.task import Case, Exercise, Mistake

OUT = -100
Chunk = tuple[int, list[int], list[int], bool]
Made = tuple[list[int], list[int]]


def document_labels(
    chunks: list[tuple[int, list[int], list[int], bool]], start: int, tag: int, end: int
) -> tuple[list[int], list[int]]:
    """Returns ids and labels, as many; a chunk is (images, words given, words said, asked)."""
    ids, labels = [start], [-100]
    for images, given, said, asked in chunks:
        read = [tag] * images + given
        answer = [*said, end] if said else []
        ids += read + answer
        labels += [-100] * len(read) + (answer if asked else [-100] * len(answer))
    return ids, labels


def reference(chunks: list[Chunk], start: int, tag: int, end: int) -> Made:
    """The same as pairs of a word and whether the loss asks for it."""
    pairs = [(start, False)]
    for images, given, said, asked in chunks:
        pairs.extend((word, False) for word in [tag] * images + given)
        pairs.extend((word, asked) for word in said + [end] * bool(said))
    return [word for word, _ in pairs], [word if asks else OUT for word, asks in pairs]


def _with(chunks, start, tag, end, asks):
    """Makes a document; `asks` tells of (number of the chunk, kind of word, asked) if it counts."""
    ids, labels = [start], [OUT]
    for number, (images, given, said, asked) in enumerate(chunks):
        rows = [("tag", [tag] * images), ("given", given), ("said", said)]
        for kind, words in [*rows, ("end", [end] if said else [])]:
            ids += words
            labels += words if asks(number, kind, asked) else [OUT] * len(words)
    return ids, labels


def _all_words(chunks, start, tag, end):
    return _with(chunks, start, tag, end, lambda number, kind, asked: True)


def _all_but_tags(chunks, start, tag, end):
    return _with(chunks, start, tag, end, lambda number, kind, asked: kind != "tag")


def _shots_too(chunks, start, tag, end):
    return _with(chunks, start, tag, end, lambda number, kind, asked: kind in ("said", "end"))


def _end_not_asked(chunks, start, tag, end):
    return _with(chunks, start, tag, end, lambda number, kind, asked: asked and kind == "said")


def _end_always_asked(chunks, start, tag, end):
    def asks(number, kind, asked):
        return kind == "end" or (asked and kind == "said")

    return _with(chunks, start, tag, end, asks)


def _last_alone(chunks, start, tag, end):
    last = max(number for number, chunk in enumerate(chunks) if chunk[2])

    def asks(number, kind, asked):
        return asked and kind in ("said", "end") and number == last

    return _with(chunks, start, tag, end, asks)


def _zeros(chunks, start, tag, end):
    ids, labels = reference(chunks, start, tag, end)
    return ids, [0 if label == OUT else label for label in labels]


def _shifted(chunks, start, tag, end):
    ids, labels = reference(chunks, start, tag, end)
    return ids, [*labels[1:], OUT]


def _one_end(chunks, start, tag, end):
    ids, labels = [start], [OUT]
    for images, given, said, asked in chunks:
        read = [tag] * images + given
        ids, labels = (
            ids + read + said,
            labels + [OUT] * len(read) + (said if asked else [OUT] * len(said)),
        )
    return [*ids, end], [*labels, end]


def _end_after_prompt(chunks, start, tag, end):
    ids, labels = reference(chunks, start, tag, end)
    return (ids, labels) if chunks[-1][2] else ([*ids, end], [*labels, OUT])


def _one_tag(chunks, start, tag, end):
    return reference([(min(chunk[0], 1), *chunk[1:]) for chunk in chunks], start, tag, end)


def _a_tag_for_each(chunks, start, tag, end):
    return reference([(max(chunk[0], 1), *chunk[1:]) for chunk in chunks], start, tag, end)


def _images_first(chunks, start, tag, end):
    count = sum(chunk[0] for chunk in chunks)
    inside = [(0, *chunk[1:]) for chunk in chunks]
    return reference([(count, [], [], False), *inside], start, tag, end)


def _tag_behind(chunks, start, tag, end):
    moved = [(0, given + [tag] * images, said, asked) for images, given, said, asked in chunks]
    return reference(moved, start, tag, end)


def _no_start(chunks, start, tag, end):
    ids, labels = reference(chunks, start, tag, end)
    return ids[1:], labels[1:]


def _starts_again(chunks, start, tag, end):
    rows = [reference([chunk], start, tag, end) for chunk in chunks]
    return [word for ids, _ in rows for word in ids], [x for _, labels in rows for x in labels]


def _cases() -> list[Case]:
    marks = {"start": 1, "tag": 9, "end": 2}
    shot, other = (1, [30, 31], [50], False), (1, [30, 32], [51, 52], True)
    return [
        Case("an image, a word given, a word said", ([(1, [30], [50], True)],), marks),
        Case("two images with what is said of each", ([(1, [], [50, 51], True), other],), marks),
        Case("an example that is only shown, and a question", ([shot, other],), marks),
        Case("examples, and a prompt at the end", ([shot, shot, (1, [30, 33], [], True)],), marks),
        Case("text alone, then two images in a row", ([(0, [33], [54], True), (2, [], [55], True)],)
             , {"start": 3, "tag": 8, "end": 4}),
    ]  # fmt: skip


EXERCISE = Exercise(
    objective="05.4",
    title="words that the loss asks for",
    difficulty=2,
    minutes=8,
    contract=(
        "`chunks` lists the chunks of a document in reading order, each a tuple of four: how many "
        "images stand in front of it, ids of words that are given, ids of words that are said "
        "(none in a prompt), and whether the loss asks for what is said.",
        "Gives two lists of the same length: the ids, and their labels. The document begins with "
        "`start`. Each chunk is a `tag` for each of its images, the words given, the words said "
        "and, if any are said, `end`.",
        "The label of a word is its own id where the chunk is asked for and the word is said, its "
        "`end` included. It is -100 everywhere else: at the start, at tags, at words given, and in "
        "a chunk that is only shown.",
        "Labels stand at the place of their word: the language model shifts them by itself.",
    ),
    hints=(
        "A reader of the finished document has to know an answer and when to stop. It need not "
        "know which picture comes next, or what will be asked. Which ids does that leave?",
        "Begin with the start and -100. For each chunk write tags and given words, and as many "
        "-100. If something is said, write it with its end mark, and the same again as labels, or "
        "as many -100 where the chunk is only shown.",
        "`answer = [*said, end] if said else []`, then `ids += read + answer` and "
        "`labels += [-100] * len(read) + (answer if asked else [-100] * len(answer))`.",
    ),
    solution=document_labels,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _all_words,
            "tags and given words are not asked for",
            "every word carries loss, and the model learns to write questions and image tags",
        ),
        Mistake(
            _all_but_tags,
            "given words are not asked for",
            "all words but the tags carry loss, as OpenFlamingo has it behind the first image",
        ),
        Mistake(
            _shots_too,
            "a chunk that is only shown has no loss",
            "examples carry loss, though the chunk says that they are not asked for",
        ),
        Mistake(
            _end_not_asked,
            "the end is asked for",
            "the end mark has no label: the model learns what to say and never to stop",
        ),
        Mistake(
            _end_always_asked,
            "a chunk that is only shown has no loss",
            "what is shown has no loss, but its end mark has",
        ),
        Mistake(
            _last_alone,
            "each chunk that is asked for",
            "the last chunk alone carries loss; one document then teaches one answer",
        ),
        Mistake(
            _zeros,
            "-100 where nothing is asked",
            "0 is the id of a word, and the loss asks for it; -100 is what it leaves out",
        ),
        Mistake(
            _shifted,
            "a label at the place of its word",
            "the labels were shifted, and the language model shifts them again",
        ),
        Mistake(
            _one_end,
            "each chunk has its end",
            "one end mark closes the document, and nothing parts an answer from the next chunk",
        ),
        Mistake(
            _end_after_prompt,
            "a prompt stays open",
            "an end mark closes the prompt, where the model should begin to write",
        ),
        Mistake(_one_tag, "a tag for each image", "images in a row share one tag"),
        Mistake(
            _a_tag_for_each,
            "a tag for each image",
            "a chunk without an image got a tag all the same",
        ),
        Mistake(
            _images_first,
            "a tag stands before its chunk",
            "all tags stand in front of the document, and every word would read the last image",
        ),
        Mistake(
            _tag_behind,
            "a tag stands before its words",
            "the tags stand behind the words given, which then read the image before",
        ),
        Mistake(_no_start, "the document begins with the start", "the start is missing"),
        Mistake(
            _starts_again,
            "one start for the document",
            "each chunk begins with a start, as if it were a document of its own",
        ),
    ),
)
