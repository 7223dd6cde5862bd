"""What mPLUG-Owl's released classes gave on small random weights, stored as data in tests/golden.

transformers does not contain this model, so these outputs are what a notebook compares with; see
tests/golden/README.md. Letters: B images, Q queries, N image tokens, E width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from course_lib.errors import unknown_name_error

_GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
ABSTRACTOR = _GOLDEN / "mplug_owl_abstractor.npz"
_INSIDE = ".crossattention."


@dataclass(frozen=True)
class Released:
    """One abstractor of the released code.

    Args:
        layers: of each layer its tensors by the rest of their official names, "norm1.weight".
        queries: (B, Q, E), each image its own.
        image: (B, N, E), after the encoder's final norm.
        output: (B, Q, E), of `MplugOwlVisualAbstractorEncoder`.
        heads: of its attention.
    """

    layers: list[dict[str, torch.Tensor]]
    queries: torch.Tensor
    image: torch.Tensor
    output: torch.Tensor
    heads: int


def released_abstractor(case: str, path: Path = ABSTRACTOR) -> Released:
    """Reads a stored case, in float64: the stored float32 outputs have rounding of their own.

    Args:
        case: "a", "b" or "c", which differ in width, depth, heads and the FFN's width.
        path: the file.

    Raises:
        ValueError: for an unknown case, or where the file is missing.
    """
    if not path.is_file():
        raise ValueError(
            f"{path.name} is not in {path.parent.name}/ of the course's folder: get the course as "
            "a whole, tests included."
        )
    with np.load(path) as stored:
        known = sorted({name.split("/")[0] for name in stored.files})
        if case not in known:
            raise unknown_name_error("stored case", case, known)
        start = f"{case}/"
        arrays = {k.removeprefix(start): stored[k] for k in stored.files if k.startswith(start)}
    _, depth, heads, _ = arrays["config"].tolist()
    layers: list[dict[str, torch.Tensor]] = [{} for _ in range(depth)]
    for name, value in arrays.items():
        if _INSIDE in name:
            place, short = name.split(_INSIDE)
            layers[int(place.rpartition(".")[2])][short] = torch.from_numpy(value).double()
    names = ("query_tokens", "image_features", "output")
    queries, image, output = (torch.from_numpy(arrays[name]).double() for name in names)
    return Released(layers, queries, image, output, heads)
