"""The course's docstrings are plain text; here they become what Sphinx reads, reStructuredText.

Backticks mean code, a formula or a shape such as `[B, Q, D] → [B, Q, D]` means itself. So all
that is markup to Sphinx alone is escaped, and indented blocks stay as they are.
"""

import re

_CODE = re.compile(r"`+[^`\n]+`+")
# Of `file::function` Sphinx would make a link to a file.
_MARKUP = re.compile(r"[*|\\]|(?<=\w)_(?!\w)|(?<=\w):(?=:\w)")
PARAGRAPH, BLOCK, LIST, SECTION = "paragraph", "block", "list", "section"
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes|Note|Example):\s*$")


def to_rst(lines: list[str]) -> list[str]:
    """Returns the lines of a docstring with code marked for Sphinx and everything else literal.

    Args:
        lines: a docstring, its common indentation removed.
    """
    done: list[str] = []
    state = PARAGRAPH
    for line in lines:
        before, state = state, _state_of(line, state)
        if line.strip() and state != before:
            # What begins or ends here stands apart, as it does on the page of a book.
            done += [""] if done and done[-1].strip() else []
            done += ["::", ""] if state == BLOCK else []
        done.append(line if state == BLOCK else escaped(line))
    return done


def _state_of(line: str, state: str) -> str:
    """Returns what a line belongs to, given what the line before it did."""
    if not line.strip():
        return state
    if _SECTION.match(line):
        return SECTION
    if line.startswith("- "):
        return LIST
    if line.startswith(" "):
        return BLOCK if state == PARAGRAPH else state
    return PARAGRAPH


def escaped(line: str) -> str:
    """Returns a line whose code spans are Sphinx's and whose other signs mean themselves."""
    pieces, end = [], 0
    for match in _CODE.finditer(line):
        pieces.append(_MARKUP.sub(r"\\\g<0>", line[end : match.start()]))
        # A letter right before or behind would keep Sphinx from seeing the marks.
        before = r"\ " if line[: match.start()][-1:].isalnum() else ""
        after = r"\ " if line[match.end() :][:1].isalnum() else ""
        pieces.append(f"{before}``{match.group().strip('`')}``{after}")
        end = match.end()
    return "".join([*pieces, _MARKUP.sub(r"\\\g<0>", line[end:])])
