"""mPLUG-Owl's end token and its steps of several parts <-> torch, and LLaMA of transformers."""

import copy

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from course_lib.training.accumulation import MicroBatches, backward
from course_lib.training.stages import Stage
from course_lib.vpg.abstractor import EndTokenProjector
from course_lib.zoo.lm import CausalPretraining


def test_projector_and_end_token(agree):
    torch.manual_seed(0)
    projector, queries = EndTokenProjector(24, 40), torch.randn(3, 7, 24)
    nn.init.normal_(projector.bias)
    wide = F.linear(queries, projector.weight, projector.bias)
    theirs = torch.cat([wide, projector.end_token.repeat(3, 1, 1)], dim=1)
    agree(projector(queries).detach(), theirs.detach(), 1e-6)


def part(rows: list[int], labelled: list[int], seed: int) -> dict[str, torch.Tensor]:
    """Makes rows of so many ids, padded on the right, whose last ones carry loss."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(rows), max(rows))
    ids = torch.randint(3, 60, shape, generator=generator)
    mask = (torch.arange(shape[1]) < torch.tensor(rows)[:, None]).long()
    first = torch.tensor(rows)[:, None] - torch.tensor(labelled)[:, None]
    says = mask.bool() & (torch.arange(shape[1]) >= first)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(~says, -100)}


def test_one_step_from_parts_is_one_batch_of_transformers(agree):
    """Two parts of unequal lengths and numbers of labelled words, against all rows at once."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    theirs = LlamaForCausalLM(LlamaConfig(vocab_size=60, num_attention_heads=4, **sizes)).eval()
    ours = CausalPretraining(copy.deepcopy(theirs)).eval()
    parts = [part([9, 6], [4, 5], seed=1), part([5, 4, 3], [1, 1, 2], seed=2)]
    widest = max(one["input_ids"].shape[1] for one in parts)
    fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
    whole = {
        key: torch.cat([F.pad(p[key], (0, widest - p[key].shape[1]), value=v) for p in parts])
        for key, v in fill.items()
    }
    loss = theirs(**whole).loss
    loss.backward()
    words = [int((one["labels"] != -100).sum()) for one in parts]
    stage = Stage("parts", ("model",), 1, 5, 1e-3)
    told = backward(ours, MicroBatches(parts, words), stage, Accelerator(cpu=True))
    agree(torch.as_tensor(told["loss"]), loss.detach(), 1e-5)
    for (name, mine), wanted in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None, name
        agree(mine.grad, wanted.grad, 1e-5)
