"""The course as a website and as slides, made of the notebooks as they are stored.

`make book` writes `build/book/index.html`, which opens without a server and without a network;
`make slides` writes `build/slides/`. Nothing is executed: what a page shows is what the strict
pass over the notebooks compares. Needs the packages of the group `book` (pyproject.toml).
"""
