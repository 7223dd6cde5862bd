"""Which image a text token reads, and the keys and values of the images that a text was shown.

Letters: B texts, T text tokens, I most images of a text, Q visual tokens of an image, H heads,
K width of one head.
"""

import torch

from course_lib.vpg.attention import KeyValue


def image_index(image_locations: torch.Tensor) -> torch.Tensor:
    """Numbers the last image of each token: the paper's phi (Flamingo, section 3.1.3).

    The tag of an image belongs to it, as in OpenFlamingo and Idefics. A tag moved to an earlier
    place binds the words in between to the image that follows them (the paper's p_next).

    Args:
        image_locations: (B, T) bool, True at the tag of each image.

    Returns:
        (B, T), 1 for the text's first image, 0 where none has come yet.
    """
    return image_locations.long().cumsum(dim=1)


def readable_images(index: torch.Tensor, num_images: int, reads: str) -> torch.Tensor:
    """Tells which images each token reads.

    Args:
        index: (B, T) from `image_index`.
        num_images: I.
        reads: "last" image or "all" so far.

    Returns:
        (B, T, I) bool; nothing where the index is 0.
    """
    numbers = torch.arange(1, num_images + 1, device=index.device)
    return numbers == index[..., None] if reads == "last" else numbers <= index[..., None]


def check_images(
    visual: torch.Tensor | None, image_locations: torch.Tensor | None, visual_size: int
) -> None:
    """Checks that there is one image for each tag, in the shapes that gated layers read.

    Args:
        visual: (images, Q, visual_size), or None.
        image_locations: (B, T) bool, or None.
        visual_size: width of visual tokens that is expected.

    Raises:
        ValueError: when one of these does not hold.
    """
    tags = 0
    if image_locations is not None:
        shape, dtype = tuple(image_locations.shape), image_locations.dtype
        if len(shape) != 2 or dtype != torch.bool:
            raise ValueError(
                f"image_locations have the shape {shape} and the dtype {dtype}: give (texts, "
                "tokens) of bool, for example input_ids == image_token_id."
            )
        tags = int(image_locations.sum())
    images = 0 if visual is None else len(visual)
    if images != tags:
        raise ValueError(
            f"The texts have {tags} image tags and {images} images were given: write one tag for "
            "each image."
        )
    if images and (visual.dim() != 3 or visual.shape[-1] != visual_size):
        raise ValueError(
            f"Visual tokens have the shape {tuple(visual.shape)}, the gated layers read (images, "
            f"Q, {visual_size}): use the resampler that they were built for."
        )


def gather_images(key_value: KeyValue, counts: torch.Tensor) -> KeyValue:
    """Lays the images of each text side by side.

    Args:
        key_value: two (images, H, Q, K), in reading order.
        counts: (B,) images of each text.

    Returns:
        Two (B, H, I * Q, K); a text with fewer images is filled up with others, which no mask lets
        it read.
    """
    slots = torch.arange(int(counts.max()), device=counts.device)
    slots = (counts.cumsum(0) - counts)[:, None] + slots
    slots = slots.clamp(max=int(counts.sum()) - 1)
    key, value = (part[slots].transpose(1, 2).flatten(2, 3) for part in key_value)
    return key, value


class ShownImages:
    """The images of a batch of texts, ready to be read at any place of the texts.

    A text that goes on behind the known places keeps its last image, so that words can be written
    one by one, or several beams of each text.

    Args:
        image_locations: (B, T) bool; None = text without images, of any size.
        reads: "last" image or "all" so far.
    """

    def __init__(self, image_locations: torch.Tensor | None, reads: str) -> None:
        self.reads, self.index, self.num_images = reads, None, 0
        self.key_values: list[KeyValue] = []
        self._last: tuple[tuple[int, ...], torch.Tensor] | None = None
        if image_locations is not None and image_locations.any():
            self.index = image_index(image_locations)
            self.num_images = int(self.index[:, -1].max())

    @property
    def rows(self) -> int | None:
        """B; None where no image is there to count for."""
        return None if self.index is None else len(self.index)

    def mask(self, past: int, length: int, beams: int, num_visual: int) -> torch.Tensor:
        """Tells who reads what, from the place `past` on.

        Args:
            past: places that came before.
            length: places that are read now.
            beams: how many beams of a text stand behind one another.
            num_visual: Q.

        Returns:
            (B, 1, beams * length, I * Q) bool.
        """
        known = self.index.shape[1]
        # All layers of one step ask the same, and so do all steps behind the known places.
        asked = (min(past, known), length, beams, num_visual)
        if self._last is None or self._last[0] != asked:
            places = torch.arange(past, past + length, device=self.index.device)
            index = self.index[:, places.clamp(max=known - 1)].repeat(1, beams)
            mask = readable_images(index, self.num_images, self.reads)
            self._last = asked, mask.repeat_interleave(num_visual, dim=-1)[:, None]
        return self._last[1]
