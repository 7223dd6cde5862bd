"""What Flamingo's resampler asks with and what it reads: features and the latents themselves."""

import torch
from torch import nn

from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.vpg.resampler import ResamplerConfig, ResamplerLayer

Tensor = torch.Tensor
Pair = tuple[torch.Tensor, torch.Tensor]


def resampler_inputs(
    latents: torch.Tensor, features: torch.Tensor, times: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns what asks, (Q, E), and what is read, (F * N + Q, E); features are (F, N, E)."""
    frames, _, width = features.shape
    timed = features + times[:frames, None]  # (F, 1, E): one time for all patches of a frame
    normed = torch.nn.functional.layer_norm(timed.flatten(0, 1), (width,))
    asks = torch.nn.functional.layer_norm(latents, (width,))
    return asks, torch.cat([normed, asks])


class _Keeps(nn.Module):
    """Stands in for a layer's attention and keeps what it was given."""

    def forward(self, asks: Tensor, read: Tensor) -> Tensor:
        self.given = asks[0], read[0]
        return asks


def reference(latents: Tensor, features: Tensor, times: Tensor) -> Pair:
    """What the library's layer gives to its attention."""
    width = latents.shape[-1]
    sizes = ResamplerConfig(width, len(latents), 1, 1, 1, 1)
    with torch.random.fork_rng(devices=[]):  # new layers draw from torch's global generator
        layer = ResamplerLayer(sizes)
    layer.attention = _Keeps()
    timed = torch.stack([frame + time for frame, time in zip(features, times, strict=False)])
    layer(latents[None], timed.reshape(1, -1, width))
    return layer.attention.given


def _normed(rows):
    return nn.functional.layer_norm(rows, rows.shape[-1:])


def _timed(features, times):
    return (features + times[: len(features), None]).flatten(0, 1)


def _features_alone(latents, features, times):
    return _normed(latents), _normed(_timed(features, times))


def _latents_first(latents, features, times):
    asks = _normed(latents)
    return asks, torch.cat([asks, _normed(_timed(features, times))])


def _all_ask(latents, features, times):
    read = torch.cat([_normed(_timed(features, times)), _normed(latents)])
    return read, read


def _raw_latents_read(latents, features, times):
    return _normed(latents), torch.cat([_normed(_timed(features, times)), latents])


def _raw_asks(latents, features, times):
    return latents, torch.cat([_normed(_timed(features, times)), _normed(latents)])


def _raw_features(latents, features, times):
    asks = _normed(latents)
    return asks, torch.cat([_timed(features, times), asks])


def _no_norm(latents, features, times):
    return latents, torch.cat([_timed(features, times), latents])


def _no_times(latents, features, times):
    asks = _normed(latents)
    return asks, torch.cat([_normed(features.flatten(0, 1)), asks])


def _times_behind_norm(latents, features, times):
    asks = _normed(latents)
    return asks, torch.cat([_timed(_normed(features), times), asks])


def _time_of_a_patch(latents, features, times):
    asks = _normed(latents)
    timed = features + times[: features.shape[1]]
    return asks, torch.cat([_normed(timed.flatten(0, 1)), asks])


def _last_times(latents, features, times):
    asks = _normed(latents)
    return asks, torch.cat([_normed(_timed(features, times[-len(features) :])), asks])


def _patch_by_patch(latents, features, times):
    asks = _normed(latents)
    timed = features + times[: len(features), None]
    return asks, torch.cat([_normed(timed.transpose(0, 1).flatten(0, 1)), asks])


def _mean_of_frames(latents, features, times):
    asks = _normed(latents)
    timed = features + times[: len(features), None]
    return asks, torch.cat([_normed(timed.mean(dim=0)), asks])


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def case(says: str, latents: int, frames: int, patches: int, width: int) -> Case:
        sizes = ((latents, width), (frames, patches, width), (4, width))
        return Case(says, tuple(torch.randn(size, generator=chance) for size in sizes))

    return [
        case("an image of 2 patches, 1 latent", 1, 1, 2, 3),
        case("2 frames of 3 patches, 2 latents", 2, 2, 3, 4),
        case("4 frames of 4 patches, 3 latents", 3, 4, 4, 6),
    ]


EXERCISE = Exercise(
    objective="05.1",
    title="what a resampler reads",
    difficulty=2,
    minutes=8,
    contract=(
        "`latents` is (Q, E). `features` is (F, N, E): F frames of N patches, in an image F is 1. "
        "`times` is (4, E), one learned time for each of 4 frames, of which the first F are used.",
        "Gives two tensors: what the queries are made of, (Q, E), and what keys and values are "
        "made of, (F * N + Q, E).",
        "All patches of a frame get the time of that frame, added before the norm. Then features "
        "and latents are normed row by row, to mean 0 and variance 1 along E, with no weights "
        "(epsilon 1e-5).",
        "The latents ask. They read the features of the first frame, those of the second and so "
        "on, and behind them the latents themselves.",
    ),
    hints=(
        "In plain cross-attention a latent sees the image and nothing of what the other latents "
        "have gathered so far. What has to be among the things that it reads to change that?",
        "Add to each frame its time. Put all frames behind one another, (F * N, E). Norm them. "
        "Norm the latents. What asks is the normed latents; what is read is the normed features "
        "and then the normed latents.",
        "`times[:frames, None]` is (F, 1, E) and meets all patches of a frame. `flatten(0, 1)` "
        "makes one row of frames. `torch.nn.functional.layer_norm(rows, (width,))` norms, "
        "`torch.cat([…, …])` joins along the rows.",
    ),
    solution=resampler_inputs,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _features_alone,
            "latents are read as well",
            "this is plain cross-attention: the latents read the features and never one another",
        ),
        Mistake(
            _latents_first,
            "features first, then latents",
            "the latents stand in front; attention would not mind, but here the order is given",
        ),
        Mistake(
            _all_ask,
            "only the latents ask",
            "features ask as well, and as many tokens come out as went in",
        ),
        Mistake(
            _raw_latents_read,
            "what is read is normed",
            "the latents were joined to the features before they passed their norm",
        ),
        Mistake(_raw_asks, "what asks is normed", "the latents ask without having been normed"),
        Mistake(
            _raw_features,
            "what is read is normed",
            "the features were joined as they came, and the longest of them drown the others",
        ),
        Mistake(_no_norm, "a norm first", "neither features nor latents were normed"),
        Mistake(
            _no_times,
            "a frame has a time",
            "no time was added, so that a film and the same film run backwards are one",
        ),
        Mistake(
            _times_behind_norm,
            "the time comes before the norm",
            "the times were added to features that had been normed already",
        ),
        Mistake(
            _time_of_a_patch,
            "one time for a frame",
            "the times ran along the patches; a patch needs none, its encoder has told its place",
        ),
        Mistake(
            _last_times,
            "the first frame has the first time",
            "the times were counted from the end",
        ),
        Mistake(
            _patch_by_patch,
            "frame after frame",
            "the rows are ordered by patch and then by frame",
        ),
        Mistake(
            _mean_of_frames,
            "every frame is read",
            "the frames were averaged, and what moved between them is lost",
        ),
    ),
)
