"""A folder of OwlEval, the released one in your own clone or the toy one that we write.

The released images belong to third parties: they are read from your copy of
`mPLUG-Owl/OwlEval/cases` and never shipped; those that are missing are named and counted. The toy
folder has the same layout, and `keys.jsonl` and `scenes.jsonl` beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from course_lib.data.images import load_image
from course_lib.errors import atomic_path
from course_lib.evaluation.llava_bench_files import objects, write_objects
from course_lib.evaluation.owl_eval import Key, OwlAnswer, OwlEval, OwlQuestion, listed
from course_lib.evaluation.owl_eval_files import AnswerFile, read_answers, read_questions
from course_lib.world.draw import draw_scene
from course_lib.world.scene import Scene

QUESTIONS, KEYS, SCENES = "questions.jsonl", "keys.jsonl", "scenes.jsonl"
ANSWERS, IMAGES = "answer", "cases"
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Pictures:
    """Where the images of an OwlEval are.

    Args:
        folder: where they were looked for.
        found: image → its file.
        missing: images without a file.
        other_endings: images that were found under another ending.
    """

    folder: Path
    found: Mapping[str, Path]
    missing: tuple[str, ...] = ()
    other_endings: tuple[str, ...] = ()

    def complaint(self) -> str:
        """Returns a sentence about the images that are missing, "" for none."""
        if not self.missing:
            return ""
        count = len(self.missing) + len(self.found)
        return (
            f"{len(self.missing)} of {count} images are not in {self.folder}: "
            f"{listed(self.missing)}. Copy them from your own clone (mPLUG-Owl/OwlEval/cases)."
        )

    def faults(self) -> tuple[dict[str, str], dict[str, str]]:
        """Opens every image.

        Returns:
            (image → the format that it really has, where its ending says another; image → why it
            cannot be read).
        """
        mislabelled, broken = {}, {}
        for image, path in self.found.items():
            try:
                load_image(path)
                with Image.open(path) as opened:
                    format = str(opened.format)
            except (ValueError, OSError) as error:
                broken[image] = str(error)
                continue
            if Image.registered_extensions().get(path.suffix.lower()) != format:
                mislabelled[image] = format
        return mislabelled, broken


def find_pictures(owl: OwlEval, folder: Path) -> Pictures:
    """Looks for the images of all questions, under another ending where their own is not there."""
    folder = Path(folder)
    found, missing, other = {}, [], []
    for image in owl.dialogues():
        names = [image, *(str(Path(image).with_suffix(ending)) for ending in _ENDINGS)]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            missing.append(image)
            continue
        found[image] = path
        other += [image] if path.name != Path(image).name else []
    return Pictures(folder, found, tuple(missing), tuple(other))


@dataclass(frozen=True)
class OwlFolder:
    """What a folder holds.

    Args:
        owl: the questions, with keys and scenes where the folder is the toy one.
        answers: name of a model → its file.
        pictures: where the images are.
        troubles: broken lines of `questions.jsonl`, and answer files that cannot be read at all.
    """

    owl: OwlEval
    answers: Mapping[str, AnswerFile]
    pictures: Pictures
    troubles: tuple[str, ...] = ()


def read_owl_folder(folder: Path, strict: bool = False) -> OwlFolder:
    """Reads questions, answers and where the images are.

    Args:
        folder: the released `mPLUG-Owl/OwlEval`, or what `write_owl_eval` wrote.
        strict: True stops at the first broken line, at an unanswered question, when two files have
            one name, and when an image is missing.

    Raises:
        ValueError: for a folder without questions that can be read, and when strict.
    """
    folder = Path(folder)
    owl, troubles = read_questions(folder / QUESTIONS, strict)
    owl = _with_keys(folder, owl)
    answers, others = {}, list(troubles)
    for path in sorted((folder / ANSWERS).glob("*.jsonl")):
        try:
            found = read_answers(path, owl, strict)
        except OSError as error:
            others.append(f"{path}: {error}")
            continue
        if found.name in answers:
            others.append(f"{path}: another file holds answers of {found.name!r}: take one out.")
        answers.setdefault(found.name, found)
    pictures = find_pictures(owl, folder / IMAGES)
    faults = [*others, *filter(None, [pictures.complaint()])]
    if strict and faults:
        raise ValueError(faults[0])
    return OwlFolder(owl, answers, pictures, tuple(others))


def _read(path: Path, make: Callable[[dict], tuple[Any, Any]]) -> dict:
    found = {}
    for where, row in objects(path):
        try:
            found.update([make(row)])
        except (KeyError, TypeError) as error:
            raise ValueError(f"{where}: it is not as it was written ({error!r}).") from error
    return found


def _with_keys(folder: Path, owl: OwlEval) -> OwlEval:
    """Adds the keys and scenes of a toy folder.

    Raises:
        ValueError: for a line that is not what was written, or a question without its key.
    """
    if not (folder / KEYS).is_file():
        return owl
    keys = _read(folder / KEYS, lambda row: (row["question_id"], Key(row["kind"], row["key"])))
    scenes = _read(folder / SCENES, lambda row: (row["image"], Scene.from_dict(row["scene"])))
    unkeyed = [q.question_id for q in owl.questions if q.question_id not in keys]
    undrawn = [image for image in owl.dialogues() if image not in scenes]
    if unkeyed or undrawn:
        raise ValueError(
            f"{folder} lacks the keys of questions {listed(unkeyed) or 'none'} and the scenes of "
            f"images {listed(undrawn) or 'none'}: write the folder again."
        )
    return replace(owl, keys=keys, scenes=scenes)


def _row_of(question: OwlQuestion) -> dict:
    row = {"image": question.image, "question_id": question.question_id, "question": question.text}
    row["ability"], row["category"] = ",".join(question.abilities), list(question.categories)
    return row


def write_owl_eval(owl: OwlEval, folder: Path) -> None:
    """Writes the questions, and before them the keys, scenes and images of the toy world."""
    folder = Path(folder)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for image, scene in owl.scenes.items():
        with atomic_path(folder / IMAGES / image) as unfinished:
            Image.fromarray(draw_scene(scene)).save(unfinished, format="PNG")
    if owl.keys:
        rows = [{"image": image, "scene": s.to_dict()} for image, s in owl.scenes.items()]
        write_objects(folder / SCENES, rows)
        rows = [{"question_id": id, **vars(key)} for id, key in owl.keys.items()]
        write_objects(folder / KEYS, rows)
    write_objects(folder / QUESTIONS, [_row_of(question) for question in owl.questions])


def write_answers(folder: Path, name: str, owl: OwlEval, answers: Mapping[int, OwlAnswer]) -> Path:
    """Writes a model's answers into `answer/NAME_answer.jsonl`; returns the path.

    Raises:
        ValueError: for a name that is no file name, or an answer to none of the questions.
    """
    if not name or Path(name).name != name:
        raise ValueError(f"{name!r} names no model: give a plain file name without folders.")
    path, rows = Path(folder) / ANSWERS / f"{name}_answer.jsonl", []
    for id, answer in answers.items():
        question = owl.question(id)
        row = {"image": question.image, "question_id": id, "question": question.text}
        rows.append({**row, "answer": answer.text, "model_id": answer.model_id})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_objects(path, rows)
    return path
