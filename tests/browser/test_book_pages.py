"""The book in a browser, from file:// and without a network: links, search, dark mode, axe-core."""

import re
from urllib.parse import unquote, urldefrag, urlsplit
from urllib.request import url2pathname

import pytest

from tests.whole_book import whole_book

# One of each kind of page: text, notebook, the library, tables, definitions.
KINDS = ("index", "notebooks/09b_several_images", "api/fusion", "evidence", "glossary")
DRAWN = "() => [...document.images].every(image => image.complete)"
NOT_DRAWN = "all => all.filter(image => !image.naturalWidth).map(image => image.src)"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return whole_book(tmp_path_factory)


@pytest.fixture
def offline(page):
    """A page without a network."""
    page.context.set_offline(True)
    return page


@pytest.fixture
def reader(offline):
    """A page without a network that must ask for nothing but files, and get each of them."""
    asked = []
    offline.on("request", lambda r: asked.append(r.url) if _is_outside(r.url) else None)
    offline.on("requestfailed", lambda request: asked.append(f"failed: {request.url}"))
    yield offline
    assert asked == []


def _is_outside(url):
    return not url.startswith(("file:", "data:", "blob:"))


def test_every_page_draws_its_pictures_and_each_link_leads_somewhere(book, reader):
    paths = sorted(path for path in book.rglob("*.html") if "_static" not in path.parts)
    assert len(paths) > 30
    places, links, pictures = {}, set(), 0
    for path in paths:
        reader.goto(path.as_uri(), wait_until="load")
        reader.eval_on_selector_all("img", "all => all.forEach(i => (i.loading = 'eager'))")
        reader.wait_for_function(DRAWN)
        assert reader.eval_on_selector_all("img", NOT_DRAWN) == [], path
        pictures += reader.locator("img").count()
        places[path] = set(reader.eval_on_selector_all("[id]", "all => all.map(e => e.id)"))
        found = reader.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        links |= {(path, link) for link in found if link.startswith("file:")}
    assert pictures > 60 and len(links) > 1000
    assert [(str(path), link) for path, link in sorted(links) if _is_broken(link, places)] == []


def _is_broken(link, places):
    address, place = urldefrag(link)
    target = type(next(iter(places)))(url2pathname(urlsplit(address).path))
    if target not in places:
        return not target.is_file()
    return bool(place) and unquote(place) not in places[target]


def test_search_finds_and_leads_to_a_page(book, reader, screenshot):
    reader.goto((book / "index.html").as_uri())
    reader.locator("input[name=q]").first.fill("resampler")
    reader.keyboard.press("Enter")
    hit = reader.locator("#search-results li a").first
    hit.wait_for()
    screenshot(reader, "book-search")
    hit.click()
    reader.wait_for_load_state()
    assert "search.html" not in reader.url and "esampler" in reader.content()


def test_dark_mode_is_kept(book, reader, screenshot):
    reader.goto((book / "notebooks/00_start_here.html").as_uri())
    for _ in range(3):  # automatic, light, dark
        if reader.locator("body").get_attribute("data-theme") == "dark":
            break
        reader.locator(".theme-toggle:visible").first.click()
    colour = reader.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", colour)[:3])) < 60, colour
    reader.reload()
    assert reader.locator("body").get_attribute("data-theme") == "dark"
    screenshot(reader, "book-dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_serious_fault_of_accessibility(kind, theme, book, offline):
    offline.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    offline.goto((book / f"{kind}.html").as_uri(), wait_until="load")
    offline.evaluate("window.MathJax?.startup?.promise")  # until the formulas are drawn
    assert offline.locator("body").get_attribute("data-theme") == theme
    # Of the themes only the colours differ.
    answer = axe(offline, [] if theme == "light" else ["color-contrast"])
    assert len(answer["passes"]) >= (15 if theme == "light" else 1), "next to nothing was checked"
    assert serious(answer) == []


def axe(page, rules):
    """Returns what axe-core says of a page, of all its rules where none is named."""
    from axe_playwright_python.sync_playwright import Axe

    # It would fetch the style sheets a second time, which a browser forbids from a folder.
    options = {"preload": False, "resultTypes": ["violations"]}
    return Axe().run(page, options={**options, **({"runOnly": rules} if rules else {})}).response


def serious(answer):
    return [
        (fault["id"], fault["impact"], len(fault["nodes"]), fault["nodes"][0]["html"][:200])
        for fault in answer["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def test_axe_finds_planted_faults(offline):
    grey = '<p style="color: #bbb; background: #fff">hard to read</p>'
    offline.set_content(f"<html><body>{grey}<img src='x.png'><button></button></body></html>")
    found = {fault[0] for fault in serious(axe(offline, []))}
    assert {"color-contrast", "image-alt", "button-name", "html-has-lang"} <= found
    assert [fault[0] for fault in serious(axe(offline, ["color-contrast"]))] == ["color-contrast"]
