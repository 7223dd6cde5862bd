"""Does one sentence in the question keep short and long answers apart? Words a plain answer has.

Half of the questions with a key are answered by the key alone, as in the question answering data
that LLaVA-1.5 adds. In one variant such a question says so, in the other nothing does, and a third
has no short answers. Each is asked plainly and with that sentence.
"""

import numpy as np

from course_lib.commands.runs import Opened
from course_lib.data.toy_instructions import ONE_WORD, Instructions
from course_lib.evaluation.instructions import ChatAnswerer
from course_lib.evaluation.toy_answers import score_answer
from course_lib.experiments.llava_runs import scenes_of, tuned
from course_lib.experiments.runner import Experiment
from course_lib.experiments.stage2_runs import HELD_OUT
from course_lib.instructions.toy_rules import SEEN
from course_lib.world.questions import balanced_questions

MIXES = {
    "sentences alone": Instructions(),
    "short answers, unmarked": Instructions(short=0.5, marked=False),
    "short answers, marked": Instructions(short=0.5, marked=True),
}


def _answers(opened: Opened, seed: int, per_type: int, ending: str) -> tuple[float, float, float]:
    """Asks what is seen; returns (mean words, share of single words, share right)."""
    data = scenes_of(HELD_OUT + seed, 600, "test")
    asked = balanced_questions(data.scenes, per_type, np.random.default_rng((seed, 9)))
    asked = [(row, question) for row, question in asked if question.type in SEEN]
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, opened.asker)
    texts = [f"{question.text} {ending}".strip() for _, question in asked]
    said = answerer.answers([row for row, _ in asked], texts)
    words = [len(text.split()) for text in said]
    right = [score_answer(q.answer, q.type, text) for (_, q), text in zip(asked, said, strict=True)]
    return float(np.mean(words)), float(np.mean(np.array(words) == 1)), float(np.mean(right))


def _measure(arm: str, seed: int, steps: int) -> dict:
    opened = tuned(seed, steps, instructions=MIXES[arm])
    scores = {}
    for name, ending in (("plain", ""), ("marked", ONE_WORD)):
        found = _answers(opened, seed, 40, ending)
        scores |= dict(
            zip((f"{name}.words", f"{name}.single", f"{name}.right"), found, strict=True)
        )
    # What a user wants: sentences where nothing is said, one word where one word is asked for.
    scores["follows"] = scores["marked.single"] - scores["plain.single"]
    return {key: round(value, 4) for key, value in scores.items()}


EXPERIMENT = Experiment(
    claim="A sentence that asks for one word keeps both styles apart: MME 1197.0 to 1323.8 "
    "(LLaVA-1.5, table 2).",
    arms=tuple(MIXES),
    measure=_measure,
    steps=300,
    minutes=5.0,
)
