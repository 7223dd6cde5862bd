"""A run is asked about real pictures: prompts by its own asker, pictures as its encoder wants them.

Examples follow one another as in the data set, so all questions about an image are near each other:
its features are computed once for a batch, whatever is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from course_lib.corpora.pixels import pixels_of
from course_lib.data.chat_templates import EOS
from course_lib.data.images import ImageTransform
from course_lib.evaluation.asking import OpenedRun, check_has_language
from course_lib.evaluation.batched import write_behind
from course_lib.evaluation.benchmark_prompts import Wording
from course_lib.evaluation.benchmark_sets import Example, Split
from course_lib.training.progress import progress_bar

Pixels = Callable[[Sequence[bytes]], torch.Tensor]


@dataclass(frozen=True)
class Answers:
    """What a run said.

    Args:
        texts: one an example, in their order.
        too_long: prompts beyond the language model's context; their answer is "".
    """

    texts: list[str]
    too_long: int


def encoder_pixels(image_size: int) -> Pixels:
    """Returns how a run at `toy` sees pictures: stretched to its encoder's square."""
    transform = ImageTransform((image_size, image_size))
    return lambda files: pixels_of(files, transform)


def ask_all(
    opened: OpenedRun, split: Split, wording: Wording, pixels: Pixels, batch: int = 16
) -> Answers:
    """Asks about every example, greedily.

    Args:
        opened: a run with a language model.
        split: whose examples are asked about.
        wording: in which words.
        pixels: makes pixel values (n, 3, height, width) of the bytes of n picture files.
        batch: examples at a time.

    Raises:
        ValueError: for a run of stage 1, or a picture that cannot be read.
    """
    check_has_language(opened)
    said: list[str] = []
    too_long = 0
    with progress_bar(f"{split.set.name} {split.name}", len(split.examples)) as advance:
        for start in range(0, len(split.examples), batch):
            part = split.examples[start : start + batch]
            texts = _ask(opened, split, part, wording, pixels)
            said += [text or "" for text in texts]
            too_long += texts.count(None)
            advance(len(part))
    return Answers(said, too_long)


def _ask(
    opened: OpenedRun, split: Split, part: Sequence[Example], wording: Wording, pixels: Pixels
) -> list[str | None]:
    """Returns an answer to each example of a batch, None where its prompt is too long."""
    model, limit = opened.model, opened.model.language.max_positions
    words = [_words(example, wording) for example in part]
    prompts = [
        opened.asker.ids_of(text, int(example.has_image))
        for text, example in zip(words, part, strict=True)
    ]
    fits = [i for i, ids in enumerate(prompts) if limit is None or len(ids) < limit]
    shown = [part[i] for i in fits]
    features, place = _features(model, split, shown, pixels)

    def images(places: list[int]) -> dict[str, torch.Tensor]:
        rows = [place[shown[i].row] for i in places if shown[i].has_image]
        return {"image_features": features[rows]} if rows else {}

    asked = [prompts[i] for i in fits]
    written = write_behind(model, opened.tokenizer, asked, images, wording.longest) if fits else []
    found: list[str | None] = [None] * len(part)
    for index, ids in zip(fits, written, strict=True):
        text = opened.tokenizer.decode(ids, skip_special_tokens=True)
        found[index] = _ended(opened, text)
    return found


def _words(example: Example, wording: Wording) -> str:
    return wording.about(example.question, example.choices, example.told.get("hint", ""))


@torch.no_grad()
def _features(
    model: torch.nn.Module, split: Split, shown: Sequence[Example], pixels: Pixels
) -> tuple[torch.Tensor | None, dict[int, int]]:
    """Encodes each picture of a batch once: (features (images, N, E), row → its place)."""
    rows = list(dict.fromkeys(example.row for example in shown if example.has_image))
    if not rows:
        return None, {}
    weight = next(model.vpg.encoder.parameters())
    values = pixels([split.picture(row) for row in rows]).to(weight)
    return model.vpg.encoder(values), {row: place for place, row in enumerate(rows)}


def _ended(opened: OpenedRun, text: str) -> str:
    """Cuts an answer where its format ends it: a chat's stop, a newline for all others.

    BLIP-2's OPT ends captions with a newline, which is its end token (LAVIS blip2_opt.py).
    """
    template = getattr(opened.asker, "template", None)
    stop = "\n" if template is None else template.stop
    return (text if stop == EOS else text.split(stop)[0]).strip()
