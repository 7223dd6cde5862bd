"""Is a built website whole? Every link, picture and address of its pages, read from the files."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself; a link is followed by a person.
_LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data"}
_FETCHED = re.compile(r"url\([\s'\"]*(?:https?:)?//")
_SEARCH = ("search.html", "searchindex.js")


@dataclass
class Page(HTMLParser):
    """What one page names: its ids, its links, what it loads, its pictures without alt text."""

    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what an element names; called by the parser."""
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag == "link" and "canonical" not in found.get("rel", ""):
            self.loaded.add(found.get("href", ""))
        if tag in _LOADED and found.get(_LOADED[tag]):
            self.loaded.add(found[_LOADED[tag]])
        if tag == "img" and not found.get("alt", "").strip():
            self.silent.append(found.get("src", "")[:60])


def read_page(path: Path) -> Page:
    """Reads one page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def site_problems(root: Path, search: bool = True) -> list[str]:
    """Returns what is wrong with a built website, one sentence a fault; an empty list is good.

    Args:
        root: the folder with the first page.
        search: whether the site must hold an index for searching.
    """
    pages = {path.resolve(): read_page(path) for path in sorted(root.rglob("*.html"))}
    problems = [] if pages else [f"{root} holds no page"]
    if search:
        problems += [f"{name} is missing" for name in _SEARCH if not (root / name).exists()]
    for path, page in pages.items():
        found = [f"the picture {name!r} has no alt text" for name in page.silent]
        found += _loading_problems(path, page)
        found += [f for link in sorted(page.links) if (f := _link_problem(path, link, pages))]
        problems += [f"{path.relative_to(root.resolve())}: {problem}" for problem in found]
    return problems


def _loading_problems(path: Path, page: Page) -> list[str]:
    problems = []
    for address in sorted(page.loaded):
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") or address.startswith("//"):
            problems.append(f"it loads {address[:60]} from the network")
        elif not parts.scheme and parts.path:
            target = _target(path, parts.path)
            if not target.exists():
                problems.append(f"it loads {address[:60]}, which does not exist")
            elif target.suffix == ".css" and _FETCHED.search(target.read_text("utf-8")):
                problems.append(f"it loads {address[:60]}, which fetches from the network")
    return problems


def _link_problem(path: Path, link: str, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme == "file":
        return f"it links to {link}, a file of one machine"
    if parts.scheme or link.startswith("//"):
        return None
    target = _target(path, parts.path) if parts.path else path
    if not target.exists():
        return f"it links to {link}, which does not exist"
    page = pages.get(target)
    if page is not None and parts.fragment and unquote(parts.fragment) not in page.ids:
        return f"it links to {link}, and the page has no such place"
    return None


def _target(path: Path, name: str) -> Path:
    return (path.parent / unquote(name)).resolve()
