"""Where an abstractor's queries look: the weights are those that its attention used."""

import pytest
import torch

from course_lib.data.toy import ToyScenes
from course_lib.teach.abstractor_gaze import abstractor_gaze, on_image, share_on_things
from course_lib.teach.query_strip import QueryStrip, last_gaze
from course_lib.vpg.abstractor import Abstractor, AbstractorConfig
from course_lib.world.scene import PLACES, sample_scenes
from tests.tiny_models import randomise
from tests.tiny_owl import QUERIES, tiny_owl


def abstractor(**more):
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 20, "num_query_tokens": 4, "dropout": 0.0}
    return randomise(Abstractor(AbstractorConfig(**{**sizes, **more})), 1)


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_the_weights_are_those_that_the_layer_used(layer):
    model, features = abstractor(), torch.randn(3, 37, 16)
    weights = abstractor_gaze(model, features, layer)
    assert weights.shape == (3, 2, 4, 41)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 2, 4))
    attention, held = model.layers[layer].attention, {}
    attention.out_proj.register_forward_hook(lambda _m, args, _o: held.setdefault("mixed", args[0]))
    attention.v_proj.register_forward_hook(lambda _m, _a, out: held.setdefault("values", out))
    with torch.no_grad():
        model.eval()(features)
    value = held["values"].unflatten(-1, (2, 8)).transpose(1, 2)
    assert torch.allclose((weights @ value).transpose(1, 2).flatten(2), held["mixed"], atol=1e-5)


def test_looking_leaves_the_model_alone_and_ignores_dropout():
    model, features = abstractor(dropout=0.5).train(), torch.randn(1, 37, 16)
    assert torch.equal(abstractor_gaze(model, features), abstractor_gaze(model, features))
    assert model.training and not any(m._forward_hooks for m in model.modules())
    for layer in (3, -4):
        with pytest.raises(ValueError, match=f"no layer {layer}: the abstractor has 3, 0 to 2"):
            abstractor_gaze(model, features, layer)


def test_the_image_alone_is_brought_back_to_one():
    weights = torch.tensor([[0.5, 0.1, 0.3, 0.1], [0.2, 0.0, 0.2, 0.6]])  # Q = 2, N = 2
    assert torch.allclose(on_image(weights), torch.tensor([[0.75, 0.25], [0.25, 0.75]]))


def test_how_much_of_a_gaze_falls_on_things():
    scenes = sample_scenes(6, 0, "test")
    weights = torch.full((6, 2, 37), 0.01)
    even = share_on_things(weights, scenes)
    assert torch.allclose(even, torch.tensor([len(scene.things) / 4 for scene in scenes]))
    for row, scene in enumerate(scenes):
        place = PLACES.index(scene.things[0].place)
        down, across = 3 * (place // 2) + 1, 3 * (place % 2) + 1
        weights[row] = torch.eye(37)[1 + 6 * down + across]
    assert torch.equal(share_on_things(weights, scenes), torch.ones(6))
    assert share_on_things(weights, [scenes[0]] * 6).min() < 1
    with pytest.raises(ValueError, match="6 gazes for 5 scenes"):
        share_on_things(weights, scenes[:5])
    for count in (36, 53, 26):
        with pytest.raises(ValueError, match=f"{count} weights a query are no CLS"):
            share_on_things(torch.ones(6, 2, count), scenes)


def test_a_chat_s_strip_shows_an_abstractor():
    opened = tiny_owl()
    scenes = ToyScenes(1, 0, "test", opened.encoder)
    pixels = scenes.pixel_values([0])
    weights = last_gaze(opened, pixels)
    assert weights.shape == (QUERIES, 37) and torch.allclose(weights.sum(1), torch.ones(QUERIES))
    strip = QueryStrip(opened)
    assert strip.works
    strip.show(scenes.images[0], pixels)
    assert strip.view.value.startswith("<img") and "query 2: row" in strip.view.value
