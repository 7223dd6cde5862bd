"""The word converter: what it learns, what it is told, what it refuses; two layers as one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.converter import (
    PAPER,
    ConverterSettings,
    WordConverter,
    cosine_loss,
    train_converter,
)
from course_lib.merged_projector import merge_as_printed, merge_projectors
from course_lib.projector import LinearProjector

WORDS, SOURCE, TARGET = 60, 8, 12


def tables(noise=0.0, seed=0):
    """Makes two tables; the target's is a linear image of the source's, and noise."""
    chance = torch.Generator().manual_seed(seed)
    source = torch.randn(WORDS, SOURCE, generator=chance)
    matrix = torch.randn(SOURCE, TARGET, generator=chance)
    return source, source @ matrix + noise * torch.randn(WORDS, TARGET, generator=chance)


def captions(count=50, length=6, seed=0):
    chance = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, WORDS, (count, length), generator=chance).tolist()
    return [[(word, word) for word in row] for row in ids]


TWENTY = ConverterSettings(epochs=40, learning_rate=2.0, batch_size=10, held_out=0.2)


def test_the_settings_of_the_paper():
    assert (PAPER.epochs, PAPER.learning_rate, PAPER.batch_size) == (5, 5.0, 4096)
    assert PAPER.held_out == 0


def test_it_finds_a_linear_relation_and_holds_it_on_words_it_never_saw():
    _, report = train_converter(*tables(), captions(), TWENTY)
    assert report.start < 0.3 < 0.99 < report.trained
    assert report.held_out > 0.97 and report.constant < 0.5
    assert report.pairs + report.held_out_pairs == len({p for c in captions() for p in c})
    assert report.steps == 40 * 5


def test_words_without_relation_are_learned_by_heart_alone():
    source, _ = tables()
    other = torch.randn(WORDS, TARGET, generator=torch.Generator().manual_seed(7))
    _, report = train_converter(source, other, captions(), TWENTY)
    assert report.held_out < 0.3 < report.trained - 0.1


def test_a_common_drift_of_the_target_shows_in_the_constant():
    source, target = tables()
    _, report = train_converter(source, target + 40.0, captions(), TWENTY)
    assert report.constant > 0.95 and report.held_out > 0.95


def test_held_out_words_never_move_it():
    source, target = tables(noise=0.1)
    used = sorted({word for row in captions() for word, _ in row})
    short = ConverterSettings(epochs=2, learning_rate=2.0, batch_size=10, held_out=0.2)
    first, report = train_converter(source, target, captions(), short)
    held = []
    for word in used:
        turned = target.clone()
        turned[word] *= -1
        if torch.equal(train_converter(source, turned, captions(), short)[0].weight, first.weight):
            held.append(word)
    assert len(held) == report.held_out_pairs == round(0.2 * len(used))
    target[held] *= -1
    _, other = train_converter(source, target, captions(), short)
    assert other.trained == report.trained
    assert other.held_out == pytest.approx(-report.held_out, abs=1e-5)


def test_the_same_call_gives_the_same_converter_and_leaves_chance_alone():
    state = torch.random.get_rng_state()
    first, report = train_converter(*tables(), captions(), TWENTY)
    torch.manual_seed(99)
    second, again = train_converter(*tables(), captions(), TWENTY)
    torch.random.set_rng_state(state)
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)
    assert report == again and torch.random.get_rng_state().equal(state)
    assert not first.training and isinstance(first, WordConverter)
    other, _ = train_converter(*tables(), captions(), ConverterSettings(epochs=40, seed=1))
    assert not torch.equal(first.weight, other.weight)


def test_frequent_words_count_more_and_half_precision_is_read():
    source, target = tables()
    target = torch.randn(target.shape, generator=torch.Generator().manual_seed(3))
    often = [[(0, 0)] * 50 + [(word, word) for word in range(WORDS)]]
    settings = ConverterSettings(epochs=30, learning_rate=1.0)
    converter, report = train_converter(source.half(), target.half(), often, settings)
    cosines = F.cosine_similarity(converter(source), target)
    assert cosines[0] > 0.95 > report.trained + 0.2 and converter.weight.dtype == torch.float32
    assert report.trained == pytest.approx(cosines.mean().item(), abs=1e-3)
    assert report.held_out is None and report.constant is None and report.held_out_pairs == 0


def test_the_loss_by_hand():
    made = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    wanted = torch.tensor([[5.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    each = torch.tensor([0.0, 1 - 0.5**0.5, 2.0])
    assert torch.allclose(cosine_loss(made, wanted), each.mean())
    counts = torch.tensor([4, 0, 1])
    assert torch.allclose(cosine_loss(made, wanted, counts), torch.tensor(2 / 5))
    assert torch.allclose(cosine_loss(9 * made, wanted), each.mean())  # length counts for nothing


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"learning_rate": 0.0}, "learning_rate=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"held_out": 1.0}, "held_out=1.0"),
    ],
)
def test_settings_that_cannot_be_meant(changes, words):
    with pytest.raises(ValueError, match=words):
        ConverterSettings(**changes)


def test_pairs_that_cannot_be_trained_on():
    source, target = tables()
    for nothing in ([], [[]]):
        with pytest.raises(ValueError, match="There are 0 pairs"):
            train_converter(source, target, nothing)
    with pytest.raises(ValueError, match=r"name target words 3 to 60, .* has 60 rows"):
        train_converter(source, target, [[(3, 3), (4, WORDS)]])
    with pytest.raises(ValueError, match="name source words -1 to 3"):
        train_converter(source, target, [[(3, 3), (-1, 4)]])
    with pytest.raises(ValueError, match="1 distinct words and a share of"):
        train_converter(source, target, [[(3, 3)]], ConverterSettings(held_out=0.9))


def layers(visual, source, target, dtype=torch.float32):
    torch.manual_seed(0)
    first, second = LinearProjector(visual, source), WordConverter(source, target)
    nn.init.normal_(first.weight)
    nn.init.normal_(first.bias)
    return first.to(dtype), second.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_the_merged_layer_equals_both(dtype):
    first, second = layers(24, 16, 40, dtype)
    merged = merge_projectors(first, second)
    tokens = torch.randn(3, 5, 24, dtype=dtype)
    both = second(first(tokens))
    assert (merged(tokens) - both).abs().max() < 1e-6 * both.abs().max()
    assert isinstance(merged, LinearProjector) and merged.weight.dtype == dtype
    assert merged.weight.shape == (40, 24) and merged.weight.requires_grad
    forgotten = second.bias + 0 * merged.bias
    assert (forgotten - merged.bias).abs().max() > 0.1  # b_s goes through W_w


def test_the_printed_order_is_an_error_with_both_shapes():
    with pytest.raises(ValueError, match=r"W_s is \(16, 24\) and W_w is \(40, 16\)"):
        merge_as_printed(*layers(24, 16, 40))
    for widths in ((24, 24, 40), (24, 16, 24), (24, 40, 40)):
        with pytest.raises(ValueError, match="Merge in the other order"):
            merge_as_printed(*layers(*widths))


@torch.no_grad()
def test_where_all_widths_are_one_the_printed_order_is_another_function():
    first, second = layers(16, 16, 16)
    printed, right = merge_as_printed(first, second), merge_projectors(first, second)
    tokens = torch.randn(7, 16)
    assert torch.allclose(printed(tokens), first(second(tokens)), atol=1e-5)
    assert (printed(tokens) - right(tokens)).abs().max() > 1


def test_a_converter_of_another_width_is_named():
    first, _ = layers(24, 16, 40)
    with pytest.raises(ValueError, match="width 16 and the converter reads 20"):
        merge_projectors(first, WordConverter(20, 40))
