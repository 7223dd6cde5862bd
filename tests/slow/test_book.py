"""The book and the slides are built offline; each link, picture and address of them is whole."""

import re

import pytest

pytest.importorskip("myst_nb", reason="`make book` installs what the book needs")

from course_lib.book.__main__ import make_slides
from course_lib.book.cells import alts_of, read
from course_lib.book.evidence import collect
from course_lib.book.glossary import terms_of
from course_lib.book.site import read_page, site_problems
from course_lib.devtools.environment import ROOT, find_notebooks, find_with_clinics
from tests.whole_book import whole_book


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the whole book."""
    return whole_book(tmp_path_factory)


@pytest.fixture(scope="module")
def page(book):
    def text(name: str) -> str:
        return (book / f"{name}.html").read_text(encoding="utf-8")

    return text


def test_nothing_is_missing_or_fetched(book):
    assert site_problems(book) == []


def test_captions_of_the_contents_have_a_level(page):
    for name in ("index", "notebooks/00_start_here", "notebooks/clinics/03_llava"):
        assert page(name).count('role="heading"') == page(name).count('aria-level="2"') >= 5


def test_search_finds_words_of_notebooks_and_of_the_library(book, page):
    index = (book / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(")
    for word in ('"resampl":', '"glossari":', '"notebooks/00_start_here"', '"api/vpg"'):
        assert word in index
    assert 'src="searchindex.js"' in page("search")


def name_of(path):
    return path.relative_to(ROOT).with_suffix("").as_posix()


@pytest.mark.parametrize("path", find_with_clinics(), ids=name_of)
def test_a_notebook_has_its_cells_outputs_and_alt_texts(path, book, page):
    text, cells = page(name_of(path)), read(path).cells
    ids = read_page(book / f"{name_of(path)}.html").ids
    code = [index for index, cell in enumerate(cells) if cell.cell_type == "code"]
    assert {f"cell-{index}" for index in code} <= ids
    shown = re.findall(r'<img alt="([^"]*)" src="\.\./_images/[0-9a-f]{40,}', text)
    expected = [alt for index in code for alt in alts_of(path, index)]
    assert [_plain(alt) for alt in shown] == [_plain(alt) for alt in expected]
    assert "Traceback" not in text


def _plain(text: str) -> str:
    return re.sub(r"&\w+;|&#\d+;|[^\w ]", "", text)


def test_formulas_are_drawn_by_a_file_that_lies_beside_the_pages(book, page):
    text = page("notebooks/03_blip2_stage1")
    source = re.search(r'src="\.\./(_static/vendor/mathjax/[\w.-]+)', text)[1]
    assert (book / source).stat().st_size > 1_000_000
    assert text.count("math notranslate") > 20


def test_evidence_has_a_row_for_every_card(page):
    rows, text = collect(find_notebooks()), page("evidence")
    body = [row for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL) if "<td" in row]
    assert len(body) == len(rows) >= 36
    for row, found in zip(body, rows, strict=True):
        assert f"<p>{found.judged.verdict}</p>" in row and found.place.anchor in row


def test_glossary_terms_can_be_linked(book, page):
    terms = terms_of((ROOT / "book" / "glossary.md").read_text(encoding="utf-8"))
    assert page("glossary").count('<dt id="term-') == len(terms)


def test_library_and_parity_lead_to_each_other(page):
    assert 'id="course_lib.vpg.qformer.QFormer"' in page("api/vpg")
    assert 'href="api/vpg.html#course_lib.vpg.qformer.QFormer"' in page("PARITY")
    assert "course_lib.teach.exercises.e" not in page("api/teach")


def test_slides_of_the_tagged_cells(tmp_path):
    first = make_slides(target=tmp_path / "slides")
    assert site_problems(first.parent, search=False) == []
    decks = sorted(path.stem for path in first.parent.glob("[0-9]*.html"))
    assert len(decks) >= 7
    for stem in decks:
        text = (first.parent / f"{stem}.html").read_text(encoding="utf-8")
        assert text.count("<section") >= 10 and "Reveal.initialize" in text
        assert '<aside class="notes">' in text and "<details" not in text
