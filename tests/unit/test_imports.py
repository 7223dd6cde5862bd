"""Imports go one way: a learner can carry the inner files into a project of their own."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "course_lib"
INNER = ("vpg", "fusion", "losses", "projector", "lora", "converter", "merged_projector")
OUTER = (
    "recipes",
    "interop",
    "evaluation",
    "full_size",
    "zoo",
    "cli",
    "commands",
    "teach",
    "planner",
    "devtools",
    "classroom",
    "clinics",
)
# What a part of the library may import of the rest; the standard library is always allowed.
ALLOWED = {
    "vpg": {"torch", "course_lib.vpg"},
    "fusion": {"torch", "course_lib.fusion", "course_lib.vpg"},
    "losses": {"torch", "course_lib.losses"},
    "projector": {"torch"},
    "lora": {"torch"},
    "converter": {"torch"},
    "merged_projector": {"torch", "course_lib.projector"},
}
_ALL_BUT_WORLD = {
    f"course_lib.{n}" for n in ("backbones", "data", "training", "vlm", *INNER, *OUTER)
}
FORBIDDEN = {
    "backbones": {f"course_lib.{name}" for name in ("vlm", "training", "data", *OUTER)},
    "vlm": {f"course_lib.{name}" for name in ("data", *OUTER)},
    "recipes": {f"course_lib.{name}" for name in OUTER if name != "recipes"},
    "training": {f"course_lib.{name}" for name in ("vlm", "backbones", *INNER, *OUTER)},
    "evaluation": {f"course_lib.{name}" for name in OUTER if name != "evaluation"},
    # A notebook opens runs with `commands` and hands them to `teach`: neither needs the other.
    "teach": {f"course_lib.{name}" for name in ("cli", "commands", "devtools", "zoo", "classroom")},
    "devtools": {"course_lib.classroom"},
    "classroom": {f"course_lib.{name}" for name in ("cli", "commands", "vlm", "recipes", "zoo")},
    "commands": {"course_lib.cli", "course_lib.teach", "ipywidgets", "matplotlib"},
    # Real backbones and data: nothing of the toy world, and nobody's console.
    "full_size": {
        f"course_lib.{name}"
        for name in ("cli", "commands", "teach", "devtools", "zoo", "world", "classroom", "planner")
    },
    # Numbers alone: the console script prints them, the widget of `teach` shows them.
    "planner": {f"course_lib.{name}" for name in ("cli", "commands", "teach", "devtools", "data")},
    "world": {"torch", "transformers", "accelerate"},
    # What is fetched means nothing to `downloads`, and `corpora` needs no model.
    "downloads": {
        "torch",
        "transformers",
        "datasets",
        "course_lib.corpora",
        *(_ALL_BUT_WORLD - {"course_lib.training", "course_lib.devtools"}),
        "course_lib.training.loop",
        "course_lib.training.stages",
    },
    "corpora": {f"course_lib.{name}" for name in ("vlm", "recipes", "zoo", "teach", "commands")},
    "instructions": {"torch", "transformers", "accelerate", *_ALL_BUT_WORLD},
    "evaluation.captions": {"torch", "transformers"},
}


def files_of(part: str) -> list[Path]:
    path = LIBRARY.joinpath(*part.split("."))
    return sorted(path.rglob("*.py")) + [p for p in [path.with_suffix(".py")] if p.exists()]


def imported(path: Path) -> set[str]:
    """Returns the dotted names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def below(name: str, parents: set[str]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


@pytest.mark.parametrize("part", ALLOWED)
def test_inner_files_import_torch_alone(part):
    for path in files_of(part):
        others = {n for n in imported(path) if n.split(".")[0] not in sys.stdlib_module_names}
        strangers = {name for name in others if not below(name, ALLOWED[part])}
        assert not strangers - {"course_lib"}, f"{path} imports {strangers}"


@pytest.mark.parametrize("part", FORBIDDEN)
def test_outer_parts_are_not_imported_from_within(part):
    for path in files_of(part):
        wrong = {name for name in imported(path) if below(name, FORBIDDEN[part])}
        assert not wrong, f"{path} imports {wrong}"


def test_nothing_imports_notebooks_or_tests():
    for path in LIBRARY.rglob("*.py"):
        wrong = {name for name in imported(path) if below(name, {"notebooks", "tests"})}
        assert not wrong, f"{path} imports {wrong}"


def test_the_modules_have_no_circle():
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in LIBRARY.rglob("*.py")}
    graph = {}
    for name, path in names.items():
        top = {n for n in _at_import(path) if n in names and n != name}
        graph[name] = top
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def _at_import(path: Path) -> set[str]:
    """Returns what is imported when the file is, functions and classes left out."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_check_sees_a_wrong_import(tmp_path):
    path = tmp_path / "file.py"
    path.write_text("def f():\n    from transformers import OPTConfig\n")
    assert below("transformers.OPTConfig", {"transformers"})
    assert imported(path) == {"transformers", "transformers.OPTConfig"}
    assert _at_import(path) == set()
