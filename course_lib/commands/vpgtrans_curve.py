"""How good a VPGTrans run was while it trained, and how many samples that took.

The scores stand in the run's own metrics, so that a run is measured where it was, not where it
ended. A run of the zoo ships without metrics and has no curve.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn
from transformers import PreTrainedTokenizerBase

from course_lib.commands.runs import toy_config
from course_lib.commands.vpgtrans_models import WARMED
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.captions import caption_scores
from course_lib.evaluation.speedup import SHARE, SpeedUp, first_crossing
from course_lib.evaluation.toy import Answerer
from course_lib.recipes import vpgtrans
from course_lib.training.metrics import read_metrics

CURVE_EVERY, CURVE_SCENES = 50, 64


def writes_captions(
    tokenizer: PreTrainedTokenizerBase, data: ToyScenes
) -> Callable[[nn.Module], dict[str, float]]:
    """Returns what measures a model by the captions that it writes of held-out scenes."""

    def measure(model: nn.Module) -> dict[str, float]:
        written = Answerer(model, tokenizer, data).captions(list(range(len(data))))
        found = caption_scores(written, data.scenes)
        return {key: found[key] for key in ("things_right", "exact")}

    return measure


def curve_of(run: str | Path) -> list[dict]:
    """Returns what a run was worth while it trained, its warm-up included.

    Args:
        run: run directory or zoo name.

    Returns:
        [{samples, things_right, exact}], samples counted from the start of the warm-up; none for a
        run of the zoo.
    """
    path, config = toy_config(run, vpgtrans.NAME)
    rows = [row for row in read_metrics(path) if "eval" in row]
    if not rows:
        return []
    before, size = config["samples_before"], config["stage"]["batch_size"]
    earlier = curve_of(config["init"]) if config["start"] == WARMED else []
    return [*earlier, *({"samples": before + size * row["step"], **row["eval"]} for row in rows)]


def speed_up_over(
    run: str | Path, scratch: str | Path, share: float = SHARE, metric: str = "things_right"
) -> SpeedUp:
    """Compares what two runs needed to reach a share of what the second one ends with.

    Args:
        run: of the transfer.
        scratch: the run from scratch, on the same language model.
        share: the quality is this share of its last score.
        metric: "things_right" or "exact".

    Raises:
        ValueError: for runs of two language models, or one without a curve.
    """
    curves, told = [], []
    for one in (scratch, run):
        told.append(toy_config(one, vpgtrans.NAME)[1]["language"])
        curve = curve_of(one)
        if not curve:
            raise ValueError(f"{one} has no scores along the way: train it here, it ships without.")
        curves.append(([p["samples"] for p in curve], [p[metric] for p in curve]))
    if told[0] != told[1]:
        raise ValueError(
            f"{scratch} speaks with {told[0]!r} and {run} with {told[1]!r}: compare two runs on "
            "one language model."
        )
    quality = share * curves[0][1][-1]
    needed = [first_crossing(at, values, quality) for at, values in curves]
    return SpeedUp(quality, *needed, curves[0][0][-1])
