"""Image encoders: the patch features of a chosen layer, and not one block more than that needs.

Letters: B images, N patches, E vision width.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

_CLASSES = {
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "blip_2_vision_model": "Blip2VisionModel",
}


class VisionEncoder(nn.Module):
    """Wraps a `CLIPVisionModel` or `Blip2VisionModel` and stops after the layer that is wanted.

    BLIP-2 (section 3.4) and LLaVA read the second-last layer: the last one is shaped for CLIP's
    own objective. Features are those before any final norm: the norm on them (`ln_vision`) trains
    with the head and lives there.

    Args:
        model: the transformers model; it is kept, not copied.
        layer: as an index into transformers' `hidden_states`: -1 = after all blocks, -2 = before
            the last one.
        drop_cls: leaves out the class token, as LLaVA does.

    Raises:
        ValueError: for another class, or a layer that the model does not have.
    """

    def __init__(self, model: nn.Module, layer: int = -2, drop_cls: bool = False) -> None:
        super().__init__()
        if type(model).__name__ not in _CLASSES.values():
            raise ValueError(
                f"{type(model).__name__} is no image encoder known here: use CLIPVisionModel or "
                "Blip2VisionModel."
            )
        self.model, self.layer, self.drop_cls = model, layer, drop_cls
        # transformers 4 keeps CLIP's parts one level deeper.
        self._parts = [getattr(model, "vision_model", model)]
        blocks = len(self._parts[0].encoder.layers)
        if not -blocks - 1 <= layer <= blocks:
            raise ValueError(
                f"layer={layer} does not exist: an encoder of {blocks} blocks has the layers "
                f"{-blocks - 1} to {blocks}, where -1 is the output of the last block."
            )
        self._depth = layer % (blocks + 1)

    @property
    def config(self):
        """The configuration of the transformers model."""
        return self.model.config

    @property
    def hidden_size(self) -> int:
        """E."""
        return self.config.hidden_size

    @property
    def image_size(self) -> int:
        """Height and width of the images, in pixels."""
        return self.config.image_size

    @property
    def num_tokens(self) -> int:
        """Features of one image: the patches, and the class token unless it is dropped."""
        patches = (self.config.image_size // self.config.patch_size) ** 2
        return patches if self.drop_cls else patches + 1

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Encodes images.

        Args:
            pixel_values: (B, 3, image_size, image_size), normalised.

        Returns:
            (B, N + 1, E), or (B, N, E) without the class token.

        Raises:
            ValueError: for images of another size.
        """
        size = self.image_size
        if pixel_values.dim() != 4 or pixel_values.shape[1:] != (3, size, size):
            raise ValueError(
                f"pixel_values have the shape {tuple(pixel_values.shape)}, the encoder takes "
                f"(images, 3, {size}, {size}): resize the images to {size} pixels."
            )
        parts = self._parts[0]
        hidden = parts.embeddings(pixel_values)
        clip = hasattr(parts, "pre_layrnorm")
        if clip:
            hidden = parts.pre_layrnorm(hidden)
        for block in parts.encoder.layers[: self._depth]:
            out = block(hidden, attention_mask=None) if clip else block(hidden)
            hidden = out[0] if isinstance(out, tuple) else out
        return hidden[:, 1:] if self.drop_cls else hidden

    def fingerprint(self) -> str:
        """Hashes all that decides the features: class, layer, activation, weights bit by bit.

        Returns:
            A SHA-256 in hexadecimal; equal fingerprints give equal features.
        """
        keys = ("hidden_act", "num_attention_heads", "layer_norm_eps", "patch_size")
        settings = [getattr(self.config, key, None) for key in keys]
        name = type(self.model).__name__
        digest = hashlib.sha256(f"{name} {self._depth} {self.drop_cls} {settings}".encode())
        for key, tensor in self.model.state_dict().items():
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)};".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def load_vision(
    name_or_dir: str | Path,
    layer: int = -2,
    drop_cls: bool = False,
    dtype: torch.dtype = torch.float32,
) -> VisionEncoder:
    """Loads an image encoder, in eval mode, from safetensors alone.

    Args:
        name_or_dir: a directory of `save_pretrained`, or a name on the Hub.
        layer: see `VisionEncoder`.
        drop_cls: see `VisionEncoder`.
        dtype: of the weights in memory, whatever the file holds.

    Raises:
        ValueError: when it is not there, cannot be read, or is of another kind.
    """
    import transformers

    config = read_config(name_or_dir)
    if config.model_type not in _CLASSES:
        raise ValueError(
            f"{name_or_dir} holds a {config.model_type!r} model: load_vision takes an image "
            f"encoder, one of {', '.join(sorted(_CLASSES))}."
        )
    model_class = getattr(transformers, _CLASSES[config.model_type])
    return VisionEncoder(read_model(model_class, name_or_dir, dtype), layer, drop_cls).eval()


def read_config(name_or_dir: str | Path):
    """Reads the configuration of a transformers directory or Hub name.

    Raises:
        ValueError: when it is not there or cannot be read.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(name_or_dir))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name_or_dir} is neither a readable model directory nor a name that the Hub knows: "
            f"check the spelling, or fetch it again ({str(error).splitlines()[0]})"
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keeps transformers from printing bars and reports; real trouble is raised by `read_model`."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def read_model(
    model_class: type, name_or_dir: str | Path, dtype: torch.dtype, pickled: bool = False
) -> nn.Module:
    """Reads the weights of a transformers model from safetensors.

    Args:
        model_class: of transformers.
        name_or_dir: a directory of `save_pretrained`, or a name on the Hub.
        dtype: of the weights in memory, whatever the file holds.
        pickled: True reads `pytorch_model.bin` instead, in which torch takes tensors alone.

    Raises:
        ValueError: when the weights are missing, cut short, or not complete.
    """
    try:
        with quiet_transformers():
            model, report = model_class.from_pretrained(
                str(name_or_dir),
                dtype=dtype,
                use_safetensors=not pickled,
                output_loading_info=True,
            )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"The weights of {name_or_dir} cannot be read: fetch or make them again ({reason})"
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(
            f"The weights of {name_or_dir} lack {len(missing)} tensors, such as {missing[0]}: "
            "fetch or make them again."
        )
    return model.eval()
