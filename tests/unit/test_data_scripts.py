"""Every script from the question to the rows, against a server that has the official addresses."""

import importlib.util
import io
import json
import sys
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from course_lib.corpora import script
from course_lib.corpora.reading import open_corpus
from course_lib.devtools.environment import ROOT
from course_lib.downloads.remote import mirrored
from tests import official_files as files
from tests.hostile_server import HostileServer, Page, on_disk
from tests.official_files import jpeg, tarred, zipped

SCRIPTS = sorted(path.stem for path in (ROOT / "data_scripts").glob("get_*.py"))
COCO = "http://images.cocodataset.org/"
HUB = "https://huggingface.co/datasets/"
LLAVA = f"{HUB}liuhaotian/LLaVA"
RAW = "https://raw.githubusercontent.com/"
TEXTS = {
    f"{COCO}annotations/annotations_trainval2017.zip": zipped(
        {
            f"annotations/{kind}_{split}2017.json": content
            for kind, content in (
                ("captions", files.COCO_CAPTIONS),
                ("instances", files.COCO_INSTANCES),
            )
            for split in ("train", "val")
        }
    ),
    "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip": zipped(
        {"dataset_coco.json": files.KARPATHY, "dataset_flickr8k.json": {}}
    ),
}
COCO_ZIPS = {
    f"{COCO}zips/train2017.zip": zipped({"train2017/000000000009.jpg": jpeg(9)}),
    f"{COCO}zips/val2017.zip": zipped({"val2017/000000000025.jpg": jpeg(25)}),
}
VQA = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/v2_"
OKVQA = "https://okvqa.allenai.org/static/data/"
VG = "https://cs.stanford.edu/people/rak248/VG_100K"
GQA = "https://downloads.cs.stanford.edu/nlp/data/gqa/"
SQA = "https://scienceqa.s3.us-west-1.amazonaws.com/images/"
OWL = f"{RAW}X-PLUG/mPLUG-Owl/main/mPLUG-Owl/OwlEval/"
CC3M = "https://storage.googleapis.com/gcc-data/"
GA = ".-1896153081.1529438250"
BLIP = "https://storage.googleapis.com/sfr-vision-language-research/BLIP/datasets/"
COYO = (
    f"{HUB}kakaobrain/coyo-700m/resolve/main/data/part-00001-17da4908-939c-46e5-91d0-15f256041956"
)
WEB = {"http://one.example/a.jpg": jpeg(1), "https://two.example/b.png": jpeg(2)}
PAIRS = [("a red bus", "http://one.example/a.jpg"), ("gone", "http://one.example/gone.jpg")]
PAIRS.append(("a cat", "https://two.example/b.png"))


def vqa_zips():
    pages = {}
    for split, first in (("train", 100), ("val", 200)):
        questions, annotations = files.vqa(split, first)
        year, title = f"{split}2014", split.title()
        names = f"OpenEnded_mscoco_{year}_questions.json", f"mscoco_{year}_annotations.json"
        pages[f"{VQA}Questions_{title}_mscoco.zip"] = zipped({f"v2_{names[0]}": questions})
        pages[f"{VQA}Annotations_{title}_mscoco.zip"] = zipped({f"v2_{names[1]}": annotations})
        pages[f"{OKVQA}{names[0]}.zip"] = zipped({names[0]: questions})
        pages[f"{OKVQA}{names[1]}.zip"] = zipped({names[1]: annotations})
    return pages


def owl_pages():
    questions = "".join(json.dumps(row) + "\n" for row in files.OWL_QUESTIONS)
    answers = load("get_owl_eval").TEXTS
    pages = {OWL + name: b"{}\n" for name in answers} | {
        f"{OWL}questions.jsonl": questions.encode()
    }
    return pages | {f"{OWL}cases/{n}.jpg": jpeg(n) for n in range(1, 51)}


def parquet_bytes():
    import pyarrow as pa
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(
        pa.table({"url": [u for _, u in PAIRS], "text": [t for t, _ in PAIRS]}), sink
    )
    return sink.getvalue()


