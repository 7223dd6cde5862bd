"""What a class's hidden inputs owe to a learner: nobody is right or wrong for the wrong reason."""

from course_lib.classroom.hidden import hidden_cases
from course_lib.classroom.marking import claimed, expect, marked
from course_lib.classroom.notes import points_of
from course_lib.classroom.worker import outcomes
from course_lib.teach.judging import OPEN, RIGHT, WRONG
from course_lib.teach.task import find_exercise


def check_fair(name, word):
    """The solution is right, each mistake keeps its cause, who parrots what is shown is wrong."""
    task, expected = find_exercise(name), expect(name, word)
    cases = [*task.cases(), *hidden_cases(name, word)]

    def mark(answer):
        return marked(name, [claimed(claim) for claim in outcomes(task, answer, cases)], expected)

    verdict = mark(task.solution)
    assert (verdict.state, verdict.points) == (RIGHT, points_of(name)), verdict
    for mistake in task.mistakes:
        found = mark(mistake.answer)
        assert (found.state, found.points, found.cause) == (WRONG, 0, mistake.cause), found
    assert mark(...).state == OPEN
    shown = [claimed(claim) for claim in outcomes(task, task.solution, task.cases())]
    hidden = len(cases) - len(shown)
    found = marked(name, [*shown, *[shown[-1]] * hidden], expected)
    assert hidden > 0 and (found.state, found.points) == (WRONG, 0), found
    assert found.says.startswith("right on the inputs of the notebook's check, wrong on")
