"""Files of VPGTrans: VL-LLaMA, VL-Vicuna, their stage 1, and merged projectors.

They are LAVIS files, {"model": tensors, "optimizer": ..., "config": ...}, and "model" holds what
trained (lavis/runners/runner_base.py, _save_checkpoint): Q-Former without text half, ln_vision and
queries under LAVIS's names, `llama_proj`; and the buffers of everything, trained or not. VL-LLaMA
and VL-Vicuna have the same tensors and differ in what is read: [image] <s> caption, as BLIP-2 does,
and <s> ###Human: <Img>[image]</Img> ... ###Assistant: with the start token before the image. The
merged projector of tools/linear_proj is a file of two tensors.

The released files are pickles, opened with `torch.load(file, weights_only=True)`; these functions
take what that gives, or its "model" alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from course_lib.interop.names import Tensors, lavis_names, load_strictly, own_names, renamed
from course_lib.projector import LinearProjector
from course_lib.vlm import VLM

# Buffers, computed anew by every model: counted positions, and LLaMA's table of frequencies.
_COUNTERS = ("Qformer.bert.embeddings.position_ids", ".rotary_emb.inv_freq")
# tools/linear_proj/train_linear_proj_opt.py puts this name into its file with nothing behind it.
_EMPTY = "opt_model.lm_head.weight"
KINDS = ("opt", "t5", "llama")


def load_vl_llama(file: Mapping, model: VLM, source: str = "VL-LLaMA") -> None:
    """Copies VL-LLaMA or VL-Vicuna into our model: Q-Former, queries, ln_vision and projector.

    Image encoder (EVA's ViT-g) and LLaMA or Vicuna are not in the file: the model has to be built
    with them. At the paper's sizes `query_tokens` is (1, 32, 768), `ln_vision` 1,408 wide,
    `llama_proj.weight` (4096, 768).

    Args:
        file: official names to tensors, or the file around them.
        model: takes the values in place; sizes have to be equal. LAVIS's ln_vision has epsilon
            1e-5: build the Q-Former with ln_vision_eps=1e-5 to be exact.
        source: named in the error.

    Raises:
        ValueError: naming tensors that are missing, unknown, or of another shape; the model is
            then as it was.
    """
    rest = _without_buffers(file)
    names = lavis_names(model.vpg) | _projector_names("llama")
    load_strictly(model, own_names(rest, names, source), source, ("vpg.encoder.", "language."))


def vl_llama_to_original(model: VLM) -> Tensors:
    """Returns the tensors of a model of ours under VL-LLaMA's names."""
    return renamed(model.state_dict(), lavis_names(model.vpg) | _projector_names("llama"))


def load_stage1(file: Mapping, model: VLM, source: str = "VPGTrans, stage 1") -> None:
    """Copies the projector that the released stage 1, or a merge, wrote into our model.

    The released stage 2 takes every name with "proj" in it, and where there is none it goes on
    with a random projector, without a word.

    Args:
        file: official names to tensors: `llama_proj`, `opt_proj` or `t5_proj`, and buffers.
        model: takes the projector in place; VPG and language model stay as they are.
        source: named in the error.

    Raises:
        ValueError: as in `load_vl_llama`.
    """
    projector = projector_from_vpgtrans(file, source)
    names = {f"projector.{key}": value for key, value in projector.state_dict().items()}
    load_strictly(model, names, source, ("vpg.", "language."))


def projector_from_vpgtrans(file: Mapping, source: str = "the merged projector") -> LinearProjector:
    """Reads a file that holds one projector and nothing else that trains.

    Args:
        file: official names to tensors; the kind of language model is read from the names.
        source: named in the error.

    Returns:
        The projector, in the dtype of the file.

    Raises:
        ValueError: naming tensors that are missing or unknown, or an unknown kind.
    """
    rest = _without_buffers(file)
    kinds = [kind for kind in KINDS if f"{kind}_proj.weight" in rest]
    if len(kinds) != 1:
        found = " and ".join(f"{kind}_proj" for kind in kinds) or f"none among {len(rest)} tensors"
        raise ValueError(
            f"{source} should hold one of {', '.join(f'{kind}_proj' for kind in KINDS)}, and has "
            f"{found}: give the file of a merge or of stage 1."
        )
    own = own_names(rest, _projector_names(kinds[0]), source)
    own = {name.removeprefix("projector."): value for name, value in own.items()}
    projector = LinearProjector(*reversed(own["weight"].shape)).to(own["weight"].dtype)
    load_strictly(projector, own, source)
    return projector


def projector_to_vpgtrans(projector: LinearProjector, kind: str) -> Tensors:
    """Returns a projector's tensors as the released stage 1 reads them, `llama_proj.weight` ...

    Raises:
        ValueError: for an unknown kind of language model.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: the released code knows {', '.join(KINDS)}.")
    return {f"{kind}_proj.{name}": value for name, value in projector.state_dict().items()}


def _projector_names(kind: str) -> dict[str, str]:
    return {f"projector.{name}": f"{kind}_proj.{name}" for name in ("weight", "bias")}


def _without_buffers(file: Mapping) -> Tensors:
    """Returns what trained, of a whole file or of its "model"."""
    tensors = file.get("model", file)
    rest = {name: value for name, value in tensors.items() if not name.endswith(_COUNTERS)}
    if rest.get(_EMPTY, ...) is None:
        rest.pop(_EMPTY)
    return rest
