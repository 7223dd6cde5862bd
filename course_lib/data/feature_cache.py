"""A frozen encoder sees each picture once: its features wait in a memory-mapped file.

What is kept is what the encoder gives BEFORE `ln_vision`, which trains with the head. A file is
named by a hash of everything that decides its content: the encoder's weights, the layer, the
transform, the pictures and the number type. It gets that name only when it is complete.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from course_lib.errors import atomic_path
from course_lib.training.progress import progress_bar


class Features:
    """The features of a set of pictures, read from the disk when they are asked for."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(pictures, N, E)."""
        return self._rows.shape

    def __getitem__(self, index: int | slice | Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Returns float32 copies: (N, E) for a number, (n, N, E) for a slice or list of numbers."""
        if isinstance(index, torch.Tensor):
            index = index.tolist()
        return torch.from_numpy(np.array(self._rows[index], dtype=np.float32))


class FeatureCache:
    """Features of frozen encoders on the disk.

    Args:
        directory: where the files are; created when first needed.
        fingerprint: of the encoder's weights and class (`VisionEncoder.fingerprint()`).
        layer: which of its layers.
        transform: what turned pictures into pixel values: `ImageTransform.key`, or any object with
            a `key`, or a text.
        augment: whether pictures are changed at random before they are encoded.
        dtype: "float32", equal to not caching, or "float16", half the size and about 3 digits.

    Raises:
        ValueError: with augmentation, where each look at a picture has features of its own.
    """

    def __init__(
        self,
        directory: str | Path,
        fingerprint: str,
        layer: int,
        transform: object,
        *,
        augment: bool = False,
        dtype: str = "float32",
    ) -> None:
        if augment:
            raise ValueError(
                "The feature cache cannot hold augmented pictures, which differ every time: switch "
                "augmentation off, or train without the cache."
            )
        if dtype not in ("float16", "float32"):
            raise ValueError(f"The feature cache keeps float32 or float16, not {dtype!r}.")
        self.directory = Path(directory)
        self.dtype = np.dtype(dtype)
        self._key = [fingerprint, layer, str(getattr(transform, "key", transform)), dtype]

    def path(self, ids: Sequence[str | int]) -> Path:
        """Returns the file that holds, or would hold, features of these pictures in this order."""
        text = json.dumps([*self._key, [str(name) for name in ids]])
        return self.directory / f"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.npy"

    @torch.no_grad()
    def get_or_compute(
        self,
        ids: Sequence[str | int],
        compute: Callable[[list[int]], torch.Tensor],
        *,
        batch_size: int = 64,
        progress: bool = True,
    ) -> Features:
        """Returns the features of pictures; computes them when no complete file has them.

        Args:
            ids: a name for each picture; it has to change when the picture changes (`image_ids`).
            compute: given positions in `ids`, returns the features (n, N, E) of those pictures.
            batch_size: how many positions `compute` is given at once.
            progress: shows a bar while computing, in terminals.

        Returns:
            `Features`, indexed by position in `ids`.

        Raises:
            ValueError: for no pictures, or features of another count or shape than asked for.
            OSError: when the disk is full; no file is left.
        """
        if len(ids) == 0:
            raise ValueError("There are no pictures to compute features of: ids is empty.")
        path = self.path(ids)
        rows = self._open(path, len(ids))
        if rows is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                self._write(temporary, len(ids), compute, batch_size, progress)
            rows = self._open(path, len(ids))
        return Features(rows)

    def _open(self, path: Path, count: int) -> np.ndarray | None:
        """Maps a complete file; one that was cut short later on is as good as none."""
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return rows if len(rows) == count and rows.dtype == self.dtype else None

    def _write(
        self, path: Path, count: int, compute: Callable, batch_size: int, progress: bool
    ) -> None:
        # Plain writes: on a full disk they raise, where writing through a memory map kills.
        with open(path, "wb") as file, progress_bar("features", count, progress) as advance:
            shape: tuple[int, ...] = ()
            for start in range(0, count, batch_size):
                positions = list(range(start, min(start + batch_size, count)))
                features = compute(positions).detach().cpu().numpy().astype(self.dtype)
                shape = shape or features.shape[1:]
                if features.shape != (len(positions), *shape):
                    raise ValueError(
                        f"compute() was asked for {len(positions)} pictures of shape {shape} and "
                        f"gave {features.shape}: it has to return one row for each position."
                    )
                if start == 0:
                    header = {"descr": self.dtype.str, "fortran_order": False}
                    np.lib.format.write_array_header_1_0(file, {**header, "shape": (count, *shape)})
                file.write(np.ascontiguousarray(features).tobytes())
                advance(len(positions))
            file.flush()
            os.fsync(file.fileno())


def image_ids(images: Sequence[Image.Image | np.ndarray]) -> list[str]:
    """Names each picture by its content (a hash of shape and pixels), for the feature cache."""
    arrays = (np.ascontiguousarray(image) for image in images)
    return [
        hashlib.blake2b(f"{a.shape}{a.dtype}".encode() + a.tobytes(), digest_size=12).hexdigest()
        for a in arrays
    ]
