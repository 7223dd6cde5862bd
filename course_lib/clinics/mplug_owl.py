"""What four functions around mPLUG-Owl do to the zoo's run, measured with any version of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch

from course_lib.clinics.ward import Ward, colour_questions, colours_right, ward, write
from course_lib.commands.runs import Opened
from course_lib.data.prompts import typed_ids
from course_lib.fusion.splice import splice
from course_lib.lora import LoRALinear, lora_layers

# Of a batch of mixed rows: which hold a picture.
MIXED = [True, False, True, True, False, True, True, False, True, True]


@cache
def patient() -> Ward:
    """Opens the zoo's mPLUG-Owl, LoRA and all, with twelve held-out scenes."""
    return ward("mplug_owl")


@torch.no_grad()
def states() -> tuple[torch.Tensor, ...]:
    """Returns what enters the encoder's first block and what each block gives, (B, 1 + N, E)."""
    encoder = patient().run.encoder
    return encoder.model(patient().pixels, output_hidden_states=True).hidden_states


def final_norm() -> torch.nn.LayerNorm:
    """Returns the encoder's last norm."""
    modules = patient().run.encoder.model.named_modules()
    return next(m for name, m in modules if name.endswith("post_layernorm"))


@torch.no_grad()
def loss_reading(tokens_read: Callable) -> float:
    """Returns the loss on right answers where a function says what the abstractor reads."""
    model = patient().run.model
    features = tokens_read(states(), final_norm())
    return answer_loss(patient().run, model.projector(model.vpg(image_features=features)))


@cache
def sure_answers() -> tuple[list[int], ...]:
    """Returns what the healthy model answers to the twelve questions, in ids, ends included."""
    ill = patient()
    prompts = torch.tensor([ill.run.asker.ids(q.text) for q in colour_questions(ill.data)])
    tokenizer, said = ill.run.tokenizer, write(ill.run, prompts, visual())
    return tuple([*typed_ids(tokenizer, text), tokenizer.eos_token_id] for text in said)


@torch.no_grad()
def answer_loss(run: Opened, seen: torch.Tensor) -> float:
    """Returns the loss on the healthy model's answers, in nats a word, given visual tokens."""
    model, asked = run.model, colour_questions(patient().data)
    losses = []
    for row, (question, answer) in enumerate(zip(asked, sure_answers(), strict=True)):
        prompt = run.asker.ids(question.text)
        ids = torch.tensor([prompt + answer])
        places = ids == model.image_token_id
        embeds = splice(model.language.embed(ids.masked_fill(places, 0)), seen[[row]], places)
        labels = torch.tensor([[-100] * len(prompt) + answer])
        losses.append(float(model.language.loss(embeds, torch.ones_like(ids), labels)))
    return sum(losses) / len(losses)


@torch.no_grad()
def visual() -> torch.Tensor:
    """Returns the visual tokens of all scenes, end tokens included."""
    model = patient().run.model
    return model.projector(model.vpg(pixel_values=patient().pixels))


def layers() -> dict[str, LoRALinear]:
    """Returns the layers of the language model that have a LoRA."""
    return lora_layers(patient().run.model.language)


def _with_weights(weight_of: Callable[[LoRALinear], torch.Tensor]) -> Opened:
    """Returns a copy of the run with these weights and without LoRA."""
    run = patient().run
    model = copy.deepcopy(run.model)
    with torch.no_grad():
        for layer in lora_layers(model.language).values():
            layer.weight.copy_(weight_of(layer))
            layer.lora_B.zero_()
    return replace(run, model=model)


@torch.no_grad()
def logit_gap(lora_weight: Callable) -> float:
    """Returns the largest difference between the logits of a merged model and of the unmerged."""
    merged = _with_weights(lambda m: lora_weight(m.weight, m.lora_A, m.lora_B, m.r, m.alpha))
    run, question = patient().run, colour_questions(patient().data)[0]
    ids = torch.tensor([run.asker.ids(question.text)])
    batch = {"input_ids": ids, "pixel_values": patient().pixels[:1]}
    return float((merged.model.logits(batch) - run.model.logits(batch)).abs().max())


def largest_gap(lora_weight: Callable) -> float:
    """Returns the largest difference between y with the merged weight and y with the LoRA beside.

    Measured on one layer, for inputs drawn from N(0, 1).
    """
    layer = next(iter(layers().values()))
    x = torch.randn(8, layer.in_features, generator=torch.Generator().manual_seed(0))
    merged = lora_weight(layer.weight, layer.lora_A, layer.lora_B, layer.r, layer.alpha)
    with torch.no_grad():
        return float(
            (x @ merged.T - layer(x) + (0 if layer.bias is None else layer.bias)).abs().max()
        )


def right_after(switch_mode: Callable, evaluations: int) -> int:
    """Counts right answers, of 12, after the model was put in eval mode so many times."""

    def weight(layer: LoRALinear) -> torch.Tensor:
        state = {"weight": layer.weight.clone(), "delta": layer.delta(), "merged": False}
        for _ in range(evaluations):
            state = switch_mode(state, training=False)
        return state["weight"]

    return colours_right(_with_weights(weight), patient().data, visual())


def right_in_mixed(picture_of_row: Callable) -> int:
    """Counts right answers about pictures in a batch of which some rows are text alone.

    Pictures are packed: the batch holds as many as rows with one, in their order.
    """
    ill, seen = patient(), visual()[: sum(MIXED)]
    given = picture_of_row(MIXED)
    asked = colour_questions(ill.data)[: sum(MIXED)]
    chosen = [picture for picture, has in zip(given, MIXED, strict=True) if has]
    prompts = torch.tensor([ill.run.asker.ids(question.text) for question in asked])
    said = write(ill.run, prompts, seen[chosen])
    return sum(ill.run.asker.is_right(text, q) for text, q in zip(said, asked, strict=True))
