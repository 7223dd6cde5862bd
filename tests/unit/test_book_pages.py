"""The made pages of the book: glossary, references, library, contents, slides."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import course_lib
from course_lib.book import api_pages, glossary, references, slides, stage
from course_lib.book.cells import alts_of, place_of_line, read
from course_lib.book.docstrings import to_rst
from course_lib.devtools.environment import ROOT, find_notebooks, find_with_clinics

WORDS = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


def write(folder: Path, name: str, *cells) -> Path:
    path = folder / name
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def picture(alt: str | None):
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return new_output("display_data", data={"image/png": PIXEL}, metadata=metadata)


# --- glossary


def test_glossary_explains_each_word_once_in_order():
    terms = glossary.terms_of(WORDS)
    assert len(terms) >= 50 and all(len(text.split()) >= 5 for text in terms.values())
    names = [term.lower().replace("–", "-") for term in terms]
    assert len(set(names)) == len(names)
    first = [re.sub(r"[^a-z]", "", name)[:1] for name in names]
    assert first == sorted(first), "the words stand by their first letter"
    with pytest.raises(ValueError, match="'a' twice"):
        glossary.terms_of("```{glossary}\na\n  One.\n\na\n  Two.\n```\n")
    with pytest.raises(ValueError, match="no"):
        glossary.terms_of("# Glossary")


def test_glossary_has_the_letters_of_the_library():
    legend = dict(re.findall(r"\b([A-Z])  ([a-z]\w+)", course_lib.__doc__))
    rows = dict(re.findall(r"\| ([A-Z]) \| (\w+)", WORDS))
    assert set(rows) == set(legend) == set("BNQTSDEHKV")
    same = [letter for letter in legend if rows[letter] == legend[letter]]
    assert len(same) >= 8, f"the words for {set(legend) - set(same)} differ from course_lib's"


@pytest.mark.parametrize("word", ["VPG", "ITC", "ITM", "ITG", "VQA", "CLS", "LoRA", "R@1", "CHAIR"])
def test_glossary_knows_the_abbreviations(word):
    assert any(word in term for term in glossary.terms_of(WORDS))


def test_glossary_links_notebooks_that_are_there():
    text = "a word\n  It is `x`. (03, 98)\n\nother\n  Seen (03) inside. (97)\n"
    found = glossary.render(text, [Path("notebooks/03_blip2_stage1.ipynb")])
    assert "([03](notebooks/03_blip2_stage1.ipynb), 98)" in found
    assert "Seen (03) inside. (97)" in found


# --- references


def test_references_are_merged_and_keep_their_places(tmp_path):
    one = "## References\n\n- A. B: *Short*, 2023, arXiv 2301.00001.\n- The code: `x/y`.\n"
    two = (
        "text\n\n## References\n\n- A. B, C. D: *Short: a long title\n  of it*, 2023, arXiv\n"
        "  2301.00001, section 3. E. F and others, *Other* (O), 2020, arXiv 2001.00002.\n"
    )
    paths = [
        write(tmp_path, "01_a.ipynb", new_markdown_cell(one)),
        write(tmp_path, "02_b.ipynb", new_markdown_cell(two)),
    ]
    papers, others = references.collect(paths)
    assert [paper.number for paper in papers] == ["2301.00001", "2001.00002"]
    assert papers[0].title == "Short: a long title of it" and papers[0].authors == "A. B, C. D"
    assert [place.notebook for place in papers[0].places] == ["01_a", "02_b"]
    assert papers[1].name == "O" and list(others) == ["The code: `x/y`."]
    text = references.render(papers, others)
    assert 'href="notebooks/02_b.html#references"' in text


def test_an_unreadable_reference_is_named(tmp_path):
    cell = new_markdown_cell("## References\n\n- Somebody, arXiv 2301.00001.\n")
    with pytest.raises(ValueError, match=r"01_a\.ipynb: write this entry"):
        references.collect([write(tmp_path, "01_a.ipynb", cell)])


def test_every_paper_that_a_references_section_names_is_on_the_page():
    papers, others = references.collect(find_notebooks())
    text = references.render(papers, others)
    for path in find_notebooks():
        for cell in read(path).cells:
            for item in references.items_of(cell.source):
                for number in re.findall(r"arXiv (\d{4}\.\d{4,5})", item):
                    assert text.count(f"[arXiv {number}]") == 1


# --- pictures


def test_pictures_take_their_alt_text_in_order(tmp_path):
    good = new_code_cell("x", outputs=[picture("one"), picture("two")])
    bad = new_code_cell("x", outputs=[picture(None)])
    path = write(tmp_path, "01_a.ipynb", good, bad)
    assert alts_of(path, 0) == ["one", "two"]
    with pytest.raises(ValueError, match=r"01_a\.ipynb, cell 1: a picture without alt text"):
        alts_of(path, 1)


def test_every_picture_of_the_course_has_an_alt_text():
    pictures = [
        alt
        for path in find_notebooks()
        for index in range(len(read(path).cells))
        for alt in alts_of(path, index)
    ]
    assert len(pictures) >= 47 and all(len(alt.split()) >= 4 for alt in pictures)


# --- the library's pages


def test_every_module_has_its_heading_and_no_solution_is_there():
    names = api_pages.module_names()
    made = api_pages.pages()
    text = "\n".join(made.values())
    for name in names:
        if (ROOT / "course_lib" / name.replace(".", "/")).is_dir() and "." not in name:
            assert f"{name}.md" in made
        else:
            assert f".. automodule:: course_lib.{name}\n" in text
    assert "vpg.qformer" in names and not any("exercises" in name for name in names)
    assert all(f"({page})" in made["index.md"] for page in made if page != "index.md")


def test_docstrings_mean_what_they_say():
    lines = [
        "A dict:",
        "    x [*a*] | `b`",
        "So `c`s do:",
        "- a_ b",
        "  on",
        "",
        "Args:",
        "    *x: y.",
        "",
        'Returns "file::name[kind]":',
    ]
    expected = [
        "A dict:",
        "",
        "::",
        "",
        "    x [*a*] | `b`",
        "",
        r"So ``c``\ s do:",
        "",
        r"- a\_ b",
    ]
    expected += ["  on", "", "Args:", r"    \*x: y.", "", r'Returns "file\::name[kind]":']
    assert to_rst(lines) == expected


def test_a_scheme_before_two_colons_is_no_link_to_sphinx():
    core = pytest.importorskip("docutils.core", reason="`make book` installs what the book needs")
    found = core.publish_doctree("\n".join(to_rst(['"file::name[kind]" here, https://x.org'])))
    links = [node["refuri"] for node in found.findall() if node.tagname == "reference"]
    assert links == ["https://x.org"]
    assert found.astext() == '"file::name[kind]" here, https://x.org'


# --- contents


def test_contents_name_every_notebook_and_every_text():
    page = stage.index_page((ROOT / "book" / "index.md").read_text("utf-8"), find_with_clinics())
    for path in find_with_clinics():
        assert f" <{path.relative_to(ROOT).with_suffix('').as_posix()}>" in page
    assert "\nLLaVA <notebooks/clinics/03_llava>\n" in page and "Bug clinic:" not in page
    for path in ROOT.glob("docs/**/*.md"):
        assert path.relative_to(ROOT).with_suffix("").as_posix() in page
    assert "<!--" not in page
    listed = re.findall(r"^(?:.*<)?([\w/]+)>?$", page, re.MULTILINE)
    for path in stage.pages_of_texts():
        assert listed.count(path.relative_to(ROOT).with_suffix("").as_posix()) == 1
    without = stage.index_page((ROOT / "book" / "index.md").read_text("utf-8"), [], api=False)
    assert "api/index" not in without


def test_titles_are_short_where_that_tells_them_apart(tmp_path):
    heads = {"01_a": "# A: long", "02a_b": "# B: one", "02b_c": "# B: two"}
    paths = [write(tmp_path, f"{stem}.ipynb", new_markdown_cell(heads[stem])) for stem in heads]
    assert stage.short_titles(paths) == ["01 · A", "02a · B: one", "02b · B: two"]


def test_parity_links_lead_to_the_cell_that_prints_the_line():
    made = stage.parity_page((ROOT / "PARITY.md").read_text(encoding="utf-8"))
    rows = [line for line in made.splitlines() if "“" in line]
    assert rows and all('<a href="notebooks/' in row for row in rows)
    place = place_of_line(next(p for p in find_notebooks(["03"])), "both: equal at 1e-5: True")
    assert place is not None and place.link() in made
    assert "{py:obj}`vpg.qformer.QFormer <course_lib.vpg.qformer.QFormer>`" in made


# --- slides


def tagged(cell, *tags):
    cell.metadata["tags"] = list(tags)
    return cell


def test_slides_keep_what_a_room_reads(tmp_path):
    text = (
        "## Step\n\nFirst.\n\nSecond.\n\n| a |\n|---|\n\n<details>Solution</details>\n\n$$x\n\n y$$"
    )
    cells = [
        tagged(new_markdown_cell("# Title\n\nSay [it](00_a.ipynb)."), "slide"),
        new_markdown_cell("not shown"),
        tagged(new_markdown_cell(text), "slide"),
        tagged(new_code_cell("plot()", outputs=[picture("a [curve]")]), "on-slide"),
        tagged(new_code_cell("print(1)", outputs=[new_output("stream", text="1\n" * 40)]), "slide"),
    ]
    deck = slides.deck_of(write(tmp_path, "01_a.ipynb", *cells), tmp_path)
    assert deck.startswith("# Title\n\nSay it.\n") and "not shown" not in deck
    assert "Solution" not in deck and "$$x\n\n y$$" in deck and "plot()" not in deck
    notes = deck[deck.index("revealjs-notes") :]
    assert notes.startswith("revealjs-notes}\nSecond.\n") and "First." not in notes
    assert "![a (curve)](01_a-3-0.png)" in deck and (tmp_path / "01_a-3-0.png").stat().st_size > 50
    assert deck.count("## Step") == 2 and deck.count("\n1\n") and "…" in deck


def test_slides_say_what_is_wrong_with_the_tags(tmp_path):
    cell = tagged(new_markdown_cell("x"), "on-slide")
    with pytest.raises(ValueError, match="'on-slide', and no cell before it 'slide'"):
        slides.deck_of(write(tmp_path, "01_a.ipynb", cell), tmp_path)
    assert slides.deck_of(write(tmp_path, "02_b.ipynb", new_markdown_cell("x")), tmp_path) == ""
