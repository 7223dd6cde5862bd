"""The live curve, alone and watched; what a stored notebook keeps of it is in tests/slow."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from course_lib.teach import front_end, live_curve
from course_lib.teach.live_curve import LiveCurve
from course_lib.training.loop import train
from course_lib.training.stages import Stage

matplotlib.use("Agg")


@pytest.fixture
def shown(monkeypatch):
    """Notes what plt.show() would have shown: for each call, the curves of each axes."""
    calls = []

    def show():
        figures = [plt.figure(number) for number in plt.get_fignums()]
        calls.append([[curves_of(axis) for axis in figure.axes] for figure in figures])

    monkeypatch.setattr(plt, "show", show)
    yield calls
    assert not plt.get_fignums()


def curves_of(axis):
    return axis.get_title(), [list(map(tuple, line.get_xydata())) for line in axis.lines]


class Display:
    """Stands for IPython's display: notes first showings and updates."""

    def __init__(self):
        self.first, self.updates = [], []

    def __call__(self, figure, display_id):
        assert display_id is True
        self.first.append(figure)
        return self

    def update(self, figure):
        self.updates.append(figure)


@pytest.fixture
def display(monkeypatch):
    found = Display()
    monkeypatch.setattr("IPython.display.display", found)
    return found


def test_alone_it_shows_exactly_one_figure_at_the_end(shown, display):
    curve = LiveCurve(["loss", "eval.vqa"], watched=False)
    curve.on_step(1, {"loss": 3.0})
    curve.on_step(2, {"loss": 2.0, "eval": {"vqa": 0.5}})
    assert shown == [] and display.first == []
    curve.finish()
    curve.finish()
    assert shown == [
        [[("loss", [[(1.0, 3.0), (2.0, 2.0)]]), ("eval.vqa", [[(2.0, 0.5)]])]],
    ]
    assert display.first == display.updates == []


def test_watched_it_fills_one_display_and_never_pyplots(shown, display, monkeypatch):
    monkeypatch.setattr(live_curve, "SECONDS", 0)
    monkeypatch.setattr(live_curve, "SHARE", 1e9)
    with LiveCurve("loss", watched=True) as curve:
        for step in range(1, 5):
            curve.on_step(step, {"loss": 1 / step})
            assert not plt.get_fignums()
    assert len(display.first) == 1 and len(display.updates) == 4 and shown == []
    last = display.updates[-1]
    assert curves_of(last.axes[0])[1] == [[(step, 1 / step) for step in range(1, 5)]]
    sizes = {tuple(figure.get_size_inches()) for figure in (*display.first, *display.updates)}
    assert len(sizes) == 1


def test_drawing_takes_a_small_share_of_the_time(display, monkeypatch):
    clock = iter(range(0, 10_000, 1))
    monkeypatch.setattr(live_curve.time, "monotonic", lambda: next(clock))
    curve = LiveCurve("loss", watched=True)
    for step in range(100):
        curve.on_step(step, {"loss": 1.0})
    # A look at the clock takes a second here, so a drawing takes one and 20 have to pass.
    assert 2 <= len(display.first) + len(display.updates) <= 6


def test_it_follows_a_training_and_changes_nothing_in_it(shown):
    def run(on_step):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))

        class Loss(nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, batch):
                return self.model(batch).square().mean()

        how = {"seed": 0, "accelerator": Accelerator(cpu=True), "progress": False}
        return train(
            Loss(),
            Stage("s", ("model",), 5, 4, 0.1),
            lambda s: torch.randn(4, 4),
            on_step=on_step,
            **how,
        )

    with LiveCurve(["loss"]) as curve:
        log = run(curve.on_step)
    assert not curve.watched  # pytest is no front end
    assert [row["loss"] for row in log] == [row["loss"] for row in run(None)]
    assert shown[0][0][0] == ("loss", [[(row["step"], row["loss"]) for row in log]])


def test_two_runs_are_two_lines_that_differ_without_colour(shown, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, "close", lambda figure: kept.append(figure))
    with LiveCurve("loss") as curve:
        for label in ("with stage 1", "without"):
            curve.run(label)
            for step in (1, 2):
                curve.on_step(step, {"loss": step})
    axis = kept[0].axes[0]
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["with stage 1", "without"]
    assert len({line.get_linestyle() for line in axis.lines}) == 2
    monkeypatch.undo()
    plt.close("all")


def test_an_interrupted_training_leaves_its_curve(shown):
    def interrupted():
        with LiveCurve("loss") as curve:
            curve.on_step(1, {"loss": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown == [[[("loss", [[(1.0, 1.0)]])]]]


def test_no_rows_and_no_numbers_still_give_a_figure(shown):
    LiveCurve(["loss"]).finish()
    with LiveCurve(["loss", "itc"]) as curve:
        curve.on_step(1, {"loss": float("nan"), "itc": -1.0})
    assert shown[0] == [[("loss", [[]])]]
    assert shown[1] == [[("loss", [[]]), ("itc", [[(1.0, -1.0)]])]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LiveCurve([]), "at least one"),
        (lambda: LiveCurve(["loss", "loss"]), "each once"),
        (lambda: LiveCurve(["los"]).on_step(1, {"loss": 1.0, "itc": 2.0}), "did you mean 'loss'"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_more_runs_than_can_be_told_apart_are_refused():
    curve = LiveCurve("loss", watched=False)
    for label in range(6):
        curve.run(str(label))
        curve.on_step(1, {"loss": 1.0})
    with pytest.raises(ValueError, match="7 lines"):
        curve.run("one more")


class Shell:
    def __init__(self, allow_stdin):
        self.kernel = self
        self.allow_stdin = allow_stdin

    def get_parent(self, channel):
        assert channel == "shell"
        return {"content": {"allow_stdin": self.allow_stdin}}


@pytest.mark.parametrize(
    ("shell", "pytest_runs", "watched"),
    [
        (Shell(True), False, True),
        (Shell(False), False, False),
        (Shell(True), True, False),
        (None, False, False),
    ],
)
def test_a_front_end_that_can_ask_its_user_is_watched(monkeypatch, shell, pytest_runs, watched):
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    if pytest_runs:
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "ref")
    else:
        monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    assert front_end.someone_watches() is watched
