"""One question about one picture, answered by a run."""

from __future__ import annotations

from pathlib import Path

import torch

from course_lib.commands.blip2 import Opened, open_run
from course_lib.data.images import load_image, to_pixel_values
from course_lib.evaluation.asking import answer_to
from course_lib.world.draw import draw_scenes
from course_lib.world.scene import IMAGE_SIZE, sample_scenes

UNLIKE = "This picture is unlike the toy world: the toy model knows toy scenes only."
# Toy scenes reach 1.1 at most (60 measured), noise, flat colours and gradients 1.4 and more.
FAR = 1.25


def reply(run: str, image: str | Path, prompt: str, max_new_tokens: int = 48) -> dict:
    """Answers a prompt about an image file.

    Args:
        run: run directory or zoo name of a stage-2 run.
        image: path of a picture.
        prompt: what a person typed; it becomes "question: … answer:" where it is a question, and
            "describe" alone gives the caption.
        max_new_tokens: most words of the answer.

    Returns:
        {answer, notes}: notes say which words the model does not know, and whether the picture is
        unlike what it was trained on.

    Raises:
        ValueError: for a picture that is refused, an empty prompt, one beyond the context, or a run
            without a language model.
    """
    picture = load_image(image)
    opened = open_run(run)
    pixel_values = to_pixel_values([picture], IMAGE_SIZE)
    answer, notes = answer_to(opened, pixel_values, prompt, max_new_tokens)
    if distance(opened, pixel_values) > FAR:
        notes.append(UNLIKE)
    return {"answer": answer, "notes": notes}


@torch.no_grad()
def distance(opened: Opened, pixel_values: torch.Tensor) -> float:
    """Measures how far a picture's features lie from toy scenes.

    Returns:
        Mean distance of each feature from its mean over 128 toy scenes, in deviations, divided by
        the largest such number among these scenes: about 0.8 for a toy scene, more for others.
    """
    scenes = draw_scenes(sample_scenes(128, 3, "train"))
    known = opened.encoder(to_pixel_values(list(scenes), IMAGE_SIZE))
    mean, deviation = known.mean(0), known.std(0) + 1e-6
    far = ((known - mean) / deviation).abs().mean((1, 2)).max()
    return float(((opened.encoder(pixel_values)[0] - mean) / deviation).abs().mean() / far)
