"""Draws notebooks/images/answers.png: the zoo's BLIP-2 answers about two held-out scenes.

python data_scripts/draw_readme_picture.py

The scenes are the first two of their list that hold three things, so that nobody chose the answers.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from course_lib.commands.blip2 import open_run
from course_lib.data.toy import ToyScenes
from course_lib.teach.chat_figure import draw_answers, known_questions

TARGET = Path("notebooks") / "images" / "answers.png"
RUN, SEED = "blip2-opt", 2024


def main() -> None:
    """Draws the picture where the README looks for it."""
    opened = open_run(RUN)
    data = ToyScenes(40, SEED, "test", opened.encoder)
    rows = [row for row, scene in enumerate(data.scenes) if len(scene.things) == 3][:2]
    asked = [(row, question) for row in rows for question in known_questions(data.scenes[row])[:6]]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    draw_answers(opened, data, asked).savefig(TARGET, dpi=110)
    print(TARGET)


if __name__ == "__main__":
    main()
