"""The check of a built website finds each kind of fault."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_lib.book.site import site_problems
from course_lib.devtools.environment import ROOT

PAGE = '<html><body id="top"><a href="#top">up</a>{}</body></html>'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "search.html").write_text(PAGE.format('<script src="searchindex.js"></script>'))
    (tmp_path / "searchindex.js").write_text("")
    (tmp_path / "a b.png").write_text("")
    (tmp_path / "style.css").write_text('a { background: url("a b.png") }')
    body = '<img src="../a%20b.png" alt="x"><a href="https://arxiv.org/abs/1">paper</a>'
    (tmp_path / "sub" / "page.html").write_text(PAGE.format(body))
    return tmp_path


def test_a_whole_site_has_no_problem(site):
    (site / "index.html").write_text(
        PAGE.format('<link rel="stylesheet" href="style.css"><a href="sub/page.html#top">p</a>')
    )
    assert site_problems(site) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<img src="a%20b.png">', "'a%20b.png' has no alt text"),
        ('<img src="a%20b.png" alt=" ">', "has no alt text"),
        ('<img src="b.png" alt="x">', "loads b.png, which does not exist"),
        ('<img src="https://x.org/a.png" alt="x">', "from the network"),
        ('<script src="//cdn.org/x.js"></script>', "from the network"),
        ('<link rel="stylesheet" href="http://x.org/a.css">', "from the network"),
        ('<link rel="stylesheet" href="far.css">', "far.css, which fetches from the network"),
        ('<a href="none.html">x</a>', "links to none.html, which does not exist"),
        ('<a href="sub/page.html#none">x</a>', "page.html#none, and the page has no such place"),
        ('<a href="file::name[kind">x</a>', "file::name[kind, a file of one machine"),
        ('<a href="#none">x</a>', "#none, and the page has no such place"),
    ],
)
def test_each_fault_is_named_with_its_page(site, body, problem):
    (site / "far.css").write_text("@import url(https://fonts.org/css?family=A);")
    (site / "index.html").write_text(PAGE.format(body))
    found = site_problems(site)
    assert len(found) == 1 and found[0].startswith("index.html: ") and problem in found[0]


def test_search_must_be_there(site):
    (site / "searchindex.js").unlink()
    assert any(problem == "searchindex.js is missing" for problem in site_problems(site))
    assert not any("is missing" in problem for problem in site_problems(site, search=False))
    assert site_problems(site / "nowhere", search=False)


def test_what_the_book_needs_is_locked_within_its_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="ascii").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    locked = {canonicalize_name(name): version for name, version in pins.items()}
    needed = [Requirement(line) for line in project["optional-dependencies"]["book"]]
    assert {requirement.name for requirement in needed} >= {"sphinx", "myst-nb", "furo"}
    for requirement in needed:
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_workflow_that_publishes_names_targets_that_exist():
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["jobs"]["publish"]["needs"] == "build"
    assert workflow["jobs"]["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", text))
    assert targets == {"book", "slides"}
    for target in targets:
        assert re.search(rf"^{target}: ready-book ## \S", makefile, re.MULTILINE)
