"""A scene editor as a widget: up to three things, chosen by keyboard or mouse, drawn at once.

It is made of plain ipywidgets, so that a test can move it, and what it leaves in a stored notebook
is one line. `draw_editor` draws on paper what it shows.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from course_lib.errors import unknown_name_error
from course_lib.teach.picture_png import picture_html
from course_lib.teach.shown_box import ShownBox, alert
from course_lib.world.draw import draw_scene
from course_lib.world.language import article, canonical_caption, phrase
from course_lib.world.scene import COLOURS, HELD_OUT, KINDS, PLACES, SIZES, Scene, Thing, make_thing

STORED = "A scene editor: run this cell in JupyterLab. On paper, see the figure."
MOST = 3
BACKGROUND = 20  # the middle of what sampled scenes have
FIELDS = {"kind": KINDS, "colour": COLOURS, "size": SIZES, "place": PLACES}
START = (("circle", "red", "large", "top-left"), ("7", "blue", "small", "bottom-right"))
KEPT = "The picture is still the last scene that was possible."
Spec = tuple[str, str, str, str]


def scene_of(things: Sequence[Spec], seed: int = 0) -> Scene:
    """Makes a scene of things that a person chose; digits are scans that no training scene shows.

    Args:
        things: one to three of (kind, colour, size, place), in any order.
        seed: another seed moves things by pixels and takes other scans. A thing looks the same
            wherever it is put.

    Raises:
        ValueError: for none or more than three things, a name that the world lacks, or two things
            at one place.
    """
    if not 1 <= len(things) <= MOST:
        raise ValueError(f"A scene has one to three things, not {len(things)}.")
    found: dict[str, Thing] = {}
    for thing in (_thing(spec, seed) for spec in things):
        if thing.place in found:
            raise ValueError(
                f"Two things are in one place: {phrase(found[thing.place])}, and {phrase(thing)}. "
                "Move or remove one of them."
            )
        found[thing.place] = thing
    return Scene(tuple(found[place] for place in PLACES if place in found), BACKGROUND)


def _thing(spec: Spec, seed: int) -> Thing:
    if len(spec) != len(FIELDS):
        raise ValueError(f"{spec!r} is no thing: give {', '.join(FIELDS)}.")
    for (field, names), name in zip(FIELDS.items(), spec, strict=True):
        if name not in names:
            raise unknown_name_error(field, str(name), names)
    kind, colour, size, place = spec
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    return make_thing(rng, place, "test", kind, colour, size)


def untrained_pairs(scene: Scene) -> str:
    """Says which of its colour and kind pairs no training scene shows; "" for none."""
    pairs = [
        f"{article(t.colour)} {t.kind}" for t in scene.things if (t.colour, t.kind) in HELD_OUT
    ]
    return f"No training scene shows {' or '.join(pairs)}." if pairs else ""


class SceneEditor(ShownBox):
    """Edits a scene by dropdowns and buttons; `scene` is always the last one that was possible.

    Let a cell end with it, or give its `controls` a place in another widget.

    Args:
        things: what it starts with; see `scene_of`.
        seed: see `scene_of`.

    Raises:
        ValueError: for things that are no scene.
    """

    stored = STORED

    def __init__(self, things: Sequence[Spec] = START, seed: int = 0) -> None:
        self.seed, self.scene = seed, scene_of(things, seed)
        self.count = len(things)
        self._listeners: list[Callable[[Scene], object]] = []
        self._quiet = False
        self.rows = [_row(number) for number in range(1, MOST + 1)]
        self.remove_buttons = [_button(f"remove {n}") for n in range(1, MOST + 1)]
        self.add_button = _button("add a thing")
        self.message = widgets.HTML()
        self.picture, self.caption = widgets.HTML(), widgets.HTML()
        self._lines = [
            widgets.HBox([*row.values(), button], layout=widgets.Layout(flex_flow="row wrap"))
            for row, button in zip(self.rows, self.remove_buttons, strict=True)
        ]
        self.controls = widgets.VBox([*self._lines, self.add_button, self.message])
        shown = widgets.VBox([self.picture, self.caption])
        self.box = widgets.HBox([self.controls, shown], layout=widgets.Layout(flex_flow="row wrap"))
        self._fill(list(things))
        self._connect()

    def _connect(self) -> None:
        for row in self.rows:
            for choice in row.values():
                choice.observe(lambda _: self._update(), "value")
        for index, button in enumerate(self.remove_buttons):
            button.on_click(lambda _, index=index: self.remove(index))
        self.add_button.on_click(lambda _: self.add())

    def on_change(self, listener: Callable[[Scene], object]) -> None:
        """Calls `listener(scene)` whenever another scene is shown."""
        self._listeners.append(listener)

    def things(self) -> list[Spec]:
        """Returns (kind, colour, size, place) of each thing as chosen now, possible or not."""
        return [tuple(row[field].value for field in FIELDS) for row in self.rows[: self.count]]

    def add(self) -> None:
        """Adds a thing at the first free place, or says why there is no room."""
        things = self.things()
        if len(things) == MOST:
            self._say(f"{MOST} things are the most that a scene holds: remove one first.")
            return
        taken = [place for *_, place in things]
        free = next(place for place in PLACES if place not in taken)
        self._fill([*things, ("square", "green", "small", free)])

    def remove(self, index: int) -> None:
        """Removes a thing, the first is 0; the last one that is left stays, with a sentence."""
        things = self.things()
        if len(things) == 1:
            self._say("A scene has at least one thing: change this one instead.")
            return
        self._fill(things[:index] + things[index + 1 :])

    def _fill(self, things: list[Spec]) -> None:
        """Puts things into the rows, of which the others are hidden, and shows the scene."""
        self.count, self._quiet = len(things), True
        for row, spec in zip(self.rows, things, strict=False):
            for choice, value in zip(row.values(), spec, strict=True):
                choice.value = value
        self._quiet = False
        for number, line in enumerate(self._lines):
            line.layout.display = None if number < self.count else "none"
        self._update()

    def _update(self) -> None:
        """Draws what is chosen, or says why it cannot be.

        Nothing is set back: a person who goes through the places by arrow keys comes past one that
        is taken.
        """
        if self._quiet:
            return
        try:
            self.scene = scene_of(self.things(), self.seed)
        except ValueError as error:
            self._say(f"{error} {KEPT}")
            return
        caption = canonical_caption(self.scene)
        self._say(untrained_pairs(self.scene))
        self.picture.value = picture_html(draw_scene(self.scene), caption)
        self.caption.value = f"<b>caption:</b> {html.escape(caption)}"
        for listener in self._listeners:
            listener(self.scene)

    def _say(self, text: str) -> None:
        self.message.value = alert(text)


def _row(number: int) -> dict[str, widgets.Dropdown]:
    """Makes the four dropdowns of a thing; labels are numbered, for those who hear them."""
    return {
        field: widgets.Dropdown(
            options=names,
            description=f"{field} {number}",
            layout=widgets.Layout(width="170px" if field == "place" else "140px"),
            style={"description_width": "56px"},
        )
        for field, names in FIELDS.items()
    }


def _button(words: str) -> widgets.Button:
    return widgets.Button(description=words, layout=widgets.Layout(width="95px"))
