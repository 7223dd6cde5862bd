"""Sphinx's settings of the slides; `python -m course_lib.book slides` starts it (make slides)."""

project = "Multimodal language models, built on a laptop"
author = "The contributors of multimodal-course"
language = "en"

extensions = ["myst_parser", "sphinx.ext.mathjax", "sphinx_revealjs"]
myst_enable_extensions = ["amsmath", "dollarmath"]
suppress_warnings = ["myst.header"]

mathjax_path = "vendor/mathjax/tex-mml-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

revealjs_html_theme = "revealjs-simple"
# This theme alone brings its font along; others fetch theirs.
revealjs_style_theme = "white"
revealjs_static_path = ["../_static"]
revealjs_css_files = ["slides.css"]
revealjs_js_files = []
revealjs_script_conf = {
    "width": 1280,
    "height": 800,
    "margin": 0.04,
    "center": False,
    "hash": True,
    "slideNumber": True,
    "transition": "none",
}
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]
html_copy_source = False
