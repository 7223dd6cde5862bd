"""What VPGTrans takes from a trained model, key by key, and the modes it is trained in."""

from __future__ import annotations

from dataclasses import fields

from torch import nn

from course_lib.projector import LinearProjector
from course_lib.recipes import blip2
from course_lib.vlm import VLM
from course_lib.vpg.qformer import QFormer, QFormerConfig

# What a Q-Former of stage 2 does not have, or what changes no tensor of it.
_FREE = {"dropout", "use_text", "vocab_size", "max_position_embeddings"}


def check_source(source: nn.Module, merges: bool) -> None:
    """Refuses a model that has nothing to carry over.

    Args:
        source: the trained model.
        merges: whether its projector is to be merged with a word converter.

    Raises:
        ValueError: for a model without a Q-Former, or a merge of more than one linear layer.
    """
    head = getattr(getattr(source, "vpg", None), "head", None)
    if not isinstance(head, QFormer):
        raise ValueError(
            f"The source's visual prompt generator ends in {type(head).__name__}, and VPGTrans "
            "carries over a Q-Former: give a stage-2 run of BLIP-2, such as 'blip2-opt'."
        )
    projector = getattr(source, "projector", None)
    if merges and not isinstance(projector, LinearProjector):
        raise ValueError(
            f"The source's projector is {type(projector).__name__}, and only one linear layer can "
            "be merged with a converter: give a stage-2 run of BLIP-2, such as 'blip2-opt'."
        )


def inherit_vpg(head: QFormer, source: QFormer) -> None:
    """Copies queries, ln_vision and the image half of the layers, every tensor that `head` has.

    Args:
        head: takes the values in place.
        source: the Q-Former of the trained model; its text half, if any, stays behind.

    Raises:
        ValueError: naming each setting in which the two differ, with both values: queries and
            widths, but also heads or epsilons, which no shape would show.
    """
    names = [field.name for field in fields(QFormerConfig) if field.name not in _FREE]
    values = [(name, getattr(source.config, name), getattr(head.config, name)) for name in names]
    wrong = [
        f"{name} is {old} in the source and {new} here" for name, old, new in values if old != new
    ]
    if wrong:
        raise ValueError(
            f"The source's Q-Former does not fit the target: {', '.join(wrong)}. A VPG is "
            "inherited as it is: build the target with the sizes of the source."
        )
    blip2.inherit(head, source)


def account(source: VLM, merged: bool = True) -> dict[str, str]:
    """Tells what becomes of every tensor of a source model; no key is left out.

    Args:
        source: the trained model.
        merged: whether a word converter goes with its projector.

    Returns:
        {name: "inherited", "merged", "shared" (the frozen encoder of both) or "left behind"}.

    Raises:
        ValueError: for a tensor of a part that the recipe does not know.
    """
    fates = {
        "vpg.head.": "inherited",
        "vpg.encoder.": "shared",
        "projector.": "merged" if merged else "left behind",
        "language.": "left behind",
    }
    found = {
        n: [f for start, f in fates.items() if n.startswith(start)] for n in source.state_dict()
    }
    unknown = [name for name, fate in found.items() if not fate]
    if unknown:
        raise ValueError(
            f"The source has {len(unknown)} tensors such as {unknown[0]!r} that belong to none of "
            f"{', '.join(fates)}: give a stage-2 run of BLIP-2."
        )
    return {name: fate for name, (fate,) in found.items()}


def set_released_modes(model: VLM) -> None:
    """Sets the modes that the released stage 1 really runs in, to show what they do.

    There the Q-Former is frozen and put in eval mode once; then the runner calls `model.train()`
    (lavis/runners/runner_base.py, train_epoch), which turns its dropout on again, and that of a
    frozen OPT. The image encoder alone refuses. `apply_stage` leaves what is frozen in eval mode.
    """
    model.train()
    if model.vpg.encoder is not None:
        model.vpg.encoder.eval()
