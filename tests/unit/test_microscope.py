"""The mask microscope: what it measures through real layers, what it draws, and its widget."""

import html
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from torch import nn
from torch.nn import functional as F

from course_lib.teach.microscope import draw_masks, draw_proof, influence
from course_lib.teach.microscope_panels import ALLOWED, FAULT, LEAK, UNUSED
from course_lib.teach.microscope_widget import STORED, MaskMicroscope
from course_lib.vpg import MultiHeadAttention, QFormerConfig, make_mask
from course_lib.vpg.qformer_layer import QFormerLayer

matplotlib.use("Agg")
LABELS = ["q0", "q1", "q2", "t0", "t1", "t2", "t3"]
MODES = ("itc", "itg", "itm")


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def masks():
    return {mode: make_mask(mode, 3, torch.ones(1, 4))[0] for mode in MODES}


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(1, 7, 16, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def through():
    """A real Q-Former layer, as mask → callable."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    config = QFormerConfig(encoder_hidden_size=8, vocab_size=20, num_hidden_layers=1, **sizes)
    layer = QFormerLayer(config, cross_attention=True).eval()
    image = torch.randn(1, 5, 8)
    return lambda mask: lambda hidden: layer(hidden, 3, image, mask=mask)[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_real_layer_does_is_its_mask(mode, seed, masks, inputs, through):
    grid = influence(through(masks[mode]), inputs, seed)
    assert grid.dtype == torch.int and grid.tolist() == masks[mode].int().tolist()


def test_every_planted_leak_is_found(masks, inputs, through):
    for row, column in (~masks["itg"]).nonzero().tolist():
        leaky = masks["itg"].clone()
        leaky[row, column] = True
        wrong = influence(through(leaky), inputs).bool() != masks["itg"]
        assert wrong.nonzero().tolist() == [[row, column]]


def test_two_layers_reach_as_far_as_the_mask_times_itself(inputs, through):
    near = (torch.arange(7)[:, None] - torch.arange(7)).abs() <= 1
    run = through(near)
    grid = influence(lambda hidden: run(run(hidden)), inputs)
    assert grid.bool().equal((near.int() @ near.int()) > 0) and not grid.bool().equal(near)


def language_model(vocabulary=11, width=16):
    """A causal layer and a head: (1, S, D) → (1, S, V)."""
    torch.manual_seed(1)
    attention, head = MultiHeadAttention(width, width, 2), nn.Linear(width, vocabulary)

    def logits(embeds):
        triangle = torch.ones(embeds.shape[1], embeds.shape[1]).tril().bool()
        return head(embeds + attention(embeds, embeds, triangle))

    return logits


def test_a_label_notices_what_stands_before_it_and_a_masked_label_nothing(inputs):
    logits = language_model()
    labels = torch.tensor([-100, -100, -100, 4, 7, -100, 2])  # two visual tokens, BOS, words, a pad

    def loss_of_each(embeds):
        shifted = logits(embeds)[0, :-1]
        return F.cross_entropy(shifted, labels[1:], ignore_index=-100, reduction="none")[None]

    grid = influence(loss_of_each, inputs)  # row i: the label at i + 1
    expected = torch.ones(6, 7).tril() * (labels[1:] != -100)[:, None]
    assert grid.shape == (6, 7) and grid.tolist() == expected.int().tolist()


def test_a_gate_at_zero_notices_nothing_and_an_open_one_its_image(inputs):
    torch.manual_seed(2)
    reader, text = MultiHeadAttention(16, 16, 2), torch.randn(1, 4, 16)
    last_image = torch.tensor([[1, 1, 1, 0, 0, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1, 1]] * 2).bool()

    def gated(gate):
        return lambda images: text + np.tanh(gate) * reader(text, images, last_image)

    assert not influence(gated(0.0), inputs).any()
    assert influence(gated(0.5), inputs).bool().equal(last_image)


def test_outputs_may_be_choices_booleans_and_infinities(inputs):
    def copies(x):
        return x[..., 0] > 0

    assert influence(copies, inputs, draws=8).tolist() == torch.eye(7).int().tolist()
    assert influence(lambda x: (x > 0).sum(-1), inputs).tolist() == torch.eye(7).int().tolist()
    log_of_nothing = influence(lambda x: torch.full((1, 2), -torch.inf), inputs)
    assert not log_of_nothing.any()
    apart = influence(lambda x: torch.where(x[..., 0].abs() > 1e9, 0.0, x[..., 0]), inputs)
    assert apart.tolist() == torch.eye(7).int().tolist()


def test_measuring_leaves_inputs_and_random_numbers_alone(inputs):
    before, state = inputs.clone(), torch.random.get_rng_state()
    half = influence(lambda x: x.mul_(2), inputs.half())
    assert half.tolist() == torch.eye(7).int().tolist()
    influence(lambda x: x.zero_(), inputs)
    assert inputs.equal(before) and torch.random.get_rng_state().equal(state)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (lambda x: (x, None), "not a tuple: pick it"),
        (lambda x: x[0, 0], r"not \(16,\)"),
        (lambda x: x.repeat(2, 1, 1), r"not \(2, 7, 16\)"),
        (lambda x: x[:, : 3 + (x[0, 0, 0] < 0)] * torch.nan, "Output 0 is NaN before"),
        (lambda x: F.dropout(x, 0.5), "dropout"),
        (nn.Dropout(0.5), r"\.eval\(\)"),
    ],
)
def test_what_cannot_be_measured_gets_a_sentence(run, says, inputs):
    with pytest.raises(ValueError, match=says):
        influence(run, inputs)


def test_outputs_that_change_their_number_and_inputs_that_are_ids_are_refused(inputs):
    first = inputs[0, 0].clone()
    with pytest.raises(ValueError, match="same shape"):
        influence(lambda x: x if x[0, 0].equal(first) else x[:, :3], inputs)
    for strange in (torch.ones(1, 7).long(), torch.ones(1, 7, 2).long(), inputs[0], "text"):
        with pytest.raises(ValueError, match=r"float \(1, S, D\), not"):
            influence(lambda x: x, strange)


def painted(axis):
    """Returns the (R, S) cells that a panel painted."""
    return axis.collections[0].get_array().reshape(-1, len(axis.get_xticks()))


def labels_of(axis, side):
    return [label.get_text() for label in getattr(axis, f"get_{side}ticklabels")()]


def test_the_picture_holds_every_mask_with_its_labels(masks):
    figure = draw_masks(masks, LABELS)
    assert [axis.get_title() for axis in figure.axes] == list(masks)
    for axis, mask in zip(figure.axes, masks.values(), strict=True):
        assert np.array_equal(painted(axis), mask.numpy())
        assert labels_of(axis, "x") == labels_of(axis, "y") == LABELS
        assert (axis.get_xlabel(), axis.get_ylabel()) == ("is read", "reads")
        assert axis.yaxis_inverted() and axis.get_aspect() == 1.0
    palette = figure.axes[0].collections[0].get_cmap().colors
    assert palette == ["#ffffff", ALLOWED]


def test_masks_may_be_oblong_many_long_and_of_any_kind(masks):
    oblong = draw_masks({"labels": [[1, 0, 0], [1, 1, 0]]}, ["a", "b"], ["x", "$y", "image_1"])
    assert labels_of(oblong.axes[0], "x") == ["x", "$y", "image_1"]
    many = draw_masks({str(i): masks["itc"][None].float() for i in range(5)})
    assert len(many.axes) == 5 and labels_of(many.axes[4], "y") == list("0123456")
    long = draw_masks({"long": np.tril(np.ones((200, 200)))}).axes[0]
    assert labels_of(long, "y")[:3] == ["0", "5", "10"]
    assert max(long.figure.get_size_inches()) < 8
    for figure in (oblong, many, long.figure):
        figure.canvas.draw()


def test_the_proof_holds_both_tables_in_digits(masks, inputs, through):
    grid = influence(through(masks["itg"]), inputs)
    figure = draw_proof(masks["itg"], grid, LABELS, name="ITG")
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("ITG", "measured: equal")
    for axis in (left, right):
        digits = [int(text.get_text()) for text in axis.texts]
        assert digits == masks["itg"].int().flatten().tolist()
        assert not axis.patches and axis.get_legend() is None


def test_disagreements_carry_a_shape_each(masks, inputs, through):
    leaky = masks["itg"].clone()
    leaky[1, 5], leaky[6, 0], leaky[6, 1] = True, False, False
    figure = draw_proof(masks["itg"], influence(through(leaky), inputs), LABELS)
    left, right = figure.axes
    assert right.get_title() == "measured: 3 of 49 differ" and not left.patches
    found = {(p.get_gid(), *np.floor(p.xy).astype(int)) for p in right.patches}
    assert found == {(LEAK, 5, 1), (UNUSED, 0, 6), (UNUSED, 1, 6)}
    corners = {p.get_gid(): p.numvertices for p in right.patches}
    assert corners[LEAK] > 4 == corners[UNUSED]
    assert {matplotlib.colors.to_hex(p.get_edgecolor()).upper() for p in right.patches} == {
        FAULT,
        "#FFFFFF",
    }
    says = [text.get_text() for text in right.get_legend().get_texts()]
    assert says == [f"1 {LEAK}", f"2 {UNUSED}"]
    figure.canvas.draw()
    below = right.get_legend().get_window_extent()
    assert below.y0 >= 0 and below.x1 <= figure.bbox.x1


BAD = [
    (lambda m: draw_masks({}, LABELS), "at least one mask"),
    (lambda m: draw_masks(m["itg"], LABELS), "dictionary"),
    (lambda m: draw_masks({"itg": torch.zeros(3, 7, 7)}), r"Mask 'itg' .* not \(3, 7, 7\)"),
    (lambda m: draw_masks({"itg": "mask"}), "not a str"),
    (lambda m: draw_masks({"itg": [[1, 0], [1]]}), "not a list"),
    (lambda m: draw_masks({"none": torch.zeros(0, 4)}), r"not \(0, 4\)"),
    (lambda m: draw_masks({"add": torch.zeros(2, 2) - torch.inf}), "0 and 1"),
    (lambda m: draw_masks(m, LABELS[:-1]), "7 rows, give as many labels, not 6"),
    (lambda m: draw_masks(m, LABELS, "qqqtttt"), "7 columns"),
    (lambda m: draw_proof(m["itg"], m["itg"][:3]), r"The mask is \(7, 7\), the measured grid"),
    (lambda m: draw_proof(m["itg"], 2 * m["itg"].int()), "The grid has to hold 0 and 1"),
]


@pytest.mark.parametrize(("draw", "says"), BAD)
def test_what_cannot_be_drawn_gets_a_sentence_and_leaves_no_figure(draw, says, masks):
    with pytest.raises(ValueError, match=says):
        draw(masks)
    assert plt.get_fignums() == []


@pytest.fixture
def widget(masks, through, inputs):
    return MaskMicroscope(masks, through, inputs, LABELS)


def rows_of(widget):
    """Returns the table as words, a list a row."""
    lines = re.findall(r"<tr>(.*?)</tr>", widget.table.value)[1:]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in lines]
    return [[html.unescape(re.sub("<[^>]+>", "", cell)) for cell in line] for line in cells]


def test_the_widget_says_in_words_what_was_measured(widget, masks):
    for mode in MODES:
        widget.mask.value = mode
        for place in range(7):
            widget.input.value = place
            rows = rows_of(widget)
            assert [row[0] for row in rows] == LABELS
            for row, allowed in zip(rows, masks[mode][:, place].tolist(), strict=True):
                says = ["may read it", "notices"] if allowed else ["may not read it"]
                assert row[1:] == [*says, *([] if allowed else ["does not notice"]), "✓"]
            count = int(masks[mode][:, place].sum())
            caption = f"{LABELS[place]} is replaced by random vectors: {count} of 7 outputs notice"
            assert caption in widget.table.value and "as the mask says" in widget.table.value
            assert LABELS[place] in widget.name.value


def test_the_widget_shows_a_leak(masks, through, inputs):
    def leaky(mask):
        mask = mask.clone()
        mask[0, 6], mask[6, 2] = True, False
        return through(mask)

    widget = MaskMicroscope({"itg": masks["itg"]}, leaky, inputs, LABELS)
    widget.input.value = 6
    assert rows_of(widget)[0] == ["q0", "may not read it", "notices", f"✗ {LEAK}"]
    assert "1 differs from the mask" in widget.table.value
    widget.input.value = 2
    assert rows_of(widget)[6] == ["t3", "may read it", "does not notice", f"✗ {UNUSED}"]


def test_each_mask_is_measured_once(masks, through, inputs):
    asked = []

    def run(mask):
        asked.append(mask)
        return through(mask)

    widget = MaskMicroscope(masks, run, inputs, LABELS)
    for mode in ("itg", "itc", "itg"):
        widget.mask.value = mode
        for place in range(7):
            widget.input.value = place
    assert len(asked) == 2 and asked[0] is masks["itc"] and asked[1] is masks["itg"]


def test_other_outputs_have_names_of_their_own(inputs):
    picks = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0]])
    names = ["<label a>", "label b"]
    widget = MaskMicroscope({"pick": picks}, lambda m: lambda x: m @ x, inputs, LABELS, names)
    widget.input.value = 3
    assert [row[0] for row in rows_of(widget)] == names and "<label" not in widget.table.value
    assert [row[2] for row in rows_of(widget)] == ["does not notice", "notices"]


def test_a_fault_of_the_run_is_a_sentence_and_the_next_mask_works(masks, through, inputs):
    def run(mask):
        if mask is masks["itc"]:
            return lambda x: x @ torch.ones(2, 2)
        return (lambda x: (x, x)) if mask is masks["itg"] else through(mask)

    widget = MaskMicroscope(masks, run, inputs, LABELS)
    assert "could not be measured. RuntimeError: " in widget.table.value
    widget.mask.value = "itg"
    assert "measured. run has to return one tensor, not a tuple" in widget.table.value
    widget.mask.value = "itm"
    assert len(rows_of(widget)) == 7
    short = MaskMicroscope(masks, lambda mask: lambda x: x[:, :3], inputs, LABELS)
    assert "(3, 7), the mask (7, 7)" in short.table.value


def test_the_widget_refuses_what_does_not_fit(masks, through, inputs):
    for changes, says in (
        ({"masks": {}}, "at least one mask"),
        ({"inputs": inputs[0]}, "float"),
        ({"inputs": [1.0]}, "a list"),
        ({"labels": LABELS[1:]}, "7 inputs need as many labels, not 6"),
        ({"masks": {"small": torch.ones(2, 2)}}, r"'small' is \(2, 2\), but by its labels \(7, 7"),
        ({"outputs": ["one"]}, r"by its labels \(1, 7\)"),
    ):
        given = {"masks": masks, "run": through, "inputs": inputs, "labels": LABELS} | changes
        with pytest.raises(ValueError, match=says):
            MaskMicroscope(**given)


def test_what_a_notebook_stores_is_the_same_everywhere(widget, masks, through, inputs):
    widget.input.value = 4
    view = "application/vnd.jupyter.widget-view+json"
    for one in (widget, MaskMicroscope({"itm": masks["itm"]}, through, inputs, LABELS)):
        data, metadata = DisplayFormatter().format(one)
        assert set(data) == {"text/plain", view} and metadata == {}
        assert data["text/plain"] == repr(one) == STORED
    assert "\n" not in STORED and len(STORED) < 100
