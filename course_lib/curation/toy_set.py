"""The toy world's curated set, made while one waits: described, repaired, filtered, decided.

MiniGPT-4, arXiv 2304.10592, section 3.2, had people look at every repaired description. Here the
scene stands in for their eyes: what names every thing wholly right, and nothing else, is accepted;
of anything else a person would write what is to be seen, which the rule-based teacher does. So each
kept description is true, and what a repair alone is worth shows where nobody decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from course_lib.curation.curated_set import kept_captions
from course_lib.curation.decisions import ACCEPT, EDIT, Decision
from course_lib.curation.describing import WISH, Ask, Described, describe
from course_lib.curation.proposing import Proposal, propose
from course_lib.curation.repairers import RuleRepairer
from course_lib.errors import unknown_name_error
from course_lib.evaluation.captions import things_right
from course_lib.instructions.journal import Journal
from course_lib.instructions.toy_rules import detail
from course_lib.world.scene import Scene

CURATED, REPAIRED, DESCRIBED = SOURCES = ("curated", "repaired", "described")
# A whole description of one thing has 27 tokens; the paper's 80 would have every answer continued.
SHORT = 20
BLOCK = 64
SPARE = 2  # scenes a wanted description: a filter rejects some


@dataclass(frozen=True)
class Curated:
    """What stage 2 reads.

    Args:
        count: descriptions; None takes the recipe's number, or all that a folder holds.
        source: one of `SOURCES`, where the set is made from scenes.
        folder: of a set in the released layout, see `curated_set`; "" makes one from scenes.
    """

    count: int | None = None
    source: str = CURATED
    folder: str = ""


def counted(curated: Curated, usual: int, scenes: int | None = None) -> tuple[Curated, int]:
    """Fills in how many descriptions are made, and of how many scenes at most.

    Args:
        curated: what is wanted.
        usual: descriptions where it does not say.
        scenes: another number of them; without a count, descriptions become fewer with them.

    Returns:
        (the set with its count; scenes that may be described, 0 where a folder is read).
    """
    if curated.folder:
        return curated, 0
    count = curated.count
    if count is None:
        count = usual if scenes is None else max(1, min(usual, scenes // SPARE))
    return replace(curated, count=count), SPARE * count if scenes is None else scenes


def repairs(described: Sequence[Described]) -> list[Proposal]:
    """Returns what the rules make of descriptions, without those that a filter rejects."""
    settings = {"teacher": RuleRepairer.name}
    with TemporaryDirectory() as folder, Journal(Path(folder) / "answers.jsonl", settings) as log:
        return propose(described, RuleRepairer(), log)[0]


def decide(proposals: Sequence[Proposal], scenes: Sequence[Scene]) -> dict[str, Decision]:
    """Decides about proposals as a person who sees the pictures.

    Args:
        proposals: their image ids are rows of `scenes`.
        scenes: what is to be seen.

    Returns:
        image_id → decision: accepted as it is, or edited to the teacher's description.
    """
    made = {}
    for proposal in proposals:
        scene = scenes[int(proposal.image_id)]
        right, named = things_right(proposal.caption, scene)
        if right == named:
            decision = Decision(proposal.image_id, ACCEPT, proposal.caption)
        else:
            told = detail(scene, np.random.default_rng(0))[0].answer
            decision = Decision(proposal.image_id, EDIT, told)
        made[proposal.image_id] = decision
    return made


def _captions(source: str, described: list[Described], scenes: Sequence[Scene]) -> dict[str, str]:
    if source == DESCRIBED:
        return {one.id: one.text for one in described if one.text}
    proposals = repairs(described)
    if source == REPAIRED:
        return {one.image_id: one.caption for one in proposals}
    return kept_captions(proposals, decide(proposals, scenes)) if proposals else {}


def toy_captions(
    ask: Ask,
    scenes: Sequence[Scene],
    count: int,
    source: str = CURATED,
) -> dict[str, str]:
    """Makes descriptions of the first scenes that give one, until there are enough.

    Args:
        ask: the model that describes; it names scenes by their row.
        scenes: more of them than are wanted: a filter rejects some descriptions.
        count: descriptions that are wanted.
        source: "curated" is repaired, filtered and decided about, "repaired" is not decided about,
            "described" is as the model wrote it.

    Returns:
        image_id → description, `count` of them, in the order of the scenes.

    Raises:
        ValueError: for an unknown source, a count below 1, or scenes that do not give enough.
    """
    if source not in SOURCES:
        raise unknown_name_error("source", source, SOURCES)
    if count < 1:
        raise ValueError(f"{count} descriptions are no set: ask for at least 1.")
    kept: dict[str, str] = {}
    for start in range(0, len(scenes), BLOCK):
        rows = range(start, min(start + BLOCK, len(scenes)))
        described = describe([str(row) for row in rows], ask, WISH, SHORT)
        kept |= _captions(source, described, scenes)
        if len(kept) >= count:
            return dict(list(kept.items())[:count])
    raise ValueError(
        f"{len(scenes)} scenes gave {len(kept)} descriptions that pass, not {count}: give more "
        "scenes, ask for fewer, or train stage 1 longer."
    )
