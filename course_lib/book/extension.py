"""What Sphinx does not do by itself: alt text and an address for every cell, plain docstrings."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from course_lib.book.cells import alts_of, anchor
from course_lib.book.docstrings import to_rst
from course_lib.devtools.launchers import address, binder_link, colab_link

HEADING = 'role="heading"'


def describe_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Gives each code cell of a notebook its id and each picture of its outputs its alt text."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    for cell in doctree.findall(_is_cell):
        index = cell["cell_index"]
        cell["ids"].append(anchor(index))
        pictures = [image for image in cell.findall(nodes.image) if _in_output(image, cell)]
        for image, alt in zip(pictures, alts_of(path, index), strict=True):
            image["alt"] = alt


def _is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _in_output(image: nodes.Node, cell: nodes.Node) -> bool:
    node = image
    while node is not cell:
        if isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle":
            return True
        node = node.parent
    return False


def plain_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Rewrites a docstring before napoleon reads its sections; autodoc calls this."""
    lines[:] = to_rst(lines)


def level_captions(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Gives the captions of the contents the level that screen readers ask for."""
    for name in ("furo_navigation_tree", "toctree_html"):
        if name in context:
            context[name] = context[name].replace(HEADING, f'{HEADING} aria-level="2"')


def launch_links(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Puts above a notebook where it can be run, once the repository has an address."""
    url = address()
    if url is None or not page.startswith("notebooks/") or "body" not in context:
        return
    links = (
        f'<a href="{colab_link(url, page.removeprefix("notebooks/") + ".ipynb")}">Open in Colab</a>'
        f' · <a href="{binder_link(url)}">Start on Binder</a>'
    )
    context["body"] = f'<p class="launch">{links}</p>\n{context["body"]}'


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the extension with Sphinx."""
    app.connect("doctree-read", describe_cells)
    app.connect("html-page-context", level_captions, priority=900)  # behind the theme's own
    app.connect("html-page-context", launch_links, priority=900)
    app.connect("autodoc-process-docstring", plain_docstring, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
