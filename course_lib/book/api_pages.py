"""The library's pages: one a package, with every module and what its docstrings say."""

import ast
from pathlib import Path

import course_lib

# Solutions belong to the notebooks; grading is for who grades; the book describes itself elsewhere.
LEFT_OUT = ("teach.exercises", "teach.quizzes", "classroom", "book")
TOP = "course_lib"
HEAD = """# The library

What the notebooks import, one page a package, written from the docstrings. The notebooks build
most of it by hand first; [the paper-to-code table](../PARITY.md) leads from an equation to the
class that holds it. Letters of shapes are in the [glossary](../glossary.md).

| package | what it holds |
|---|---|
"""


def module_names(package: Path | None = None) -> list[str]:
    """Returns the dotted names below `course_lib` that the pages describe, packages included."""
    folder = package or Path(course_lib.__file__).parent
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name and not any(part.startswith("_") for part in name.split(".")):
            found.append(name)
    return [name for name in found if not _below(name, LEFT_OUT)]


def _below(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def by_package(names: list[str]) -> dict[str, list[str]]:
    """Groups module names by their package; modules that lie at the top come under `TOP`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        first = name.split(".")[0]
        alone = not any(other.startswith(f"{first}.") for other in names)
        groups.setdefault(TOP if alone else first, []).append(name)
    return groups


def first_sentence(name: str) -> str:
    """Returns the first line of a module's docstring, read without importing the module."""
    base = Path(course_lib.__file__).parent.joinpath(*name.split(".") if name != TOP else ())
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.split("\n\n")[0].replace("\n", " ")


def render_package(package: str, names: list[str]) -> str:
    """Returns the page of a package: a heading a module, then what autodoc finds in it."""
    lines = [f"# {package if package == TOP else 'course_lib.' + package}", ""]
    lines += [first_sentence(package).replace("|", r"\|"), ""]
    for name in names:
        if name == package:
            continue
        lines += [f"## {name.removeprefix(package + '.')}", "", "```{eval-rst}"]
        lines += [f".. automodule:: course_lib.{name}", "   :members:", "```", ""]
    return "\n".join(lines)


def pages(names: list[str] | None = None) -> dict[str, str]:
    """Returns every page of the library: file name below `api/` → Markdown.

    Args:
        names: modules to describe, all of them without.
    """
    groups = by_package(names or module_names())
    index = [HEAD.rstrip("\n")]
    index += [f"| [{name}]({name}.md) | {_cell(first_sentence(name))} |" for name in groups]
    index += ["", "```{toctree}", ":hidden:", "", *groups, "```", ""]
    made = {f"{package}.md": render_package(package, found) for package, found in groups.items()}
    return {"index.md": "\n".join(index), **made}


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
