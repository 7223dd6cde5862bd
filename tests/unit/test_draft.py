"""Drafts of notebooks: what becomes a cell, and what a head that is none says."""

import pytest

from course_lib.devtools.draft import cells, stub
from course_lib.devtools.exercise_cells import stub_problems
from course_lib.teach.task import exercise_ids

DRAFT = """%% md
# Title

two lines
%% code [bands,learned]
x = 1
%% ex 07.patch_tokens
%% code {"alt": "a picture"}
plot()
"""


def test_a_draft_becomes_cells():
    words, code, said, own, plot = cells(DRAFT)
    assert (words.cell_type, words.source) == ("markdown", "# Title\n\ntwo lines")
    assert code.metadata == {"tags": ["bands", "learned"]} and code.source == "x = 1"
    assert said.source.startswith("### Exercise 07.patch_tokens")
    assert own.source.endswith('patch_tokens = exercise(patch_tokens, "07.patch_tokens")')
    assert plot.metadata == {"alt": "a picture"}
    assert len({cell.id for cell in (words, code, said, own, plot)}) == 5


def test_every_stub_is_what_a_notebook_may_hold():
    for name in exercise_ids():
        (_, cell) = cells(f"%% ex {name}\n")
        problems = stub_problems(cell, name)
        assert len(problems) == 1 and "execute the notebook" in problems[0], stub(name)


@pytest.mark.parametrize("head", ["%% text", "%% code {", "%% ex 07.nothing"])
def test_a_head_that_is_none_is_told(head):
    with pytest.raises(ValueError):
        cells(f"{head}\nx\n")
