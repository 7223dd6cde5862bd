"""What four functions around BLIP-2 do to the zoo's run, measured with any version of each.

Letters: B batch, Q queries, H their width, S length.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.clinics.ward import Ward, things_named, ward, write
from course_lib.data.prompts import blip2_prompt, pad_rows, typed_ids
from course_lib.evaluation.toy import Answerer
from course_lib.fusion.splice import splice
from course_lib.world.language import canonical_caption

ROWS = 6


@cache
def patient() -> Ward:
    """Opens the zoo's BLIP-2 with OPT, with twelve held-out scenes."""
    return ward("blip2-opt")


@torch.no_grad()
def visual_of(queries: torch.Tensor, rows: list[int]) -> torch.Tensor:
    """Returns the visual tokens (B, Q, D) of images that were asked with these queries (B, Q, H).

    A copy of the Q-Former asks image by image: the run itself is left alone.
    """
    ill = patient()
    head, found = copy.deepcopy(ill.run.model.vpg.head), []
    for row, query in zip(rows, queries, strict=True):
        head.query_tokens = nn.Parameter(query[None].clone())
        found.append(head(ill.data.features[row : row + 1]))
    return ill.run.model.projector(torch.cat(found))


def queries() -> torch.Tensor:
    """Returns the learned queries, (1, Q, H)."""
    return patient().run.model.vpg.head.query_tokens.detach().clone()


def named_things(queries_for_batch: Callable, batch: int) -> float:
    """Returns the share of things in captions, images asked `batch` at a time."""
    ill = patient()
    rows = list(range(len(ill.pixels)))
    parts = [
        visual_of(queries_for_batch(queries(), batch), rows[start : start + batch])
        for start in range(0, len(rows), batch)
    ]
    prompt = blip2_prompt(ill.run.tokenizer, "", queries().shape[1])
    texts = write(ill.run, torch.tensor([prompt] * len(rows)), torch.cat(parts))
    return things_named(texts, ill.data)


def prompts() -> list[list[int]]:
    """Returns six prompts of three lengths, one a scene."""
    ill = patient()
    model, tokenizer = ill.run.model, ill.run.tokenizer
    place = ill.data.scenes
    asked = [
        ("how many things are there?", "is there a star?")[row % 3]
        if row % 3 < 2
        else f"what colour is the thing at {place[row].things[0].place}?"
        for row in range(ROWS)
    ]
    wording = Answerer(model, tokenizer, ill.data).question_prompt
    return [blip2_prompt(tokenizer, wording(text), queries().shape[1]) for text in asked]


@torch.no_grad()
def answers(pad_prompts: Callable, together: bool = True) -> list[str]:
    """Returns the answers to six prompts, all in one batch or each alone.

    The loop is the plain one: it reads the last position and writes behind it.
    """
    model, tokenizer, rows = patient().run.model, patient().run.tokenizer, prompts()
    visual = visual_of(queries().expand(ROWS, -1, -1), list(range(ROWS)))
    groups = [list(range(ROWS))] if together else [[row] for row in range(ROWS)]
    texts = []
    for group in groups:
        ids, mask = pad_prompts([rows[row] for row in group], tokenizer.pad_token_id)
        places = ids == model.image_token_id
        embeds = splice(model.language.embed(ids.masked_fill(places, 0)), visual[group], places)
        said = []
        for _ in range(6):
            out = model.language.model(inputs_embeds=embeds, attention_mask=mask)
            said.append(out.logits[:, -1].argmax(dim=-1))
            embeds = torch.cat([embeds, model.language.embed(said[-1][:, None])], dim=1)
            mask = F.pad(mask, (0, 1), value=1)
        for row in torch.stack(said, dim=1).tolist():
            end = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
            texts.append(tokenizer.decode(row[:end]))
    return texts


def caption_rows() -> tuple[torch.Tensor, torch.Tensor, int]:
    """Returns input_ids and attention_mask (6, S) of captions, and the length of their prompt."""
    ill = patient()
    tokenizer = ill.run.tokenizer
    prompt = blip2_prompt(tokenizer, "", queries().shape[1])
    captions = [typed_ids(tokenizer, canonical_caption(s)) for s in ill.data.scenes[:ROWS]]
    rows = [[*prompt, *ids, tokenizer.eos_token_id] for ids in captions]
    mask = pad_rows([[1] * len(row) for row in rows], 0)
    return pad_rows(rows, tokenizer.pad_token_id), mask, len(prompt)


@torch.no_grad()
def caption_loss(caption_labels: Callable) -> float:
    """Returns the trained model's loss on six captions, in nats a labelled word."""
    ids, mask, length = caption_rows()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": caption_labels(ids, mask, length)}
    return float(patient().run.model({**batch, "image_features": patient().data.features[:ROWS]}))


def labelled_counts(labels: torch.Tensor) -> dict[str, int]:
    """Counts how often each special word is asked for, and all other words together."""
    tokenizer = patient().run.tokenizer
    named = {"<image>": patient().run.model.image_token_id, "<pad>": tokenizer.pad_token_id}
    named["</s>"] = tokenizer.eos_token_id
    counts = {name: int((labels == number).sum()) for name, number in named.items()}
    return {**counts, "other words": int((labels != -100).sum()) - sum(counts.values())}


@torch.no_grad()
def moved_words(additive_mask: Callable) -> tuple[int, int]:
    """Perturbs a padded text under attention with the mask that a function makes.

    Returns:
        Of four words, how many change when the padding does, and when the first word does.
    """
    table = patient().run.model.language.embed(torch.arange(20, 26))[None]
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])

    def read(states: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(states, states, states, additive_mask(mask)[:, 0])

    before, moved = read(table), []
    for place in (4, 0):
        other = table.clone()
        other[0, place] += 1.0
        gap = (read(other) - before).abs().amax(dim=-1)[0, :4]
        moved.append(int((gap > 1e-6).sum()))
    return moved[0], moved[1]
