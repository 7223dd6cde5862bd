"""FLOPs by the rule of 6, 4, 2 and 0: trained, passed by a gradient, before all that, cached.

A weight costs 2 FLOPs a position forward, 2 more to hand the gradient on, and 2 more for a gradient
of its own. Products of attention without weights are left out: S / (6 D) of the rest, 2 to 3 % for
the models here. So is the last block's trim to labelled words, as small for deep models.
"""

from __future__ import annotations

from course_lib.planner.inventory import VISUAL, Inventory, Weight


def factor_of(weight: Weight, inventory: Inventory, cached: bool = False) -> int:
    """Returns FLOPs for each number of a weight and each position: 6, 4, 2 or 0.

    Args:
        weight: one of the inventory's.
        inventory: of the whole stage.
        cached: whether the frozen first parts ran once, before, and what they gave was kept.
    """
    if weight.trains:
        return 6
    if inventory.reached(weight.part):
        return 4
    return 0 if cached and weight.part in VISUAL else 2


def flops_by_part(inventory: Inventory, cached: bool = False) -> dict[str, float]:
    """Returns the FLOPs of one sample, part by part."""
    found = {part.name: 0.0 for part in inventory.parts}
    for weight in inventory.weights:
        factor = factor_of(weight, inventory, cached)
        found[weight.part] += factor * weight.numbers * weight.positions
    return found


def words_by_part(inventory: Inventory, cached: bool = False) -> dict[str, str]:
    """Tells how each part was counted, such as "6N, 4N"."""
    kinds: dict[str, set[int]] = {part.name: set() for part in inventory.parts}
    for weight in inventory.weights:
        kinds[weight.part].add(factor_of(weight, inventory, cached))
    return {
        part: ", ".join(f"{kind}N" if kind else "0" for kind in sorted(found, reverse=True))
        for part, found in kinds.items()
    }


def recomputed(inventory: Inventory) -> float:
    """Returns what it costs a sample to run every block on the gradient's path a second time."""
    return sum(
        2 * weight.numbers * weight.positions
        for weight in inventory.weights
        if weight.block and inventory.reached(weight.part)
    )
