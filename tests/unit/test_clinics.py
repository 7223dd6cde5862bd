"""Bug clinics: committed notebooks fit their template, repairs are judged, nothing stops a run."""

import inspect
import re

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_output

from course_lib.clinics.tasks import clinic_names, find_repair, repair, repairs_of
from course_lib.devtools.clinic_cells import clinic_problems, repair_cells, repair_of, with_repairs
from course_lib.devtools.draft import cells
from course_lib.devtools.environment import CLINICS, find_notebooks, find_with_clinics
from course_lib.teach.judging import OPEN, RIGHT, WRONG, judge

COMMITTED = find_notebooks(folder=CLINICS)
IDS = [name for model in clinic_names() for name in repairs_of(model)]


def test_there_is_one_clinic_a_model():
    assert [path.stem for path in COMMITTED] == [
        "01_blip2",
        "02_flamingo",
        "03_llava",
        "04_minigpt4",
        "05_mplug_owl",
        "06_vpgtrans",
    ]
    assert sorted(path.stem[3:] for path in COMMITTED) == clinic_names()


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_clinics_fit_the_template(path):
    notebook = nbformat.read(path, as_version=4)
    assert clinic_problems(notebook, path) == []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) <= 25 and len(notebook.cells) <= 45
    words = sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown")
    assert words < 3500


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_symptom_and_effect_print_different_things(path):
    seen = {"symptom": [], "effect": []}
    for cell in nbformat.read(path, as_version=4).cells:
        for tag in seen.keys() & set(cell.metadata.get("tags", [])):
            lines = "".join(o.get("text", "") for o in cell.outputs).splitlines()
            seen[tag].append(set(lines))
    pairs = zip(seen["symptom"], seen["effect"], strict=True)
    assert all(before and after and not after <= before for before, after in pairs)


@pytest.mark.parametrize("name", IDS)
class TestEveryRepair:
    def test_the_solution_passes_and_the_bug_does_not(self, name):
        task = find_repair(name)
        assert judge(task, task.solution).state == RIGHT
        assert task.mistakes[0].answer.__name__ == f"{task.solution.__name__}_as_found"

    def test_each_wrong_answer_gets_its_own_message(self, name):
        task = find_repair(name)
        verdicts = [judge(task, mistake.answer) for mistake in task.mistakes]
        assert all(verdict.state == WRONG for verdict in verdicts)
        causes = [mistake.cause for mistake in task.mistakes]
        assert [v.cause for v in verdicts] == causes
        assert len(set(causes)) == len(causes) >= 3

    def test_the_reference_is_another_one(self, name):
        task = find_repair(name)
        inside = inspect.getsource(task.reference).split(":", 1)[1]
        assert task.reference is not task.solution
        assert not re.search(rf"(?<![\w.]){task.solution.__name__}\(", inside)

    def test_words_and_stub(self, name):
        task = find_repair(name)
        assert judge(task, lambda *_, **__: ...).state == OPEN
        for strange in (None, "red", 3):
            assert judge(task, strange).state == WRONG
        assert len(task.hints) == 3 and all(len(hint) > 30 for hint in task.hints)
        assert task.difficulty in (1, 2, 3) and task.contract


def test_a_repair_never_stops_a_run(capsys):
    name, task = "llava.expand_image", find_repair("llava.expand_image")
    assert repair(lambda *_: ..., name) is task.reference
    assert capsys.readouterr().out == f"○ {name} not attempted: going on with the reference\n"
    assert repair(task.mistakes[0].answer, name) is task.reference
    assert "likely cause: the labels were filled up at the end" in capsys.readouterr().out
    assert repair(task.solution, name) is task.solution
    assert capsys.readouterr().out.startswith(f"✓ {name}")


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"did you mean 'llava.expand_image'"):
        find_repair("llava.expand_images")
    with pytest.raises(ValueError, match="clinic"):
        repairs_of("llavas")


def whole():
    return nbformat.read(CLINICS / "03_llava.ipynb", as_version=4)


def problems(notebook):
    return clinic_problems(notebook, CLINICS / "03_llava.ipynb")


def test_each_fault_of_a_clinic_is_named():
    def tagged(notebook, tag):
        return next(c for c in notebook.cells if tag in c.metadata.get("tags", []))

    notebook = whole()
    notebook.cells.remove(tagged(notebook, "diagnosis"))
    assert "its cases are" in problems(notebook)[0]
    notebook = whole()
    words, stub = (c for c in notebook.cells if repair_of(c) == "llava.normalise")
    words.source += "!"
    stub.source = stub.source.replace("...", "images")
    stub.outputs = [new_output("stream", text="✓")]
    found = problems(notebook)
    assert [fault.split(": ")[1] for fault in found] == [
        "its words are not those of its file",
        "the stub is not that of its file",
        "its stored output is '✓'",
    ]
    notebook = whole()
    notebook.cells = [c for c in notebook.cells if repair_of(c) != "llava.normalise"]
    assert any("it holds the repairs" in fault for fault in problems(notebook))
    notebook = whole()
    for cell in notebook.cells:
        cell.source = cell.source.replace("**Your hypothesis.**", "").replace("## What to", "## ")
    found = problems(notebook)
    assert "0 cells ask for a hypothesis, 4 should" in found
    assert "no section says what to look at first" in found


def test_drafts_make_repair_cells():
    words, said, stub = cells("%% md\n# A\n%% repair llava.normalise\n")
    assert words.source == "# A" and repair_of(said) == repair_of(stub) == "llava.normalise"
    assert said.source.startswith("### Repair llava.normalise: pixels")
    assert stub.source.endswith('normalise = repair(normalise, "llava.normalise")')
    assert "return ..." in stub.source and len({words.id, said.id, stub.id}) == 3


def test_solutions_take_the_place_of_stubs():
    notebook = whole()
    notebook.cells = [new_markdown_cell("x"), *repair_cells("llava.normalise", "r1")]
    source = with_repairs(notebook).cells[-1].source
    assert "..." not in source and "/ std[:, None, None]" in source
    assert source.endswith("repair(normalise, 'llava.normalise')")


def test_clinics_are_found_executed_and_compared():
    everything = find_with_clinics()
    assert everything == [*find_notebooks(), *COMMITTED]
    assert find_with_clinics(["clinics/03"]) == [CLINICS / "03_llava.ipynb"]
    assert find_with_clinics(["clinics"]) == COMMITTED
    assert find_with_clinics(["03", "clinics/01"])[-1].parent == CLINICS
    assert not set(find_notebooks()) & set(COMMITTED)
    with pytest.raises(ValueError, match="No notebook begins with '09'"):
        find_with_clinics(["clinics/09"])
