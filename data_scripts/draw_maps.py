"""Draws images/map_01.svg to map_12.svg: the sentence of the course, a notebook's parts lit.

    python data_scripts/draw_maps.py

Prints for each map the Markdown line that shows it, alt text included. Run it again when a notebook
is added, since one that is not written yet is grey and dashed.
"""

from __future__ import annotations

from pathlib import Path

from course_lib.teach.architecture import (
    FROZEN,
    PARTS,
    TRAINS,
    USED,
    Lit,
    alt_text,
    draw_architecture,
)
from course_lib.teach.svg import written

NOTEBOOKS = Path("notebooks")
_HERE = Lit(USED)
_ENCODER = Lit(FROZEN)
_QFORMER = Lit(TRAINS, ("Q-Former,", "16 queries"))
MAPS = {
    "01": {"image": _HERE, "encoder": Lit(TRAINS), "contrast": _HERE},
    "02": {
        # Vectors found by gradient stand where the projector's output will: no image is needed.
        "projector": Lit(TRAINS, ("soft prompt",)),
        "fusion": _HERE,
        "words": _HERE,
        "language": Lit(FROZEN),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "03": {
        "image": _HERE,
        "encoder": _ENCODER,
        "head": _QFORMER,
        "captions": _HERE,
        "stage1": _HERE,
    },
    "04": {
        "image": _HERE,
        "encoder": _ENCODER,
        "head": _QFORMER,
        "tokens": Lit(USED, ("16 visual", "tokens")),
        "projector": Lit(TRAINS),
        "fusion": _HERE,
        "words": _HERE,
        "language": Lit(FROZEN),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "05": {
        "image": _HERE,
        "encoder": _ENCODER,
        "head": Lit(TRAINS, ("resampler,", "16 latents")),
        "tokens": Lit(USED, ("16 visual", "tokens")),
        "fusion": Lit(TRAINS, ("gated", "layers")),
        "words": Lit(USED, ("documents",)),
        "language": Lit(FROZEN),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "06": {
        "image": _HERE,
        "captions": Lit(USED, ("captions,", "boxes")),
        "words": Lit(USED, ("questions",)),
        "answer": Lit(USED, ("answers",)),
    },
    "07": {
        "image": _HERE,
        "encoder": _ENCODER,
        "tokens": Lit(USED, ("36 patches",)),
        "projector": Lit(TRAINS),
        "fusion": _HERE,
        "words": Lit(USED, ("questions",)),
        "language": Lit(TRAINS),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "08": {
        "image": _HERE,
        "encoder": _ENCODER,
        "head": Lit(FROZEN, ("Q-Former,", "16 queries")),
        "tokens": Lit(USED, ("16 visual", "tokens")),
        "projector": Lit(TRAINS),
        "fusion": _HERE,
        "words": Lit(USED, ("wishes",)),
        "language": Lit(FROZEN),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "09": {
        "image": _HERE,
        "encoder": Lit(TRAINS),
        "head": Lit(TRAINS, ("abstractor,", "16 queries")),
        "tokens": Lit(USED, ("16 visual", "tokens")),
        "projector": Lit(TRAINS, ("projector,", "end token")),
        "fusion": _HERE,
        "words": Lit(USED, ("captions,", "questions")),
        "language": Lit(TRAINS, ("LoRA of the", "language model")),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "10": {
        "image": _HERE,
        "encoder": _ENCODER,
        "head": Lit(TRAINS, ("Q-Former of", "another model")),
        "tokens": Lit(USED, ("16 visual", "tokens")),
        "projector": Lit(TRAINS, ("its projector,", "converted")),
        "fusion": _HERE,
        "words": _HERE,
        "language": Lit(FROZEN, ("new language", "model")),
        "answer": _HERE,
        "next_word": _HERE,
    },
    "11": dict.fromkeys(PARTS, _HERE),  # all six fill it, each in its way
    "12": dict.fromkeys(PARTS, _HERE),  # all of it, larger
}


def file_name(number: str) -> str:
    """Returns the name of a notebook's map, such as "map_03.svg"."""
    return f"map_{number}.svg"


def draw_maps(there: set[str]) -> dict[str, str]:
    """Returns all maps: file name to SVG.

    Args:
        there: numbers of the notebooks that are written.
    """
    return {file_name(n): draw_architecture(n, lit, there) for n, lit in MAPS.items()}


def markdown_line(number: str) -> str:
    """Returns the line of a notebook that shows its map."""
    return f"![{alt_text(number, MAPS[number])}](images/{file_name(number)})"


def main() -> None:
    """Draws the maps where the notebooks look for them, and prints the lines to use."""
    images = NOTEBOOKS / "images"
    images.mkdir(parents=True, exist_ok=True)
    for name, drawn in draw_maps(written(NOTEBOOKS)).items():
        (images / name).write_text(drawn, encoding="utf-8", newline="\n")
    for number in MAPS:
        print(markdown_line(number), end="\n\n")


if __name__ == "__main__":
    main()
