"""Places, files and options of a run at full size: what is not there is named, with what to do."""

from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionModel, LlamaForCausalLM, OPTForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.data.prompts import image_token_id
from course_lib.full_size.bert import begin_with_bert, open_words
from course_lib.full_size.opening import give_row, open_blip2, open_language, open_vision
from course_lib.full_size.places import find_place
from course_lib.full_size.reading import by_kind, shards_of
from course_lib.interop.blip2_hf import from_hf
from course_lib.recipes import blip2
from tests import full_size_dirs as dirs
from tests.released_dirs import SIZE, released_blip2

PIXELS = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def test_a_whole_clip_gives_its_image_half(tmp_path):
    place = dirs.clip_dir(tmp_path / "clip")
    theirs = CLIPVisionModel.from_pretrained(place)(PIXELS, output_hidden_states=True)
    found = open_vision(Path(place), drop_cls=True)(PIXELS)
    torch.testing.assert_close(found, theirs.hidden_states[-2][:, 1:])


@pytest.mark.parametrize("change", [str, dirs.pickled, dirs.in_two_files])
def test_parts_of_a_blip2_are_read_from_files_of_every_kind(tmp_path, change):
    from transformers import Blip2ForConditionalGeneration

    released_blip2(tmp_path, "t5")
    whole = from_hf(Blip2ForConditionalGeneration.from_pretrained(tmp_path).eval())
    change(tmp_path)
    encoder, head = open_blip2(tmp_path)
    assert not any(tensor.is_meta for tensor in (*encoder.parameters(), *encoder.buffers()))
    with torch.no_grad():
        features = whole.vpg.encoder(PIXELS)
        assert torch.equal(encoder(PIXELS), features)
        assert torch.equal(open_vision(tmp_path, -1)(PIXELS), features)
        assert torch.equal(head.eval()(features), whole.vpg.head.eval()(features))
    half = open_blip2(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for part in half for p in part.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("change", [str, dirs.pickled, dirs.in_two_files])
def test_language_models_are_read_from_files_of_every_kind(tmp_path, change):
    place = change(dirs.language_dir(tmp_path, "opt"))
    language, tokenizer = open_language(Path(place))
    assert isinstance(language.model, OPTForCausalLM)
    assert image_token_id(tokenizer) == len(tokenizer) - 1 < language.vocab_size


def test_a_tag_gets_a_row_and_nothing_else_changes(tmp_path):
    place = Path(dirs.language_dir(tmp_path, "llama"))
    plain, tokenizer = open_language(place)
    tag, ids = image_token_id(tokenizer), torch.tensor([[1, 5, 9]])
    assert tag == plain.vocab_size and tokenizer.pad_token == tokenizer.eos_token
    tagged, _ = open_language(place, reads_tag=True)
    table = tagged.model.get_input_embeddings().weight
    assert tagged.vocab_size == tag + 1
    torch.testing.assert_close(table[tag], table[:tag].mean(dim=0))
    assert isinstance(tagged.model, LlamaForCausalLM)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        before, after = (m.logits(m.embed(ids), mask) for m in (plain, tagged))
    assert torch.equal(before, after)
    with pytest.raises(ValueError, match=rf"id {tag + 3}, the language model reads {tag + 1}"):
        give_row(tagged, tag + 3)
    opt, words = open_language(Path(dirs.language_dir(tmp_path / "opt", "opt")), reads_tag=True)
    assert opt.vocab_size > image_token_id(words)  # its spare rows will do
    with pytest.raises(ValueError, match="whose head is a table of its own"):
        give_row(LanguageModel(opt.model), opt.vocab_size)


def test_bert_begins_the_q_former(tmp_path, monkeypatch):
    from transformers import BertForMaskedLM

    dirs.tiny_scales(monkeypatch)
    place = Path(dirs.bert_dir(tmp_path))
    words = open_words(place)
    assert words.bos_token == "[DEC]" and words.bos_token_id == len(words) - 1
    model = blip2.build_stage1(blip2.scale("small"), None, words)
    row = model.qformer.word_embeddings.weight[-1].clone()
    random = begin_with_bert(model, place)
    assert any("cross_attention" in name for name in random) and "query_tokens" in random
    assert not any("self_attention" in name or "text_ffn" in name for name in random)
    ids = words(["a red bowl"], return_tensors="pt").input_ids
    bert = BertForMaskedLM.from_pretrained(place).eval()
    with torch.no_grad():
        theirs = bert(ids)
        hidden = bert.bert(ids).last_hidden_state
        own = model.eval().qformer(input_ids=ids)
        # BERT adds a row for the kind of segment, which the Q-Former does not have.
        bert.bert.embeddings.token_type_embeddings.weight.zero_()
        hidden = bert.bert(ids).last_hidden_state
        logits = bert(ids).logits
        torch.testing.assert_close(own, hidden, atol=1e-5, rtol=1e-5)
        found = model.lm_head(own[0])[:, : theirs.logits.shape[-1]]
    torch.testing.assert_close(found, logits[0], atol=1e-5, rtol=1e-5)
    assert torch.equal(model.qformer.word_embeddings.weight[-1], row)
    layer = model.qformer.layers[0]
    assert torch.equal(layer.query_ffn.up.weight, layer.text_ffn.up.weight)


def test_what_is_not_there_is_named_with_what_gets_it(tmp_path):
    with pytest.raises(ValueError, match=r"run `hf download openai/clip-x` first .* or give --vi"):
        find_place("openai/clip-x", "--vision")
    with pytest.raises(ValueError, match=r"no directory and no name such as OWNER/NAME"):
        find_place("./nothing/here", "--vision")
    with pytest.raises(ValueError, match=r"has no config.json: give --language the directory"):
        find_place(tmp_path, "--language")
    place = Path(dirs.language_dir(tmp_path / "llama", "llama"))
    with pytest.raises(ValueError, match=r"holds a 'llama' model, which is no image encoder"):
        open_vision(place)
    with pytest.raises(ValueError, match=r"holds a 'llama' model: MiniGPT-4 takes"):
        open_blip2(place)
    with pytest.raises(ValueError, match=r"is no BERT: give --text one"):
        begin_with_bert(None, place)
    (place / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"cannot be read: fetch or make them again"):
        open_language(place)


def test_a_blip2_with_a_file_missing_or_cut(tmp_path):
    released_blip2(tmp_path, "t5")
    dirs.in_two_files(tmp_path)
    first = tmp_path / "model-00001-of-00002.safetensors"
    content = first.read_bytes()
    first.write_bytes(content[:100])
    with pytest.raises(ValueError, match=r"00001-of-00002.safetensors is damaged or cut short"):
        open_blip2(tmp_path)
    first.unlink()
    with pytest.raises(ValueError, match=r"00001-of-00002.safetensors is not there"):
        open_blip2(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{")
    with pytest.raises(ValueError, match=r"index\.json is damaged"):
        open_blip2(tmp_path)


def test_folders_of_data(tmp_path):
    captions, text = dirs.captions_dir(tmp_path), dirs.text_dir(tmp_path)
    shards = shards_of([Path(captions), Path(text)])
    assert {shard.path.parent.name for shard in shards} == {"train", "restval"}
    assert sum(shard.rows for shard in shards) == 14 + 7
    shown, said = by_kind(shards)
    assert sum(s.rows for s in shown) == 14 and sum(s.rows for s in said) == 7
    assert shards_of([tmp_path / "alpaca"]) == said  # one data set somewhere below
    for folder, message in {
        tmp_path: r"holds 2 finished data sets .*: name one of them",
        tmp_path / "official": r"holds 0 finished data sets \(no dataset.json\)",
        tmp_path / "nothing": "is no directory: give --data what",
    }.items():
        with pytest.raises(ValueError, match=message):
            shards_of([folder])
    with pytest.raises(ValueError, match=r"give --data a folder that data_scripts wrote"):
        shards_of([])
    (Path(text) / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match=r"dataset\.json is damaged"):
        shards_of([Path(text)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("blip2", "--scale", "small"), "Each stage of blip2 reads data of its own: say --stage 1"),
        (("llava", "--scale", "small", "--stage", "3"), "Unknown stage '3'"),
        (("llava", "--scale", "a100", "--stage", "1"), "Real data is read here: give --data"),
        (("llava", "--scale", "a100", "--stage", "2"), "begins with a run of stage 1 of llava"),
        (("blip2", "--scale", "small", "--stage", "1", "--version", "v1"), "takes no --version"),
        (("blip2", "--scale", "small", "--stage", "1", "--language", "t5"), "is for stage 2"),
        (("mplug_owl", "--scale", "small", "--stage", "2", "--encoder", "x"), "is for stage 1"),
        (("flamingo", "--scale", "small", "--scenes", "5"), "--scenes 5 is for toy"),
        (("llava", "--data", "x"), "--data is for real data sets and backbones"),
        (("llava", "--micro", "4"), "--micro is for real data sets"),
        (("llava", "--vision", "x"), "llava takes no --vision"),
        (("vpgtrans", "--scale", "small", "--stage", "1", "--init", "none"), "stage 2 of blip2"),
        (("llava", "--scale", "small", "--stage", "2", "--init", "x"), "x holds no run"),
    ],
)
def test_the_console_script_names_what_is_wrong(course, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, printed, errors = course("train", *words)
    assert code == 1 and printed == "" and message in errors, errors
    assert errors.startswith("course: ") and errors.count("\n") == 1
    assert not list(tmp_path.iterdir())
