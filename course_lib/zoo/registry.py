"""Which models the zoo holds, how each is built, trained and measured.

One more model is one more entry of `builders()`: a function that builds it, the rounds that train
it (a stage and the batch of a step), and the gate it has to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
        chat_template: Jinja that is kept beside the tokenizer, "" for none.
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
    chat_template: str = ""


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
    name: str,
    summary: str,
    build: Callable[[], nn.Module],
    *rounds: tuple[Stage, Any, Callable[..., dict]],
    family: str = "",
    measure: Callable[..., dict] | None = None,
) -> ZooEntry:
    """Fills in what all language models share: tokenizer, gate, rounds (stage, reading, batch)."""
    from course_lib.backbones.tokenizers import build_tokenizer
    from course_lib.zoo import gates, lm

    family, gate = family or name, measure or gates.measure_lm
    tokenizer = build_tokenizer(family, lm.CONTEXT)

    def made(stage: Stage, read: Any, batch: Callable[..., dict]) -> Round:
        return Round(stage, lambda step: batch(tokenizer, 0, step, stage.steps, read))

    return ZooEntry(
        name=name,
        summary=summary,
        build=build,
        model_of=lambda module: module.model,
        tokenizer=(family, lm.CONTEXT),
        rounds=tuple(made(*one) for one in rounds),
        measure=lambda model: gate(model, tokenizer),
    )


def _lm_stage(steps: int, rate: float, warmup: int, last_rate: float = 0.0) -> Stage:
    from course_lib.zoo.reading import BATCH_SIZE

    rates = {"learning_rate": rate, "warmup_steps": warmup, "min_learning_rate": last_rate}
    return Stage("language", ("model",), steps, BATCH_SIZE, **rates)


def _opt() -> ZooEntry:
    from course_lib.world.documents import Mix
    from course_lib.zoo import lm, reading

    batch = reading.causal_batch
    captions_first = reading.Reading(Mix(0.6, 5, where=0.15, is_there=0.0))
    look_ups = reading.Reading(Mix(0.5, 6, where=0.2, is_there=0.2), first_things=3)
    drill = reading.Reading(Mix(), drill=1.0, first_level=0, offsets=0.0)
    everything = reading.Reading(Mix(), first_things=3, drill=0.33)
    return _language(
        "opt",
        "A decoder-only language model (OPT) that reads a scene in words.",
        lambda: lm.CausalPretraining(lm.build_opt()),
        (_lm_stage(4000, 1e-3, 200), captions_first, batch),
        (_lm_stage(2400, 8e-4, 100, 5e-5), look_ups, batch),
        (_lm_stage(750, 1e-3, 50, 1e-3), drill, batch),
        (_lm_stage(1600, 8e-4, 50, 2e-5), everything, batch),
    )


def _opt_large() -> ZooEntry:
    """After three rounds .845 of captions were right, after four .875, after five .975."""
    from course_lib.zoo import lm

    return _two_ways(
        "opt-large",
        "An OPT of four times the parameters, which reads what the small one does.",
        lambda: lm.build_opt(width=256, matching=True),
        family="opt",
        steps=(900, 900, 450),
        more=((450, 7e-4, 0.7, 0.2), (700, 1e-3, 0.9, 0.1)),
    )


def _t5() -> ZooEntry:
    from course_lib.world.documents import Mix
    from course_lib.zoo import lm, reading

    drill = reading.Reading(Mix(), drill=1.0, first_level=0, both_ways=True)
    everything = reading.Reading(Mix(), first_things=3, drill=0.3, both_ways=True, retelling=0.15)
    return _language(
        "t5",
        "An encoder-decoder language model (T5) that reads a scene in words.",
        lambda: lm.Seq2SeqPretraining(lm.build_t5()),
        (_lm_stage(1800, 1e-3, 50, 1e-3), drill, reading.encoder_batch),
        (_lm_stage(3600, 1e-3, 50, 2e-5), everything, reading.seq2seq_batch),
    )


def _llama() -> ZooEntry:
    from course_lib.zoo import lm

    summary = "A decoder-only language model (LLaMA) that reads a scene in words."
    return _two_ways("llama", summary, lm.build_llama)


def _two_ways(
    name: str,
    summary: str,
    build: Callable[[], nn.Module],
    family: str = "",
    steps: tuple[int, int, int] = (2100, 1400, 600),
    more: tuple[tuple[int, float, float, float], ...] = (),
) -> ZooEntry:
    """Returns a model that looks up in both directions first, then reads everything.

    `more` adds rounds: steps, learning rate, share of captions, share of drill.
    """
    from course_lib.world.documents import Mix
    from course_lib.zoo import lm, reading

    drill = reading.Reading(Mix(), drill=1.0, first_level=0, both_ways=True, offsets=0.0)
    everything = reading.Reading(Mix(), first_things=3, drill=0.3, both_ways=True, offsets=0.0)
    captions = replace(everything, mix=Mix(0.85, 5), drill=0.2)
    rounds = [
        (_lm_stage(steps[0], 1e-3, 50, 1e-3), drill),
        (_lm_stage(steps[1], 1e-3, 50, 2e-5), everything),
        (_lm_stage(steps[2], 1e-3, 20, 2e-5), captions),
    ]
    for count, rate, share, drilled in more:
        read = replace(everything, mix=Mix(share, 5), drill=drilled)
        rounds.append((_lm_stage(count, rate, 20, 2e-5), read))
    return _language(
        name,
        summary,
        lambda: lm.CausalPretraining(build()),
        *[(stage, read, reading.causal_batch) for stage, read in rounds],
        family=family,
    )


def _llama_chat() -> ZooEntry:
    from functools import partial

    from course_lib.data.chat_jinja import chat_jinja
    from course_lib.data.chat_templates import chat_template
    from course_lib.world.documents import Mix
    from course_lib.zoo import chat, lm, reading

    everything = reading.Reading(Mix(), first_things=3, drill=0.25, offsets=0.0)
    entry = _language(
        "llama-chat",
        "That LLaMA after instructions about scenes in words: it chats as vicuna_v1 does.",
        lm.shipped_llama,
        (_lm_stage(700, 1e-3, 50, 2e-5), everything, chat.chat_batch),
        (_lm_stage(450, 1e-3, 20, 2e-5), everything, partial(chat.chat_batch, shares=(1, 4, 1))),
        family="llama",
        measure=chat.measure_chat,
    )
    return replace(entry, chat_template=chat_jinja(chat_template(chat.TEMPLATE)))


def _llama_shots() -> ZooEntry:
    from course_lib.zoo import lm, shots

    return _language(
        "llama-shots",
        "That LLaMA after pairs of things and made-up words: it learns a word from its examples.",
        lm.shipped_llama,
        *((_lm_stage(*numbers), shots.READING, batch) for numbers, batch in shots.ROUNDS),
        family="llama",
        measure=shots.measure_shots,
    )


def builders() -> dict[str, Callable[[], ZooEntry]]:
    """Returns the backbones of the zoo, by name, in the order in which they are made."""
    return {
        "clip": _clip,
        "opt": _opt,
        "opt-large": _opt_large,
        "t5": _t5,
        "llama": _llama,
        "llama-chat": _llama_chat,
        "llama-shots": _llama_shots,
    }
