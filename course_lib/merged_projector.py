"""Two linear layers as one: the source's projector and the word converter behind it (VPGTrans).

    f_t(v) = g(f_s(v)) = (W_w W_s) v + (W_w b_s + b_w)

arXiv 2305.01278, section 3.2. Its equation 2 prints the other order, f_s(g(v)) with W_s W_w and
W_s b_w + b_s; the released scripts (VPGTrans/VPGTrans, tools/linear_proj) compute what is above.

Letters: H width of the visual tokens, S of the source's words, T of the target's.
"""

import torch
from torch import nn

from course_lib.projector import LinearProjector


def merge_projectors(projector: nn.Linear, converter: nn.Linear) -> LinearProjector:
    """Makes one projector of the source's and the converter: W_w W_s and W_w b_s + b_w.

    Computed in float64, kept in the projector's dtype.

    Args:
        projector: f_s, [..., H] -> [..., S].
        converter: g, [..., S] -> [..., T].

    Returns:
        f_t, [..., H] -> [..., T], equal to g(f_s(v)).

    Raises:
        ValueError: when the converter does not begin where the projector ends.
    """
    if converter.in_features != projector.out_features:
        raise ValueError(
            f"The projector gives vectors of width {projector.out_features} and the converter "
            f"reads {converter.in_features}: use a converter from the language model that the "
            "projector was trained for."
        )
    return _linear(projector, last=converter, first=projector)


def merge_as_printed(projector: nn.Linear, converter: nn.Linear) -> LinearProjector:
    """Merges in the order of the paper's equation 2, f_s(g(v)): W_s W_w and W_s b_w + b_s.

    For the exercise and the notebook alone: it is another function, and for models of different
    widths none. Only where H = S = T nothing complains, as with a toy of one width.

    Raises:
        ValueError: where the matrices cannot be multiplied, with both shapes.
    """
    (out, width), (made, read) = projector.weight.shape, converter.weight.shape
    if not width == out == made == read:
        raise ValueError(
            f"W_s is {(out, width)} and W_w is {(made, read)}: in the printed order W_w reads "
            f"visual tokens ({read} numbers for {width}) and W_s what W_w gives ({width} for "
            f"{made}), and both pairs have to agree. Merge in the other order, W_w W_s."
        )
    return _linear(projector, last=projector, first=converter)


@torch.no_grad()
def _linear(like: nn.Linear, last: nn.Linear, first: nn.Linear) -> LinearProjector:
    """Returns last(first(v)) as one layer, with the dtype and device of `like`."""
    merged = LinearProjector(first.in_features, last.out_features).to(like.weight)
    weight = last.weight.double()
    merged.weight.copy_(weight @ first.weight.double())
    merged.bias.copy_(weight @ first.bias.double() + last.bias.double())
    return merged
