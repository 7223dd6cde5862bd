"""Descriptions of toy scenes, asked for in a run's own chat: do they fail, and are they true?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from course_lib.curation.describing import Ask, Said
from course_lib.curation.stage1_model import model_asker
from course_lib.data.chat_templates import chat_template
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import toy_images
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.evaluation.failures import failure_rate
from course_lib.evaluation.made_up import hallucination
from course_lib.evaluation.toy import BATCH
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.vlm import VLM
from course_lib.world.scene import Scene

LIMIT = 128  # tokens of an answer; a whole description of three things has 50


def scene_asker(model: VLM, asker: ChatAsker, data: ToyScenes) -> Ask:
    """Returns what puts turns of a chat about scenes to a model; a scene is named by its row."""
    # The end of a stage-1 caption ends an answer, too: a model after stage 1 knows no other.
    templates = (asker.template, chat_template("plain"))
    return model_asker(model, asker.chat, templates, partial(toy_images, data), LIMIT, BATCH)


def described(
    model: VLM, asker: ChatAsker, data: ToyScenes, count: int, wish: str = DETAIL_QUESTIONS[0]
) -> list[Said]:
    """Returns what a model says about the first scenes.

    Args:
        model: reads the features of `data`.
        asker: tokenizer and template of the chat.
        data: scenes and their features.
        count: how many scenes.
        wish: what is asked.
    """
    return scene_asker(model, asker, data)([(str(row), (wish,)) for row in range(count)])


def description_scores(said: Sequence[Said], scenes: Sequence[Scene]) -> dict:
    """Scores descriptions as language and against the truth.

    Args:
        said: one a scene.
        scenes: what was there.

    Returns:
        {failures: see `failure_rate`; descriptions: see `caption_scores`; made_up: see
        `hallucination`, which has the mean number of words}.

    Raises:
        ValueError: when there are not as many descriptions as scenes, or fewer than two.
    """
    texts = [one.text for one in said]
    return {
        "failures": failure_rate([(one.text, one.ended) for one in said]),
        "descriptions": caption_scores(texts, list(scenes)),
        "made_up": hallucination(texts, scenes),
    }
