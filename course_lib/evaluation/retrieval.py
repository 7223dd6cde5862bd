"""Image-text retrieval: is the first hit the right one?"""

import torch


def r_at_1(
    similarity: torch.Tensor, rerank: torch.Tensor | None = None, candidates: int = 16
) -> dict[str, float]:
    """Measures recall at 1 in both directions; row i and column i belong together.

    As in BLIP-2 (section 4.4), the ITC similarity may choose candidates that the ITM score then
    ranks. The paper uses 128 candidates; LAVIS ranks them by the sum of both scores, which is
    `rerank=itm + similarity` here. A tie for the first place counts as wrong, so a model that gives
    every pair the same score gets 0.

    Args:
        similarity: (n, n), images by texts, larger is nearer.
        rerank: (n, n), scores that order the candidates; None ranks by similarity alone.
        candidates: how many are ranked again for each image and each text.

    Returns:
        `image_to_text` and `text_to_image`, shares from 0 to 1, and `r_at_1`, their mean.

    Raises:
        ValueError: when the matrices are not square and alike.
    """
    shape = tuple(similarity.shape)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise ValueError(f"similarity has to be (n, n), a text for each image: it is {shape}.")
    if rerank is not None and tuple(rerank.shape) != shape:
        raise ValueError(
            f"rerank has the shape {tuple(rerank.shape)} and similarity {shape}: score the same "
            "images and texts twice."
        )
    image_to_text = _first_is_right(similarity, rerank, candidates)
    text_to_image = _first_is_right(similarity.T, None if rerank is None else rerank.T, candidates)
    return {
        "image_to_text": image_to_text,
        "text_to_image": text_to_image,
        "r_at_1": (image_to_text + text_to_image) / 2,
    }


def _first_is_right(scores: torch.Tensor, rerank: torch.Tensor | None, candidates: int) -> float:
    scores = scores.detach().double()
    if rerank is not None:
        chosen = scores.topk(min(candidates, scores.shape[1]), dim=1).indices
        left_out = torch.full_like(scores, float("-inf"))
        scores = left_out.scatter(1, chosen, rerank.detach().double().gather(1, chosen))
    own = scores.diagonal()
    at_least_as_good = (scores >= own[:, None]).sum(dim=1)
    return ((at_least_as_good == 1) & own.isfinite()).double().mean().item()
