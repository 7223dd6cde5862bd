"""During grading the answers of an exercise raise: solution, reference and known mistakes."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from course_lib.teach.task import Exercise


def close_answers(name: str, exercise: Exercise) -> None:
    """Makes the answers of an exercise raise, wherever somebody holds them.

    What its `run` and `cases` need goes on working, as do the public helpers of its file, which
    notebooks import. For a process that grades this exercise and then ends.

    Args:
        name: id of the exercise.
        exercise: what was found under it.
    """
    module = importlib.import_module(f"course_lib.teach.exercises.e{name.replace('.', '_', 1)}")
    kept = needed(exercise, vars(module))
    for key, value in list(vars(module).items()):
        own = getattr(value, "__module__", "") == module.__name__
        answer = value is exercise.solution or value is exercise.reference
        if answer or (own and key.startswith("_") and key not in kept):
            delattr(module, key)
            _close(value)
    module.EXERCISE = replace(exercise, solution=_closed, reference=_closed, mistakes=())


def needed(exercise: Exercise, names: dict[str, Any]) -> set[str]:
    """Returns which of a module's names the `run` and `cases` of an exercise lead to."""
    waiting: list[Any] = [exercise.run, exercise.cases]
    found = {key for key, value in names.items() if any(value is one for one in waiting)}
    while waiting:
        for code in _codes(waiting.pop()):
            new = {key for key in code.co_names if key in names} - found
            found |= new
            waiting += [names[key] for key in new]
    return found


def _codes(value: Any) -> Iterator[CodeType]:
    """Yields the code of a function or of all methods of a class, inner functions included."""
    if isinstance(value, type):
        for part in vars(value).values():
            yield from _codes(part)
        yield from (c for base in value.__bases__ if base is not object for c in _codes(base))
    for inner in ("func", "__func__", "fget", "__wrapped__"):
        if hasattr(value, inner) and not isinstance(value, type):
            yield from _codes(getattr(value, inner))
    waiting = [value.__code__] if isinstance(value, FunctionType) else []
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [part for part in code.co_consts if isinstance(part, CodeType)]


def _closed(*args: Any, **kwargs: Any) -> Any:
    raise PermissionError("the answers of this exercise are closed while it is graded")


def _close(value: Any) -> None:
    """Gives a function another body, so that every name that holds it raises."""
    while value is not None:
        if isinstance(value, FunctionType) and not value.__code__.co_freevars:
            value.__code__ = _closed.__code__
        value = getattr(value, "__wrapped__", None) or getattr(value, "func", None)
