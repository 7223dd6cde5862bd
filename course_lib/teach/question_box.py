"""Where a person asks about a picture: choose or draw one, choose or type a question, ask."""

from __future__ import annotations

import asyncio
import threading
import time

import ipywidgets as widgets

from course_lib.data.toy import ToyScenes
from course_lib.teach.chat_picture import PictureChooser
from course_lib.teach.shown_box import ShownBox

# Seconds without a change after which a text is whole. A page holds letters back while the kernel
# works, but neither Enter nor a click, and a kernel with subshells hears both before the letters.
QUIET = 0.5


class QuestionBox(ShownBox):
    """The half of a widget that asks; what answers it overrides `ask` and `clear`.

    A button asks, and Enter in the text box; the kernel may be busy when either is pressed. Each
    picture brings its own examples.

    Args:
        data: the held-out scenes to ask about.
        row: the scene that is shown first.
        button: what stands on the button.
    """

    def __init__(self, data: ToyScenes, row: int, button: str) -> None:
        wide = widgets.Layout(width="auto")
        self.examples = widgets.Dropdown(description="examples", layout=wide)
        self.question = widgets.Text(
            description="question", placeholder="type one, or choose an example", layout=wide
        )
        self._changed = 0.0  # when the text changed, or Enter was pressed
        self._asking = threading.Lock()  # of two subshells, one asks
        self.ask_button = widgets.Button(description=button, button_style="primary")
        self.blind = widgets.Checkbox(description="without the picture", indent=False)
        self.blind.layout.width = "auto"
        self.chooser = PictureChooser(data, row)

    def connect(self) -> None:
        """Lets what a person does have its effect, and shows the first picture's examples."""
        self.chooser.on_change(self._show_picture)
        self.ask_button.on_click(lambda _: self._ask_when_quiet())
        self.examples.observe(self._take_example, "value")
        self.question.on_msg(self._on_message)
        self.question.observe(self._note_change, "value")
        self._show_picture()

    def ask(self) -> None:
        """Asks what stands in the text box."""
        raise NotImplementedError

    def clear(self) -> None:
        """Takes away what belongs to the last picture."""
        raise NotImplementedError

    def beside_picture(self, talk: list[widgets.Widget]) -> widgets.HBox:
        """Returns the picture with widgets to its right."""
        fixed = widgets.Layout(flex="0 0 auto", width="320px")
        rest = widgets.Layout(flex="1", min_width="0")
        shown = widgets.VBox([self.chooser.shown], layout=fixed)
        return widgets.HBox([shown, widgets.VBox(talk, layout=rest)])

    def _take_example(self, change: dict) -> None:
        if change["new"]:
            self.question.value = change["new"]
            self.examples.value = ""  # so that the same example can be chosen again

    def _on_message(self, _widget: widgets.Text, content: dict, _buffers: list) -> None:
        """Asks when Enter is pressed: the text box then sends "submit"."""
        if content.get("event") == "submit":
            self._note_change()
            self._ask_when_quiet()

    def _note_change(self, _change: dict | None = None) -> None:
        self._changed = time.monotonic()

    def _ask_when_quiet(self) -> None:
        """Asks once the text is whole and nothing else is asked; at once where no kernel runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.ask()
            return
        quiet = time.monotonic() - self._changed >= QUIET
        if not quiet or not self._asking.acquire(blocking=False):
            loop.call_later(QUIET / 5, self._ask_when_quiet)
            return
        try:
            self.ask()
        finally:
            self._asking.release()

    def _show_picture(self) -> None:
        texts = self.chooser.current.examples
        self.examples.options = [("choose one", ""), *((text, text) for text in texts)]
        self.examples.value = ""  # new options leave nothing chosen, an empty box
        self.clear()
