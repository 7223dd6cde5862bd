"""One page of feedback for a student: plain HTML, one file, no network."""

from collections.abc import Iterable, Sequence
from html import escape

from course_lib.classroom.marking import MISSING, Mark
from course_lib.teach.judging import OPEN, RIGHT
from course_lib.teach.task import find_exercise

_SIGNS = {
    RIGHT: ("✓", "right"),
    OPEN: ("○", "not attempted"),
    MISSING: ("–", "nothing that could be judged"),
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c2330; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
article { border-left: .3rem solid #8a94a6; padding: .1rem 1rem; margin: 1rem 0; }
article.right { border-color: #1b7f4b; } article.wrong { border-color: #b3261e; }
h3 { font-size: 1rem; margin: .4rem 0; } p { margin: .4rem 0; }
@media (prefers-color-scheme: dark) { body { color: #e6e9ef; background: #14181f; } }
"""


def page(student: str, notebooks: Sequence[tuple[str, Iterable[Mark]]]) -> str:
    """Returns the page.

    Args:
        student: as the folder names them; like all that comes from outside it is escaped.
        notebooks: (name, marks) of each notebook that was handed in.
    """
    parts = [_notebook(name, list(marks)) for name, marks in notebooks]
    title = f"Feedback for {escape(student)}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f"{''.join(parts)}</main>\n</body>\n</html>\n"
    )


def _notebook(name: str, marks: list[Mark]) -> str:
    points, of = sum(m.points for m in marks), sum(m.of for m in marks)
    head = f"<h2>{escape(name)}: {points} of {of} points</h2>\n"
    return head + "".join(map(_mark, marks))


def _mark(mark: Mark) -> str:
    task = find_exercise(mark.name)
    sign, state = _SIGNS.get(mark.state, ("✗", "not right yet"))
    kind = "right" if mark.state == RIGHT else "wrong"
    lines = [
        f"<h3>{sign} {escape(mark.name)}, {escape(task.title)}: {state}, "
        f"{mark.points} of {mark.of} points</h3>"
    ]
    if mark.says:
        lines.append(f"<p>{escape(mark.says)}</p>")
    if mark.cause:
        lines.append(f"<p>Likely cause: {escape(mark.cause)}</p>")
    if mark.state != RIGHT:
        lines.append(f"<p>Practises objective {escape(task.objective)}.</p>")
    return f'<article class="{kind}">\n' + "\n".join(lines) + "\n</article>\n"
