"""Which models the zoo holds, how each is built, trained and measured.

One more model is one more entry of `builders()`: a function that builds it, the stage that trains
it, the batch of a step, and the gate it has to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from course_lib.training.stages import Stage


@dataclass(frozen=True)
class ZooEntry:
    """How one model of the zoo is made.

    Args:
        name: its directory in the zoo.
        summary: one sentence for the card.
        build: makes the untrained training module; its transformers model is `model_of(module)`.
        model_of: picks the model that `save_pretrained` writes.
        tokenizer: family of its tokenizer and longest text, or None.
        stage: steps, batch size and learning rate.
        batch: step → batch, stateless.
        measure: model → {"scores": …, "gates": …}.
        seed: seed of initialisation and data.
    """

    name: str
    summary: str
    build: Callable[[], nn.Module]
    model_of: Callable[[nn.Module], nn.Module]
    tokenizer: tuple[str, int]
    stage: Stage
    batch: Callable[[int], Any]
    measure: Callable[[nn.Module], dict]
    seed: int = 0
    data: str = "the toy world, split train"
    extra: dict = field(default_factory=dict)


def _clip() -> ZooEntry:
    from course_lib.zoo import clip, probes

    quadrant_steps, scene_steps = 5200, 2800
    stage = Stage("clip", ("clip",), quadrant_steps + scene_steps, 256, 1e-3, warmup_steps=100)
    return ZooEntry(
        name="clip",
        summary="A CLIP pair, 48 × 48 pixels in patches of 8, trained contrastively on scenes.",
        build=lambda: clip.CLIPPretraining(clip.build_clip()),
        model_of=lambda module: module.clip,
        tokenizer=("clip", clip.TEXT_LENGTH),
        stage=stage,
        batch=lambda step: clip.clip_step_batch(0, step, quadrant_steps),
        measure=probes.measure_clip,
    )


def _language(
    name: str,
    summary: str,
    steps: int,
    build: Callable[[], nn.Module],
    batch: Callable[..., dict],
    batch_size: int,
) -> ZooEntry:
    """Fills in what all language models share: learning rate, tokenizer, gate."""
    from course_lib.backbones.tokenizers import build_tokenizer
    from course_lib.zoo import gates, lm

    tokenizer = build_tokenizer(name, lm.CONTEXT)
    schedule = {"warmup_steps": 200, "min_learning_rate": 5e-5}
    stage = Stage(name, ("model",), steps, batch_size, 1e-3, **schedule)
    return ZooEntry(
        name=name,
        summary=summary,
        build=build,
        model_of=lambda module: module.model,
        tokenizer=(name, lm.CONTEXT),
        stage=stage,
        batch=lambda step: batch(tokenizer, 0, step, stage.steps),
        measure=lambda model: gates.measure_lm(model, tokenizer),
    )


def _opt() -> ZooEntry:
    from course_lib.zoo import lm

    def build():
        return lm.CausalPretraining(lm.build_opt())

    summary = "A decoder-only language model (OPT) that reads a scene in words."
    return _language("opt", summary, 6400, build, lm.causal_batch, lm.BATCH_SIZE)


def _t5() -> ZooEntry:
    from course_lib.zoo import lm

    def build():
        return lm.Seq2SeqPretraining(lm.build_t5())

    summary = "An encoder-decoder language model (T5) that reads a scene in words."
    return _language("t5", summary, 5000, build, lm.seq2seq_batch, 2 * lm.BATCH_SIZE)


def builders() -> dict[str, Callable[[], ZooEntry]]:
    """Returns the backbones of the zoo, by name, in the order in which they are made."""
    return {"clip": _clip, "opt": _opt, "t5": _t5}
