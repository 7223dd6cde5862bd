"""LLaVA's own JSON: id, image, and a talk between human and gpt with `<image>` in its first turn.

The layout is that of `llava_instruct_150k.json` (arXiv 2304.08485, section 3; official files
`docs/Finetune_Custom_Data.md`, `llava/train/train.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from course_lib.errors import atomic_path, unknown_name_error
from course_lib.instructions.mix import rank
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.teacher import Turn
from course_lib.instructions.validate import IMAGE, record_fault

PLACEMENTS = ("random", "first", "last")


def llava_record(
    id: str, image: str, type: str, turns: Sequence[Turn], placement: str = "random", seed: int = 0
) -> dict:
    """Writes one sample.

    Args:
        id: of the image; the sample's own is "ID-TYPE", since an image may have several.
        image: its file name.
        type: "conversation", "detail" or "reasoning".
        turns: one or more.
        placement: of `<image>` in the first human turn: "random" as in the paper's equation 4,
            "first" as in the released code since version 1.0, "last" as in the first release.
        seed: of the random placement, which depends on the sample alone.

    Raises:
        ValueError: for an unknown placement, or turns that give no valid record.
    """
    if placement not in PLACEMENTS:
        raise unknown_name_error("placement", placement, PLACEMENTS)
    first = placement == "first"
    if placement == "random":
        first = rank(seed, f"placement/{type}", id)[0] < 128
    conversations = []
    for index, turn in enumerate(turns):
        question = turn.question
        if index == 0:
            question = f"{IMAGE}\n{question}" if first else f"{question}\n{IMAGE}"
        conversations += [
            {"from": "human", "value": question},
            {"from": "gpt", "value": turn.answer},
        ]
    record = {"id": f"{id}-{type}", "image": image, "conversations": conversations}
    fault = record_fault(record)
    if fault:
        raise ValueError(f"Sample {record['id']} {fault}.")
    return record


def write_llava(records: dict[str, list[dict]], folder: Path, seed: int = 0) -> Path:
    """Writes all samples shuffled into one file, and each type into a file of its own.

    Args:
        records: type → its samples.
        folder: gets `llava_instruct.json`, `conversation.json`, `detail.json`, `reasoning.json`.
        seed: of the order.

    Returns:
        The path of the file with all samples.
    """
    ordered = {
        type: sorted(records.get(type, []), key=lambda r: rank(seed, "order", r["id"]))
        for type in TYPES
    }
    together = [record for type in TYPES for record in ordered[type]]
    together.sort(key=lambda record: rank(seed, "order", record["id"]))
    for name, rows in (*ordered.items(), ("llava_instruct", together)):
        with atomic_path(Path(folder) / f"{name}.json") as path:
            path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    return Path(folder) / "llava_instruct.json"
