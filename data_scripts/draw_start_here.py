"""Draws what notebook 00 shows: images/map.svg, the map of the course, and images/scene.png.

    python data_scripts/draw_start_here.py

A notebook that is not written yet is grey and dashed on the map: run this again when one is added.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from course_lib.teach.svg import HERE, LATER, PLAIN, box, document, text, written
from course_lib.world.draw import draw_scene
from course_lib.world.scene import sample_scenes

NOTEBOOKS = Path("notebooks")
SCENE_SEED, SCENE_ROW = 46, 2
WIDTH, HEIGHT = 940, 424
# Left edge and width of each part of the sentence; the first column names the paper.
COLUMNS = ((12, 132), (152, 78), (242, 122), (376, 160), (548, 128), (688, 116), (816, 112))
SENTENCE = ("image", "image encoder", "head", "projector", "fusion", "language model")
PAPERS = (
    (("03", "04"), "BLIP-2", ("Q-Former, 32 queries", "linear", "splice", "frozen")),
    (("05",), "Flamingo", ("resampler, 64 latents", "none", "gated attention", "frozen")),
    (("06", "07"), "LLaVA", ("none: the patches", "linear or MLP", "splice", "tuned")),
    (("08",), "MiniGPT-4", ("BLIP-2's Q-Former", "linear", "splice", "frozen")),
    (("09",), "mPLUG-Owl", ("abstractor, 64 queries", "linear", "splice", "LoRA")),
    (("10",), "VPGTrans", ("from another model", "converter, merged", "splice", "frozen")),
)
OTHERS = (
    ("00", "start here"),
    ("01", "image encoders"),
    ("02", "language models"),
    ("11", "side by side"),
    ("12", "to the A100"),
)


def sentence() -> list[str]:
    """Returns the top row: image → encoder → head → projector → fusion → language model."""
    parts = []
    for words, (x, width) in zip(SENTENCE, COLUMNS[1:], strict=True):
        parts.append(box(x, 48, width, 40, [words], PLAIN))
        if words != "language model":
            parts.append(f'<path d="M{x + width} 68h9m-4 -4l4 4l-4 4" fill="none" stroke="#222"/>')
    left, (x, width) = COLUMNS[2][0], COLUMNS[3]
    parts.append(f'<path d="M{left} 42v-8H{x + width}v8" fill="none" stroke="#222222"/>')
    middle = (left + x + width) / 2
    parts.append(text(middle, 26, "VPG, the visual prompt generator", "#222222"))
    return parts


def paper_rows(there: set[str]) -> list[str]:
    """Returns a row a paper: its notebooks, its name, and its word for each part that differs."""
    parts = []
    for index, (numbers, name, words) in enumerate(PAPERS):
        y = 100 + 42 * index
        style = HERE if there & set(numbers) else LATER
        left, width = COLUMNS[0]
        for number in numbers:
            parts.append(box(left, y, 26, 36, [number], HERE if number in there else LATER))
            left, width = left + 29, width - 29
        parts.append(box(left, y, width, 36, [name], style))
        for column, word in zip((3, 4, 5, 6), words, strict=True):
            parts.append(box(*_at(column, y), 36, [word], style))
    return parts


def _at(column: int, y: int) -> tuple[int, int, int]:
    x, width = COLUMNS[column]
    return x, y, width


def draw_map(there: set[str]) -> str:
    """Returns the map as SVG.

    Args:
        there: numbers of the notebooks that are written; all others are grey and dashed.
    """
    parts = [*sentence(), *paper_rows(there)]
    x = COLUMNS[1][0]
    wide = COLUMNS[2][0] + COLUMNS[2][1] - x
    words = ["the same for all six:", "toy scenes, a CLIP encoder"]
    parts.append(box(x, 100, wide, 246, words, PLAIN))
    each = (WIDTH - 24 - 4 * 12) // 5
    for index, (number, name) in enumerate(OTHERS):
        style = HERE if number in there else LATER
        parts.append(box(12 + index * (each + 12), 358, each, 30, [f"{number}  {name}"], style))
    key = "blue: here · grey and dashed: not written yet · numbers are those of the papers"
    parts.append(text(WIDTH / 2, 410, key, "#444444"))
    listed = ", ".join(sorted(there)) or "none"
    title = "The map of the course: image, encoder, head, projector, fusion, language model"
    about = f"Six papers, a row each; notebooks written so far: {listed}."
    return document(WIDTH, HEIGHT, title, about, parts)


def main() -> None:
    """Draws both pictures where notebook 00 looks for them."""
    images = NOTEBOOKS / "images"
    images.mkdir(parents=True, exist_ok=True)
    (images / "map.svg").write_text(draw_map(written(NOTEBOOKS)), encoding="utf-8")
    scene = sample_scenes(SCENE_ROW + 1, SCENE_SEED, "test")[SCENE_ROW]
    Image.fromarray(draw_scene(scene)).save(images / "scene.png")
    print(images / "map.svg", images / "scene.png")


if __name__ == "__main__":
    main()
