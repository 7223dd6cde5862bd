"""The few statements of a notebook that one cell leans on: imports, helpers, earlier values.

Grading runs these alone, so that nothing trains and a fault elsewhere in a submission costs nothing
here. A statement is taken when it gives a name that is needed, or changes such a name's contents.
"""

import ast
import builtins
import symtable
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_FRAMES = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_NOTEBOOK = {"get_ipython", "display"}


@dataclass(frozen=True)
class Statement:
    """One top-level statement of a notebook.

    Args:
        node: its tree, with the line numbers of the cell.
        gives: names that it binds; "*" for an import of everything.
        needs: global names that it reads, now or when it is called later.
        touches: names of objects that it changes in place.
    """

    node: ast.stmt
    gives: frozenset[str]
    needs: frozenset[str]
    touches: frozenset[str]


def parsed(source: str) -> list[ast.stmt]:
    """Reads a cell; `%magic`, `!command` and `?help` become calls, as IPython makes them.

    Raises:
        SyntaxError: for what is no Python even then.
    """
    try:
        return ast.parse(source).body
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager  # slow, and seldom needed

        return ast.parse(TransformerManager().transform_cell(source)).body


def statements(sources: Sequence[str]) -> list[Statement]:
    """Reads code cells; one that is no Python is left out, as is every statement with a magic.

    Args:
        sources: code cells, from top to bottom.
    """
    return [one for source in sources for one in _of_cell(source)]


@lru_cache(maxsize=4096)
def _of_cell(source: str) -> tuple[Statement, ...]:
    try:
        found = [read(node) for node in parsed(source)]
    except UNREADABLE:
        return ()
    return tuple(one for one in found if "get_ipython" not in one.needs)


def read(node: ast.stmt) -> Statement:
    """Finds what a statement gives, needs and touches."""
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    gives = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        gives = {"*"}
    return Statement(node, frozenset(gives), frozenset(_needs(table)), frozenset(_touched(node)))


def _needs(table: symtable.SymbolTable) -> set[str]:
    """Returns global names read in a scope and in all scopes within."""
    top = table.get_type() == "module"
    names = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (top or symbol.is_global())
    }
    return names.union(*(_needs(inner) for inner in table.get_children()))


def _touched(node: ast.stmt) -> set[str]:
    """Returns roots of `x.y = …`, `x[…] = …`, `del x[…]` and of the bare call `x.method(…)`."""
    if isinstance(node, _FRAMES):
        return set()
    touched = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute | ast.Subscript) and not isinstance(inner.ctx, ast.Load):
            touched.add(_root(inner))
        elif isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            touched.add(_root(inner.value.func))
    return touched - {""}


def _root(node: ast.AST) -> str:
    inside = False
    while isinstance(node, ast.Attribute | ast.Subscript):
        node, inside = node.value, True
    return node.id if inside and isinstance(node, ast.Name) else ""


def leaned_on(
    all_of_it: Sequence[Statement], end: int, names: Iterable[str], given: Iterable[str] = ()
) -> list[Statement]:
    """Returns the statements that the names need, in the order of the notebook.

    Args:
        all_of_it: the notebook.
        end: how many of its statements stand above the place where the names are used.
        names: what is used there.
        given: names that come from elsewhere and are not looked for.
    """
    known = set(dir(builtins)) | _NOTEBOOK | set(given)
    wanted = [(name, end) for name in names]
    taken: set[int] = set()
    seen: set[tuple[str, int]] = set()
    while wanted:
        name, limit = wanted.pop()
        if name in known or (name, limit) in seen:
            continue
        seen.add((name, limit))
        for index in _givers(all_of_it, name, limit, end) - taken:
            taken.add(index)
            wanted += [(needed, index) for needed in all_of_it[index].needs]
    return [all_of_it[index] for index in sorted(taken)]


def _givers(all_of_it: Sequence[Statement], name: str, limit: int, end: int) -> set[int]:
    """Returns the statement that gives a name last, and those that change its contents since."""
    above = [i for i in range(limit) if name in all_of_it[i].gives]
    # A function may call what is written below it, as long as that stands above its own call.
    above = above or [i for i in range(end) if name in all_of_it[i].gives][:1]
    if not above:
        return {i for i in range(end) if "*" in all_of_it[i].gives}
    last = above[-1]
    givers = {last}
    if not isinstance(all_of_it[last].node, _FRAMES):
        givers |= {i for i in range(last + 1, end) if name in all_of_it[i].touches}
        if isinstance(all_of_it[last].node, ast.AugAssign):
            givers |= _givers(all_of_it, name, last, last)
    return givers


def source_of(picked: Iterable[Statement]) -> str:
    """Returns the statements as one text."""
    return "\n".join(textwrap.dedent(ast.unparse(one.node)) for one in picked)
