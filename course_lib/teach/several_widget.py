"""Questions about several pictures and about clips, one after the other, as a widget.

It is made of plain ipywidgets, so that a test can click it, and what it leaves in a stored notebook
is one line. `several_figure` draws on paper what it shows.
"""

from __future__ import annotations

import io

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np

from course_lib.evaluation.joint import JointAsker
from course_lib.instructions.toy_several import MOST_PICTURES
from course_lib.teach.picture_png import img_of
from course_lib.teach.several_figure import CLIP, draw_question, draw_several
from course_lib.teach.shown_box import ShownBox, alert
from course_lib.world.documents import ORDINALS
from course_lib.world.language import canonical_caption

STORED = "Questions about several pictures: run this cell in JupyterLab. On paper, see the figure."


class SeveralWidget(ShownBox):
    """Asks about two, three or four held-out pictures, or a clip, and shows what was read.

    Let a cell end with it.

    Args:
        asker: the run, with held-out scenes and clips.
        head: block and head whose shares are shown, see `draw_several`.
        seed: of the questions.
    """

    stored = STORED

    def __init__(
        self, asker: JointAsker, head: tuple[int, int] | None = None, seed: int = 0
    ) -> None:
        self.asker, self.head, self.rng = asker, head, np.random.default_rng(seed)
        counts = [(f"{count} pictures", count) for count in range(2, MOST_PICTURES + 1)]
        clips = [("a clip", CLIP)] if asker.data.clips else []
        self.count = widgets.Dropdown(description="ask about", options=[*counts, *clips])
        self.button = widgets.Button(description="ask another", button_style="primary")
        self.view = widgets.HTML()
        self.box = widgets.VBox([widgets.HBox([self.count, self.button]), self.view])
        self.button.on_click(lambda _: self.ask())
        self.count.observe(lambda _: self.ask(), "value")
        self.ask()

    def ask(self) -> None:
        """Draws a question and shows it; a fault is a sentence."""
        try:
            asked = draw_question(self.asker.data, self.count.value, self.rng)
            figure = draw_several(self.asker, [asked], self.head)
            words = [text.get_text() for text in figure.axes[0].texts]
            for name, row in zip(ORDINALS, asked.rows, strict=False):
                words.append(f"{name}: {canonical_caption(self.asker.data.scenes[row])}")
            stream = io.BytesIO()
            figure.savefig(stream, format="png")
            plt.close(figure)  # a notebook would show it once more below its next cell
            self.view.value = img_of(stream.getvalue(), " ".join(" ".join(words).split()))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            self.view.value = alert(f"The question cannot be asked. {said}")
