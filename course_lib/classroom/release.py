"""Both editions as files: ours writes the instructor's, nbgrader makes the students' of it."""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from course_lib.classroom.edition import FOR_INSTRUCTORS, STUB, instructor_edition

_PICTURE = re.compile(r"\bimages/[\w.-]+\w")
CONFIG = f'''"""nbgrader's configuration of this folder; written by `make classroom`."""

from nbconvert.preprocessors import TagRemovePreprocessor
from nbgrader.converters import GenerateAssignment

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "multimodal-course"
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_cell_tags = {{"{FOR_INSTRUCTORS}"}}
c.GenerateAssignment.preprocessors = [
    TagRemovePreprocessor,
    *GenerateAssignment.preprocessors.default(),
]
c.Execute.timeout = 900
c.ExecutePreprocessor.timeout = 900
'''


def write_instructor_edition(path: Path, folder: Path) -> Path:
    """Writes the instructor's edition of a notebook with its pictures, and returns its path.

    Args:
        path: a committed notebook.
        folder: of the class; the edition is its `source/NN_name/NN_name.ipynb`.
    """
    made = instructor_edition(nbformat.read(path, as_version=4), path.stem)
    target = folder / "source" / path.stem / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, target)
    for found in sorted(set(_PICTURE.findall("\n".join(cell.source for cell in made.cells)))):
        if (path.parent / found).is_file():
            copy = target.parent / found
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.parent / found, copy)
    return target


def release(names: Sequence[str], folder: Path) -> list[Path]:
    """Makes the students' editions of assignments by nbgrader; returns their paths.

    Args:
        names: of notebooks whose instructor's edition is in the folder.
        folder: of the class; the editions are its `release/NN_name/NN_name.ipynb`.

    Raises:
        ValueError: when nbgrader is missing or refuses; its own words are in the message.
    """
    try:
        from nbgrader.apps import NbGraderAPI
        from traitlets.config.loader import PyFileConfigLoader
    except ImportError:
        raise ValueError("nbgrader is not installed: `make classroom` installs it.") from None
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    # nbgrader looks for the program `alembic` beside this Python, which need not be active.
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = here + os.pathsep + os.environ.get("PATH", "")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder.resolve())
    api = NbGraderAPI(config=config)
    for name in names:
        result = api.generate_assignment(name, force=True, create=True)
        if not result["success"]:
            told = "\n".join(filter(None, (result.get("log"), result.get("error")))) or "no reason"
            raise ValueError(f"nbgrader did not release {name}: {told}")
    return [folder / "release" / name / f"{name}.ipynb" for name in names]
