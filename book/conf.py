"""Sphinx's settings of the book; `python -m course_lib.book` starts it (make book).

Everything that a page needs lies beside it, so that the book opens from a folder, offline.
"""

from course_lib import __version__

project = "Multimodal language models, built on a laptop"
html_title = "Multimodal language models"
author = "The contributors of multimodal-course"
copyright = "the contributors of multimodal-course, Apache-2.0"
release = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "course_lib.book.extension",
]
exclude_patterns = ["jupyter_execute"]

# Pages show what is stored: the strict pass over the notebooks has compared it.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Two modules may show one name of a third: both are described, either may be linked.
suppress_warnings = ["ref.python"]

# Texts of torch and transformers stay there.
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Tried: one file without fonts works from a folder, where a browser refuses fonts and modules.
mathjax_path = "vendor/mathjax/tex-mml-svg.js"
mathjax3_config = {
    "tex": {"inlineMath": [["\\(", "\\)"]], "displayMath": [["\\[", "\\]"]]},
    "options": {"enableMenu": False},
}

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# A summary of a hit would fetch pages, which a browser forbids from a folder.
html_show_search_summary = False
html_baseurl = ""
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
