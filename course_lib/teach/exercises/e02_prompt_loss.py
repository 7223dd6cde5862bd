"""The loss of a soft prompt: vectors in front of a text that a frozen language model shall say."""

from typing import Any

import torch
from torch.nn import functional as F
from transformers import OPTConfig, OPTForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.teach.gradients import loss_with_gradients
from course_lib.teach.task import Case, Exercise, Mistake, call


def prompt_loss(
    language: LanguageModel, prompt: torch.Tensor, ids: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Returns the mean loss of the labelled tokens, a scalar."""
    embeds = torch.cat([prompt, language.embed(ids)], dim=1)  # (B, Q + T, D)
    nothing = torch.full(prompt.shape[:2], -100)
    padded = torch.cat([nothing, labels], dim=1)  # (B, Q + T)
    return language.loss(embeds, torch.ones(embeds.shape[:2]), padded)


def reference(
    language: LanguageModel, prompt: torch.Tensor, ids: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """From all logits of the transformers model: the last of the prompt predicts the first word."""
    places = prompt.shape[1]
    table = language.model.get_input_embeddings().weight
    logits = language.model(inputs_embeds=torch.cat([prompt, table[ids]], dim=1)).logits
    predicted = logits[:, places - 1 : -1].flatten(0, 1)
    return F.cross_entropy(predicted, labels.flatten(), ignore_index=-100)


def run(answer: Any, case: Case) -> Any:
    """Gives the loss and its gradient on the prompt, since the gradient is what is wanted."""
    if not callable(answer):
        return answer
    language, prompt, ids, labels = case.args
    free = prompt.clone().requires_grad_(True)
    loss = call(answer, Case(case.says, (language, free, ids, labels)))
    return loss_with_gradients(loss, {"prompt": free})


def _joined(language, prompt, ids, labels, fill=-100):
    embeds = torch.cat([prompt, language.embed(ids)], dim=1)
    padded = torch.cat([torch.full(prompt.shape[:2], fill), labels], dim=1)
    return embeds, padded


def _cut_off(language, prompt, ids, labels):
    return prompt_loss(language, prompt.detach(), ids, labels)


def _behind(language, prompt, ids, labels):
    embeds = torch.cat([language.embed(ids), prompt], dim=1)
    padded = torch.cat([labels, torch.full(prompt.shape[:2], -100)], dim=1)
    return language.loss(embeds, torch.ones(embeds.shape[:2]), padded)


def _labels_misplaced(language, prompt, ids, labels):
    embeds, _ = _joined(language, prompt, ids, labels)
    padded = torch.cat([labels, torch.full(prompt.shape[:2], -100)], dim=1)
    return language.loss(embeds, torch.ones(embeds.shape[:2]), padded)


def _says_word_0(language, prompt, ids, labels):
    embeds, padded = _joined(language, prompt, ids, labels, fill=0)
    return language.loss(embeds, torch.ones(embeds.shape[:2]), padded)


def _reads_labels(language, prompt, ids, labels):
    return prompt_loss(language, prompt, ids, torch.where(labels == -100, ids, labels))


def _shifted_twice(language, prompt, ids, labels):
    embeds, padded = _joined(language, prompt, ids, labels)
    padded = F.pad(padded[:, 1:], (0, 1), value=-100)
    return language.loss(embeds, torch.ones(embeds.shape[:2]), padded)


def _replaces_words(language, prompt, ids, labels):
    embeds = torch.cat([prompt, language.embed(ids)[:, prompt.shape[1] :]], dim=1)
    return language.loss(embeds, torch.ones(embeds.shape[:2]), labels)


def _language() -> LanguageModel:
    config = OPTConfig(
        vocab_size=11,
        hidden_size=8,
        word_embed_proj_dim=8,
        ffn_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        dropout=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = OPTForCausalLM(config)
        for parameter in model.parameters():
            parameter.data += torch.randn(parameter.shape)
    return LanguageModel(model).eval().requires_grad_(False)


def _cases() -> list[Case]:
    language, chance = _language(), torch.Generator().manual_seed(0)

    def prompt(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, 8, generator=chance)

    ids = torch.tensor([[2, 7, 4, 9], [2, 5, 6, 3]])
    labels = ids.masked_fill(ids == 2, -100)
    return [
        Case("1 vector, start token and 3 words", (language, prompt(1, 1), ids[:1], labels[:1])),
        Case("2 rows of 3 vectors", (language, prompt(2, 3), ids, labels)),
    ]


EXERCISE = Exercise(
    objective="02.6",
    title="the loss of a soft prompt",
    difficulty=2,
    minutes=10,
    contract=(
        "`prompt` is (B, Q, D), free vectors; `ids` (B, T) are the start token and the text; "
        "`labels` (B, T) hold -100 at the start token and the ids elsewhere.",
        "The language model reads the prompt, then the start token, then the text.",
        "Gives the mean loss of the labelled tokens, as a scalar; the vectors carry no loss, "
        "and the gradient has to reach them.",
        "`language.embed(ids)` looks ids up; `language.loss(embeds, attention_mask, labels)` "
        "takes (B, S, D), (B, S) and (B, S), and shifts the labels itself.",
    ),
    hints=(
        "Nothing but joining: vectors in front of vectors, and in front of the labels as many "
        "entries that say `no loss`.",
        "Look the ids up. Join prompt and words along the text. Put Q times -100 before the "
        "labels. The attention mask is all ones. Hand the three to the language model.",
        "`torch.cat([prompt, language.embed(ids)], dim=1)`, `torch.full(prompt.shape[:2], -100)` "
        "before the labels, `torch.ones(embeds.shape[:2])` as the mask.",
    ),
    solution=prompt_loss,
    reference=reference,
    cases=_cases,
    run=run,
    mistakes=(
        Mistake(
            _cut_off,
            "the gradient reaches the prompt",
            "the prompt was detached (or used without gradient), so it can never move",
        ),
        Mistake(
            _behind,
            "the words read the prompt",
            "no word reads the prompt: it stands after the text, or the attention mask hides it",
        ),
        Mistake(
            _labels_misplaced,
            "each label stands at its word",
            "the filling was put behind the labels: they slid Q places to the left of their words",
        ),
        Mistake(
            _says_word_0,
            "the vectors carry no loss",
            "the vectors were labelled with word 0, and the model now has to say that",
        ),
        Mistake(
            _reads_labels,
            "the start token carries no loss",
            "the start token was labelled as well: nobody asks the model to say it",
        ),
        Mistake(
            _shifted_twice,
            "the shift happens once",
            "the labels were shifted by hand, and `language.loss` shifts them again",
        ),
        Mistake(
            _replaces_words,
            "no word is lost",
            "the vectors took the places of the first words instead of standing in front of them",
        ),
    ),
)
