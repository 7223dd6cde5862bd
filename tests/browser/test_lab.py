"""JupyterLab in a browser: notebooks run whole, widgets are used by mouse and by keyboard."""

import json

import nbformat
import pytest

from course_lib.devtools.environment import NOTEBOOKS
from tests.browser import lab

MICROSCOPE = """\
import torch
from course_lib.teach.microscope_widget import MaskMicroscope

masks = {"causal": torch.ones(3, 3).tril(), "all": torch.ones(3, 3)}
inputs, names = torch.randn(1, 3, 4), ["first", "second", "third"]


def through(mask):
    return lambda hidden: (mask / mask.sum(1, keepdim=True)) @ hidden
"""
VERIFY = """\
from pathlib import Path
from course_lib.curation import toy_set
from course_lib.curation.describing import Described
from course_lib.teach import verify_widget
from course_lib.world.draw import draw_scene
from course_lib.world.scene import sample_scenes

scene = sample_scenes(1, 0)[0]
said = ["a small red star is at top-left.", "a large blue square is at middle."]
proposals = toy_set.repairs([Described(str(i), text) for i, text in enumerate(said)])
verify_widget.VerifyWidget(proposals, Path("yours.jsonl"), lambda _: draw_scene(scene))
"""
RATING = """\
from pathlib import Path
from course_lib.evaluation import owl_eval
from course_lib.evaluation.owl_eval_toy import make_owl_eval
from course_lib.teach.rating_widget import RatingWidget

owl, folder = make_owl_eval(), Path(".")
answers = {"LLaVA": owl_eval.ask(owl, lambda image, said, question: "a star", "LLaVA")}
"""
SMALL = "widgets.ipynb"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A server on a copy of notebooks: (address that it prints, their folder)."""
    folder = tmp_path_factory.mktemp("lab")
    microscope = MICROSCOPE + lab.stored_cell("03", "MaskMicroscope(")
    rating = RATING + lab.stored_cell("09b", "RatingWidget(")
    lab.copy_notebooks(folder, SMALL, [microscope, VERIFY, rating])
    with lab.running_lab(folder) as address:
        yield address, folder / "notebooks"


def printed(cells):
    texts = [o.get("text", "") for cell in cells for o in cell.get("outputs", [])]
    return "".join("".join(text) for text in texts)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_notebook_00_from_the_first_cell_to_the_quiz(started, page, screenshot):
    from playwright.sync_api import expect

    address, _ = started
    outside = []
    page.on("request", lambda r: None if "//127.0.0.1" in r.url else outside.append(r.url))
    lab.open_notebook(page, lab.address_of(address, next(NOTEBOOKS.glob("00_*.ipynb")).name))
    lab.run_all(page)
    stored = nbformat.read(next(NOTEBOOKS.glob("00_*.ipynb")), as_version=4)
    assert printed(lab.cells_of(page)) == printed(stored.cells)

    chat = lab.show_cell(page, "ChatWidget(opened")
    box = chat.get_by_placeholder("type one, or choose an example")
    answered = chat.get_by_text("it read: ")  # stands there once an answer is whole
    box.fill("how many things are there?")
    chat.locator("button", has_text="ask").click()
    expect(answered).to_have_count(1, timeout=lab.PATIENCE * 1000)
    lab.wait(page)
    box.fill("")
    box.press_sequentially("is there a red 9?")
    lab.settle(page)  # ipywidgets holds a text back while the kernel works, but not its Enter
    box.press("Enter")
    expect(answered).to_have_count(2, timeout=lab.PATIENCE * 1000)
    lab.wait(page)
    screenshot(page, "lab-chat")

    quiz = lab.show_cell(page, 'quiz("00")')
    quiz.locator("input[type=radio]").first.focus()
    page.keyboard.press("Space")
    quiz.locator("button", has_text="check").first.focus()
    page.keyboard.press("Enter")
    quiz.locator("b", has_text=":").first.wait_for()
    screenshot(page, "lab-quiz")
    assert outside == []


def test_small_widgets_by_mouse_and_keyboard_and_after_a_reload(started, page, screenshot):
    address, folder = started
    lab.open_notebook(page, lab.address_of(address, SMALL))
    lab.run_all(page)
    microscope = lab.show_cell(page, "MaskMicroscope(")
    microscope.get_by_text("first is replaced by random vectors: 3 of 3").wait_for()
    microscope.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    microscope.get_by_text("second is replaced by random vectors: 2 of 3").wait_for()
    microscope.locator("select").select_option("all")
    microscope.get_by_text("second is replaced by random vectors: 3 of 3").wait_for()
    screenshot(page, "lab-microscope")

    sheet = lab.show_cell(page, "VerifyWidget(")
    sheet.locator("button", has_text="accept (a)").click()
    sheet.get_by_text("1 of 2 decided, 1 kept").wait_for()
    sheet.get_by_placeholder("a, e, r or u").press("r")
    sheet.get_by_text("2 of 2 decided, 1 kept").wait_for()
    assert len(lines_of(folder / "yours.jsonl")) >= 2
    screenshot(page, "lab-curation")

    rating = lab.show_cell(page, "RatingWidget(")
    rating.locator("button", has_text="A: ").click()
    rating.get_by_text("1 rated").wait_for()
    rating.get_by_placeholder("A, B, C or D").press("c")
    rating.get_by_text("2 rated").wait_for()
    screenshot(page, "lab-rating")

    page.keyboard.press("Escape")
    lab.choose(page, "File", "Save Notebook")
    page.wait_for_function(f"() => !{lab.CURRENT}.context.model.dirty")
    page.reload()
    lab.wait_for_notebook(page, SMALL)
    rating = lab.show_cell(page, "RatingWidget(")
    rating.get_by_text("2 rated").wait_for()
    rating.get_by_placeholder("A, B, C or D").press("b")
    rating.get_by_text("3 rated").wait_for()
    assert len(lines_of(folder / "ratings.jsonl")) >= 3
