"""How each recipe enters the comparison: what it begins with, what it trains within a budget.

All see the same scenes through the same CLIP and speak with `llama-chat`. One does not: Flamingo
binds words from examples, which needs `llama-shots`. Batch, rate and parts that train are those of
each recipe at `toy`; steps are the budget's. What each reads about the scenes is its own: captions,
noisy pairs and curated descriptions, instructions, documents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from course_lib.cached_vpg import CachedVPG
from course_lib.commands import blip2 as blip2_commands
from course_lib.commands import flamingo as flamingo_commands
from course_lib.commands import llava as llava_commands
from course_lib.commands import minigpt4 as minigpt4_commands
from course_lib.commands import mplug_owl as owl_commands
from course_lib.commands.runs import Opened
from course_lib.commands.vpgtrans_models import word_converter
from course_lib.comparison.budget import Ledger
from course_lib.curation.toy_set import Curated, counted
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE, ToyScenes, stage2_batch
from course_lib.data.toy_instructions import caption_batch, instruction_batch
from course_lib.data.toy_interleaved import ToyDocuments
from course_lib.data.toy_owl import OwlScenes, joint_batch
from course_lib.data.toy_pairs import drawn_batch, pair_batch
from course_lib.errors import unknown_name_error
from course_lib.evaluation.asking import blip2_asker
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans
from course_lib.training.stages import Stage
from course_lib.zoo.load import zoo_language, zoo_vision

LLAMA = "llama-chat"
SCENES, CLIPS = 8_000, 2_000


@dataclass(frozen=True)
class Contestant:
    """A recipe in the comparison.

    Args:
        name: of the recipe.
        title: for people.
        train: trains it within a ledger's budget, on so many scenes.
        language: zoo name of its LLaMA.
        inherits: zoo runs whose training the VPG has behind it when this one begins.
        shares: of the budget, one a stage.
        tuned: whether it reads questions in training.
        note: what is not equal, or how it is asked.
    """

    name: str
    title: str
    train: Callable[[Ledger, int], Opened]
    shares: tuple[float, ...]
    language: str = LLAMA
    inherits: tuple[str, ...] = ()
    tuned: bool = False
    note: str = ""


def _blip2(ledger: Ledger, scenes: int) -> Opened:
    """Stage 2 alone: the Q-Former of the zoo's stage 1, a random linear layer."""
    numbers, encoder = blip2.scale("toy"), zoo_vision("clip")
    language, tokenizer = zoo_language(LLAMA)
    head = blip2_commands.open_run("blip2-stage1").model.qformer
    place = image_token_id(tokenizer)
    model = blip2.build_stage2(numbers, None, language, place, head, ledger.seed)
    opened = Opened(model, encoder, tokenizer, {}, blip2_asker(model, tokenizer))
    data = ToyScenes(scenes, ledger.seed, "train", encoder, CACHE)
    _on_captions(opened, ledger, data, [numbers.stage2["opt"]])
    return opened


def _vpgtrans(ledger: Ledger, scenes: int) -> Opened:
    """Warm-up and tuning: VPG of BLIP-2 on OPT, its projector merged with a word converter."""
    numbers, source = vpgtrans.scale("toy"), blip2_commands.open_run("blip2-opt")
    language, tokenizer = zoo_language(LLAMA)
    made = word_converter(source, language, tokenizer)[0]
    place = image_token_id(tokenizer)
    model = vpgtrans.build(numbers, source.model, None, language, place, made, ledger.seed)
    opened = Opened(model, source.encoder, tokenizer, {}, blip2_asker(model, tokenizer))
    data = ToyScenes(scenes, ledger.seed, "train", source.encoder, CACHE)
    _on_captions(opened, ledger, data, [numbers.stage1, numbers.stage2])
    return opened


def _on_captions(opened: Opened, ledger: Ledger, data: ToyScenes, stages: list[Stage]) -> None:
    """Trains stages of a Q-Former and its linear layer; later ones read later batches."""
    model, done = opened.model, 0
    read = (data, opened.tokenizer, model.vpg.head.config.num_query_tokens, False)
    for stage, share in zip(stages, SHARES[len(stages)], strict=True):
        chosen = {"batch_size": stage.batch_size, "seed": ledger.seed}
        ledger.fit(model, stage, share, _later(partial(stage2_batch, *read, **chosen), done))
        done += ledger.stages[-1]["steps"]


def _later(batches: Callable[[int], dict], done: int) -> Callable[[int], dict]:
    return lambda step: batches(done + step)


def _flamingo(ledger: Ledger, scenes: int) -> Opened:
    """Resampler and gated layers from scratch, on documents."""
    config = {"language": "llama-shots", "seed": ledger.seed}
    opened = flamingo_commands.build_toy(config, with_encoder=False)
    data = ToyScenes(scenes, ledger.seed, "train", opened.encoder, CACHE)
    limit, stage = opened.model.language.max_positions, flamingo.scale("toy").stage
    documents = ToyDocuments(data, opened.tokenizer, flamingo_commands.INTERLEAVED, limit)
    chosen = {"batch_size": stage.batch_size, "seed": ledger.seed}
    ledger.fit(opened.model, stage, 1.0, partial(documents.batch, **chosen))
    return opened


