"""The small official files of `official_files` as rows, as `data_scripts` write them."""

import json
from functools import partial

from course_lib.corpora.coco import coco_rows, nocaps_rows
from course_lib.corpora.corpus import Split, write_corpus
from course_lib.corpora.gqa import gqa_rows
from course_lib.corpora.scienceqa import scienceqa_rows
from course_lib.corpora.shards import Settings
from course_lib.corpora.vqa import vqa_rows
from course_lib.downloads.remote import Card
from tests import official_files as files


def write_rows(data, name, split, rows, limit=None):
    """Writes one split below a data folder; a picture's colour comes from its name."""
    card = Card(name=name.split("/")[0], title="t", licence="l", page="p", files=())
    split = Split(split, rows, lambda picture: files.jpeg(len(picture), (40, 30)))
    write_corpus(card, [split], data, name, Settings(rows=2), limit=limit)


def write_official(data):
    """Writes all six data sets below a data folder; returns it."""

    def file(name, content):
        path = data / "official" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    captions = partial(coco_rows, file("c.json", files.COCO_CAPTIONS), None, "val2017")
    write_rows(data, "coco/rows/2017", "val", captions)
    write_rows(data, "nocaps/rows", "val", partial(nocaps_rows, file("n.json", files.NOCAPS)))
    questions, annotations = files.vqa("val", 200)
    paths = file("q.json", questions), file("a.json", annotations)
    for name in ("vqav2", "okvqa"):
        write_rows(data, f"{name}/rows", "val", partial(vqa_rows, *paths, "val2014"))
    secret = partial(vqa_rows, paths[0], None, "test2015")
    write_rows(data, "vqav2/rows", "test", secret)
    write_rows(data, "gqa/rows", "testdev", partial(gqa_rows, file("g.json", files.GQA)))
    problems = {key: {**told, "split": "test"} for key, told in files.SCIENCEQA.items()}
    test = partial(scienceqa_rows, file("s.json", problems), "test")
    write_rows(data, "scienceqa/rows", "test", test)
    return data
