"""The one table of all six models: `python -m course_lib.devtools.cross_model_table` prints it.

Numbers (visual tokens, parameters, samples, names of backbones) are read from the recipes and from
models built on the meta device; the words for heads, projectors and data stand here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from course_lib.errors import exit_code, unknown_name_error
from course_lib.planner.jobs import Job, jobs_of
from course_lib.planner.report import short
from course_lib.planner.shapes import vision_shape
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans

SCALES = ("toy", "small", "a100")
HEAD = (
    "model",
    "VPG head",
    "visual tokens",
    "projector",
    "fusion, LLM change",
    "what trains in each stage (parameters, samples)",
    "LLM",
    "data",
)
_TITLES = {
    "blip2": "BLIP-2",
    "flamingo": "Flamingo",
    "llava": "LLaVA",
    "minigpt4": "MiniGPT-4",
    "mplug_owl": "mPLUG-Owl",
    "vpgtrans": "VPGTrans",
}
_WORDS = {
    "blip2": ("Q-Former", "linear", "splice", "captions"),
    "flamingo": ("perceiver resampler", "none", "gated cross-attention", "interleaved documents"),
    "llava": ("none: patches", "two layers (v1: linear)", "splice", "captions; instructions"),
    "minigpt4": (
        "BLIP-2's Q-Former, frozen",
        "linear",
        "splice in a chat",
        "noisy pairs; curated descriptions",
    ),
    "mplug_owl": (
        "abstractor",
        "linear, one end token",
        "splice; LoRA on q_proj, v_proj",
        "captions; instructions in text and pictures",
    ),
    "vpgtrans": ("inherited Q-Former", "merged with a word converter", "splice", "captions"),
}


def _llava_tokens(numbers: llava.Scale) -> int:
    return vision_shape(numbers.vision, drop_cls=True).num_tokens


_TOKENS: dict[str, Callable] = {
    "blip2": lambda numbers: numbers.qformer.num_query_tokens,
    "flamingo": lambda numbers: numbers.resampler.num_latents,
    "llava": _llava_tokens,
    "minigpt4": lambda numbers: numbers.qformer.num_query_tokens,
    "mplug_owl": mplug_owl.places_of,
    "vpgtrans": lambda numbers: numbers.qformer.num_query_tokens,
}
_LLMS: dict[str, Callable] = {
    "blip2": lambda numbers: ", ".join(numbers.languages.values()),
    "flamingo": lambda numbers: next(iter(numbers.languages.values())),
    "llava": lambda numbers: numbers.language,
    "minigpt4": lambda numbers: numbers.language,
    "mplug_owl": lambda numbers: numbers.language,
    "vpgtrans": lambda numbers: _targets(numbers),
}
_MODULES = {
    module.NAME: module for module in (blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans)
}


def _targets(numbers: vpgtrans.Scale) -> str:
    return ", ".join(dict.fromkeys(one.language for one in numbers.transfers.values()))


def table_rows(scale: str = "toy") -> list[list[str]]:
    """Returns one row of cells a model, under `HEAD`.

    Args:
        scale: "toy", "small" or "a100".

    Raises:
        ValueError: for an unknown scale.
    """
    if scale not in SCALES:
        raise unknown_name_error("scale", scale, SCALES)
    return [_row(name, scale) for name in _TITLES]


def _row(name: str, scale: str) -> list[str]:
    numbers = _MODULES[name].scale(scale)
    head, projector, fusion, data = _WORDS[name]
    stages = "; ".join(_stage(job) for job in jobs_of(name, scale))
    row = [_TITLES[name], head, str(_TOKENS[name](numbers)), projector, fusion, stages]
    return [*row, _LLMS[name](numbers), data]


def _stage(job: Job) -> str:
    """Says "1: vpg.head, projector (1.08M, 192k)"."""
    samples = job.stage.steps * job.stage.batch_size
    parts = ", ".join(_readable(entry) for entry in job.stage.trainable)
    return f"{job.number}: {parts} ({short(job.inventory.trainable)}, {short(samples)})"


def _readable(entry: str) -> str:
    return "LoRA" if "lora" in entry else entry


def markdown(scale: str = "toy") -> str:
    """Returns the table as Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *table_rows(scale)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(words: list[str] | None = None) -> int:
    """Prints the table of a scale."""
    parser = argparse.ArgumentParser(description="One table of all models, from the recipes.")
    parser.add_argument("--scale", default="toy", help="toy, small or a100")
    chosen = parser.parse_args(words)
    return exit_code("cross_model_table", lambda: print(markdown(chosen.scale)))


if __name__ == "__main__":
    raise SystemExit(main())
