"""`course evaluate RUN --data NAME`: from the scripts' rows to the official number and file."""

import json
import math
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from transformers import Blip2ForConditionalGeneration, LlavaForConditionalGeneration

from course_lib.commands import benchmark as command
from course_lib.commands.full_size import is_released, open_released
from course_lib.corpora.pixels import pixels_of
from course_lib.data.images import CLIP_MEAN, ImageTransform
from course_lib.data.prompts import blip2_prompt, image_token_id
from course_lib.evaluation.benchmark_prompts import lavis_cleaned, table, wording
from course_lib.evaluation.benchmark_sets import SETS, Split
from course_lib.full_size.pictures import padded_square
from tests import official_files as files
from tests.official_rows import write_official, write_rows
from tests.released_dirs import SIZE, backbones, released_blip2, released_llava

NAMES = ("coco", "nocaps", "vqav2", "okvqa", "gqa", "scienceqa")
COUNTS = {"coco": 2, "nocaps": 2, "vqav2": 3, "okvqa": 3, "gqa": 3, "scienceqa": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_official(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    return {
        "opt": released_blip2(root / "blip2-opt", "opt"),
        "t5": released_blip2(root / "blip2-t5", "t5"),
        "llava": released_llava(root / "llava"),
    }


@pytest.fixture(scope="module")
def opened_once():
    return cache(lambda run: open_released(run))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch, opened_once):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "open_released", lambda run: opened_once(str(run)))


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("opt", name) for name in NAMES),
        ("t5", "coco"),
        ("t5", "vqav2"),
        ("llava", "coco"),
        ("llava", "scienceqa"),
    ],
)
def test_a_released_checkpoint_on_every_data_set(course, data, released, kind, name):
    code, out, errors = course(
        "evaluate", released[kind], "--data", name, "--folder", data, "--json"
    )
    assert code == 0, errors
    found = json.loads(out)
    assert found["count"] == found["of"] == COUNTS[name]
    assert found["metric"] == SETS[name].metric and 0 <= found["score"] <= 1000
    assert found["recipe"] == ("llava" if kind == "llava" else "blip2")
    assert found["prompt"] and found["source"] and found["decoding"].startswith("greedy")
    # The rows that the scripts could not use are told, and the number is not called whole.
    assert found["whole"] == (found["left_out"] == 0)
    assert found["too_long"] == 0


def test_an_answer_is_what_transformers_generates(data, released):
    """Our prompt, our pictures and our greedy loop against transformers' own class."""
    hf = Blip2ForConditionalGeneration.from_pretrained(released["opt"]).eval()
    opened, _, _ = open_released(released["opt"])
    tokenizer, queries = opened.tokenizer, hf.config.num_query_tokens
    found = command.benchmark(str(released["opt"]), "vqav2", data)
    written = read(found["predictions"])
    asked = {200: "What is in the bowl?", 201: "Is it tall?", 202: "How many bowls?"}
    assert [row["question_id"] for row in written] == [200, 202, 201]
    split = Split("vqav2", data)
    for row, example in zip(written, split.examples, strict=True):
        words = f"Question: {asked[row['question_id']].lower()} Answer:"
        ids = blip2_prompt(tokenizer, words, queries)
        pixels = pixels_of([split.picture(example.row)], ImageTransform((SIZE, SIZE)))
        out = hf.generate(
            pixel_values=pixels,
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=10,
            do_sample=False,
        )[0]
        new = out[len(ids) :] if len(out) > len(ids) else out
        text = tokenizer.decode(new, skip_special_tokens=True)
        assert row["answer"] == text.split("\n")[0].strip(), words
    assert len({row["answer"] for row in written} - {""}) > 1


