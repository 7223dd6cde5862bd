"""A small CapFilt: captions from the web, half of them wrong, against captions written and chosen.

BLIP-2's data (section 3.4) is made so: a captioner trained on good captions writes new ones for
images from the web, CLIP ranks them together with the web's own, the best two stay. Here the
captioner is a short stage 2 on 1,000 scenes with true captions; of the 8,000 others only their web
captions are known. The paper writes ten captions an image, here two (one greedy, one drawn).
"""

from __future__ import annotations

import numpy as np
import torch
from transformers import AutoTokenizer, CLIPModel

from course_lib.commands.blip2 import open_run
from course_lib.data.prompts import blip2_prompt, generation_batch, training_batch, typed_ids
from course_lib.data.toy import ToyScenes
from course_lib.experiments.runner import Experiment
from course_lib.experiments.stage2_runs import (
    BATCH_SIZE,
    build,
    last_loss,
    measure,
    train_stage2,
    training_scenes,
)
from course_lib.training.order import batch_indices
from course_lib.vlm import VLM
from course_lib.world.language import canonical_caption, noisy_caption
from course_lib.zoo.load import zoo_dir, zoo_vision

WEB, FILTERED, CLEAN = "web captions", "CapFilt", "true captions"
GOOD_SCENES, GOOD_SEED, KEPT = 1_000, 500, 2


def _batches(data: ToyScenes, texts: list[list[str]], tokenizer: object, queries: int, seed: int):
    """Returns step → batch; a scene with several captions gives one of them a step."""
    prompt = blip2_prompt(tokenizer, "", queries)

    def batch(step: int) -> dict:
        rows = batch_indices(step, BATCH_SIZE, len(data), seed, data.lengths)
        rng = np.random.default_rng((seed, step, 9))
        answers = [typed_ids(tokenizer, texts[r][rng.integers(len(texts[r]))]) for r in rows]
        made = training_batch(tokenizer, [prompt] * len(rows), answers, encoder_decoder=False)
        return {**data.image_inputs(rows), **made}

    return batch


def _fitted(data: ToyScenes, texts: list[list[str]], steps: int, seed: int) -> tuple:
    model, tokenizer = build(open_run("blip2-stage1").model.qformer, seed)
    queries = model.vpg.head.config.num_query_tokens
    batches = _batches(data, texts, tokenizer, queries, seed)
    log = train_stage2(model, tokenizer, data, steps, seed, batches)
    return model, tokenizer, log


@torch.no_grad()
def written(model: VLM, tokenizer: object, data: ToyScenes, seed: int) -> list[list[str]]:
    """Writes two captions of every scene: the likeliest one, and one that is drawn."""
    torch.manual_seed(seed)
    prompt = blip2_prompt(tokenizer, "", model.vpg.head.config.num_query_tokens)
    language, captions = model.language.model, []
    for rows in np.array_split(np.arange(len(data)), -(-len(data) // 128)):
        batch = generation_batch(tokenizer, [prompt] * len(rows), encoder_decoder=False)
        batch |= data.image_inputs(rows.tolist())
        drawn = language.generate(
            inputs_embeds=model.inputs_embeds(batch),
            attention_mask=batch["attention_mask"],
            do_sample=True,
            top_p=0.9,
            max_new_tokens=40,
        )
        pairs = zip(model.generate(batch, max_new_tokens=40), drawn.tolist(), strict=True)
        captions += [
            [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in pair]
            for pair in pairs
        ]
    return captions


@torch.no_grad()
def ranked(data: ToyScenes, candidates: list[list[str]], keep: int = KEPT) -> list[list[str]]:
    """Keeps the captions of each scene that the zoo's CLIP finds nearest to its picture."""
    clip = CLIPModel.from_pretrained(zoo_dir("clip")).eval()
    tokenizer = AutoTokenizer.from_pretrained(zoo_dir("clip"))
    chosen = []
    for rows in np.array_split(np.arange(len(data)), -(-len(data) // 128)):
        texts = [text or "nothing" for row in rows for text in candidates[row]]
        encoded = tokenizer(texts, padding=True, return_tensors="pt")
        encoded["pixel_values"] = data.pixel_values(rows.tolist())
        found = clip(**encoded)
        text = found.text_embeds.unflatten(0, (len(rows), -1))  # (rows, candidates, width)
        fit = (text * found.image_embeds[:, None]).sum(dim=-1)
        best = fit.argsort(dim=1, descending=True)[:, :keep].tolist()
        chosen += [[candidates[r][i] for i in order] for r, order in zip(rows, best, strict=True)]
    return chosen


def _measure(arm: str, seed: int, steps: int) -> dict:
    data = training_scenes(seed)
    rng = np.random.default_rng((seed, 77))
    texts = [[noisy_caption(scene, rng)] for scene in data.scenes]
    if arm == CLEAN:
        texts = [[canonical_caption(scene)] for scene in data.scenes]
    elif arm == FILTERED:
        good = ToyScenes(GOOD_SCENES, GOOD_SEED + seed, "train", zoo_vision("clip"))
        lesson = [[canonical_caption(scene)] for scene in good.scenes]
        captioner, tokenizer, _ = _fitted(good, lesson, steps, seed)
        own = written(captioner, tokenizer, data, seed)
        texts = ranked(data, [[*web, *new] for web, new in zip(texts, own, strict=True)])
    truth = [canonical_caption(scene) for scene in data.scenes]
    share = [kept.count(true) / len(kept) for true, kept in zip(truth, texts, strict=True)]
    model, tokenizer, log = _fitted(data, texts, steps, seed)
    scores = {"captions_right": round(float(np.mean(share)), 4), "loss": last_loss(log)}
    scores["scenes_with_a_right_caption"] = round(float(np.mean(np.array(share) > 0)), 4)
    return {**scores, **measure(model, tokenizer, seed)}


EXPERIMENT = Experiment(
    claim="Captions written by a model and chosen by CLIP teach better than those of the web "
    "(BLIP, section 3.3 and table 1; BLIP-2 trains on such captions, section 3.4).",
    arms=(WEB, FILTERED, CLEAN),
    measure=_measure,
    steps=500,
    minutes=5.0,
)
