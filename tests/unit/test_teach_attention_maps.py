"""Attention over patches: the weights are those that attention used, the discs are the weights."""

import matplotlib
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib.teach.attention_maps import draw_attention_maps, patch_maps
from course_lib.teach.gaze import gaze_of
from course_lib.vpg import QFormer, QFormerConfig

matplotlib.use("Agg")
IMAGE = np.full((48, 48, 3), 40, dtype=np.uint8)


def random_weights(queries, patches):
    draws = torch.randn(queries, patches, generator=torch.Generator().manual_seed(0))
    return (2 * draws).softmax(dim=-1)


def panels(figure):
    return [axis for axis in figure.axes[1:] if axis.collections]


@pytest.mark.parametrize("patches", [36, 37, 16, 257])
def test_patches_are_folded_in_reading_order_and_cls_is_kept_apart(patches):
    weights = random_weights(3, patches)
    maps, cls = patch_maps(weights)
    spare = patches % 2 if patches != 16 else 0
    side = maps.shape[-1]
    assert maps.shape == (3, side, side) and side * side + spare == patches
    assert np.allclose(maps[1, 2, 1], weights[1, spare + 2 * side + 1])
    assert (cls is None) == (spare == 0)
    assert cls is None or np.allclose(cls, weights[:, 0])


@pytest.mark.parametrize("queries", [1, 8, 9, 16, 32])
@pytest.mark.parametrize("patches", [36, 37])
def test_a_map_for_each_query_beside_the_scene(queries, patches):
    weights = random_weights(queries, patches)
    figure = draw_attention_maps(IMAGE, weights)
    assert len(panels(figure)) == queries
    assert np.array_equal(figure.axes[0].images[0].get_array(), IMAGE)
    titles = [axis.get_title() for axis in panels(figure)]
    assert titles[-1].startswith(f"query {queries - 1}")
    assert all(("CLS" in title) == (patches == 37) for title in titles)
    figure.canvas.draw()
    inside = figure.bbox
    words = [axis.title.get_window_extent() for axis in figure.axes if axis.get_title()]
    words += [text.get_window_extent() for text in figure.texts]
    assert all(inside.x0 <= w.x0 and w.x1 <= inside.x1 and w.y1 <= inside.y1 for w in words)
    matplotlib.pyplot.close(figure)


@pytest.mark.parametrize("own_scale", [False, True])
def test_the_area_of_a_disc_is_the_weight_of_the_patch_below_it(own_scale):
    weights = random_weights(2, 37).numpy()
    figure = draw_attention_maps(IMAGE, weights, own_scale=own_scale)
    for axis, row in zip(panels(figure), weights[:, 1:], strict=True):
        discs = axis.collections[0]
        largest = row.max() if own_scale else weights[:, 1:].max()
        assert np.allclose(discs.get_widths() ** 2, 0.95**2 * row / largest, atol=1e-6)
        across, down = discs.get_offsets()[np.argmax(row)]
        assert int(down) * 6 + int(across) == np.argmax(row)
    foot = figure.texts[0].get_text().replace("\n", " ")
    assert ("scale of its own" in foot) == own_scale and ("1/37" in foot) != own_scale
    matplotlib.pyplot.close(figure)


def test_names_replace_numbers_and_a_query_that_looks_at_cls_alone_is_drawn():
    weights = torch.zeros(2, 37)
    weights[:, 0] = 1
    figure = draw_attention_maps(IMAGE, weights, names=["red", "left"], own_scale=True)
    assert [axis.get_title() for axis in panels(figure)] == ["red\nCLS 100%", "left\nCLS 100%"]
    assert not panels(figure)[0].collections[0].get_widths().any()
    figure.canvas.draw()
    matplotlib.pyplot.close(figure)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (torch.ones(4, 2, 36), "mean over its heads"),
        (torch.ones(0, 36), "queries, patches"),
        (torch.ones(2, 38), "no square of patches"),
        (torch.ones(2, 1), "no square of patches"),
        (torch.full((2, 36), float("nan")), "after the softmax"),
        (-torch.ones(2, 36), "after the softmax"),
        (torch.ones(33, 36), "at most 32"),
    ],
)
def test_weights_that_are_refused(weights, words):
    with pytest.raises(ValueError, match=words):
        draw_attention_maps(IMAGE, weights)


def test_images_and_names_that_are_refused():
    weights = random_weights(2, 36)
    with pytest.raises(ValueError, match="1 names for 2 queries"):
        draw_attention_maps(IMAGE, weights, names=["one"])
    with pytest.raises(ValueError, match="colours last"):
        draw_attention_maps(IMAGE.transpose(2, 0, 1), weights)
    with pytest.raises(ValueError, match="0 to 255"):
        draw_attention_maps(IMAGE / 255, weights)
    assert not matplotlib.pyplot.get_fignums()


def small_qformer(**more):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "encoder_hidden_size": 8, "num_query_tokens": 4} | more
    model = QFormer(QFormerConfig(cross_attention_frequency=2, vocab_size=50, **sizes))
    torch.nn.init.normal_(model.ln_vision.weight, 1, 0.3)
    return model


@pytest.mark.parametrize("block", [0, 1, -1])
def test_the_weights_are_those_that_the_cross_attention_used(block):
    model, features = small_qformer(), torch.randn(3, 37, 8)
    weights = gaze_of(model, features, block)
    assert weights.shape == (3, 2, 4, 37)
    attention = [x for x in model.layers if x.cross_attention is not None][block].cross_attention
    held = {}
    attention.out_proj.register_forward_hook(lambda _m, args, _o: held.setdefault("mixed", args[0]))
    with torch.no_grad():
        model.eval()(features)
        patches = F.layer_norm(features, (8,), model.ln_vision.weight, model.ln_vision.bias, 1e-6)
        value = attention.v_proj(patches).unflatten(-1, (2, 8)).transpose(1, 2)
    mixed = (weights @ value).transpose(1, 2).flatten(2)
    assert torch.allclose(mixed, held["mixed"], atol=1e-5)


def test_looking_leaves_the_model_alone_and_ignores_dropout():
    model, features = small_qformer(dropout=0.5).train(), torch.randn(1, 37, 8)
    assert torch.equal(gaze_of(model, features), gaze_of(model, features))
    assert model.training and not any(m._forward_hooks for m in model.modules())
    with pytest.raises(ValueError, match="no block 2: 2 blocks read the image, 0 to 1"):
        gaze_of(model, features, 2)