def tsv(caption_first):
    return "".join("\t".join(p if caption_first else p[::-1]) + "\n" for p in PAIRS).encode()


# script, its words, what the server has, rows folder, split → ids, reasons of what is left out
CASES = {
    "coco": (
        ["get_coco"],
        lambda: TEXTS | COCO_ZIPS,
        "coco/rows/2017",
        {"train": ["9", "25"], "val": ["9", "25"]},
        {"no caption": 1},
    ),
    "coco, one by one": (
        ["get_coco", "--limit", "2", "--split", "train"],
        lambda: TEXTS | {f"{COCO}train2017/000000000009.jpg": jpeg(9)},
        "coco/rows/2017",
        {"train": ["9"]},
        {"status 404": 1},
    ),
    "karpathy": (
        ["get_coco", "--part", "karpathy", "--split", "train", "restval"],
        lambda: TEXTS | COCO_ZIPS,
        "coco/rows/karpathy",
        {"train": ["25"], "restval": ["9"]},
        {},
    ),
    "vqav2": (
        ["get_vqav2"],
        lambda: vqa_zips() | COCO_ZIPS,
        "vqav2/rows",
        {"train": ["9", "25"], "val": ["9", "25"]},
        {},
    ),
    "okvqa": (
        ["get_okvqa", "--limit", "1", "--split", "val"],
        lambda: vqa_zips() | {f"{COCO}val2014/COCO_val2014_000000000009.jpg": jpeg(9)},
        "okvqa/rows",
        {"val": ["9"]},
        {},
    ),
    "visual genome": (
        ["get_visual_genome"],
        lambda: {
            "https://visualgenome.org/static/data/dataset/image_data.json.zip": zipped(
                {"image_data.json": files.VG_IMAGES}
            ),
            "https://visualgenome.org/static/data/dataset/region_descriptions_v1.json.zip": zipped(
                {"region_descriptions.json": files.VG_REGIONS}
            ),
            f"{VG}_2/images.zip": zipped({"VG_100K/2.jpg": jpeg(2)}),
            f"{VG}_2/images2.zip": zipped({"VG_100K_2/1.jpg": jpeg(1)}),
        },
        "visual_genome/rows",
        {"train": ["1", "2"]},
        {"an unknown image": 1},
    ),
    "gqa": (
        ["get_gqa", "--split", "train"],
        lambda: {
            f"{GQA}questions1.2.zip": zipped(
                {
                    "train_balanced_questions.json": files.GQA,
                    "train_all_questions/train_all_questions_0.json": files.GQA,
                }
            ),
            f"{GQA}images.zip": zipped({"images/2375429.jpg": jpeg(1), "images/n1.jpg": jpeg(2)}),
        },
        "gqa/rows",
        {"train": ["2375429", "n1"]},
        {"a question without image or words": 1},
    ),
    "nocaps": (
        ["get_nocaps"],
        lambda: {
            "https://nocaps.s3.amazonaws.com/nocaps_val_4500_captions.json": files.NOCAPS,
            "https://s3.amazonaws.com/nocaps/val/0013ea2087020901.jpg": jpeg(1),
        },
        "nocaps/rows",
        {"val": ["0"]},
        {"status 404": 1},
    ),
    "scienceqa": (
        ["get_scienceqa", "--split", "train"],
        lambda: {
            f"{RAW}lupantech/ScienceQA/main/data/scienceqa/problems.json": files.SCIENCEQA,
            f"{SQA}train.zip": zipped({"train/1/image.png": jpeg(1)}),
        },
        "scienceqa/rows",
        {"train": ["1", "2"]},
        {"no choice is the answer": 1},
    ),
    "alpaca": (
        ["get_alpaca"],
        lambda: {f"{RAW}tatsu-lab/stanford_alpaca/main/alpaca_data.json": files.ALPACA},
        "alpaca/rows",
        {"train": ["000000", "000001"]},
        {"no instruction or no output": 1},
    ),
    "llava 158k": (
        ["get_llava", "--part", "158k"],
        lambda: (
            {f"{LLAVA}-Instruct-150K/resolve/main/llava_instruct_150k.json": files.LLAVA}
            | COCO_ZIPS
        ),
        "llava/rows/158k",
        {"train": ["000000000009", "text"]},
        {"a broken record": 1, "not in the folder": 1},
    ),
    "llava 558k": (
        ["get_llava", "--part", "558k", "--drop-archives"],
        lambda: {
            f"{LLAVA}-Pretrain/resolve/main/blip_laion_cc_sbu_558k.json": files.LLAVA,
            f"{LLAVA}-Pretrain/resolve/main/images.zip": zipped({"000000000009.jpg": jpeg(9)}),
        },
        "llava/rows/558k",
        {"train": ["000000000009", "text"]},
        {"a broken record": 1, "not in the folder": 1},
    ),
    "llava 595k": (
        ["get_llava", "--part", "595k", "--limit", "1"],
        lambda: {
            f"{LLAVA}-CC3M-Pretrain-595K/resolve/main/chat.json": files.LLAVA,
            f"{LLAVA}-CC3M-Pretrain-595K/resolve/main/images.zip": zipped(
                {"images/000000000009.jpg": jpeg(9)}
            ),
        },
        "llava/rows/595k",
        {"train": ["000000000009"]},
        {},
    ),
    "minigpt4": (
        ["get_minigpt4"],
        lambda: {
            "https://paddlenlp.bj.bcebos.com/datasets/cc_sbu_align.zip": zipped(
                {
                    "cc_sbu_align/filter_cap.json": files.MINIGPT4,
                    "cc_sbu_align/image/2.jpg": jpeg(2),
                    "cc_sbu_align/image/3.jpg": jpeg(3),
                }
            )
        },
        "minigpt4/rows",
        {"train": ["2", "3"]},
        {"an annotation without image or caption": 1},
    ),
    "owl eval": (["get_owl_eval"], owl_pages, "owl_eval/rows", {"test": ["1", "2"]}, {}),
    "cc3m": (
        ["get_cc3m"],
        lambda: (
            WEB
            | {
                f"{CC3M}Train/GCC-training.tsv?_ga=2.191230122{GA}": tsv(True),
                f"{CC3M}Validation/GCC-1.1.0-Validation.tsv?_ga=2.141047602{GA}": tsv(True),
            }
        ),
        "cc3m/rows",
        {"train": ["000000000", "000000002"], "val": ["000000000", "000000002"]},
        {"status 404": 1},
    ),
    "cc12m": (
        ["get_cc12m"],
        lambda: WEB | {"https://storage.googleapis.com/conceptual_12m/cc12m.tsv": tsv(False)},
        "cc12m/rows",
        {"train": ["000000000", "000000002"]},
        {"status 404": 1},
    ),
    "sbu": (
        ["get_sbu"],
        lambda: (
            WEB
            | {
                "https://www.cs.rice.edu/~vo9/sbucaptions/sbu-captions-all.tar.gz": tarred(
                    "dataset/sbu-captions-all.json",
                    {
                        "image_urls": [u for _, u in PAIRS],
                        "captions": [t for t, _ in PAIRS],
                        "user_ids": ["", "", ""],
                    },
                )
            }
        ),
        "sbu/rows",
        {"train": ["000000000", "000000002"]},
        {"status 404": 1},
    ),
    "laion": (
        ["get_laion", "--limit", "2"],
        lambda: (
            WEB
            | {
                f"{BLIP}laion_synthetic_filtered_large.json": [
                    {"url": u, "caption": t} for t, u in PAIRS
                ]
            }
        ),
        "laion/rows/laion",
        {"train": ["000000000"]},
        {"status 404": 1},
    ),
    "coyo": (
        ["get_coyo", "--parts", "1", "--max-side", "20"],
        lambda: WEB | {f"{COYO}-c000.snappy.parquet": parquet_bytes()},
        "coyo/rows",
        {"part-00001": ["000000000", "000000002"]},
        {"status 404": 1},
    ),
}


