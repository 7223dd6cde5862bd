"""From what CLIP gives to what LLaVA's projector reads: which layer, and which of its vectors."""

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake

States = tuple[torch.Tensor, ...]


def patch_tokens(hidden_states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, int]:
    """Returns the patches that LLaVA reads, (B, N, E), and how many blocks they need."""
    blocks = len(hidden_states) - 1  # entry 0 is what enters the first block
    return hidden_states[-2][:, 1:], blocks - 1


def reference(hidden_states: States) -> tuple[torch.Tensor, int]:
    """Unpacks the entries one by one and takes the patches image by image."""
    *earlier, wanted, _ = hidden_states
    return torch.stack([image.split([1, len(image) - 1])[1] for image in wanted]), len(earlier)


def _last_layer(hidden_states):
    return hidden_states[-1][:, 1:], len(hidden_states) - 1


def _last_layer_fewer_blocks(hidden_states):
    return hidden_states[-1][:, 1:], len(hidden_states) - 2


def _from_the_front(hidden_states):
    return hidden_states[2][:, 1:], 2


def _one_too_early(hidden_states):
    return hidden_states[-3][:, 1:], len(hidden_states) - 3


def _keeps_cls(hidden_states):
    return hidden_states[-2], len(hidden_states) - 2


def _drops_last_patch(hidden_states):
    return hidden_states[-2][:, :-1], len(hidden_states) - 2


def _cls_alone(hidden_states):
    return hidden_states[-2][:, :1], len(hidden_states) - 2


def _drops_an_image(hidden_states):
    return hidden_states[-2][1:], len(hidden_states) - 2


def _normed(hidden_states):
    tokens, needed = patch_tokens(hidden_states)
    return F.layer_norm(tokens, tokens.shape[-1:]), needed


def _counts_entries(hidden_states):
    return hidden_states[-2][:, 1:], len(hidden_states) - 1


def _counts_all_blocks(hidden_states):
    return hidden_states[-2][:, 1:], len(hidden_states)


def _cases() -> list[Case]:
    def states(blocks: int, images: int, patches: int, width: int, seed: int) -> tuple[States]:
        chance = torch.Generator().manual_seed(seed)
        shape = (images, 1 + patches, width)
        return (tuple(torch.randn(*shape, generator=chance) for _ in range(1 + blocks)),)

    return [
        Case("1 image of 4 patches, 2 blocks", states(2, 1, 4, 3, seed=0)),
        Case("2 images of 9 patches, 5 blocks", states(5, 2, 9, 4, seed=1)),
        Case("3 images of 4 patches, 24 blocks", states(24, 3, 4, 2, seed=2)),
    ]


EXERCISE = Exercise(
    objective="07.1",
    title="patches that become words",
    difficulty=1,
    minutes=6,
    contract=(
        "`hidden_states` is what CLIP gives with `output_hidden_states=True`: entry 0 is what "
        "enters the first block, entry i what block i gives, each (B, 1 + N, E) with CLS in front. "
        "An encoder of L blocks has L + 1 entries.",
        "Gives two values. First the visual tokens before the projector, (B, N, E): what the "
        "second-last block gives, without CLS and with nothing else done to it.",
        "Second how many blocks have to run for that, an integer.",
    ),
    hints=(
        "Draw an encoder of 3 blocks and write the number of its entry on every line between two "
        "blocks. Which line is the last that LLaVA looks at, and which blocks stand before it?",
        "Take the second entry from the end. Leave out the first vector of every image, not the "
        "first image. For the count: the entries are one more than the blocks, and one block does "
        "not have to run.",
        "`hidden_states[-2]` is the layer. Its axes are images, vectors, width, so `[:, 1:]` keeps "
        "all images and drops one vector. There are `len(hidden_states) - 1` blocks in all.",
    ),
    solution=patch_tokens,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _last_layer,
            "the layer is the second-last",
            "this is the last block, which CLIP shaped for its own contrast; it is also the "
            "default of the released code, so whoever forgets the flag trains this model",
        ),
        Mistake(
            _last_layer_fewer_blocks,
            "the layer is the second-last",
            "this is the last block, which CLIP shaped for its own contrast; the count fits the "
            "layer before it",
        ),
        Mistake(
            _from_the_front,
            "the layer is the second-last",
            "the layer was counted from the front: entry 2 and not entry -2",
        ),
        Mistake(
            _one_too_early,
            "the layer is the second-last",
            "this is what enters the second-last block, not what it gives",
        ),
        Mistake(
            _keeps_cls,
            "CLS is dropped",
            "CLS is still there: N + 1 tokens, and the language model keeps places for N",
        ),
        Mistake(
            _drops_last_patch,
            "CLS is dropped",
            "the last vector was dropped, which is the bottom right patch; CLS stands in front",
        ),
        Mistake(
            _cls_alone,
            "the patches are kept",
            "this keeps what should go: one vector for the whole picture, without any place in it",
        ),
        Mistake(
            _drops_an_image,
            "every image is kept",
            "the cut runs along the images and not along the vectors of an image",
        ),
        Mistake(
            _normed,
            "the vectors are as the block gives them",
            "the vectors were normalised; CLIP's last norm belongs to its pooled output",
        ),
        Mistake(
            _counts_entries,
            "the blocks that have to run are counted",
            "all blocks were counted, and the last one changes nothing that LLaVA reads",
        ),
        Mistake(
            _counts_all_blocks,
            "the blocks that have to run are counted",
            "entries were counted, and the first of them comes before any block",
        ),
    ),
)
