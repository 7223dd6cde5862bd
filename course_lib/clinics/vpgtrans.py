"""What four functions of VPGTrans do to a transfer from the zoo's BLIP-2, any version of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.clinics.ward import Ward, things_named, ward, write
from course_lib.converter import WordConverter
from course_lib.data.prompts import blip2_prompt
from course_lib.vlm import VPG
from course_lib.vpg.qformer import QFormer
from course_lib.zoo.load import zoo_language

# The plan of a short run, in updates: a fast warm-up, then the usual rate; 6 micro-batches each.
RATES, ACCUMULATE = [5e-3] * 24 + [1e-3] * 24, 6


@cache
def patient() -> Ward:
    """Opens the source, the zoo's BLIP-2 with OPT, with twelve held-out scenes."""
    return ward("blip2-opt")


@torch.no_grad()
def merge_gap(merge: Callable) -> float:
    """Compares a merged layer with the two it was made of, on real visual tokens.

    Returns:
        The largest difference, over the largest number of the right answer.
    """
    source, converter = patient().run.model.projector, WordConverter(128, 128, seed=0)
    tokens = patient().run.model.vpg(image_features=patient().data.features)
    right = converter(source(tokens))
    weight, bias = merge(source.weight, source.bias, converter.weight, converter.bias)
    return float(((tokens @ weight.T + bias) - right).abs().max() / right.abs().max())


def source_tensors() -> dict[str, torch.Tensor]:
    """Returns what the trained run saved: name → tensor, Q-Former and projector."""
    state = patient().run.model.state_dict()
    return {k: v.clone() for k, v in state.items() if k.startswith(("vpg.head.", "projector."))}


def fresh_head() -> QFormer:
    """Returns a Q-Former of the source's sizes with random weights, in eval mode."""
    torch.manual_seed(0)
    return QFormer(replace(patient().run.model.vpg.head.config)).eval()


def inherited_head(inherited: Callable) -> tuple[QFormer, int]:
    """Loads what a function picks, as most scripts do, with `strict=False`.

    Returns:
        The Q-Former, and how many of its tensors are equal to the source's.
    """
    head = fresh_head()
    head.load_state_dict(inherited(source_tensors(), list(head.state_dict())), strict=False)
    theirs = patient().run.model.vpg.head.state_dict()
    return head, sum(bool(v.equal(theirs[k])) for k, v in head.state_dict().items())


@torch.no_grad()
def named_things(inherited: Callable) -> float:
    """Returns the share of things that captions name when the source gets the inherited head."""
    ill = patient()
    vpg = VPG(None, inherited_head(inherited)[0])
    visual = ill.run.model.projector(vpg(image_features=ill.data.features))
    prompt = torch.tensor([blip2_prompt(ill.run.tokenizer, "", visual.shape[1])] * len(visual))
    return things_named(write(ill.run, prompt, visual), ill.data)


@cache
def word_rows() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the words that OPT and LLaMA share as (16 rows, T words, 128) embeddings of each."""
    source, (target, tokenizer) = patient().run, zoo_language("llama")
    theirs, mine = tokenizer.get_vocab(), source.tokenizer.get_vocab()
    shared = sorted(word for word in mine.keys() & theirs.keys() if word.isalpha())
    shared = shared[: len(shared) // 16 * 16]
    pairs = [(mine[word], theirs[word]) for word in shared]
    first, second = (torch.tensor(ids).view(16, -1) for ids in zip(*pairs, strict=True))
    with torch.no_grad():
        return source.model.language.embed(first).clone(), target.embed(second).clone()


def trained_cosine(direction_loss: Callable, steps: int = 150) -> tuple[float, float]:
    """Trains a converter with a loss.

    Returns:
        The last loss, and the mean cosine between converted words and their partners.
    """
    source, target = word_rows()
    converter = WordConverter(source.shape[-1], target.shape[-1], seed=0)
    optimiser = torch.optim.Adam(converter.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = direction_loss(converter(source), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    cosine = F.cosine_similarity(converter(source), target, dim=-1).mean()
    return loss.item(), cosine.item()


def rates_of_updates(rate_of_micro_step: Callable) -> list[float]:
    """Returns the rate of each update: that of the last of its micro-batches."""
    count = len(RATES) * ACCUMULATE
    each = [rate_of_micro_step(step, ACCUMULATE, RATES) for step in range(count)]
    return each[ACCUMULATE - 1 :: ACCUMULATE]


@torch.no_grad()
def still_far(rate_of_micro_step: Callable) -> float:
    """Runs the plan on a problem with known answer: gradient descent on one quadratic.

    Returns:
        How much of the distance to the minimum is left behind all updates.
    """
    point, left = nn.Parameter(torch.ones(())), 1.0
    for rate in rates_of_updates(rate_of_micro_step):
        point -= rate * 10 * point
        left = float(point)
    return left
