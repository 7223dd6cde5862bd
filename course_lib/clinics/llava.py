"""What four functions around LLaVA do to the zoo's run, measured with any version of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import torch

from course_lib.clinics.ward import Ward, colour_questions, colours_right, ward
from course_lib.data.images import CLIP_MEAN, CLIP_STD
from course_lib.data.prompts import typed_ids
from course_lib.training.stages import hash_tensors

Ids = list[int]
Rounds = list[tuple[Ids, Ids]]


@cache
def patient() -> Ward:
    """Opens the zoo's LLaVA with twelve held-out scenes."""
    return ward("llava")


def sample() -> tuple[Ids, Ids]:
    """Returns ids and labels of a question and its answer; the image has one place still."""
    ill = patient()
    image, (question, *_) = ill.run.model.image_token_id, colour_questions(ill.data)
    prompt = ill.run.asker.ids(question.text)
    first = prompt.index(image)
    prompt = prompt[: first + 1] + [i for i in prompt[first:] if i != image]
    place = ill.data.scenes[0].things[0].place
    answer = _answer(f"the thing at {place} is {question.answer}.")
    return prompt + answer, [-100] * len(prompt) + answer


def _answer(text: str) -> Ids:
    tokenizer = patient().run.tokenizer
    return [*typed_ids(tokenizer, text), tokenizer.eos_token_id]


def conversation() -> Rounds:
    """Returns (prompt, answer) for three questions about one scene, without the start token."""
    ill = patient()
    scene = ill.data.scenes[chatty()]
    rounds = []
    for thing in scene.things:
        words = f"what colour is the thing at {thing.place}?"
        prompt = ill.run.asker.ids(words)[1:]
        if rounds:
            prompt = typed_ids(ill.run.tokenizer, f"USER: {words} ASSISTANT:")
        rounds.append((prompt, _answer(f"the thing at {thing.place} is {thing.colour}.")))
    return rounds


def chatty() -> int:
    """Returns the row of the first scene with three things."""
    return next(r for r, s in enumerate(patient().data.scenes) if len(s.things) == 3)


@torch.no_grad()
def loss_of(ids: Ids, labels: Ids, row: int = 0) -> float:
    """Returns the trained model's loss on one conversation about the scene of a row, in nats."""
    ill = patient()
    batch = {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}
    return float(ill.run.model({**batch, "pixel_values": ill.pixels[row : row + 1]}))


def loss_expanded(expand_image: Callable) -> float:
    """Returns the loss behind a function that gives an image its 36 places."""
    run = patient().run
    return loss_of(*expand_image(*sample(), run.model.image_token_id, run.encoder.num_tokens))


def loss_of_rounds(label_rounds: Callable) -> float:
    """Returns the loss behind a function that labels the rounds of a conversation."""
    ids, labels = label_rounds(conversation(), patient().run.tokenizer.bos_token_id)
    return loss_of(ids, labels, chatty())


def labelled_words(ids: Ids, labels: Ids) -> list[str]:
    """Decodes labels: the words that the model is asked for, each behind the one before it."""
    words = patient().run.tokenizer.convert_ids_to_tokens
    return [words(label) for label in labels if label != -100]


def loaded() -> torch.Tensor:
    """Returns the images as a loader gives them: (B, 3, 48, 48), numbers from 0 to 1."""
    ill = patient()
    return torch.as_tensor(ill.data.images).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def right_answers(normalise: Callable) -> int:
    """Counts right answers, of 12, where a function prepares the pixels."""
    ill = patient()
    model = ill.run.model
    pixels = normalise(loaded(), torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD))
    return colours_right(ill.run, ill.data, model.projector(model.vpg(pixel_values=pixels)))


def blind_answers() -> int:
    """Counts right answers, of 12, where every visual token is zero: the model guesses."""
    ill = patient()
    tokens, width = ill.run.encoder.num_tokens, ill.run.model.language.hidden_size
    return colours_right(ill.run, ill.data, torch.zeros(len(ill.pixels), tokens, width))


def short_training(projector_groups: Callable, steps: int = 4) -> dict[str, float | bool]:
    """Trains a copy for some steps and tells which of its parts moved.

    Args:
        projector_groups: splits names of parameters into (the projector's, the others).
        steps: of AdamW on one batch of wrong colours, so that there is something to learn.

    Returns:
        Loss before and after, and whether projector and language model changed.
    """
    ill = patient()
    model = copy.deepcopy(ill.run.model)
    for part in (model.projector, model.language):
        part.requires_grad_(True)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    first, others = projector_groups(list(named))
    groups = [{"params": [named[n] for n in names]} for names in (first, others) if names]
    optimiser = torch.optim.AdamW(groups, lr=3e-4)
    asked = colour_questions(ill.data)
    prompts = [ill.run.asker.ids(q.text) for q in asked]
    said = [typed_ids(ill.run.tokenizer, f"{q.answer} it is.") for q in asked]
    batch = {
        "input_ids": torch.tensor([p + a for p, a in zip(prompts, said, strict=True)]),
        "labels": torch.tensor([[-100] * len(p) + a for p, a in zip(prompts, said, strict=True)]),
        "pixel_values": ill.pixels,
    }
    before = {n: _print_of(getattr(model, n)) for n in ("projector", "language")}
    losses = []
    for _ in range(steps):
        loss = model(batch)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    moved = {f"{n} moved": _print_of(getattr(model, n)) != old for n, old in before.items()}
    return {"first loss": losses[0], "last loss": losses[-1], **moved}


def _print_of(part: torch.nn.Module) -> str:
    return hash_tensors(sorted(part.state_dict().items()))