def _llava(ledger: Ledger, scenes: int) -> Opened:
    """Stage 1, the projector on captions, and stage 2, with the language model on instructions."""
    config = {"llava_version": "v1.5", "seed": ledger.seed}
    opened = llava_commands.build_toy(config, with_encoder=False)
    data = ToyScenes(scenes, ledger.seed, "train", opened.encoder, CACHE)
    numbers, chat = llava.scale("toy"), opened.asker.chat
    stages = (numbers.stage1, caption_batch), (numbers.stage2, instruction_batch)
    for (stage, batch), share in zip(stages, LLAVA_SHARES, strict=True):
        chosen = {"batch_size": stage.batch_size, "seed": ledger.seed}
        ledger.fit(opened.model, stage, share, partial(batch, data, chat, **chosen))
    return opened


def _minigpt4(ledger: Ledger, scenes: int) -> Opened:
    """Stage 1 on noisy pairs, then stage 2 on what the model itself described and was repaired."""
    opened = minigpt4_commands.build_toy({"seed": ledger.seed}, cached=True)
    numbers, chat = minigpt4.scale("toy"), opened.asker.chat
    data = ToyScenes(scenes, ledger.seed, "train", opened.encoder, CACHE)
    first, second = numbers.stage1, numbers.stage2
    chosen = {"batch_size": first.batch_size, "seed": ledger.seed}
    pairs = partial(pair_batch, data, chat, minigpt4.STAGE1_TEMPLATE, **chosen)
    ledger.fit(opened.model, first, MINIGPT4_SHARES[0], pairs)
    curated, count = counted(Curated(), numbers.num_curated)
    rows, read = minigpt4_commands.stage2_rows(opened, curated, count, ledger.seed)
    chosen = {"batch_size": second.batch_size, "seed": ledger.seed}
    batches = partial(drawn_batch, rows, chat.pad_token_id, read, **chosen)
    ledger.fit(opened.model, second, MINIGPT4_SHARES[1], batches)
    return opened


def _mplug_owl(ledger: Ledger, scenes: int) -> Opened:
    """Stage 1 with the encoder on captions, stage 2 the LoRA on text and pictures together."""
    opened, numbers = owl_commands.build_toy({"seed": ledger.seed}), mplug_owl.scale("toy")
    model, chat, (first, second) = opened.model, opened.asker.chat, OWL_SHARES
    pixels = OwlScenes(scenes, ledger.seed, "train", opened.encoder, encoded=False)
    stage, seed = numbers.stage1, ledger.seed
    chosen = {"batch_size": stage.batch_size, "seed": seed}
    ledger.fit(model, stage, first, partial(caption_batch, pixels, chat, **chosen))
    tokens = CachedVPG(model.vpg.encoder, model.vpg.head)
    data = OwlScenes(scenes, seed, "train", tokens, min(CLIPS, scenes // 4))
    model, stage = mplug_owl.on_cached_tokens(model.eval()), numbers.stage2
    mplug_owl.give_lora(model, numbers.lora, seed)
    chosen = {"batch_size": stage.batch_size, "seed": seed}
    chosen |= {"max_length": model.language.max_positions}
    batches = partial(joint_batch, data, chat, numbers.template, **chosen)
    ledger.fit(model, stage, second, batches)
    return replace(opened, model=model, encoder=tokens)


# Of the budget, one a stage: near what the stages of each recipe take at `toy`.
SHARES = {1: (1.0,), 2: (0.2, 0.8)}
LLAVA_SHARES, MINIGPT4_SHARES, OWL_SHARES = (0.35, 0.65), (0.85, 0.15), (0.6, 0.4)
_ALL = (
    Contestant(
        "blip2",
        "BLIP-2",
        _blip2,
        SHARES[1],
        inherits=("blip2-stage1",),
        note="stage 2 alone; its stage 1 is the inherited cost",
    ),
    Contestant(
        "flamingo",
        "Flamingo",
        _flamingo,
        (1.0,),
        language="llama-shots",
        tuned=True,
        note="llama-shots instead of llama-chat; a sample is a document of one to three images",
    ),
    Contestant("llava", "LLaVA", _llava, LLAVA_SHARES, tuned=True),
    Contestant(
        "minigpt4",
        "MiniGPT-4",
        _minigpt4,
        MINIGPT4_SHARES,
        inherits=("blip2-stage1", "blip2-opt"),
        note="curates its stage 2 from other scenes of the same world",
    ),
    Contestant(
        "mplug_owl",
        "mPLUG-Owl",
        _mplug_owl,
        OWL_SHARES,
        tuned=True,
        note="trains its encoder; half of stage 2's samples are text alone",
    ),
    Contestant(
        "vpgtrans",
        "VPGTrans",
        _vpgtrans,
        SHARES[2],
        inherits=("blip2-stage1", "blip2-opt"),
        note="from OPT to LLaMA, stages 1 and 2",
    ),
)
CONTESTANTS = {one.name: one for one in _ALL}


def chosen_contestants(names: tuple[str, ...] = ()) -> list[Contestant]:
    """Returns contestants by the names of their recipes; all of them where none is named.

    Raises:
        ValueError: for an unknown name, with the nearest known one, or one that comes twice.
    """
    for name in names:
        if name not in CONTESTANTS:
            raise unknown_name_error("model of the comparison", name, CONTESTANTS)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is named twice: name each model once.")
    return [CONTESTANTS[name] for name in names or CONTESTANTS]
