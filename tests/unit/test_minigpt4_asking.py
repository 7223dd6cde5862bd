"""An opened MiniGPT-4 is asked by widget, figure, console and evaluation, and all say the same."""

import pytest
import torch

from course_lib.data.images import to_pixel_values
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import answer_to
from course_lib.evaluation.descriptions import LIMIT, described, description_scores
from course_lib.evaluation.instructions import LONGEST, ChatAnswerer
from course_lib.evaluation.unlike import distance
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.teach.chat_widget import ChatWidget
from tests.tiny_minigpt4 import QUERIES, tiny_minigpt4
from tests.tiny_runs import say


@pytest.fixture(scope="module")
def opened():
    return tiny_minigpt4()


@pytest.fixture(scope="module")
def scenes(opened):
    return ToyScenes(6, 0, "test", opened.encoder)


def test_the_chat_widget_speaks_and_shows_what_each_query_reads(opened, scenes):
    widget = ChatWidget(opened, scenes)
    entry = say(widget, "what is at top-left?")
    assert "what is at top-left?" in entry and "model:" in entry
    assert "query 0" in widget.strip.view.value
    assert DETAIL_QUESTIONS[0] in say(widget, "describe")


def test_an_answer_is_the_same_from_pixels_and_from_the_encoders_features(opened, scenes):
    texts = ["what is at top-left?", "how many things are there?"]
    answerer = ChatAnswerer(opened.model, opened.tokenizer, scenes, opened.asker)
    alone = [
        answer_to(opened, scenes.pixel_values([row]), text, LONGEST)[0]
        for row, text in enumerate(texts)
    ]
    assert answerer.answers([0, 1], texts) == alone
    assert opened.asker.ids(texts[0]).count(opened.model.image_token_id) == QUERIES


def test_descriptions_from_cached_visual_tokens_are_those_of_the_whole_model(opened, scenes):
    light = tiny_minigpt4(cached=True)
    cached = ToyScenes(6, 0, "test", light.encoder)
    assert cached.features.shape[1] == QUERIES
    first = described(opened.model, opened.asker, scenes, 6)
    assert first == described(light.model, light.asker, cached, 6)
    assert all(said.ended or said.tokens == LIMIT for said in first)
    scores = description_scores(first, scenes.scenes)
    assert scores["failures"]["rate"] == 1.0, "random weights describe nothing"
    assert scores["made_up"]["words"] > 0 and scores["descriptions"]["things_right"] < 0.5


def test_whether_a_picture_is_unlike_is_asked_of_the_image_encoder(opened):
    noise = torch.randint(0, 256, (1, 48, 48, 3), generator=torch.Generator().manual_seed(0))
    picture = to_pixel_values(noise.to(torch.uint8), 48)
    assert distance(opened.encoder, picture) > 0
