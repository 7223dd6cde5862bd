"""`python -m course_lib.classroom make 03` and `python -m course_lib.classroom grade FOLDER`."""

import argparse
import sys
from pathlib import Path

from course_lib.classroom.grading import GRADES, MARKS, grade_folder
from course_lib.classroom.jail import Limits
from course_lib.classroom.release import release, write_instructor_edition
from course_lib.classroom.word import FOLDER, instructors_word
from course_lib.devtools.environment import find_notebooks


def parser() -> argparse.ArgumentParser:
    """Returns what the two commands take."""
    made = argparse.ArgumentParser(prog="python -m course_lib.classroom")
    commands = made.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write both editions")
    make.add_argument("names", nargs="*", help="beginnings of file names, such as 03")
    make.add_argument("--out", type=Path, default=FOLDER, help="the folder of the class")
    grade = commands.add_parser("grade", help="grade a folder of submissions")
    grade.add_argument("folder", type=Path, help="STUDENT/NN_name.ipynb lie in it")
    grade.add_argument("--out", type=Path, default=FOLDER / "graded", help="where results go")
    grade.add_argument("--seconds", type=float, default=60, help="processor time of an answer")
    grade.add_argument("--gib", type=float, default=2, help="memory of an answer")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "make":
            return _make(options.names, options.out)
        limits = Limits(options.seconds, 4 * options.seconds, int(options.gib * 2**30))
        word = instructors_word()
        graded = grade_folder(options.folder, options.out, word, limits)
    except ValueError as error:
        print(f"classroom: {error}", file=sys.stderr)
        return 2
    print(f"{len(graded)} submissions graded: {options.out / GRADES}, {MARKS}, feedback/")
    return 0


def _make(names: list[str], out: Path) -> int:
    stems = []
    for path in find_notebooks(names):
        write_instructor_edition(path, out)
        stems.append(path.stem)
    for path in release(stems, out):
        print(f"{path.stem}: {out / 'source'} for you, {path} for students", flush=True)
    instructors_word()
    print(f"The word for hidden checks is in {FOLDER / 'word'}: keep it, show it to nobody.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