def test_llava_sees_padded_pictures_and_hears_its_template(data, released):
    hf = LlavaForConditionalGeneration.from_pretrained(released["llava"]).eval()
    found = command.benchmark(str(released["llava"]), "gqa", data)
    assert found["prompt"].endswith("\nAnswer the question using a single word or phrase.")
    opened, _, pixels = open_released(released["llava"])
    split = Split("gqa", data)
    answers = read(found["predictions"])
    for row, example in zip(answers, split.examples, strict=True):
        place = image_token_id(opened.tokenizer)
        words = f"{example.question}\nAnswer the question using a single word or phrase."
        ids = opened.tokenizer("USER: ").input_ids + [place] * 4
        ids += opened.tokenizer(f"\n{words}", add_special_tokens=False).input_ids
        ids += opened.tokenizer(" ASSISTANT:", add_special_tokens=False).input_ids
        values = pixels([split.picture(example.row)])
        out = hf.generate(
            input_ids=torch.tensor([ids]),
            pixel_values=values,
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=16,
            do_sample=False,
        )[0][len(ids) :]
        text = opened.tokenizer.decode(out, skip_special_tokens=True)
        assert row["prediction"] == text.strip().rstrip(".").lower()
    assert len({row["prediction"] for row in answers} - {""}) > 1


def test_a_padded_picture_has_the_mean_colour_above_and_below():
    found = padded_square(Image.new("RGB", (40, 20), (255, 0, 0)))
    assert found.size == (40, 40)
    assert found.getpixel((0, 0)) == tuple(int(255 * value) for value in CLIP_MEAN)
    assert found.getpixel((0, 20)) == (255, 0, 0) and found.getpixel((39, 10)) == (255, 0, 0)


def test_captions_go_into_cocos_results_format(data, released):
    found = command.benchmark(str(released["opt"]), "coco", data)
    assert (found["split"], found["left_out"], found["whole"]) == ("val", 1, False)
    assert "1 rows were left out" in found["notes"][0]
    truth = COCO()
    truth.dataset = files.COCO_CAPTIONS | {"type": "captions"}
    truth.createIndex()
    results = truth.loadRes(found["predictions"])
    assert sorted(results.getImgIds()) == [9, 25]


def test_captions_equal_to_peoples_score_as_they_should(data, released, monkeypatch):
    from course_lib.evaluation.benchmark_asking import Answers

    def say(opened, split, *others):
        return Answers([example.truth[0] for example in split.examples], 0)

    monkeypatch.setattr(command, "ask_all", say)
    found = command.benchmark(str(released["opt"]), "nocaps", data)
    # By hand: no word is in both images, so all weigh the same. "a baby is standing" against itself
    # is 1; against "a child" one of 4 words is one of 2, and 3 bigrams stand against 1. "nothing"
    # has no bigram: a quarter.
    child = 1 / (2 * 2**0.5) / 4 * math.exp(-4 / 72)
    assert found["score"] == pytest.approx(1000 * ((1 + child) / 2 + 1 / 4) / 2)
    assert found["by_type"] == {}
    found = command.benchmark(str(released["opt"]), "vqav2", data)
    assert found["score"] == 100 and found["by_type"] == {"other": 100}
    found = command.benchmark(str(released["opt"]), "gqa", data)
    assert found["score"] == found["accuracy_lavis"] == 100
    written = read(found["predictions"])
    assert written[0] == {"questionId": "07333408", "prediction": "pipe"}
    monkeypatch.setattr(command, "ask_all", lambda *a: Answers(["A", "B. rain", "nobody"], 0))
    found = command.benchmark(str(released["llava"]), "scienceqa", data)
    assert found["score"] == pytest.approx(100 / 3) and found["unread"] == pytest.approx(1 / 3)
    assert found["by_type"]["IMG"] == 100 and found["by_type"]["NO"] == 0
    written = read(found["predictions"])
    assert written["results"] == {"1": 0, "2": 1, "4": -1} and written["correct"] == 1


def test_a_part_of_a_split_says_so_and_asks_in_order(data, released):
    whole = command.benchmark(str(released["t5"]), "vqav2", data)
    part = command.benchmark(str(released["t5"]), "vqav2", data, limit=2, batch=1)
    assert part["count"] == 2 and part["of"] == 3 and not part["whole"]
    assert "2 of the 3 examples" in part["notes"][0]
    assert len(read(whole["predictions"])) == 2  # the same file: the later run counts
    other = command.benchmark(
        str(released["t5"]), "vqav2", data / "vqav2", split="val", out=data / "own" / "a.json"
    )
    assert other["predictions"] == str(data / "own" / "a.json")
    assert other["score"] == whole["score"]


