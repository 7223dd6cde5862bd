"""OwlEval: open questions about images, what abilities each asks for, and what models answered.

mPLUG-Owl, arXiv 2304.14178, section 4.2; official files under `mPLUG-Owl/OwlEval` (`OwlEval.md`,
`questions.jsonl`, `answer/*.jsonl`, `cases/`). The released one has 82 questions about 50 images,
no right answers and no ratings: people have to rate (`ratings`). The toy world's own
(`owl_eval_toy`) has the same layout and a key to each question, so that the same answers can be
scored exactly, too. Questions about one image are a dialogue, in the order of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from course_lib.evaluation.toy_answers import detail_score, score_answer
from course_lib.world.scene import Scene

# The names are the released ones; what each means is said in our words.
ABILITIES = {
    "a": "instruction understanding",
    "b": "visual understanding",
    "c": "optical character recognition",
    "d": "knowledge transfer",
    "e": "reasoning",
    "f": "multi-turn dialogue",
}
SINGLE, MULTI = CATEGORIES = ("single_turn", "multi_turn")
DETAIL = "detail"  # the kind of a description, which has no key but the scene itself


@dataclass(frozen=True)
class OwlQuestion:
    """One question, as a line of `questions.jsonl` holds it.

    Args:
        question_id: from 1 on.
        image: name of the picture, such as "4.jpg".
        text: what is asked.
        abilities: letters of `ABILITIES`; empty in files of the branch v0, which lack them.
        categories: one or both of `CATEGORIES`: the first question of a dialogue is both.
    """

    question_id: int
    image: str
    text: str
    abilities: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwlAnswer:
    """What a model answered to the question of this id."""

    question_id: int
    text: str
    model_id: str = ""


def is_empty(answer: str) -> bool:
    """Tells a place-holder: an answer without a single Latin letter or digit.

    The released files hold sentences in Chinese ("the model gave up", "cannot be traced back") and
    broken characters where a model said nothing in English.
    """
    return not any(sign.isascii() and sign.isalnum() for sign in answer)


@dataclass(frozen=True)
class Key:
    """What a right answer claims: a value of a kind of question (`toy_answers.score_answer`)."""

    kind: str
    key: str = ""


@dataclass(frozen=True)
class OwlEval:
    """Questions, and of the toy world what is right.

    Args:
        questions: in the order of the file.
        keys: question id → what is right; empty for the released one.
        scenes: image → the toy scene, to be drawn; empty for the released one.

    Raises:
        ValueError: without a question, or for an id that stands twice.
    """

    questions: tuple[OwlQuestion, ...]
    keys: Mapping[int, Key] = field(default_factory=dict)
    scenes: Mapping[str, Scene] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.questions:
            raise ValueError("An OwlEval without a question measures nothing: give its questions.")
        id, count = Counter(q.question_id for q in self.questions).most_common(1)[0]
        if count > 1:
            raise ValueError(f"Question {id} stands {count} times: give each an id of its own.")

    def question(self, question_id: int) -> OwlQuestion:
        """Returns the question of an id.

        Raises:
            ValueError: for an id that no question has.
        """
        for question in self.questions:
            if question.question_id == question_id:
                return question
        ids = [question.question_id for question in self.questions]
        raise ValueError(
            f"No question has the id {question_id!r}: this OwlEval has {len(ids)} questions, "
            f"{min(ids)} to {max(ids)}."
        )

    def dialogues(self) -> dict[str, tuple[OwlQuestion, ...]]:
        """Returns image → its questions in order."""
        found: dict[str, list[OwlQuestion]] = {}
        for question in self.questions:
            found.setdefault(question.image, []).append(question)
        return {image: tuple(questions) for image, questions in found.items()}

    def before(self, question_id: int) -> tuple[OwlQuestion, ...]:
        """Returns the questions of the same dialogue that were asked before this one."""
        dialogue = self.dialogues()[self.question(question_id).image]
        ids = [question.question_id for question in dialogue]
        return dialogue[: ids.index(question_id)]

    def groups(self) -> dict[str, tuple[int, ...]]:
        """Returns name → question ids: "all", the two categories, the abilities a to f.

        A question is in every group that it belongs to; groups without a question are left out.
        """
        names = ("all", *CATEGORIES, *ABILITIES)
        found: dict[str, list[int]] = {name: [] for name in names}
        for question in self.questions:
            for name in ("all", *question.categories, *question.abilities):
                found[name].append(question.question_id)
        return {name: tuple(ids) for name, ids in found.items() if ids}


def category_mix(owl: OwlEval) -> dict[str, int]:
    """Counts the questions that are single-turn alone, multi-turn alone, and both."""
    counts = Counter(question.categories for question in owl.questions)
    return {
        "single-turn only": counts[(SINGLE,)],
        "multi-turn only": counts[(MULTI,)],
        "both": counts[CATEGORIES],
    }


Said = tuple[tuple[str, str], ...]


def ask(
    owl: OwlEval, answer: Callable[[str, Said, str], str], model_id: str = "candidate"
) -> dict[int, OwlAnswer]:
    """Asks a model everything, each dialogue in order with the model's own answers in between.

    Args:
        owl: of any origin.
        answer: (name of the image, (question, answer) of the turns before, question) → a text.
        model_id: noted with each answer.

    Returns:
        question id → answer.

    Raises:
        ValueError: where an answer is no text.
    """
    found: dict[int, OwlAnswer] = {}
    for image, questions in owl.dialogues().items():
        said: Said = ()
        for question in questions:
            text = answer(image, said, question.text)
            if not isinstance(text, str):
                id = question.question_id
                raise ValueError(f"The answer to question {id} is {text!r:.60}: give a text.")
            found[question.question_id] = OwlAnswer(question.question_id, text, model_id)
            said = (*said, (question.text, text))
    return found


def check_answered(owl: OwlEval, answered: Iterable[int]) -> None:
    """Refuses answers that leave out a question or answer one that was not asked.

    Raises:
        ValueError: with the ids.
    """
    answered, asked = set(answered), [question.question_id for question in owl.questions]
    missing = [id for id in asked if id not in answered]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(asked)} questions have no answer: {listed(missing)}."
        )
    others = sorted(answered - set(asked))
    if others:
        raise ValueError(f"No question has the id {listed(others)}: is this another OwlEval's?")


def listed(names: Sequence, most: int = 5) -> str:
    """Lists a few names and counts the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in names[:most]) + more


def exact_score(owl: OwlEval, question_id: int, text: str) -> float:
    """Scores one answer about a toy scene.

    Returns:
        1 where it claims the key and nothing else (`toy_answers.score_answer`), else 0; for a
        description `toy_answers.detail_score`, from 0 to 1.

    Raises:
        ValueError: for a question without a key, as all released ones are.
    """
    question, known = owl.question(question_id), owl.keys.get(question_id)
    if known is None:
        raise ValueError(f"Question {question_id} has no key: only a person can rate its answer.")
    if known.kind == DETAIL:
        return detail_score(text, owl.scenes[question.image])
    return float(score_answer(known.key, known.kind, text))


def exact_scores(owl: OwlEval, answers: Mapping[int, OwlAnswer]) -> dict[str, float]:
    """Scores all answers about toy scenes.

    Returns:
        Group (`OwlEval.groups`) → mean score from 0 to 1.

    Raises:
        ValueError: when a question has no answer or no key.
    """
    check_answered(owl, answers)
    scores = {id: exact_score(owl, id, answer.text) for id, answer in answers.items()}
    return {
        name: sum(scores[id] for id in ids) / len(ids) for name, ids in owl.groups().items() if ids
    }
