"""Finds and reads what students handed in, however damaged.

A file is read as JSON and nothing more is asked of it: graders break on notebook metadata, a
learner should not pay for that.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.classroom.answers import Cell
from course_lib.classroom.edition import key
from course_lib.devtools.exercise_cells import TAG
from course_lib.teach.task import exercise_ids

MOST_BYTES = 50 * 2**20


@dataclass(frozen=True)
class Submission:
    """One notebook of one student.

    Args:
        student: the name of their folder.
        notebook: which one it is, such as "03_blip2_stage1".
        path: the file.
    """

    student: str
    notebook: str
    path: Path


def find_submissions(folder: Path, notebooks: list[str]) -> tuple[list[Submission], list[str]]:
    """Finds `STUDENT/…/NN_name.ipynb` below a folder; the depth is free, as nbgrader's is.

    Args:
        folder: with a folder for each student.
        notebooks: the known names, without ending.

    Returns:
        The submissions, a student's after each other, and a sentence for each file left out.

    Raises:
        ValueError: when the folder is missing or has no student's folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: it should hold a folder for each student.")
    found: dict[tuple[str, str], Submission] = {}
    left_out = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(root) / file
            parts = path.relative_to(folder).parts
            if path.suffix != ".ipynb" or file.startswith("."):
                continue
            fault = _fault(path, parts, notebooks)
            if not fault and (parts[0], path.stem) in found:
                fault = "the same notebook is there twice, the first one counts"
            if fault:
                left_out.append(f"{path.relative_to(folder)}: {fault}")
            else:
                found[parts[0], path.stem] = Submission(parts[0], path.stem, path)
    if not found and not left_out:
        raise ValueError(f"{folder} has no STUDENT/NN_name.ipynb: nothing was handed in there.")
    return sorted(found.values(), key=lambda one: (one.student, one.notebook)), left_out


def _fault(path: Path, parts: tuple[str, ...], notebooks: list[str]) -> str:
    if len(parts) < 2:
        return "it is in no student's folder"
    if path.stem not in notebooks:
        return f"no notebook has this name; there are {', '.join(notebooks)}"
    if path.is_symlink() or not path.is_file():
        return "it is no file of its own"
    return ""


def read_cells(path: Path) -> list[Cell]:
    """Reads the code cells of a submission.

    Raises:
        ValueError: for a file that is no notebook, with what is wrong in one sentence.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        limit = MOST_BYTES // 2**20
        raise ValueError(f"the file has {size // 2**20} MB; at most {limit} MB are read")
    try:
        raw = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"the file is no notebook: {str(error)[:100]}") from None
    cells = raw.get("cells") if isinstance(raw, dict) else None
    if cells is None and isinstance(raw, dict):  # the format before 2015
        sheets = raw.get("worksheets")
        cells = sheets[0].get("cells") if isinstance(sheets, list) and sheets else None
    if not isinstance(cells, list):
        raise ValueError("the file is no notebook: it has no list of cells")
    known = {f"answer_{key(name)}": name for name in exercise_ids()}
    return [_cell(cell, known) for cell in cells if _is_code(cell)]


def _is_code(cell: Any) -> bool:
    return isinstance(cell, dict) and cell.get("cell_type") == "code"


def _cell(cell: dict, known: dict[str, str]) -> Cell:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    about = cell.get("metadata")
    about = about if isinstance(about, dict) else {}
    tags = about.get("tags") if isinstance(about.get("tags"), list) else []
    names = [t.removeprefix(TAG) for t in tags if isinstance(t, str) and t.startswith(TAG)]
    grader = about.get("nbgrader")
    identity = grader.get("grade_id") if isinstance(grader, dict) else None
    names += [known[identity]] if isinstance(identity, str) and identity in known else []
    return Cell(source if isinstance(source, str) else "", tuple(names))