def test_a_prompt_beyond_the_context_is_counted_not_cut(data, released, tmp_path):
    long = {"5": {**files.SCIENCEQA["2"], "split": "test", "hint": "solid " * 400}}
    path = tmp_path / "problems.json"
    path.write_text(json.dumps(long | {"4": files.SCIENCEQA["4"]}), encoding="utf-8")
    from course_lib.corpora.scienceqa import scienceqa_rows

    write_rows(tmp_path, "scienceqa/rows", "test", lambda: scienceqa_rows(path, "test"))
    found = command.benchmark(str(released["llava"]), "scienceqa", tmp_path)
    assert found["too_long"] == 1 and "beyond the context" in found["notes"][-1]
    assert read(found["predictions"])["outputs"]["5"] == ""


@pytest.mark.parametrize(("recipe", "stage"), [("blip2", "2"), ("llava", "1"), ("llava", "2")])
def test_a_run_at_small_is_opened_on_named_backbones(data, tmp_path, recipe, stage, monkeypatch):
    from dataclasses import replace

    from course_lib.recipes import blip2, llava
    from course_lib.training.checkpoint import save_checkpoint, write_config

    kind = {"blip2": "opt", "llava": "llama"}[recipe]
    vision, language = backbones(tmp_path / "backbones", kind)
    module = {"blip2": blip2, "llava": llava}[recipe]
    numbers = module.scale("small")
    if recipe == "blip2":
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        head = replace(numbers.qformer, intermediate_size=32, encoder_hidden_size=16, **sizes)
        numbers = replace(numbers, vision=vision, languages={"opt": language}, qformer=head)
        config = {"language": "opt", "stage_number": stage}
    else:
        numbers = replace(numbers, vision=vision, language=language)
        config = {"llava_version": "v1.5", "stage_number": stage}
    monkeypatch.setitem(module.SCALES, "small", lambda: numbers)
    trained = ("projector",) if stage == "1" or recipe == "blip2" else numbers.stage2.trainable
    config |= {"recipe": recipe, "scale": "small", "stage": {"trainable": list(trained)}}
    from course_lib.commands import full_size
    from course_lib.full_size.building import build

    run = tmp_path / "run"
    model = build(full_size.with_places(run, config), begins=False).model
    with torch.no_grad():
        names = [n for n, _ in model.named_parameters() if n.startswith("projector") or "lora" in n]
        assert any("lora" in name for name in names) == ((recipe, stage) == ("llava", "2"))
        for name in names:
            model.get_parameter(name).fill_(0.03)
    write_config(run, config)
    optimizer = torch.optim.SGD(model.projector.parameters(), 0.1)
    save_checkpoint(run, model, trained, optimizer, 1, config)
    opened, record, _ = full_size.open_full_size(run, config)
    assert all(bool((opened.model.get_parameter(name) == 0.03).all()) for name in names)
    assert not any(p.requires_grad for p in opened.model.parameters())
    found = command.benchmark(str(run), "okvqa", data)
    assert record["scale"] == found["scale"] == "small" and found["count"] == 3


def test_a_run_at_small_without_a_language_model_says_so(data, tmp_path):
    from course_lib.training.checkpoint import write_config

    write_config(tmp_path / "run", {"recipe": "blip2", "scale": "small", "stage_number": "1"})
    with pytest.raises(ValueError, match="stage 1 of blip2 at small, which has no language model"):
        command.benchmark(str(tmp_path / "run"), "gqa", data)


def test_a_toy_run_of_the_zoo_goes_the_same_way(course, data):
    words = ("evaluate", "blip2-opt", "--data", "vqav2", "--folder", data, "--limit", 2)
    code, out, errors = course(*words)
    assert code == 0, errors
    found = json.loads(out)
    assert found["scale"] == "toy" and "A toy run" in found["notes"][-1]


