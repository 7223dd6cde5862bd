"""Pages of the book lead to where a notebook can be run, once the repository has an address."""

import pytest

pytest.importorskip("myst_nb", reason="`make book` installs what the book needs")

from course_lib.book import extension
from course_lib.devtools import launchers

URL = "https://github.com/someone/a.course"


def test_pages_of_the_book_lead_to_colab_once_there_is_an_address(monkeypatch):
    def body(page):
        context = {"body": "<h1>x</h1>"}
        extension.launch_links(None, page, "page.html", context, None)
        return context["body"]

    monkeypatch.setattr(extension, "address", lambda: URL)
    assert f'href="{launchers.colab_link(URL, "00_start_here.ipynb")}"' in body(
        "notebooks/00_start_here"
    )
    assert body("glossary") == "<h1>x</h1>"
    monkeypatch.setattr(extension, "address", lambda: None)
    assert body("notebooks/00_start_here") == "<h1>x</h1>"
