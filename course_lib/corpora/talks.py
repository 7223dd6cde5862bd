"""Instructions: LLaVA's files, MiniGPT-4's curated set, Alpaca, OwlEval.

LLaVA's layout: [{"id", "image", "conversations": [{"from", "value"}, …]}, …]. MiniGPT-4's
`cc_sbu_align`: `filter_cap.json` and `image/ID.jpg`. Alpaca: [{"instruction", "input", "output"},
…]. OwlEval: `questions.jsonl` and `cases/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from course_lib.corpora.rows import Bad, Question, Row
from course_lib.data.json_records import records


def llava_rows(path: Path) -> Iterator[Row | Bad]:
    """Reads one of LLaVA's files, a record a row.

    A record has to be one that `data.llava_json` would train on; one with several images is left
    out, since none of the official files has any.
    """
    from course_lib.backbones.tokenizers import IMAGE_TOKEN
    from course_lib.data.llava_json import Problem, stream_conversations

    for item in stream_conversations(path):
        if isinstance(item, Problem):
            yield Bad("a broken record")
        elif len(item.images) > 1:
            yield Bad("several images")
        else:
            turns = tuple((turn.role, IMAGE_TOKEN.join(turn.parts)) for turn in item.turns)
            yield Row(item.id, "".join(item.images), conversations=turns)


def minigpt4_rows(folder: Path) -> Iterator[Row | Bad]:
    """Reads the curated pairs: captions raw, as stage 2 wants them."""
    from course_lib.curation.curated_set import read_curated

    pairs, troubles = read_curated(folder)
    for pair in pairs:
        yield Row(pair.image_id, pair.image.name, (pair.caption,))
    yield from (Bad("an annotation without image or caption") for _ in troubles)


def alpaca_rows(path: Path) -> Iterator[Row | Bad]:
    """Reads Alpaca, an instruction a row: its input, where it has one, on the lines below it."""
    for number, (_, record) in enumerate(records(path)):
        told = record if isinstance(record, dict) else {}
        words = [told.get(key) for key in ("instruction", "input", "output")]
        if not all(isinstance(word, str) for word in words) or not words[0] or not words[2]:
            yield Bad("no instruction or no output")
            continue
        wish = "\n".join(part for part in words[:2] if part)
        yield Row(f"{number:06d}", conversations=(("human", wish), ("gpt", words[2])))


def owl_eval_rows(path: Path) -> Iterator[Row | Bad]:
    """Reads OwlEval, an image a row with all of its questions; there are no right answers."""
    from course_lib.evaluation.owl_eval_files import read_questions

    owl, troubles = read_questions(path)
    asked: dict[str, list[Question]] = {}
    for question in owl.questions:
        extra = {"ability": list(question.abilities), "category": list(question.categories)}
        made = Question(str(question.question_id), question.text, extra=extra)
        asked.setdefault(question.image, []).append(made)
    for image, about in asked.items():
        yield Row(Path(image).stem, image, questions=tuple(about))
    yield from (Bad("a broken question") for _ in troubles)