def test_what_cannot_be_scored_is_refused_before_anything_is_asked(course, data, tmp_path):
    def refused(*words):
        code, out, errors = course("evaluate", "blip2-opt", *words)
        assert code == 1 and not out and errors.count("\n") == 1, errors
        return errors

    folder = ("--folder", data)
    assert "did you mean 'nocaps'" in refused("--data", "nocap", *folder)
    assert "holds no rows of coco" in refused("--data", "coco", "--folder", tmp_path)
    assert "get_gqa.py" in refused("--data", "gqa", "--folder", data / "vqav2/rows/val")
    wrong = ("--folder", data / "vqav2" / "rows")
    assert "holds vqav2/rows, not gqa" in refused("--data", "gqa", *wrong)
    assert "Unknown split 'train'" in refused("--data", "coco", *folder, "--split", "train")
    secret = refused("--data", "vqav2", *folder, "--split", "test")
    assert "3 of 3 examples" in secret and "secret" in secret
    assert "--limit 0" in refused("--data", "vqav2", *folder, "--limit", 0)
    assert "at least two" in refused("--data", "coco", *folder, "--limit", 1)
    assert "--batch 0" in refused("--data", "vqav2", *folder, "--batch", 0)
    assert "--n is of toy scenes" in refused("--data", "vqav2", *folder, "--n", 20)
    assert "--limit goes with --data" in refused("--limit", 3)
    (tmp_path / "gqa/rows").mkdir(parents=True)
    (tmp_path / "gqa/rows/dataset.json").write_text("{")
    assert "is damaged" in refused("--data", "gqa", "--folder", tmp_path)
    (tmp_path / "gqa/rows/dataset.json").write_text('{"name": "gqa/rows", "splits": {}}')
    assert "papers report on none" in refused("--data", "gqa", "--folder", tmp_path)


def test_a_run_that_cannot_be_asked_is_refused(course, data, released, tmp_path):
    words = ("--data", "vqav2", "--folder", data)
    assert "no language model" in course("evaluate", "blip2-stage1", *words)[2]
    assert "backbone of the zoo" in course("evaluate", "opt", *words)[2]
    _, language = backbones(tmp_path / "b", "opt")
    assert "holds a 'opt' model" in course("evaluate", language, *words)[2]
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/config.json").write_bytes((released["opt"] / "config.json").read_bytes())
    assert "cannot be read" in course("evaluate", tmp_path / "cut", *words)[2]


def test_which_names_are_released_checkpoints(released, tmp_path):
    assert is_released(released["opt"]) and is_released("Salesforce/blip2-opt-2.7b")
    (tmp_path / "runs").mkdir()
    assert not is_released("runs/mine") and not is_released("blip2-opt")
    (tmp_path / "runs/config.json").write_text('{"recipe": "llava", "model_type": "x"}')
    assert not is_released(tmp_path / "runs")


def test_every_recipe_has_a_wording_with_a_source_for_every_data_set():
    from course_lib.commands.runs import RECIPES

    for recipe in RECIPES:
        for name in NAMES:
            found = wording(recipe, name)
            assert found.source and found.longest > 0
            said = found.about("What is it?", ("a", "b"), "")
            assert "{" not in said
            assert ("hat is it" in said) == (SETS[name].kind != "captions"), said
    assert wording("blip2", "gqa", short=True).text == "Question: {question} Short answer:"
    assert len(table()) == 21 and all(row["source"] for row in table())
    assert lavis_cleaned('Is "it" (red)? ' + "a " * 60) == " ".join(["is it red?"] + ["a"] * 47)
    asked = wording("llava", "scienceqa").about("Which?", ("rock", "rain"))
    assert asked.startswith("Context: N/A\nQuestion: Which?\nOptions: (A) rock (B) rain\n")
    with pytest.raises(ValueError, match="Unknown data set 'imagenet'"):
        wording("llava", "imagenet")
    with pytest.raises(ValueError, match="Unknown recipe 'lava': did you mean 'llava'"):
        wording("lava", "coco")
