"""JupyterLab in a browser: notebooks run whole, widgets are used by mouse and by keyboard."""

import json

import nbformat
import pytest

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
    address, folder = started
    outside = []
    page.on("request", lambda r: None if "//127.0.0.1" in r.url else outside.append(r.url))
    path = next(folder.glob("00_*.ipynb"))
    lab.open_notebook(page, lab.address_of(address, path.name))
    lab.run_all(page)
    stored = nbformat.read(path, as_version=4)
    assert printed(lab.cells_of(page)) == printed(stored.cells)

    chat = lab.show_cell(page, "ChatWidget(opened")
    box = chat.get_by_placeholder("type one, or choose an example")
    box.fill("how many things are there?")
    page.wait_for_timeout(1000)  # from the keys to the mouse
    lab.use(chat, "ask")
    lab.tells(chat, "it read: question: how many things are there? answer:")
    lab.use(chat, "next")  # it draws while the next question is typed
    box.fill("")
    box.press_sequentially("is there a red 9?")
    box.press("Enter")
    lab.tells(chat, "it read: question: is there a red 9? answer:")
    box.press("Enter")
    lab.tells(chat, "it read: question: is there a red 9? answer:", 2)
    box.fill("")
    box.press("Enter")
    lab.tells(chat, "The prompt is empty")
    screenshot(page, "lab-chat")

    quiz = lab.show_cell(page, 'quiz("00")')
    quiz.locator("input[type=radio]").first.press("Space")
    lab.seen(quiz.locator("input[type=radio]:checked"), "chosen option")
    quiz.locator("button", has_text="check").first.press("Enter")
    lab.seen(quiz.locator("b", has_text=":"), "reason for an option")
    screenshot(page, "lab-quiz")
    assert outside == []


def test_small_widgets_by_mouse_and_keyboard_and_after_a_reload(started, page, screenshot):
    address, folder = started
    lab.open_notebook(page, lab.address_of(address, SMALL))
    lab.run_all(page)
    microscope = lab.show_cell(page, "MaskMicroscope(")
    lab.tells(microscope, "first is replaced by random vectors: 3 of 3")
    microscope.locator(".noUi-handle").press("ArrowRight")
    lab.tells(microscope, "second is replaced by random vectors: 2 of 3")
    microscope.locator("select").select_option("all")
    lab.tells(microscope, "second is replaced by random vectors: 3 of 3")
    screenshot(page, "lab-microscope")

    sheet = lab.show_cell(page, "VerifyWidget(")
    lab.use(sheet, "accept (a)")
    lab.tells(sheet, "1 of 2 decided, 1 kept")
    sheet.get_by_placeholder("a, e, r or u").press("r")
    lab.tells(sheet, "2 of 2 decided, 1 kept")
    assert len(lines_of(folder / "yours.jsonl")) >= 2
    screenshot(page, "lab-curation")

    rating = lab.show_cell(page, "RatingWidget(")
    lab.use(rating, "A: ")
    lab.tells(rating, "1 rated")
    rating.get_by_placeholder("A, B, C or D").press("c")
    lab.tells(rating, "2 rated")
    screenshot(page, "lab-rating")

    page.keyboard.press("Escape")
    lab.choose(page, "File", "Save Notebook")
    lab.until(page, f"() => !{lab.CURRENT}.context.model.dirty", "saved notebook")
    page.reload()
    lab.wait_for_notebook(page, SMALL)
    rating = lab.show_cell(page, "RatingWidget(")
    lab.tells(rating, "2 rated")
    rating.get_by_placeholder("A, B, C or D").press("b")
    lab.tells(rating, "3 rated")
    assert len(lines_of(folder / "ratings.jsonl")) >= 3
