"""Names of the same tensor in our Q-Former, in transformers and in LAVIS, and strict copying."""

from collections.abc import Mapping

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]

# Inside one block: our module -> theirs; LAVIS says "self" where transformers says "attention".
_BLOCK = {
    "self_attention.q_proj": "attention.{self}.query",
    "self_attention.k_proj": "attention.{self}.key",
    "self_attention.v_proj": "attention.{self}.value",
    "self_attention.out_proj": "attention.output.dense",
    "self_attention_norm": "attention.output.LayerNorm",
    "cross_attention.q_proj": "crossattention.{self}.query",
    "cross_attention.k_proj": "crossattention.{self}.key",
    "cross_attention.v_proj": "crossattention.{self}.value",
    "cross_attention.out_proj": "crossattention.output.dense",
    "cross_attention_norm": "crossattention.output.LayerNorm",
    "query_ffn.up": "intermediate_query.dense",
    "query_ffn.down": "output_query.dense",
    "query_ffn.norm": "output_query.LayerNorm",
    "text_ffn.up": "intermediate.dense",
    "text_ffn.down": "output.dense",
    "text_ffn.norm": "output.LayerNorm",
}


def qformer_names(own: list[str], style: str) -> dict[str, str]:
    """Maps our names of a Q-Former's tensors to those of transformers or LAVIS.

    Args:
        own: keys of `QFormer.state_dict()`.
        style: "hf" (as in Blip2ForConditionalGeneration and Blip2ForImageTextRetrieval) or "lavis".

    Returns:
        {our name: their name}.
    """
    lavis = style == "lavis"
    bert = "Qformer.bert." if lavis else "qformer."
    words = "Qformer.bert.embeddings." if lavis else "embeddings."
    top = {
        "query_tokens": "query_tokens",
        "ln_vision": "ln_vision" if lavis else "vision_model.post_layernorm",
        "embedding_norm": bert + ("embeddings.LayerNorm" if lavis else "layernorm"),
        "word_embeddings": words + "word_embeddings",
        "position_embeddings": words + "position_embeddings",
    }
    mapped = {}
    for name in own:
        if name.startswith("layers."):
            _, index, rest = name.split(".", 2)
            module, kind = rest.rsplit(".", 1)
            theirs = _BLOCK[module].format(self="self" if lavis else "attention")
            mapped[name] = f"{bert}encoder.layer.{index}.{theirs}.{kind}"
        else:
            module, _, kind = name.partition(".")
            mapped[name] = f"{top[module]}.{kind}" if kind else top[module]
    return mapped


def lavis_names(vpg: nn.Module) -> dict[str, str]:
    """Maps the names of a VPG's Q-Former in our model, `vpg.head...`, to LAVIS's."""
    names = qformer_names(list(vpg.head.state_dict()), "lavis")
    return {f"vpg.head.{own}": theirs for own, theirs in names.items()}


def renamed(tensors: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> Tensors:
    """Returns the tensors under new names, {new: tensor}, for {old: new}; others are left out."""
    return {new: tensors[old] for old, new in names.items() if old in tensors}


def own_names(
    tensors: Mapping[str, torch.Tensor], names: Mapping[str, str], source: str
) -> Tensors:
    """Returns tensors under our names, all of them.

    Args:
        tensors: values by their names.
        names: {our name: their name}.
        source: where they come from, for the error.

    Raises:
        ValueError: naming tensors that are missing or unknown.
    """
    wanted = set(names.values())
    check_names(sorted(wanted - tensors.keys()), sorted(tensors.keys() - wanted), source)
    return renamed(tensors, {theirs: own for own, theirs in names.items()})


def load_strictly(
    module: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    source: str,
    optional: tuple[str, ...] = (),
) -> None:
    """Copies tensors into a module: every one of its own, and no other.

    Args:
        module: takes the values in place, in its own dtype; tied tensors may come once.
        tensors: values by the module's names.
        source: where they come from, for the error.
        optional: starts of names that need not be there.

    Raises:
        ValueError: naming missing and unknown tensors, or the first of another shape; the module
            is then as it was.
    """
    own = module.state_dict()
    pointers = {own[name].data_ptr() for name in tensors if name in own}
    missing = [name for name in own if name not in tensors and not name.startswith(optional)]
    missing = [name for name in missing if own[name].data_ptr() not in pointers]
    unknown = [name for name in tensors if name not in own]
    check_names(missing, unknown, source)
    for name, value in tensors.items():
        if own[name].shape != value.shape:
            raise ValueError(
                f"{source}: {name} has the shape {tuple(value.shape)}, the model "
                f"{tuple(own[name].shape)}: build the model with the sizes of the checkpoint."
            )
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)


def check_names(missing: list[str], unknown: list[str], source: str) -> None:
    """Raises a ValueError that names what is missing and what is unknown, if anything is."""
    if not missing and not unknown:
        return
    parts = [f"missing: {_listed(missing)}"] * bool(missing)
    parts += [f"unknown: {_listed(unknown)}"] * bool(unknown)
    raise ValueError(
        f"{source} does not fit the model ({'; '.join(parts)}): use a model of the same layout, "
        "with or without text half, with as many layers."
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(sorted(names)[:8]) + more
