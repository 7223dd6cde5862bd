"""Who trains in which stage of mPLUG-Owl, told by the names of parameters."""

import re
from fnmatch import fnmatchcase

from course_lib.teach.task import Case, Exercise, Mistake


def who_trains(names: list[str], stage: int) -> list[str]:
    """Returns the names of the parameters that train in stage 1 or 2, in the given order."""
    if stage == 1:
        parts = ("vpg.encoder.", "vpg.head.", "projector.")
        return [name for name in names if name.startswith(parts)]
    ends = tuple(f".{layer}.lora_{ab}" for layer in ("q_proj", "v_proj") for ab in "AB")
    return [name for name in names if name.startswith("language.") and name.endswith(ends)]


def reference(names: list[str], stage: int) -> list[str]:
    """One regular expression a stage."""
    patterns = {
        1: r"(vpg\.encoder|vpg\.head|projector)\..+",
        2: r"language\.(.+\.)?[qv]_proj\.lora_[AB]",
    }
    return [name for name in names if re.fullmatch(patterns[stage], name)]


def _by(first, second):
    """Makes an answer of one rule a stage, each name → bool."""

    def answer(names, stage):
        return [name for name in names if (first if stage == 1 else second)(name)]

    return answer


def _first(name):
    return name in reference([name], 1)


def _second(name):
    return name in reference([name], 2)


def _starts(*words):
    return lambda name: name.startswith(words)


def _glob(*patterns):
    return lambda name: any(fnmatchcase(name, pattern) for pattern in patterns)


def _ours(names, stage):
    return who_trains(names, 3 - stage)


def _cases() -> list[Case]:
    few = ["vpg.encoder.layers.0.q_proj.weight", "vpg.head.query_tokens", "projector.weight"]
    layer = "language.model.layers.0.self_attn"
    lora = [f"{layer}.{p}_proj.{end}" for p in "qv" for end in ("weight", "lora_A", "lora_B")]
    trained = ["projector.end_token", "projector_ema.weight", "language.model.projector.weight"]
    others = [f"{layer}.{p}_proj.lora_{ab}" for p in "ko" for ab in "AB"]
    language = ["language.model.embed_tokens.weight", "language.lm_head.weight"]
    encoder = ["vpg.encoder.layers.0.q_proj.lora_A", "vpg.encoder.layers.0.q_proj.lora_B"]
    near = ["vpg.teacher.weight", "language.model.layers.0.freq_proj.lora_A", "logit_scale"]
    blind = [f"{layer}.v_proj.lora_scale", f"{layer}.q_proj.bias"]
    return [
        Case("stage 1, five names", ([*few, *language], 1)),
        Case("stage 2, a layer of the language model", ([*few, *lora, language[1]], 2)),
        Case("stage 1, with names that look alike", ([*few, *trained, *near, *lora[:1]], 1)),
        Case("stage 1, a LoRA is there already", ([*lora, *encoder, *few], 1)),
        Case("stage 2, a LoRA on more than it should be", ([*lora, *others, *encoder], 2)),
        Case("stage 2, with names that look alike", ([*few, *trained, *blind, near[1]], 2)),
    ]


EXERCISE = Exercise(
    objective="09.2",
    title="who trains?",
    difficulty=2,
    minutes=8,
    contract=(
        "`names` are names of parameters, parts joined by dots: the image encoder's begin with "
        "`vpg.encoder.`, the abstractor's with `vpg.head.`, the projector's, end token included, "
        "with `projector.`, the language model's with `language.`.",
        "Stage 1 trains encoder, abstractor and projector, all their parameters and nothing else.",
        "Stage 2 trains the matrices `lora_A` and `lora_B` of the layers `q_proj` and `v_proj` of "
        "the language model and nothing else: `language.….q_proj.lora_A`, for instance. A layer's "
        "own weight and bias stay frozen.",
        "Gives the names that train, in the order given. A part of a name counts as a whole: "
        "`projector_ema` is no `projector`, and `freq_proj` no `q_proj`.",
    ),
    hints=(
        "List what trains, never what does not: what nobody thought of then stays frozen. And ask "
        "where in a name each word has to stand, in front or at the end.",
        "Stage 1: keep a name if it begins with one of three words and the dot behind it. Stage 2: "
        "keep it if it begins with the language model's word and ends in one of four endings, two "
        "layers times two matrices, each with the dot in front of it.",
        '`name.startswith(("vpg.head.", …))` takes a tuple of beginnings, and '
        '`name.endswith((".q_proj.lora_A", …))` one of endings. A list comprehension keeps the '
        "order.",
    ),
    solution=who_trains,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _by(_starts("vpg.head.", "projector."), _second),
            "stage 1 trains the image encoder",
            "the encoder stays frozen, as in all other recipes here; this one trains it",
        ),
        Mistake(
            _by(_starts("vpg."), _second),
            "stage 1 trains the projector",
            "the projector is left out; it starts at random, and its end token with it",
        ),
        Mistake(
            _by(_starts("vpg.encoder.", "projector."), _second),
            "stage 1 trains the abstractor",
            "the abstractor is left out, queries and all",
        ),
        Mistake(
            _by(_starts("vpg", "projector"), _second),
            "parts of a name count as a whole",
            "a beginning without its dot takes names that only look alike",
        ),
        Mistake(
            _by(lambda n: any(w in n for w in ("vpg.encoder", "vpg.head", "projector")), _second),
            "the beginning decides in stage 1",
            "a word was looked for anywhere in the name; a part of the language model has it, too",
        ),
        Mistake(
            _by(lambda name: not name.startswith("language."), _second),
            "a list of what trains",
            "everything but the language model trains, so what nobody listed trains along",
        ),
        Mistake(
            _by(lambda name: _first(name) or "lora_" in name, _second),
            "LoRA belongs to stage 2",
            "stage 1 trains LoRA matrices that happen to be there",
        ),
        Mistake(
            _by(_first, _glob("*q_proj*", "*v_proj*")),
            "the layer's own weight is frozen",
            "a `*` takes the weight of q_proj along, and the encoder has layers of that name, too",
        ),
        Mistake(
            _by(_first, _glob("*.q_proj.lora_[AB]", "*.v_proj.lora_[AB]")),
            "only the language model's LoRA",
            "a LoRA in the image encoder trains as well: layers are called q_proj there, too",
        ),
        Mistake(
            _by(_first, lambda name: name.startswith("language.") and "lora_" in name),
            "q_proj and v_proj alone",
            "every LoRA in the language model trains, on whatever layer it sits",
        ),
        Mistake(
            _by(_first, _glob("language.*q_proj.lora_[AB]", "language.*v_proj.lora_[AB]")),
            "parts of a name count as a whole",
            "the `*` of the pattern reaches into the layer's name and takes one that only ends "
            "the same way",
        ),
        Mistake(
            _by(_first, lambda name: _second(name) or name.startswith("vpg.head.")),
            "the abstractor is frozen in stage 2",
            "the abstractor trains along, as the paper's abstract says; its figure, its authors "
            "and its code freeze it",
        ),
        Mistake(
            _by(_first, lambda name: _second(name) and name.endswith("B")),
            "both matrices train",
            "only B trains, which starts at zero; A would stay as it was drawn",
        ),
        Mistake(
            _by(_first, lambda name: _second(name) and ".q_proj." in name),
            "q_proj and v_proj",
            "only q_proj has its LoRA trained",
        ),
        Mistake(_ours, "stage 1 comes first", "the two stages are exchanged"),
    ),
)
