"""Flamingo's clinic: four functions as they were found, repaired, and repaired wrongly."""

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case


def may_read_as_found(tags: torch.Tensor) -> torch.Tensor:
    """Says which image each word may read, (T, images) bool; `tags` is True at an image's tag."""
    number = tags.cumsum(dim=0)
    images = torch.arange(1, int(tags.sum()) + 1)
    return number[:, None] != images


def may_read(tags: torch.Tensor) -> torch.Tensor:
    """Lets each word read the last image before it, its own tag included, and no other."""
    number = tags.cumsum(dim=0)
    images = torch.arange(1, int(tags.sum()) + 1)
    return number[:, None] == images


def readable(tags):
    last, rows, count = -1, [], int(tags.sum())
    for tag in tags.tolist():
        last += tag
        rows.append([image == last for image in range(count)])
    return torch.tensor(rows)


def one_late(tags):
    number = tags.cumsum(dim=0) - tags.long()
    return number[:, None] == torch.arange(1, int(tags.sum()) + 1)


def all_before(tags):
    return tags.cumsum(dim=0)[:, None] >= torch.arange(1, int(tags.sum()) + 1)


def first_for_all(tags):
    number = tags.cumsum(dim=0).clamp(min=1)
    return number[:, None] == torch.arange(1, int(tags.sum()) + 1)


def gated_as_found(states: torch.Tensor, looked: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Adds what cross-attention read, through a gate whose parameter starts at zero."""
    return states + alpha.sigmoid() * looked


def gated(states: torch.Tensor, looked: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Adds what cross-attention read, times tanh of the parameter: nothing at the start."""
    return states + alpha.tanh() * looked


def opened(states, looked, alpha):
    grown = alpha.exp() - (-alpha).exp()
    return states + grown / (alpha.exp() + (-alpha).exp()) * looked


def gate_at_one(states, looked, alpha):
    return states + (1 + alpha.tanh()) * looked


def all_gated(states, looked, alpha):
    return alpha.tanh() * (states + looked)


def mixed(states, looked, alpha):
    return (1 - alpha.tanh()) * states + alpha.tanh() * looked


def no_gate(states, looked, alpha):
    return states + looked


def trains_as_found(names: list[str]) -> list[str]:
    """Picks the parameters that train out of all names of a Flamingo."""
    return [name for name in names if "gated" in name]


def trains(names: list[str]) -> list[str]:
    """Picks the resampler's and the gated layers', whose parts are `vpg.head` and `gated`."""
    return [name for name in names if name.startswith(("vpg.head.", "gated."))]


def picked(names):
    parts = (["vpg", "head"], ["gated"])
    return [n for n in names if any(n.split(".")[: len(p)] == p for p in parts)]


def encoder_too(names):
    return [n for n in names if n.startswith(("vpg.", "gated."))]


def all_of_them(names):
    return list(names)


def head_alone(names):
    return [n for n in names if n.startswith("vpg.head.")]


def by_a_word(names):
    return [n for n in names if "head" in n or "gated" in n]


def next_word_loss_as_found(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Returns the mean loss of the next word; logits (B, T, V), ids (B, T)."""
    labels = ids[:, 1:]  # the word behind each place
    return F.cross_entropy(logits[:, :-2].flatten(0, 1), labels[:, 1:].flatten())


def next_word_loss(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Lets each place but the last predict the word behind it: shifted once."""
    said, wanted = logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
    return torch.nn.functional.cross_entropy(said, wanted)


def word_loss(logits, ids):
    share = logits.log_softmax(dim=-1)[:, :-1].gather(2, ids[:, 1:, None])
    return -share.mean()


def never_shifted(logits, ids):
    return F.cross_entropy(logits.flatten(0, 1), ids.flatten())


def shifted_back(logits, ids):
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), ids[:, :-1].flatten())


def summed(logits, ids):
    return word_loss(logits, ids) * ids[:, 1:].numel()


def tag_cases() -> list[Case]:
    return [
        Case("a word, an image, a word", (torch.tensor([False, True, False]),)),
        Case("two images", (torch.tensor([False, True, False, True, False, False]),)),
    ]


def gate_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)

    def case(says: str, alpha: float) -> Case:
        states, looked = (torch.randn(1, 2, 3, generator=made) for _ in range(2))
        return Case(says, (states, looked, torch.tensor([alpha])))

    return [case("at the start", 0.0), case("opened a little", 0.3)]


def name_cases() -> list[Case]:
    names = ["vpg.encoder.w", "vpg.head.latents", "gated.layers.0.gate", "language.lm_head.weight"]
    return [Case("one name of each part", (names,))]


def loss_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)
    logits, ids = torch.randn(2, 4, 7, generator=made), torch.randint(7, (2, 4), generator=made)
    return [Case("two texts of four words", (logits, ids))]
