"""Makes cells of a notebook drafted as text: `python -m course_lib.devtools.draft 07`.

A cell begins with `%% md`, `%% code [tags] {metadata}`, `%% ex ID`, an exercise whose words and
stub come from its file, or `%% repair ID`, the same in a bug clinic, whose draft is named such as
`clinics_03_llava.txt`. The notebook is not executed here: `devtools.execute` does that.
"""

import json
import re
import sys
from pathlib import Path

import nbformat

from course_lib.devtools.clinic_cells import repair_cells
from course_lib.devtools.environment import CLINICS, NOTEBOOKS
from course_lib.devtools.exercise_cells import stub_of, words
from course_lib.teach.task import find_exercise

HEAD = re.compile(r"%% (?P<kind>md|code|ex|repair)(?: \[(?P<tags>[^]]*)])?(?P<rest>.*)")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def stub(name: str) -> str:
    """The learner's cell of an exercise."""
    return stub_of(name, find_exercise(name))


def cells(text: str) -> list[nbformat.NotebookNode]:
    """Cuts a draft into cells; ids count the words, the code and the exercises."""
    made, counts = [], {"md": 0, "code": 0, "ex": 0, "repair": 0}
    for block in re.split(r"^(?=%% )", text, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        found = HEAD.fullmatch(head.strip())
        if found is None:
            raise ValueError(
                f"{head!r} begins no cell: %% md, %% code [tags] {{...}}, %% ex ID or %% repair ID"
            )
        kind, rest, body = found["kind"], found["rest"].strip(), body.strip()
        counts[kind] += 1
        label = f"{kind[0]}{counts[kind]:02}"
        if kind == "md":
            made.append(nbformat.v4.new_markdown_cell(body, id=label))
        elif kind == "code":
            data = json.loads(rest) if rest else {}
            data |= {"tags": found["tags"].split(",")} if found["tags"] else {}
            made.append(nbformat.v4.new_code_cell(body, id=label, metadata=data))
        elif kind == "repair":
            made += repair_cells(rest, label)
        else:
            data = {"tags": [f"exercise:{rest}"]}
            said, code = words(rest, find_exercise(rest)), stub(rest)
            label = f"x{counts[kind]:02}"
            made.append(nbformat.v4.new_markdown_cell(said, id=f"{label}m", metadata=data))
            made.append(nbformat.v4.new_code_cell(code, id=f"{label}c", metadata=data))
    return made


def main(numbers: list[str]) -> int:
    """Makes the notebooks of these drafts; one that is there is written anew."""
    for number in numbers:
        (draft,) = Path(NOTEBOOKS, "drafts").glob(f"{number}_*.txt")
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
        notebook.cells = cells(draft.read_text(encoding="utf-8"))
        path = NOTEBOOKS / f"{draft.stem}.ipynb"
        if draft.stem.startswith("clinics_"):
            path = CLINICS / f"{draft.stem.removeprefix('clinics_')}.ipynb"
        nbformat.write(notebook, path)
        print(f"{draft.stem}.ipynb: {len(notebook.cells)} cells")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
