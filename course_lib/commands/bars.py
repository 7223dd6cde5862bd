"""What a trained run has to reach on held-out scenes, recipe by recipe and stage by stage."""

from __future__ import annotations

from collections.abc import Callable

_RETRIEVAL = {"r_at_1": 0.90}
_BLIP2 = {"things_right": 0.80, "vqa": 0.60, "vqa_over_blind": 0.20, "after_caption": 0.75}
# Chance is .50; with the shots' images in another order at most .05 may be left above or below it.
_FLAMINGO = {"vqa": 0.75, "symbols, 8 shots": 0.70, "symbols, shuffled, near chance": 0.95}
_LLAVA = {
    "conversation": 0.90,
    "reasoning": 0.80,
    "conversation_over_blind": 0.25,
    "reasoning_over_blind": 0.25,
}
# A bar is what a score has to reach: at most .05 of the descriptions may fail.
_MINIGPT4 = {"descriptions that do not fail": 0.95, "descriptions, things_right": 0.75}
_MPLUG_OWL = {"images": 0.85, "text": 0.90, "which of two pictures": 0.75}
_VPGTRANS = {"things_right": 0.80}
BARS = {
    ("blip2", "1"): _RETRIEVAL,
    ("blip2", "2"): _BLIP2 | _RETRIEVAL,
    ("flamingo", "1"): _FLAMINGO,
    ("llava", "1"): {},
    ("llava", "2"): _LLAVA,
    ("minigpt4", "1"): {},
    ("minigpt4", "2"): _MINIGPT4,
    ("mplug_owl", "1"): {},
    ("mplug_owl", "2"): _MPLUG_OWL,
    ("vpgtrans", "1"): {},
    ("vpgtrans", "2"): _VPGTRANS,
    ("vpgtrans", "3"): _MINIGPT4,
}


def bars_of(recipe: str, stage: str) -> dict[str, float]:
    """Returns the bars of a recipe's stage: name of a score to what it has to reach."""
    return BARS[recipe, stage]


def scores_of(found: dict) -> dict[str, float]:
    """Picks from what `evaluate` found the numbers that bars speak of, and their neighbours."""
    return _SCORES[found["recipe"]](found)


def _blip2_scores(found: dict) -> dict[str, float]:
    scores = {"r_at_1": found["retrieval"]["r_at_1"]} if found["retrieval"] else {}
    return scores if found["vqa"] is None else scores | _behind_a_vpg(found)


def _behind_a_vpg(found: dict) -> dict[str, float]:
    vqa = found["vqa"]
    return {
        "things_right": found["captions"]["things_right"],
        "exact": found["captions"]["exact"],
        "vqa": vqa["all"],
        "vqa_over_blind": vqa["all"] - vqa["blind"]["all"],
        "after_caption": vqa["after_caption"]["all"],
    }


def _flamingo_scores(found: dict) -> dict[str, float]:
    vqa, binding = found["vqa"], found["binding"]
    scores = {"things_right": found["captions"]["things_right"], "vqa": vqa["all"]}
    scores["vqa_over_blind"] = vqa["all"] - vqa["blind"]["all"]
    for shots, row in binding.items():
        scores[f"symbols, {shots} shots"] = row["right"]
    scores["symbols, shuffled, near chance"] = 1 - abs(binding["8"]["shuffled"] - 0.5)
    return scores | {f"vqa, {shots} shots": share for shots, share in found["shots"].items()}


def _llava_scores(found: dict) -> dict[str, float]:
    scores = {"captions, things_right": found["captions"]["things_right"]}
    told = found["instructions"]
    for kind in ("conversation", "reasoning"):
        right, blind = told[kind]["all"], told["blind"][kind]["all"]
        scores |= {kind: right, f"{kind}_over_blind": right - blind}
    scores["reasoning, held-out facts"] = told["held_out"]["all"]
    scores["detail, things_right"] = told["detail"]["things_right"]
    return scores


def _minigpt4_scores(found: dict) -> dict[str, float]:
    return {
        "captions, things_right": found["captions"]["things_right"],
        "descriptions that do not fail": 1 - found["failures"]["rate"],
        "descriptions, things_right": found["descriptions"]["things_right"],
        "made up, of things named": found["made_up"]["chair_i"],
        "words of a description": found["made_up"]["words"],
    }


def _mplug_owl_scores(found: dict) -> dict[str, float]:
    scores = {"captions, things_right": found["captions"]["things_right"]}
    for kind in ("images", "text"):
        scores[kind] = found[kind]["all"]
    scores["images, blind"] = found["images"]["blind"]
    numbers = {"2": "two", "3": "three", "4": "four"}
    for count, share in found["several"]["which"].items():
        scores[f"which of {numbers[count]} pictures"] = share
    return scores | {"what moved": found["clips"]["moved"]}


def _vpgtrans_scores(found: dict) -> dict[str, float]:
    return _minigpt4_scores(found) if found["stage"] == "3" else _behind_a_vpg(found)


_SCORES: dict[str, Callable[[dict], dict[str, float]]] = {
    "blip2": _blip2_scores,
    "flamingo": _flamingo_scores,
    "llava": _llava_scores,
    "minigpt4": _minigpt4_scores,
    "mplug_owl": _mplug_owl_scores,
    "vpgtrans": _vpgtrans_scores,
}
