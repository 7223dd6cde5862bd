"""What a real run finds on the disk, as small as it goes: backbones of the Hub, shards of data.

Tokenizers are of the real kinds and know no `<image>`: byte-level BPE (OPT), SentencePiece with
bytes and without padding (LLaMA), WordPiece without [DEC] (BERT). Sizes are tiny, layouts are not.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer, WordPieceTrainer
from transformers import (
    BertConfig,
    BertForMaskedLM,
    CLIPConfig,
    CLIPModel,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
)

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.corpora.coco import karpathy_rows
from course_lib.corpora.corpus import Split, write_corpus
from course_lib.corpora.shards import Settings
from course_lib.corpora.talks import alpaca_rows, llava_rows, minigpt4_rows
from course_lib.downloads.remote import Card
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans
from tests.official_files import jpeg
from tests.released_dirs import LANGUAGES, SIZE, released_blip2
from tests.tiny_models import randomise, text_config

WIDTH, QUERIES = 16, 3
TEXTS = [
    f"a {size} {colour} {kind} stands {place} the {other}"
    for size in ("small", "large")
    for colour in ("red", "green", "blue", "yellow", "black")
    for kind, place, other in (
        ("bowl", "beside", "giraffe"),
        ("street", "behind", "people"),
        ("leaf", "under", "old tree"),
    )
]


def opt_words() -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE with OPT's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 2, trainer)
    start = [("</s>", tokenizer.token_to_id("</s>"))]
    tokenizer.post_processor = processors.TemplateProcessing("</s> $A", special_tokens=start)
    roles = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="</s>", **roles)


def llama_words() -> LlamaTokenizer:
    """Trains a SentencePiece with LLaMA's special tokens and bytes, without padding."""
    learner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    learner.train_from_iterator(TEXTS * 2, trainer)
    found = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in found["merges"]]
    roles = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return LlamaTokenizer(vocab=found["vocab"], merges=merges, legacy=False, **roles)


def bert_words() -> PreTrainedTokenizerFast:
    """Trains a WordPiece with BERT's special tokens, which does not know [DEC]."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 2, trainer)
    ids = [(word, tokenizer.token_to_id(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ids)
    roles = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, sep_token="[SEP]", **roles)


WORDS = {
    "opt": opt_words,
    "llama": llama_words,
    "t5": partial(build_tokenizer, "t5"),
}


def language_dir(folder: Path, kind: str, seed: int = 3, width: int = 32) -> str:
    """Writes a language model with its tokenizer; OPT's table has rows to spare."""
    tokenizer = WORDS[kind]()
    spare = 5 if kind == "opt" else 0
    config = text_config(kind, width=width, vocabulary=len(tokenizer) + spare)
    if kind != "t5":
        config.max_position_embeddings = 256
        config.pad_token_id = tokenizer.pad_token_id
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
    torch.manual_seed(0)
    model = randomise(LANGUAGES[kind](config), seed, scale=1.0 if kind == "t5" else 1.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def clip_dir(folder: Path, size: int = SIZE) -> str:
    """Writes a whole CLIP, text half and all, as OpenAI's lie on the Hub."""
    common = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 3}
    vision = {**common, "num_attention_heads": 2, "image_size": size, "patch_size": 8}
    text = {**common, "num_attention_heads": 2, "vocab_size": 40, "max_position_embeddings": 12}
    text |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=8)
    randomise(CLIPModel(config), 2).save_pretrained(folder)
    told = {"crop_size": size, "do_center_crop": True, "do_resize": True, "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    return str(folder)


def bert_dir(folder: Path) -> str:
    """Writes a BERT of the tiny Q-Former's sizes."""
    tokenizer = bert_words()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=48,
    )
    randomise(BertForMaskedLM(config), 4).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def pickled(folder: str | Path) -> str:
    """Turns a directory's safetensors into `pytorch_model.bin`, all that OPT's repository has."""
    file = Path(folder) / "model.safetensors"
    torch.save(load_file(file), Path(folder) / "pytorch_model.bin")
    file.unlink()
    return str(folder)


def in_two_files(folder: str | Path) -> str:
    """Divides a directory's weights into two files and an index."""
    whole = Path(folder) / "model.safetensors"
    tensors = load_file(whole)
    names = sorted(tensors)
    parts = {f"model-0000{n + 1}-of-00002.safetensors": names[n::2] for n in range(2)}
    for file, members in parts.items():
        save_file({n: tensors[n] for n in members}, whole.with_name(file), {"format": "pt"})
    weight_map = {name: file for file, members in parts.items() for name in members}
    index = {"metadata": {}, "weight_map": weight_map}
    whole.with_name("model.safetensors.index.json").write_text(json.dumps(index))
    whole.unlink()
    return str(folder)


def blip2_dir(folder: Path) -> str:
    """Writes a BLIP-2 on T5, as MiniGPT-4 reads it."""
    return str(released_blip2(folder, "t5"))


