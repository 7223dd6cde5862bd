"""Decode and transform: pictures from an Arrow shard to pixel values, against the usual pipeline.

    OMP_NUM_THREADS=1 python benchmarks/data_throughput.py            # a table
    OMP_NUM_THREADS=1 python benchmarks/data_throughput.py --json     # one JSON object

Both sides read the same shard, which the course's own writer made: 32 JPEG files of 640 x 480
pixels. The reference is `datasets` with its `Image` column and a transformers image processor as
transform; our ways are those of `course_lib/corpora/pixels.py`. Times are milliseconds of CPU time
for one picture; before anything is timed, the pixel values are compared. How time is taken:
`_timing.py`.
"""

import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _timing import Row, alternate, rows_of, run
from datasets import Image as ImageColumn
from PIL import Image
from sklearn.datasets import load_sample_images
from transformers import BlipImageProcessor, CLIPImageProcessor

from course_lib.corpora.corpus import Split, write_corpus
from course_lib.corpora.pixels import CLOSE, EXACT, SOFT, WAYS, pixels_of
from course_lib.corpora.reading import open_corpus
from course_lib.corpora.rows import Row as CorpusRow
from course_lib.corpora.shards import Settings
from course_lib.data.images import CLIP_STD, ImageTransform
from course_lib.downloads.remote import Card

COUNT, SIDE = 32, 224
LIMIT = 1 / 1.5


def photographs() -> list[bytes]:
    """Cuts pieces out of scikit-learn's two photographs; returns JPEG files of 640 x 480."""
    photos = [Image.fromarray(image) for image in load_sample_images().images]
    draw = np.random.default_rng(0)
    files = []
    for number in range(COUNT):
        photo = photos[number % 2]
        left, top = (int(draw.integers(0, edge // 4)) for edge in photo.size)
        piece = photo.crop((left, top, left + photo.width * 3 // 4, top + photo.height * 3 // 4))
        size = (480, 640) if number % 4 == 3 else (640, 480)
        stream = io.BytesIO()
        piece.resize(size, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=92)
        files.append(stream.getvalue())
    return files


def shard(folder: Path):
    """Writes the photographs as one shard and opens it."""
    files = {f"{number}.jpg": data for number, data in enumerate(photographs())}
    split = Split("train", lambda: [CorpusRow(name, name) for name in files], files.__getitem__)
    write_corpus(Card("bench", "", "", ""), [split], folder, "rows", Settings())
    return open_corpus(folder / "rows", "train")


def sides(rows, crop: bool) -> tuple[Callable, dict[str, Callable]]:
    """Returns what the reference does, and each way of ours."""
    if crop:
        size = {"shortest_edge": SIDE}
        processor = CLIPImageProcessor(size=size, crop_size={"height": SIDE, "width": SIDE})
    else:
        processor = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    usual = rows.with_transform(lambda batch: processor(images=batch["image"], return_tensors="pt"))
    raw = rows.cast_column("image", ImageColumn(decode=False))
    transform = ImageTransform((SIDE, SIDE), center_crop=crop)

    def ours(way: str) -> torch.Tensor:
        return pixels_of([image["bytes"] for image in raw[:COUNT]["image"]], transform, way)

    return lambda: usual[:COUNT]["pixel_values"], {way: partial(ours, way) for way in WAYS}


def throughput(repeats: int, crop: bool) -> list[Row]:
    """Compares the pixel values, then times the three."""
    name = "CLIP, centre crop" if crop else "BLIP-2, stretched"
    with tempfile.TemporaryDirectory() as folder:
        reference, ways = sides(shard(Path(folder)).select_columns("image"), crop)
        check(reference(), {way: work() for way, work in ways.items()})
        works = {f"{name}: {way}": work for way, work in ways.items()}
        times = alternate({"reference": reference, **works}, repeats)
    times = {work: [t / COUNT for t in values] for work, values in times.items()}
    return rows_of(times, {f"{name}: {CLOSE}": LIMIT})


def check(wanted: torch.Tensor, found: dict[str, torch.Tensor]) -> None:
    """Refuses to time what gives other pictures: equal, one level off, a little softer."""
    level = 1 / 255 / min(CLIP_STD)
    far = {way: (values - wanted).abs() for way, values in found.items()}
    good = far[EXACT].max() <= 1e-5 and far[CLOSE].max() <= 1.01 * level
    if not good or far[CLOSE].mean() > level / 20 or far[SOFT].mean() > 5 * level:
        raise RuntimeError("The two sides give different pixel values: nothing was timed.")


def clip(repeats: int) -> list[Row]:
    """CLIP's transform."""
    return throughput(repeats, crop=True)


def blip2(repeats: int) -> list[Row]:
    """BLIP-2's transform."""
    return throughput(repeats, crop=False)


if __name__ == "__main__":
    run(__doc__.splitlines()[0], (clip, blip2))
