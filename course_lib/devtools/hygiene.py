"""What a committed notebook file must look like; `notebook_problems` names what is wrong."""

import json
import re
from pathlib import Path

import nbformat

from course_lib.devtools.environment import ROOT

MAX_BYTES = 500_000
MAX_CELL_LINES = 45
MAX_IGNORED_CELLS = 3
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
IGNORING_TAGS = {"nbval-ignore-output", "nbval-skip"}
RAISING_TAGS = {"nbval-raises-exception", "raises-exception"}
_IGNORING_COMMENT = re.compile(r"^\s*#\s*NBVAL_(IGNORE_OUTPUT|SKIP)\s*$", re.MULTILINE)
_MACHINE_PATH = re.compile(r"/(?:home|Users|tmp)/\w|/(?:root|var/folders)/|\b[A-Z]:\\\w")
_MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
_HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_HTML_ALT = re.compile(r"""\balt\s*=\s*("[^"]+"|'[^']+')""", re.IGNORECASE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s#]+)[^)]*\)")
_CODE_SPAN = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def notebook_problems(path: Path) -> list[str]:
    """Returns what is wrong with a notebook file, one sentence a fault; an empty list is good."""
    problems = []
    if path.stat().st_size >= MAX_BYTES:
        problems.append(f"the file has {path.stat().st_size:,} bytes, {MAX_BYTES:,} is the limit")
    try:
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
    except (json.JSONDecodeError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        return [*problems, f"not a valid notebook: {str(error).splitlines()[0]}"]
    for name in ("widgets", "language_info"):
        if name in notebook.metadata:
            problems.append(f"metadata holds {name!r}: run `make notebooks`, which takes it out")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        found = _source_problems(cell) + _output_problems(cell, number)
        problems += [f"code cell {number}: {problem}" for problem in found]
    for index, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            found = _markdown_problems(cell.source, path.parent)
            problems += [f"cell {index}: {problem}" for problem in found]
    ignored = sum(is_ignored(cell) for cell in code)
    if ignored > MAX_IGNORED_CELLS:
        problems.append(f"{ignored} cells are not compared, {MAX_IGNORED_CELLS} is the limit")
    return problems


def is_ignored(cell: nbformat.NotebookNode) -> bool:
    """Says whether nbval leaves this code cell's output uncompared."""
    tagged = IGNORING_TAGS & set(cell.metadata.get("tags", []))
    return bool(tagged) or _IGNORING_COMMENT.search(cell.source) is not None


def _source_problems(cell: nbformat.NotebookNode) -> list[str]:
    problems = []
    lines = cell.source.splitlines()
    if len(lines) > MAX_CELL_LINES:
        problems.append(f"{len(lines)} lines, {MAX_CELL_LINES} is the limit")
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not code:
        problems.append("there is no code in it")
    elif re.search(r";\s*(#.*)?$", code[-1]):
        problems.append("it ends with `;`, which hides nothing under nbval: write `_ = ...`")
    if _has_machine_path(cell.source):
        problems.append("its source holds a path of one machine")
    return problems


def _output_problems(cell: nbformat.NotebookNode, number: int) -> list[str]:
    problems = []
    if cell.execution_count != number:
        problems.append(f"its execution count is {cell.execution_count}, not {number}")
    if "execution" in cell.metadata:
        problems.append("its metadata holds run times")
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "error":
            if not RAISING_TAGS & set(cell.metadata.get("tags", [])):
                problems.append(f"it stored an error: {output.ename}: {output.evalue}")
            continue
        if output.get("name") == "stderr" and not is_ignored(cell):
            problems.append(f"it wrote to stderr: {output.text.strip()[:80]!r}")
        if WIDGET_VIEW in data:
            problems.append("its output holds a widget's random id")
        if "image/png" in data and not output.metadata.get("image/png", {}).get("alt"):
            problems.append("a picture without alt text: give the cell's metadata an `alt`")
        text = output.get("text", "") + str(data.get("text/plain", ""))
        html = str(data.get("text/html", ""))
        if _has_machine_path(text + html):
            problems.append("its output holds a path of one machine")
        problems += _html_image_problems(html)
    return problems


def _markdown_problems(source: str, folder: Path) -> list[str]:
    text = _CODE_SPAN.sub("", source)
    problems = _html_image_problems(text)
    targets = _LINK.findall(text)
    for alt, target in _MARKDOWN_IMAGE.findall(text):
        if not alt.strip():
            problems.append(f"the image {target[:60]} has no alt text")
        if target.startswith("http"):
            problems.append(f"the image {target[:60]} is not in the repository")
        targets.append(target)
    for target in targets:
        outside = re.match(r"[a-z]+:", target) is not None
        if not outside and not (folder / target).exists():
            problems.append(f"it links to {target}, which does not exist")
    return problems


def _html_image_problems(html: str) -> list[str]:
    images = _HTML_IMAGE.findall(html)
    return [f"no alt text: {image[:60]}" for image in images if not _HTML_ALT.search(image)]


def _has_machine_path(text: str) -> bool:
    return _MACHINE_PATH.search(text) is not None or str(ROOT) in text
