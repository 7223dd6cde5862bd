"""Which tensors of stage 1 go on to stage 2, and how many numbers that is."""

import math
from typing import Any

import torch

from course_lib.recipes.blip2_stage1 import QFormerPretraining
from course_lib.teach.comparing import kind_of
from course_lib.teach.task import Case, Exercise, Mistake, call
from course_lib.vlm import VPG
from course_lib.vpg import QFormer, QFormerConfig

HEAD = "vpg.head."


def what_stays(trained: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], int, int]:
    """Returns the image half of the Q-Former, how many numbers stay, and how many go."""
    text_half = ("word_embeddings", "position_embeddings", "text_ffn")
    kept = {
        name.removeprefix("vpg.head."): tensor
        for name, tensor in trained.items()
        if name.startswith("vpg.head.") and not any(part in name for part in text_half)
    }
    total = sum(tensor.numel() for tensor in trained.values())
    stay = sum(tensor.numel() for tensor in kept.values())
    return kept, stay, total - stay


def reference(trained: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], int, int]:
    """Part after part by its own name, what stays and what goes counted apart."""
    outside = {"query_tokens", "ln_vision", "embedding_norm"}
    sublayers = {"self_attention", "cross_attention", "query_ffn"}
    inside = sublayers | {f"{name}_norm" for name in sublayers}
    kept, sizes = {}, {True: 0, False: 0}
    for name, tensor in trained.items():
        own = name.removeprefix(HEAD).split(".")  # ["layers", "0", "query_ffn", …]
        stays = own[0] in outside or (own[0] == "layers" and own[2] in inside)
        if stays:
            kept[".".join(own)] = tensor
        sizes[stays] += math.prod(tensor.shape)
    return kept, sizes[True], sizes[False]


PARTS = ("query_tokens", "ln_vision", "embedding_norm", "self_attention", "cross_attention")
PARTS += ("query_ffn", "text_ffn", "word_embeddings", "position_embeddings", "heads")


def _fate(part: str, trained: dict, kept: dict) -> str:
    """Says in words what became of a part."""
    names = [name for name in trained if part in name.split(".")]
    found = [kept.get(name.removeprefix(HEAD), kept.get(name)) for name in names]
    same = [_equal(ours, trained[name]) for ours, name in zip(found, names, strict=True)]
    if all(same):
        return "stays"
    return "goes" if not any(same) else "stays in part"


def _equal(ours: Any, tensor: torch.Tensor) -> bool:
    return isinstance(ours, torch.Tensor) and torch.equal(ours, tensor)


def _run(answer: Any, case: Case) -> Any:
    """Tells part by part what became of it, in the place of many tensors."""
    made = call(answer, case)
    if not isinstance(made, tuple | list) or len(made) != 3:
        return made
    if not isinstance(made[0], dict):
        raise TypeError(f"the first of the three should be a dictionary, not {kind_of(made[0])}")
    (trained,) = case.args
    fates = {part: _fate(part, trained, made[0]) for part in PARTS}
    fates["tensors"] = len(made[0])
    fates["names begin with"] = _beginnings(made[0])
    return fates, made[1], made[2]


def _beginnings(kept: dict) -> str:
    whole = [str(name).startswith(HEAD) for name in kept]
    return HEAD if any(whole) else "a part of the Q-Former"


def _without(trained, parts, prefix=HEAD):
    kept = {
        name.removeprefix(prefix): tensor
        for name, tensor in trained.items()
        if not any(part in name for part in parts)
    }
    stay = sum(tensor.numel() for tensor in kept.values())
    return kept, stay, sum(tensor.numel() for tensor in trained.values()) - stay


TEXT = ("word_embeddings", "position_embeddings", "text_ffn")


def _ffn_stays(trained):
    return _without(trained, ("heads.", "word_embeddings", "position_embeddings"))


def _embeddings_stay(trained):
    return _without(trained, ("heads.", "text_ffn"))


def _norm_of_queries_goes(trained):
    return _without(trained, ("heads.", "text_ffn", "embedding"))


def _ln_vision_goes(trained):
    return _without(trained, ("heads.", "vision", *TEXT))


