"""One question about one picture, answered by a run."""

from __future__ import annotations

from pathlib import Path

from course_lib.commands.runs import open_run
from course_lib.data.images import load_image, to_pixel_values
from course_lib.evaluation.asking import answer_to
from course_lib.evaluation.unlike import unlike_notes
from course_lib.world.scene import IMAGE_SIZE


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
    return {"answer": answer, "notes": [*notes, *unlike_notes(opened.encoder, pixel_values)]}
