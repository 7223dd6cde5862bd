"""Links of the book's texts: to a page, to a file that comes along, or none."""

import re

from course_lib.book import stage


def test_links_to_folders_leave_their_words_and_links_to_files_stay(tmp_path):
    (tmp_path / "configs" / "gpu").mkdir(parents=True)
    (tmp_path / "LICENSE").write_text("free", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](configs/gpu), [b](configs/gpu/), [c](LICENSE), [d](#there), ![e](configs)\n", "utf-8"
    )
    found = stage.without_folder_links(page)
    assert found == "a, b, [c](LICENSE), [d](#there), ![e](configs)\n"


def test_no_text_of_the_book_links_to_what_has_no_page():
    for path in stage.pages_of_texts():
        for name in re.findall(
            r"(?<!!)\[[^\]]+\]\(([^)\s:#]+)\)", stage.without_folder_links(path)
        ):
            assert (path.parent / name).is_file(), f"{path.name} links to {name}"
