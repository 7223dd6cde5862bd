"""Splice: visual tokens take the places that the prompt keeps for them.

Letters: B batch, S length with places for visual tokens, Q visual tokens of an image, D LLM width.
"""

import torch


def splice(
    inputs_embeds: torch.Tensor, visual: torch.Tensor, image_mask: torch.Tensor
) -> torch.Tensor:
    """Puts visual tokens where the mask is True, row by row, in reading order.

    A prefix (BLIP-2's soft prompt, section 3.3) is the special case of Q places in front; LLaVA
    has them in the middle of a chat. Gradients reach both the text embeddings that stay and the
    visual tokens. LLaVA's own code takes 182 lines for this; transformers scatters with a mask and
    in BLIP-2 does not count.

    Args:
        inputs_embeds: (B, S, D) embeddings of the text; those under the mask are replaced.
        visual: (images, Q, D) or (visual tokens, D).
        image_mask: (B, S) bool, True = place of a visual token.

    Returns:
        (B, S, D), a new tensor.

    Raises:
        ValueError: when there are not as many visual tokens as places.
    """
    flat_visual = visual.reshape(-1, visual.shape[-1]).to(inputs_embeds.dtype)
    places = image_mask.flatten().nonzero().squeeze(1)
    if len(places) != len(flat_visual):
        raise ValueError(
            f"The text keeps {len(places)} places for visual tokens, the images give "
            f"{len(flat_visual)}: write one place for each visual token of each image."
        )
    spliced = inputs_embeds.flatten(0, 1).index_copy(0, places, flat_visual)
    return spliced.view_as(inputs_embeds)