def load(name):
    """Imports a script by its path, as a person's Python does."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"data_scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def unknown_sums(monkeypatch):
    """Takes the published sizes and checksums away: the server has small files in their place."""

    def without(remotes, rules):
        bare = (replace(r, size=None, about=0, sha256="", md5="") for r in mirrored(remotes, rules))
        return tuple(bare)

    monkeypatch.setattr(script, "mirrored", without)


@pytest.fixture
def data(tmp_path):
    (tmp_path / "outside").write_text("untouched")
    yield tmp_path / "data"
    assert {p.name for p in tmp_path.iterdir()} <= {"outside", "data", "own"}
    assert (tmp_path / "outside").read_text() == "untouched"


def serve(pages):
    """Returns a server and the words that send a script to it in place of the real ones."""
    local, words, server = {}, ["--allow-private"], HostileServer()
    for url, content in pages.items():
        parts = urlsplit(url)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        local[url.replace(f"{parts.scheme}://", "/", 1)] = Page(body)
        words += ["--mirror", f"{parts.scheme}://{parts.netloc}={server.url}/{parts.netloc}"]
    server.pages.update(local)
    return server, words


@pytest.mark.parametrize("case", CASES)
def test_from_the_question_to_the_rows_and_again(case, data, unknown_sums, capsys, monkeypatch):
    (name, *words), pages, rows, expected, left_out = CASES[case]
    monkeypatch.setattr(sys, "argv", [name])
    module = load(name)
    server, more = serve(pages())
    with server:
        argv = [*words, "--data", str(data), "--yes", *more]
        assert module.main(argv) == 0, capsys.readouterr().err
        printed = capsys.readouterr().out
        assert module.CARD.title in printed and "licence" in printed
        for split, ids in expected.items():
            found = open_corpus(data / rows, split)
            assert found["id"][:] == ids
            assert all(row["image"] is None or row["image"].size[0] > 0 for row in found)
        index = json.loads((data / rows / "dataset.json").read_text())
        assert set(index["splits"]) == set(expected)
        for split in index["splits"].values():
            assert split["left_out"] == left_out and split["another_time"] == {}
        asked, before = len(server.asked), on_disk(data)
        assert module.main(argv) == 0
        assert len(server.asked) == asked and set(on_disk(data)) == set(before)


def test_every_script_has_a_case():
    assert {words[0] for words, *_ in CASES.values()} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_begins_before_the_answer(name, data, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    module = load(name)
    words = ["--part", "158k"] if name == "get_llava" else []
    assert module.main([*words, "--data", str(data)]) == 1
    shown = capsys.readouterr()
    assert "say --yes" in shown.err and "Traceback" not in shown.err
    assert module.main([*words, "--data", str(data), "--show"]) == 0
    assert capsys.readouterr().out == shown.out
    assert not data.exists()
    for text in ("described at", "licence", "file", "rows", "into"):
        assert text in shown.out


def test_a_person_is_asked(data, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    module = load("get_alpaca")
    for answer in ("n", "", "perhaps"):
        monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
        assert module.main(["--data", str(data)]) == 1
        assert "Nothing was fetched" in capsys.readouterr().err
    assert not data.exists()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert module.main(["--data", str(data), "--mirror", "https://raw=x"]) == 1
    assert "is not of the form" in capsys.readouterr().err


def test_published_sums_are_held_against_what_comes(data, capsys):
    server, more = serve(TEXTS)
    with server:
        words = ["--limit", "1", "--data", str(data), "--yes", *more]
        assert load("get_coco").main(words) == 1
    assert "another size than published" in capsys.readouterr().err
    assert [n for n in on_disk(data) if not n.endswith(".lock")] == []


def test_a_server_that_fails_first_and_a_second_run(data, unknown_sums, capsys):
    server, more = serve(TEXTS | COCO_ZIPS)
    with server:
        broken = server.pages["/images.cocodataset.org/zips/train2017.zip"]
        broken.acts = [("status", 403, {})]
        words = ["--data", str(data), "--yes", *more]
        assert load("get_coco").main(words) == 1
        assert "1 of 3 files did not come" in capsys.readouterr().err
        assert not (data / "coco/rows").exists() and not (data / "coco/images").exists()
        assert load("get_coco").main(words) == 0
        assert open_corpus(data / "coco/rows/2017", "val")["id"][:] == ["9", "25"]
        assert server.ranges("/images.cocodataset.org/zips/val2017.zip") == [None]


def test_coco_images_are_fetched_once_for_two_data_sets(data, unknown_sums):
    server, more = serve(TEXTS | COCO_ZIPS | vqa_zips())
    with server:
        for name in ("get_coco", "get_vqav2"):
            assert load(name).main(["--data", str(data), "--yes", *more]) == 0
        assert server.ranges("/images.cocodataset.org/zips/train2017.zip") == [None]


def test_two_runs_do_not_write_into_one_folder(data, unknown_sums, capsys):
    from filelock import FileLock

    server, more = serve({f"{RAW}tatsu-lab/stanford_alpaca/main/alpaca_data.json": files.ALPACA})
    (data / "alpaca").mkdir(parents=True)
    words = ["--data", str(data), "--yes", *more]
    with server, FileLock(data / "alpaca/.lock"):
        assert load("get_alpaca").main(words) == 1
        assert "in use by another run" in capsys.readouterr().err and server.asked == []


def test_minigpt4s_archive_fetched_by_hand(data, tmp_path, capsys):
    own = tmp_path / "own/cc_sbu_align.zip"
    own.parent.mkdir()
    members = {"cc_sbu_align/filter_cap.json": files.MINIGPT4, "cc_sbu_align/image/2.jpg": jpeg(2)}
    own.write_bytes(zipped(members))
    words = ["--archive", str(own), "--data", str(data), "--yes"]
    assert load("get_minigpt4").main(words) == 0, capsys.readouterr().err
    assert open_corpus(data / "minigpt4/rows", "train")["id"][:] == ["2"]


def test_a_list_of_your_own_and_what_is_no_list(data, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.parquet").write_bytes(parquet_bytes())
    server, more = serve(WEB)
    with server:
        words = ["--list", str(own / "mine.parquet"), "--data", str(data), "--yes", *more]
        assert load("get_laion").main(words) == 0, capsys.readouterr().err
    assert open_corpus(data / "laion/rows/mine", "train")["captions"][:] == [
        ["a red bus"],
        ["a cat"],
    ]
    assert load("get_laion").main(["--list", "nowhere.json", "--yes"]) == 1
    assert "is not there" in capsys.readouterr().err


def test_the_table_in_the_readme_is_what_the_scripts_say():
    table = load("list_data_sets")
    text = (ROOT / "data_scripts/README.md").read_text(encoding="utf-8")
    assert table.written(text) == text, "run data_scripts/list_data_sets.py --write"
    with pytest.raises(ValueError, match="no place for the table"):
        table.written("nothing")
    assert set(table.cards()) == {f"{name}.py" for name in SCRIPTS}


def test_the_sizes_of_owl_evals_files_are_those_of_the_repository():
    owl = load("get_owl_eval")
    assert sum(owl.CASES) == 7_868_846 and len(owl.CASES) == 50
    assert sum(file.size for file in owl.CARD.files) == 8_119_373 - 2_130  # without OwlEval.md


@pytest.mark.parametrize("name", SCRIPTS)
def test_cards_are_fit_to_be_shown(name):
    card = load(name).CARD
    paths = [file.path for file in card.files]
    assert len(set(paths)) == len(paths)
    for file in card.files:
        assert file.url.startswith(("https://", "http://images.cocodataset.org/"))
        assert not file.url.startswith("http://") or file.sha256  # plain HTTP: verified by its sum
        assert len(file.sha256) in (0, 64) and len(file.md5) in (0, 32)
        assert file.path.split("/")[0] in (card.name, "coco")
        assert not file.into or file.into.split("/")[0] in (card.name, "coco")


@pytest.mark.parametrize("words", [["--limit", "0"], ["--workers", "0"], ["--shard-rows", "-1"]])
def test_numbers_below_one_are_refused(data, capsys, words):
    assert load("get_alpaca").main(["--data", str(data), "--yes", *words]) == 1
    assert "give a number from 1 on" in capsys.readouterr().err and not data.exists()