def _corpus(data: Path, name: str, split: str, rows) -> str:
    card = Card(name=name.split("/")[0], title="t", licence="l", page="p", files=())
    split = Split(split, rows, lambda picture: jpeg(len(picture) + hash_of(picture), (40, 30)))
    write_corpus(card, [split], data, name, Settings(rows=3))
    return str(data / name)


def hash_of(text: str) -> int:
    return sum(text.encode())


def _file(folder: Path, name: str, content) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def captions_dir(data: Path, count: int = 14) -> str:
    """Writes captions in Karpathy's format, five about each picture."""
    images = [
        {
            "filepath": "val2014",
            "filename": f"COCO_val2014_{number:012d}.jpg",
            "cocoid": number,
            "split": "restval" if number % 3 == 0 else "train",
            "sentences": [{"raw": TEXTS[(5 * number + n) % len(TEXTS)]} for n in range(5)],
        }
        for number in range(count)
    ]
    file = _file(data / "official", "dataset_coco.json", {"images": images})
    for split in ("train", "restval"):
        found = _corpus(data, "coco/rows/karpathy", split, partial(karpathy_rows, file, split))
    return found


def talks_dir(data: Path, count: int = 9) -> str:
    """Writes conversations in LLaVA's format, the longer ones with two questions."""
    records = [
        {
            "id": f"{number}",
            "image": f"{number:012d}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\nWhat is {TEXTS[number][:11]}?"},
                {"from": "gpt", "value": TEXTS[number]},
            ]
            + [{"from": "human", "value": "And then?"}, {"from": "gpt", "value": "Nothing."}]
            * (number % 2),
        }
        for number in range(count)
    ]
    file = _file(data / "official", "llava.json", records)
    return _corpus(data, "llava/rows/158k", "train", partial(llava_rows, file))


def text_dir(data: Path, count: int = 7) -> str:
    """Writes instructions without pictures in Alpaca's format."""
    records = [
        {"instruction": f"Say {TEXTS[number][:9]}.", "input": "", "output": TEXTS[-number]}
        for number in range(count)
    ]
    file = _file(data / "official", "alpaca.json", records)
    return _corpus(data, "alpaca/rows", "train", partial(alpaca_rows, file))


def curated_dir(data: Path, count: int = 8) -> str:
    """Writes curated pairs in MiniGPT-4's format."""
    folder = data / "official/cc_sbu_align"
    told = [{"image_id": f"{n}", "caption": f"{TEXTS[n]}. {TEXTS[-n]}."} for n in range(count)]
    _file(folder, "filter_cap.json", {"annotations": told})
    (folder / "image").mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"image/{number}.jpg").write_bytes(jpeg(number))
    return _corpus(data, "minigpt4/rows", "train", partial(minigpt4_rows, folder))


def tiny(numbers, **changes):
    """Returns the numbers of a scale with a tiny Q-Former and short stages of small batches."""
    for name in ("stage", "stage1", "stage2", "stage3"):
        found = getattr(numbers, name, None)
        if isinstance(found, dict):
            changes[name] = {key: _short(value) for key, value in found.items()}
        elif found is not None:
            changes[name] = _short(found)
    return replace(numbers, **changes)


def _short(stage):
    return replace(stage.shortened(4), batch_size=4, warmup_steps=1, learning_rate=1e-2)


def tiny_scales(patch) -> None:
    """Makes `small` and `a100` tiny in every recipe: numbers alone, and none of the names."""
    for scale in ("small", "a100"):
        for module, numbers in _tiny(scale).items():
            patch.setitem(module.SCALES, scale, lambda numbers=numbers: numbers)


def _tiny(scale: str) -> dict:
    own = {module: module.scale(scale) for module in _RECIPES}
    head = replace(
        own[blip2].qformer,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=48,
        num_query_tokens=QUERIES,
    )
    lora = own[llava].lora
    return {
        blip2: tiny(own[blip2], qformer=head),
        llava: tiny(own[llava], lora=None if lora is None else replace(lora, r=2, alpha=4.0)),
        minigpt4: tiny(own[minigpt4]),
        vpgtrans: tiny(own[vpgtrans], qformer=head),
        mplug_owl: tiny(own[mplug_owl], abstractor=_small(own[mplug_owl].abstractor)),
        flamingo: tiny(
            own[flamingo],
            resampler=_small(own[flamingo].resampler),
            gated=replace(own[flamingo].gated, every=1, first=0, **_SMALL, intermediate_size=24),
        ),
    }


_RECIPES = (blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans)
_SMALL = {"num_attention_heads": 2, "head_dim": 8}


def _small(sizes):
    changes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    names = {"num_latents": QUERIES, "num_query_tokens": QUERIES, "head_dim": 8}
    names = {name: value for name, value in names.items() if hasattr(sizes, name)}
    return replace(sizes, hidden_size=WIDTH, **changes, **names)
