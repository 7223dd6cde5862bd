"""What four functions around MiniGPT-4 do to the zoo's run, measured with any version of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import nn

from course_lib.clinics.ward import Ward, ward
from course_lib.data.prompts import pad_rows, typed_ids
from course_lib.vpg.qformer import QFormer
from course_lib.world.language import canonical_caption

Ids = list[int]
ROWS, LOUD = 6, 400.0  # a channel of the states as loud as those that large LLaMAs have


@cache
def patient() -> Ward:
    """Opens the zoo's MiniGPT-4 with twelve held-out scenes."""
    return ward("minigpt4")


def pieces() -> tuple[Ids, Ids]:
    """Returns the prompt's words before and behind the image, without the start token."""
    run = patient().run
    ids, image = run.asker.ids("describe the image"), run.model.image_token_id
    first = ids.index(image)
    return ids[1:first], [i for i in ids[first:] if i != image]


def wrapped(wrap_prompt: Callable) -> Ids:
    """Returns the ids of the prompt that a function puts together."""
    run = patient().run
    places = run.model.vpg.head.config.num_query_tokens
    return wrap_prompt(*pieces(), run.model.image_token_id, places, run.tokenizer.bos_token_id)


@torch.no_grad()
def logit_gap(wrap_prompt: Callable) -> float:
    """Returns the largest difference between the next word's logits and the reference's.

    The reference reads the prompt that the course's chat makes of the same words.
    """
    run = patient().run

    def last(ids: Ids) -> torch.Tensor:
        batch = {"input_ids": torch.tensor([ids]), "pixel_values": patient().pixels[:1]}
        return run.model.logits(batch)[0, -1]

    return float(
        (last(wrapped(wrap_prompt)) - last(run.asker.ids("describe the image"))).abs().max()
    )


@torch.no_grad()
def visual_gap(set_modes: Callable) -> float:
    """Makes the visual tokens of the same images twice, in a stage that trains the projector.

    Both parts are copies, the Q-Former with the dropout of the real one, 0.1, which at `toy` is 0.

    Returns:
        The largest difference between the two.
    """
    model = patient().run.model
    head = QFormer(replace(model.vpg.head.config, dropout=0.1))
    head.load_state_dict(model.vpg.head.state_dict())
    parts = nn.ModuleDict({"head": head, "projector": copy.deepcopy(model.projector)})
    set_modes(parts, ("projector",))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = model.vpg.encoder(patient().pixels[:2])
        first, second = (parts["projector"](head(features)) for _ in range(2))
    return float((first - second).abs().max())


def loud_states() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns a prompt's states (T, D), float16, one channel loud, and a norm's weight."""
    language = patient().run.model.language
    states = language.embed(torch.tensor(patient().run.asker.ids("describe the image", 0)))
    states = states.detach().clone()
    states[::2, 3] = LOUD
    return states.half(), torch.ones(states.shape[-1]).half()


def empty_rows(rms_norm: Callable) -> tuple[int, int]:
    """Returns how many tokens are all zeros behind a norm, and how many there are."""
    out = rms_norm(*loud_states(), 1e-6)
    return int((out == 0).all(dim=-1).sum()), len(out)


def caption_rows() -> tuple[torch.Tensor, torch.Tensor, int]:
    """Returns input_ids and attention_mask (6, S) of captions, and the id that pads them.

    As in many scripts the end token pads, since LLaMA has no token for it.
    """
    tokenizer = patient().run.tokenizer
    end = tokenizer.eos_token_id
    texts = [canonical_caption(scene) for scene in patient().data.scenes[:ROWS]]
    rows = [[*typed_ids(tokenizer, text), end] for text in texts]
    return pad_rows(rows, end), pad_rows([[1] * len(row) for row in rows], 0), end


def learned_ends(end_labels: Callable) -> tuple[int, int]:
    """Returns in how many captions the end carries a label, and how many captions there are."""
    ids, mask, end = caption_rows()
    labels = end_labels(ids, mask, end)
    return int((labels == end).any(dim=1).sum()), len(ids)
