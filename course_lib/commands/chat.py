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
# Toy scenes reach 0.73 at most (160 measured), two photographs 0.96 and 1.45, noise, flat bright
# colours and gradients 1.26 and more. An empty dark picture (0.52) counts as toy ground.
FAR = 0.85


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
    """Measures how far the patches of a picture lie from patches of toy scenes.

    Returns:
        Mean over the picture's features of the distance to the nearest feature of 128 toy scenes,
        as the root mean square over dimensions in deviations: about 0.6 for a toy scene.
    """
    scenes = draw_scenes(sample_scenes(128, 3, "train"))
    known = opened.encoder(to_pixel_values(list(scenes), IMAGE_SIZE)).flatten(0, 1)
    mean, deviation = known.mean(0), known.std(0) + 1e-6
    features = (opened.encoder(pixel_values)[0] - mean) / deviation
    nearest = torch.cdist(features, (known - mean) / deviation).amin(1)
    return float(nearest.mean() / known.shape[1] ** 0.5)
