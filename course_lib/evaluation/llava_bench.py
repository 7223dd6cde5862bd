"""The LLaVA-Bench of the toy world: 30 unseen scenes, each asked in three ways, scored exactly.

LLaVA, arXiv 2304.08485, section 5.1, asks 90 questions about 30 images of COCO: one of each
category conv, detail and complex an image; a text-only teacher that reads captions and boxes gives
the reference answers. Here the scenes are those of the test split and the references those of the
rule teacher, which holds the key of each answer, so that the same answers can be scored exactly
(`bench_exact`) and by a judge (`judge`), and the judge itself can be judged. The official files
(`qa90_questions.jsonl`, `qa90_gpt4_answer.jsonl`, `caps_boxes_coco2014_val_80.jsonl`, `rule.json`)
fill the same `Bench`, see `llava_bench_files`; they can only be judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np

from course_lib.instructions.symbols import Example, example_of_scene
from course_lib.instructions.teacher import Turn
from course_lib.instructions.toy_rules import KNOWN, SEEN, turns_about
from course_lib.world.scene import Scene, sample_scenes

# The released categories, and what the instructions of stage 2 call them.
CATEGORIES = {"conv": "conversation", "detail": "detail", "complex": "reasoning"}
NUM_SCENES = 30
SEED = 90
_DRAWS = 60


@dataclass(frozen=True)
class BenchQuestion:
    """One question, as a line of `qa90_questions.jsonl` holds it."""

    question_id: int | str
    image: str
    text: str
    category: str

    @property
    def row(self) -> int:
        """Returns the number of a toy scene in `sample_scenes`: "000000000007.png" is scene 6."""
        return int(PurePath(self.image).stem) - 1


@dataclass(frozen=True)
class BenchAnswer:
    """One answer, of the reference or of a model.

    Args:
        question_id: of the question.
        text: what was answered.
        answer_id: names the answer in reviews; None where the file has none.
        model_id: who answered, "" where nobody says.
        metadata: of a toy reference its "key", "kind" and "facts", see `Turn`.
    """

    question_id: int | str
    text: str
    answer_id: str | None = None
    model_id: str = ""
    metadata: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """Questions with a reference answer and a context each.

    Args:
        questions: in the order of the file.
        references: question id → answer.
        contexts: image → its captions and boxes.
        scenes: image → the toy scene, to be drawn; empty for a bench that was read from files.

    Raises:
        ValueError: for an id that stands twice, or a question without reference or context.
    """

    questions: tuple[BenchQuestion, ...]
    references: Mapping[int | str, BenchAnswer]
    contexts: Mapping[str, Example]
    scenes: Mapping[str, Scene] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.questions:
            raise ValueError("A bench without a question measures nothing: give its questions.")
        ids = [question.question_id for question in self.questions]
        id, count = Counter(map(str, ids)).most_common(1)[0]
        if count > 1:
            raise ValueError(f"Question {id!r} stands {count} times: give each an id of its own.")
        missing = [id for id in ids if id not in self.references]
        if missing:
            raise ValueError(f"The reference answers nothing to {_some(missing)}: add its answers.")
        lacking = sorted({q.image for q in self.questions if q.image not in self.contexts})
        if lacking:
            raise ValueError(f"No captions and boxes are given of {_some(lacking)}: add them.")


def _some(names: Sequence) -> str:
    """Lists a few names and counts the rest."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(name) for name in names[:5]) + more


def _turn(
    scene: Scene, category: str, kind: str, key: str, rng: np.random.Generator
) -> Turn | None:
    """Returns a turn of the rule teacher of one kind (with one key), None where it makes none."""
    for _ in range(_DRAWS):
        for turn in turns_about(scene, CATEGORIES[category], rng):
            if turn.kind == kind and key in ("", turn.key):
                return turn
    return None


def _wanted(slot: int, num_scenes: int) -> dict[str, tuple[str, str]]:
    """Returns (kind, key) of each category for one scene, so that all kinds come equally often."""
    kind = SEEN[slot * len(SEEN) // num_scenes]
    key = ("yes", "no")[slot % 2] if kind == "is_there" else ""
    return {
        "conv": (kind, key),
        "detail": ("detail", ""),
        "complex": (KNOWN[slot % len(KNOWN)], ""),
    }


def make_bench(num_scenes: int = NUM_SCENES, seed: int = SEED, split: str = "test") -> Bench:
    """Makes the bench of the toy world; the same numbers give the same bench.

    Each of the six kinds of question about what is seen comes equally often, and so does each of
    the three that need knowledge (with 30 scenes 5 and 10 times). Facts that no instruction may
    hold (`instructions.facts.HELD_OUT`) are not asked for: the bench tells how well instructions
    are followed, and `course evaluate` what the language model adds.

    Args:
        num_scenes: scenes, each with three questions.
        seed: of scenes and questions.
        split: of the scenes.

    Raises:
        ValueError: for less than one scene, or where too few scenes can be asked.
    """
    if num_scenes < 1:
        raise ValueError(f"A bench of {num_scenes} scenes: ask about one at least.")
    slot, questions, references, contexts, drawn = 0, [], {}, {}, {}
    for row, scene in enumerate(sample_scenes(5 * num_scenes + 40, seed, split)):
        rng = np.random.default_rng((seed, row))
        wanted = _wanted(slot, num_scenes)
        turns = {c: _turn(scene, c, kind, key, rng) for c, (kind, key) in wanted.items()}
        if None in turns.values():
            continue
        image = f"{row + 1:012d}.png"
        for category, turn in turns.items():
            id = len(questions)
            facts = {"key": turn.key, "kind": turn.kind, "facts": list(turn.facts)}
            questions.append(BenchQuestion(id, image, turn.question, category))
            references[id] = BenchAnswer(id, turn.answer, model_id="rules", metadata=facts)
        contexts[image] = example_of_scene(scene, image.removesuffix(".png"), image)
        drawn[image] = scene
        slot += 1
        if slot == num_scenes:
            return Bench(tuple(questions), references, contexts, drawn)
    raise ValueError(f"Only {slot} of {num_scenes} scenes can be asked: ask about fewer.")


def ask(
    bench: Bench,
    answer: Callable[[Sequence[BenchQuestion]], Sequence[str]],
    model_id: str = "candidate",
) -> list[BenchAnswer]:
    """Collects the answers of a model.

    Args:
        bench: of any origin.
        answer: all questions → as many texts; a question names its image and its `row`.
        model_id: noted with each answer.

    Raises:
        ValueError: when there are not as many answers as questions, or one is no text.
    """
    texts = list(answer(bench.questions))
    if len(texts) != len(bench.questions) or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f"{len(texts)} answers to {len(bench.questions)} questions: give one text for each."
        )
    ids = [question.question_id for question in bench.questions]
    return [
        BenchAnswer(id, text, f"{model_id}-{id}", model_id)
        for id, text in zip(ids, texts, strict=True)
    ]


def check_answered(bench: Bench, answered: Iterable[int | str]) -> None:
    """Refuses answers that leave out a question or answer one that was not asked.

    Raises:
        ValueError: with the ids.
    """
    answered = set(answered)
    asked = [question.question_id for question in bench.questions]
    missing = [id for id in asked if id not in answered]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(asked)} questions have no answer: {_some(missing)}."
        )
    others = sorted(answered - set(asked), key=str)
    if others:
        raise ValueError(f"No question has the id {_some(others)}: are these another bench's?")