def _queries_go(trained):
    return _without(trained, ("heads.", "query_tokens", *TEXT))


def _heads_stay(trained):
    return _without(trained, TEXT)


def _old_names(trained):
    return _without(trained, ("heads.", *TEXT), prefix="")


def _heads_uncounted(trained):
    kept, stay, go = what_stays(trained)
    heads = sum(trained[name].numel() for name in trained if name.startswith("heads."))
    return kept, stay, go - heads


def _counts_tensors(trained):
    kept = what_stays(trained)[0]
    return kept, len(kept), len(trained) - len(kept)


def _trained(layers: int, seed: int) -> dict[str, torch.Tensor]:
    config = QFormerConfig(
        hidden_size=8,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=12,
        encoder_hidden_size=6,
        num_query_tokens=3,
        vocab_size=11,
        max_position_embeddings=7,
    )
    with torch.random.fork_rng(devices=[]):  # a new model draws from torch's global generator
        torch.manual_seed(seed)
        model = QFormerPretraining(VPG(None, QFormer(config)), bos_token_id=1, shared_size=4)
    return model.state_dict()


def _cases() -> list[Case]:
    return [
        Case("a Q-Former of 1 layer", (_trained(1, seed=0),)),
        Case("one of 3 layers, the second without cross-attention", (_trained(3, seed=1),)),
    ]


EXERCISE = Exercise(
    objective="04.2",
    title="what stays of stage 1",
    difficulty=1,
    minutes=8,
    contract=(
        "`trained` maps names to tensors, everything that stage 1 trained. Names of the Q-Former "
        "begin with `vpg.head.` and go on with `query_tokens`, `ln_vision`, `embedding_norm` (on "
        "whatever enters the first layer), `word_embeddings`, `position_embeddings`, or `layers.0` "
        "and `self_attention`, `cross_attention`, `query_ffn`, `text_ffn`. Names of the three "
        "losses' heads begin with `heads.`.",
        "Gives three values. First a dictionary of the tensors that the queries need to "
        "bring back answers, under their names without `vpg.head.`.",
        "Second how many numbers (not tensors) stay, third how many go.",
    ),
    hints=(
        "Follow the queries through the model of notebook 03 and note what touches them. A word "
        "in a name can mislead: ask who goes through a part, not what it is called.",
        "Leave out all that begins with `heads.`, the two embeddings of words, and the "
        "feed-forward networks of the text. Cut the beginning off the other names. Sum up the "
        "sizes of what stays, and of everything.",
        "`name.startswith('vpg.head.')` and `name.removeprefix('vpg.head.')` do the names, "
        "`not any(part in name for part in (…))` leaves three parts out, and `tensor.numel()` is "
        "the size.",
    ),
    solution=what_stays,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _ffn_stays,
            "no word comes by any more",
            "a feed-forward network stays that only words went through",
        ),
        Mistake(
            _embeddings_stay,
            "no word comes by any more",
            "the tables of words and their positions stay, though nothing looks anything up",
        ),
        Mistake(
            _norm_of_queries_goes,
            "all that the queries go through stays",
            "`embedding` in a name took a norm along with the tables, and the queries need it",
        ),
        Mistake(
            _ln_vision_goes,
            "all that the queries go through stays",
            "`ln_vision` was left to the encoder, but it trained with the Q-Former, which reads "
            "the image through it",
        ),
        Mistake(
            _queries_go,
            "all that the queries go through stays",
            "the layers are there and the queries themselves are not: others would ask anew",
        ),
        Mistake(
            _heads_stay,
            "the three losses have done their work",
            "heads of the losses are among what stays",
        ),
        Mistake(
            _old_names,
            "names as a Q-Former of its own has them",
            "the names still begin with the place that the Q-Former had in the model of stage 1",
        ),
        Mistake(
            _heads_uncounted,
            "all that goes is counted",
            "only the Q-Former was counted, but stage 1 trained more than that",
        ),
        Mistake(
            _counts_tensors,
            "numbers are counted",
            "these are counts of tensors; one of them may hold thousands of numbers",
        ),
    ),
)
