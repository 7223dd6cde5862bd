"""Which models the zoo holds, how each is built, trained and measured.

One more model is one more entry of `builders()`: a function that builds it, the rounds that train
it (a stage and the batch of a step), and the gate it has to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from course_lib.training.stages import Stage


@dataclass(frozen=True)
class Round:
    """One round of a model's training; it starts from the weights that the round before ships.

    Args:
        stage: steps, batch size and learning rate.
        batch: step → batch, stateless.
    """

    stage: Stage
    batch: Callable[[int], Any]


@dataclass(frozen=True)
class ZooEntry:
    """How one model of the zoo is made.

    Args:
        name: its directory in the zoo.
        summary: one sentence for the card.
        build: makes the untrained training module; its transformers model is `model_of(module)`.
        model_of: picks the model that `save_pretrained` writes.
        tokenizer: family of its tokenizer and longest text, or None.
        rounds: of its training, one after the other.
        measure: model → {"scores": …, "gates": …}.
        seed: seed of initialisation and data.
    """

    name: str
    summary: str
    build: Callable[[], nn.Module]
    model_of: Callable[[nn.Module], nn.Module]
    tokenizer: tuple[str, int]
    rounds: tuple[Round, ...]
    measure: Callable[[nn.Module], dict]
    seed: int = 0
    data: str = "the toy world, split train"


def _clip() -> ZooEntry:
    from course_lib.zoo import clip, probes

    quadrant_steps, scene_steps = 4600, 2200
    stage = Stage("clip", ("clip",), quadrant_steps + scene_steps, 256, 1e-3, warmup_steps=100)
    return ZooEntry(
        name="clip",
        summary="A CLIP pair, 48 × 48 pixels in patches of 8, trained contrastively on scenes.",
        build=lambda: clip.CLIPPretraining(clip.build_clip()),
        model_of=lambda module: module.clip,
        tokenizer=("clip", clip.TEXT_LENGTH),
        rounds=(Round(stage, lambda step: clip.clip_step_batch(0, step, quadrant_steps)),),
        measure=probes.measure_clip,
    )


def _language(
    name: str, summary: str, build: Callable[[], nn.Module], rounds: Callable[..., tuple]
) -> ZooEntry:
    """Fills in what all language models share: tokenizer and gate; `rounds` takes the tokenizer."""
    from course_lib.backbones.tokenizers import build_tokenizer
    from course_lib.zoo import gates, lm

    tokenizer = build_tokenizer(name, lm.CONTEXT)
    return ZooEntry(
        name=name,
        summary=summary,
        build=build,
        model_of=lambda module: module.model,
        tokenizer=(name, lm.CONTEXT),
        rounds=rounds(tokenizer),
        measure=lambda model: gates.measure_lm(model, tokenizer),
    )


def _opt() -> ZooEntry:
    from course_lib.world.documents import Mix
    from course_lib.zoo import lm, reading

    size = reading.BATCH_SIZE
    first = Stage("opt", ("model",), 4000, size, 1e-3, warmup_steps=200)
    captions_first = reading.Reading(Mix(0.6, 5, where=0.15, is_there=0.0))
    second = Stage("opt-2", ("model",), 2400, size, 8e-4, warmup_steps=100, min_learning_rate=5e-5)
    look_ups = reading.Reading(Mix(0.5, 6, where=0.2, is_there=0.2), first_things=3)
    third = Stage("opt-3", ("model",), 750, size, 1e-3, warmup_steps=50, min_learning_rate=1e-3)
    drill = reading.Reading(Mix(), drill=1.0, first_level=0, offsets=0.0)
    fourth = Stage("opt-4", ("model",), 1600, size, 8e-4, warmup_steps=50, min_learning_rate=2e-5)
    everything = reading.Reading(Mix(), first_things=3, drill=0.33)

    def rounds(tokenizer) -> tuple[Round, ...]:
        def made(stage: Stage, read: reading.Reading) -> Round:
            batch = reading.causal_batch
            return Round(stage, lambda step: batch(tokenizer, 0, step, stage.steps, read))

        return (
            made(first, captions_first),
            made(second, look_ups),
            made(third, drill),
            made(fourth, everything),
        )

    summary = "A decoder-only language model (OPT) that reads a scene in words."
    return _language("opt", summary, lambda: lm.CausalPretraining(lm.build_opt()), rounds)


def _t5() -> ZooEntry:
    from course_lib.world.documents import Mix
    from course_lib.zoo import lm, reading

    size, read = 2 * reading.BATCH_SIZE, reading.Reading(Mix(), block=8)
    stage = Stage("t5", ("model",), 5000, size, 1e-3, warmup_steps=200, min_learning_rate=5e-5)

    def rounds(tokenizer) -> tuple[Round, ...]:
        def batch(step: int) -> dict:
            return reading.seq2seq_batch(tokenizer, 0, step, stage.steps, read)

        return (Round(stage, batch),)

    summary = "An encoder-decoder language model (T5) that reads a scene in words."
    return _language("t5", summary, lambda: lm.Seq2SeqPretraining(lm.build_t5()), rounds)


def builders() -> dict[str, Callable[[], ZooEntry]]:
    """Returns the backbones of the zoo, by name, in the order in which they are made."""
    return {"clip": _clip, "opt": _opt, "t5": _t5}
