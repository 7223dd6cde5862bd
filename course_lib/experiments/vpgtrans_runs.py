"""What the experiments with VPGTrans share: one arm is built, trained and measured as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial

from course_lib.commands.blip2 import open_run
from course_lib.commands.runs import Opened
from course_lib.commands.vpgtrans_models import word_converter
from course_lib.data.prompts import image_token_id
from course_lib.data.toy import CACHE, ToyScenes, stage2_batch
from course_lib.experiments.stage2_runs import SCENES
from course_lib.experiments.stage2_runs import fit as fit_stage
from course_lib.experiments.vpgtrans_watch import Watch
from course_lib.recipes import blip2, vpgtrans
from course_lib.training.stages import Stage
from course_lib.zoo.load import zoo_language, zoo_vision

TOY = vpgtrans.scale("toy")
WARMUP_SHARE = 0.2  # of the steps; in the recipe one pass is .16 of both stages


@dataclass(frozen=True)
class Arm:
    """A way from a trained source to a language model that it does not know.

    Args:
        inherits: begins with the source's VPG; else with the Q-Former of BLIP-2's stage 1.
        converts: merges the source's projector with a word converter; else it is random.
        warms: trains the projector alone first, at 5 times the rate.
        tunes: then VPG and projector; False goes on with the projector alone.
    """

    inherits: bool = True
    converts: bool = False
    warms: bool = False
    tunes: bool = True

    def stages(self, steps: int) -> list[Stage]:
        """Returns the stages of this arm, of so many steps together."""
        if not self.tunes:
            return [constant_stage(steps)]
        first = [constant_stage(round(WARMUP_SHARE * steps))] if self.warms else []
        stage = TOY.stage2.shortened(steps - sum(one.steps for one in first))
        if first:
            return [*first, stage]
        # A random projector gets a rate that begins at 0, as in BLIP-2: a fair start for all arms.
        return [Stage(**{**vars(stage), "warmup_steps": min(25, steps)})]


def constant_stage(
    steps: int, factor: float = vpgtrans.WARMUP_FACTOR, whole_vpg: bool = False
) -> Stage:
    """Returns the recipe's stage 1 at another multiple of stage 2's rate, or with the VPG."""
    rate = factor * TOY.stage2.learning_rate
    changed = {"steps": steps, "learning_rate": rate, "min_learning_rate": rate}
    parts = vpgtrans.STAGE2_TRAINABLE if whole_vpg else vpgtrans.STAGE1_TRAINABLE
    return Stage(**{**vars(TOY.stage1), **changed, "trainable": parts})


@cache
def source_of(transfer: str) -> Opened:
    """Opens the trained BLIP-2 from which a transfer inherits; no arm changes it."""
    return open_run(TOY.transfers[transfer].source)


@lru_cache(maxsize=1)
def scenes_of(seed: int) -> ToyScenes:
    """Returns a seed's scenes: all arms read the same, and three experiments encode them once."""
    return ToyScenes(SCENES, seed, "train", zoo_vision("clip"), CACHE)


def begin(transfer: str, arm: Arm, seed: int) -> Opened:
    """Builds the model with which an arm begins."""
    source = source_of(transfer)
    language, tokenizer = zoo_language(TOY.transfers[transfer].language)
    place = image_token_id(tokenizer)
    if not arm.inherits:
        head = open_run("blip2-stage1").model.qformer
        model = blip2.build_stage2(blip2.scale("toy"), None, language, place, head, seed)
    else:
        made = word_converter(source, language, tokenizer)[0] if arm.converts else None
        model = vpgtrans.build(TOY, source.model, None, language, place, made, seed)
    return Opened(model.eval(), source.encoder, tokenizer, {})


def run_arm(transfer: str, arm: Arm, seed: int, steps: int) -> dict:
    """Trains an arm and measures it as it goes.

    Args:
        transfer: name of a transfer of the recipe.
        arm: the way.
        seed: of scenes, order and a random projector.
        steps: of all stages together.

    Returns:
        things_right at the end, at_start (nothing trained yet), early (after a fifth of the steps)
        and vqa; `probe.start`, `probe.early` and `probe.end` of the VPG; and the curve, points with
        samples, seconds of training and things_right.
    """
    opened, done = begin(transfer, arm, seed), 0
    watch = Watch(opened, seed, steps, TOY.stage2.batch_size)
    watch.look(0)
    for stage in arm.stages(steps):
        fit(opened, stage, seed, done, watch.look)
        done += stage.steps
    return watch.scores()


def fit(
    opened: Opened,
    stage: Stage,
    seed: int,
    done: int = 0,
    look: Callable[[int], None] = lambda step: None,
) -> list[dict]:
    """Trains one stage on captions of a seed's scenes.

    Args:
        opened: the model, changed in place.
        stage: what trains and how.
        seed: of scenes and order.
        done: batches that earlier stages have read; this one goes on behind them.
        look: is told the number of finished steps, earlier stages included, after every step.
    """
    model, data = opened.model, scenes_of(seed)
    queries, kind = model.vpg.head.config.num_query_tokens, model.language.is_encoder_decoder
    batch = partial(stage2_batch, data, opened.tokenizer, queries, kind)
    return fit_stage(
        model,
        stage,
        lambda step: batch(done + step, batch_size=stage.batch_size, seed=seed),
        seed,
        log_every=1,
        on_step=lambda step, row: look(done + step),
    )
