"""LLaVA's clinic: four functions as they were found, repaired, and repaired wrongly."""

import torch

from course_lib.teach.task import Case

Ids = list[int]


def expand_image_as_found(
    ids: list[int], labels: list[int], image_id: int, places: int
) -> tuple[list[int], list[int]]:
    """Gives the image its places, and fills the labels up to the new length."""
    longer = []
    for token in ids:
        longer += [token] * places if token == image_id else [token]
    return longer, labels + [-100] * (len(longer) - len(labels))


def expand_image(
    ids: list[int], labels: list[int], image_id: int, places: int
) -> tuple[list[int], list[int]]:
    """Gives each image its places, in the ids and in the labels."""
    new_ids, new_labels = [], []
    for token, label in zip(ids, labels, strict=True):
        count = places if token == image_id else 1
        new_ids += [token] * count
        new_labels += [label] * count
    return new_ids, new_labels


def expanded(ids: Ids, labels: Ids, image_id: int, places: int) -> tuple[Ids, Ids]:
    counts = torch.tensor([places if token == image_id else 1 for token in ids])
    both = (torch.tensor(row).repeat_interleave(counts).tolist() for row in (ids, labels))
    return tuple(both)


def ids_alone(ids: Ids, labels: Ids, image_id: int, places: int) -> tuple[Ids, Ids]:
    return expand_image_as_found(ids, labels, image_id, places)[0], labels


def filled_in_front(ids: Ids, labels: Ids, image_id: int, places: int) -> tuple[Ids, Ids]:
    longer = expand_image(ids, labels, image_id, places)[0]
    return longer, [-100] * (len(longer) - len(labels)) + labels


def one_too_many(ids: Ids, labels: Ids, image_id: int, places: int) -> tuple[Ids, Ids]:
    return expand_image(ids, labels, image_id, places + 1)


def label_rounds_as_found(
    rounds: list[tuple[list[int], list[int]]], bos: int
) -> tuple[list[int], list[int]]:
    """Labels the answers, each found by counting its prompt again."""
    ids = [bos] + [token for prompt, answer in rounds for token in prompt + answer]
    labels, cursor = [-100] * len(ids), 0
    for prompt, answer in rounds:
        start = cursor + len([bos, *prompt])
        cursor = start + len(answer)
        labels[start:cursor] = ids[start:cursor]
    return ids, labels


def label_rounds(
    rounds: list[tuple[list[int], list[int]]], bos: int
) -> tuple[list[int], list[int]]:
    """Writes ids and labels side by side: nothing has to be found again."""
    ids, labels = [bos], [-100]
    for prompt, answer in rounds:
        ids += prompt + answer
        labels += [-100] * len(prompt) + answer
    return ids, labels


def labelled(rounds: list[tuple[Ids, Ids]], bos: int) -> tuple[Ids, Ids]:
    kept = [(t, -100 if kind == 0 else t) for pair in rounds for kind in (0, 1) for t in pair[kind]]
    return [bos, *(t for t, _ in kept)], [-100, *(label for _, label in kept)]


def no_start(rounds: list[tuple[Ids, Ids]], bos: int) -> tuple[Ids, Ids]:
    ids, labels = label_rounds(rounds, bos)
    return ids[1:], labels[1:]


def ignored(rounds: list[tuple[Ids, Ids]], bos: int) -> tuple[Ids, Ids]:
    ids, labels = label_rounds(rounds, bos)
    return ids, labels if len(rounds) == 1 else [-100] * len(ids)


def last_alone(rounds: list[tuple[Ids, Ids]], bos: int) -> tuple[Ids, Ids]:
    ids, labels = label_rounds(rounds, bos)
    last = len(rounds[-1][1])
    return ids, [-100] * (len(ids) - last) + labels[-last:]


def normalise_as_found(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Brings pixels to the scale that CLIP was trained on."""
    return (images / 255 - mean[:, None, None]) / std[:, None, None]


def normalise(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Brings pixels, 0 to 1 already, to the scale that CLIP was trained on."""
    return (images - mean[:, None, None]) / std[:, None, None]


def normalised(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    channels = [(images[:, c] - mean[c]) / std[c] for c in range(3)]
    return torch.stack(channels, dim=1)


def not_at_all(images, mean, std):
    return images.clone()


def channels_turned(images, mean, std):
    return normalise(images.flip(1), mean, std)


def times_std(images, mean, std):
    return (images - mean[:, None, None]) * std[:, None, None]


def projector_groups_as_found(names: list[str]) -> tuple[list[str], list[str]]:
    """Splits names into the projector's, which get a rate of their own, and the others."""
    first = [name for name in names if name.startswith("mm_projector.")]
    return first, [name for name in names if name.startswith("language.")]


def projector_groups(names: list[str]) -> tuple[list[str], list[str]]:
    """Splits names into the projector's and all others; none is lost."""
    first = [name for name in names if name.startswith("projector.")]
    return first, [name for name in names if name not in first]


def grouped(names: list[str]) -> tuple[list[str], list[str]]:
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for name in names:
        kinds[name.split(".")[0] == "projector"].append(name)
    return kinds[True], kinds[False]


def twice(names):
    return projector_groups(names)[0], list(names)


def wherever(names):
    first = [name for name in names if "projector" in name]
    return first, [name for name in names if name not in first]


def weights_alone(names):
    first, others = projector_groups(names)
    return [n for n in first if n.endswith("weight")], others


def expand_cases() -> list[Case]:
    return [
        Case("an image of 3 places and one word", ([9, 5], [-100, 5], 9, 3)),
        Case("a chat", ([1, 4, 9, 6, 7, 2], [-100, -100, -100, -100, 7, 2], 9, 4)),
        Case("an answer between two images", ([1, 9, 4, 9, 7], [-100, -100, 4, -100, 7], 9, 2)),
    ]


def round_cases() -> list[Case]:
    one, two = ([4, 5], [6, 2]), ([7], [8, 9, 2])
    return [
        Case("one round", ([one], 1)),
        Case("two rounds", ([one, two], 1)),
        Case("three", ([one, two, one], 1)),
    ]


def image_cases() -> list[Case]:
    images = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5])
    return [Case("two images of 2 × 2 pixels", (images, mean, std))]


def name_cases() -> list[Case]:
    tower = "language.model.projector_gate"
    return [
        Case("a small model", (["projector.weight", "projector.bias", "language.embed"],)),
        Case("a layer of the same word", (["projector.up.weight", tower, "head.weight"],)),
    ]
