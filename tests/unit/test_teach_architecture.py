"""The maps of the architecture: committed files equal the script, grey is grey, nothing links."""

import importlib.util
from xml.etree import ElementTree

import pytest

from course_lib.devtools.environment import NOTEBOOKS, ROOT
from course_lib.teach.architecture import (
    BUILT,
    FROZEN,
    PARTS,
    TRAINS,
    USED_PAINT,
    WIDTH,
    Lit,
    alt_text,
    draw_architecture,
)
from course_lib.teach.svg import HERE, LATER, PLAIN, written

SVG = "{http://www.w3.org/2000/svg}"
SCRIPT = ROOT / "data_scripts" / "draw_maps.py"
AGAIN = "draw it again: .venv/bin/python data_scripts/draw_maps.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_maps", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fills(svg):
    """Returns the fill of each box by its words; the background and the key have none."""
    found = {}
    parts = list(ElementTree.fromstring(svg))
    for index, part in enumerate(parts):
        if part.tag == f"{SVG}rect" and part.get("width") not in ("22", str(WIDTH)):
            words = []
            while index + 1 < len(parts) and parts[index + 1].tag == f"{SVG}text":
                index += 1
                words.append(parts[index].text)
            found.setdefault(" ".join(words), []).append(part.get("fill"))
    return found


def test_the_committed_files_are_what_the_script_draws(script):
    drawn = script.draw_maps(written(NOTEBOOKS))
    assert sorted(drawn) == [f"map_{number}.svg" for number in sorted(script.MAPS)]
    assert {f"map_{number}.svg" for number in ("01", "02", "03", "04", "06")} <= set(drawn)
    for name, svg in drawn.items():
        assert (NOTEBOOKS / "images" / name).read_bytes() == svg.encode(), f"{name}: {AGAIN}"


def test_the_script_writes_files_and_prints_lines_for_notebooks(
    script, tmp_path, monkeypatch, capsys
):
    (tmp_path / "03_x.ipynb").touch()
    monkeypatch.setattr(script, "NOTEBOOKS", tmp_path)
    script.main()
    first = {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    script.main()
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    assert first == {k: v.encode() for k, v in script.draw_maps({"03"}).items()}
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[2] == lines[2 + len(script.MAPS)] == script.markdown_line("03")
    assert lines[2].startswith("![The sentence") and lines[2].endswith("](images/map_03.svg)")
    assert lines[2].count("[") == 1


@pytest.mark.parametrize("number", ["01", "02", "03", "04", "06"])
def test_every_map_has_a_name_a_description_and_no_link(script, number):
    for there in (set(), {"01", "02", "03", "04"}):
        root = ElementTree.fromstring(draw_architecture(number, script.MAPS[number], there))
        assert number in root.find(f"{SVG}title").text
        about = root.find(f"{SVG}desc").text
        assert about.startswith(alt_text(number, script.MAPS[number]))
        assert ("Not written yet: notebook 01, 02, 03, 04." in about) == (not there)
        tags = {part.tag for part in root.iter()}
        assert f"{SVG}a" not in tags and not any("href" in k for p in root.iter() for k in p.attrib)


def test_lit_parts_and_grey_parts():
    lit = {"image": Lit(), "encoder": Lit(FROZEN), "head": Lit(TRAINS, ("Q-Former",))}
    found = fills(draw_architecture("03", lit, set(BUILT.values())))
    assert found["image"] == found["image encoder (frozen)"] == [USED_PAINT[0]]
    assert found["Q-Former (trains here)"] == [HERE[0]] and "head" not in found
    grey = [words for words, colours in found.items() if LATER[0] in colours]
    assert len(grey) == len(PARTS) - 3 and "projector" in grey and "language model" in grey
    assert alt_text("03", lit).startswith(
        "The sentence of the course with the parts of notebook 03 lit: image; image encoder, "
        "frozen; Q-Former, trains here. Grey, since other notebooks have them: Q visual tokens; "
    )


def test_a_notebook_that_is_not_written_is_grey():
    found = fills(draw_architecture("03", {"head": Lit(TRAINS)}, {"03", "04"}))
    assert found["03"] == [HERE[0]] and found["04"] == [PLAIN[0]] * 2
    assert found["01"] == found["02"] == [LATER[0]]


def test_arrows_are_black_between_lit_parts_alone():
    def black(lit):
        svg = draw_architecture("03", {name: Lit() for name in lit}, set())
        return svg.count('fill="#222222"/>')

    assert black(()) == 0 and black(("image",)) == 0
    assert black(("image", "encoder")) == 1
    assert black(("image", "encoder", "head", "captions", "stage1")) == 4
    assert black(PARTS) == 12


def test_boxes_neither_overlap_nor_leave_the_page(script):
    boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in PARTS.values()]
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 and right <= WIDTH
        for other in boxes[i + 1 :]:
            apart = right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
            assert apart
    for lit in script.MAPS.values():
        for name, part in lit.items():
            longest = max(map(len, [*(part.words or PARTS[name][4]), f"({part.state})"]))
            assert longest * 6.4 < PARTS[name][2]


def test_what_is_refused():
    with pytest.raises(ValueError, match="did you mean 'head'"):
        draw_architecture("03", {"haed": Lit()}, set())
    with pytest.raises(ValueError, match="Unknown state"):
        draw_architecture("03", {"head": Lit("trained")}, set())
