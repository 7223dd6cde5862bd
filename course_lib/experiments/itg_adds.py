"""What does ITG add to retrieval? Stage 1 with and without the loss that writes captions."""

from dataclasses import replace
from functools import partial

from accelerate import Accelerator

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.commands.blip2 import TEXT_LENGTH, Opened, retrieval
from course_lib.data.toy import stage1_batch
from course_lib.experiments.runner import Experiment
from course_lib.experiments.stage2_runs import BATCH_SIZE, HELD_OUT, training_scenes
from course_lib.recipes import blip2
from course_lib.training.loop import train

ARMS = {"ITC + ITM": ("itc", "itm"), "ITC + ITM + ITG": ("itc", "itm", "itg")}


def _measure(arm: str, seed: int, steps: int) -> dict:
    numbers, tokenizer = blip2.scale("toy"), build_tokenizer("bert", TEXT_LENGTH)
    data = training_scenes(seed)
    model = blip2.build_stage1(numbers, None, tokenizer, ARMS[arm], seed)
    stage = replace(numbers.stage1, steps=steps, warmup_steps=min(50, steps))
    batches = partial(stage1_batch, data, tokenizer, batch_size=BATCH_SIZE, seed=seed)
    train(model, stage, batches, seed=seed, accelerator=Accelerator(cpu=True), progress=False)
    found = retrieval(Opened(model.eval(), data.encoder, tokenizer, {}), HELD_OUT + seed, "test")
    return {key: round(float(value), 4) for key, value in found.items()}


EXPERIMENT = Experiment(
    claim="ITG, added to ITC and ITM, improves image-text retrieval (BLIP-2, table 6).",
    arms=tuple(ARMS),
    measure=_measure,
    steps=300,
    minutes=4.0,
)
