"""What a training holds on one GPU: weights, gradients, AdamW's two numbers, activations."""

from course_lib.teach.task import Case, Exercise, Mistake


def memory_bytes(
    frozen: int, trained: int, kept: int, samples: int, shards: int = 1
) -> dict[str, int]:
    """Returns the bytes on one GPU, by what they are for."""
    return {
        "weights": (2 * frozen + 4 * trained + 2 * trained) // shards,
        "gradients": 4 * trained // shards,
        "AdamW": 8 * trained // shards,
        "activations": 2 * kept * samples,
    }


def reference(
    frozen: int, trained: int, kept: int, samples: int, shards: int = 1
) -> dict[str, int]:
    """Adds up number by number what is stored for it, then shares it."""
    each = {"weights": (2, 6), "gradients": (0, 4), "AdamW": (0, 8)}
    found = {k: (a * frozen + b * trained) // shards for k, (a, b) in each.items()}
    found["activations"] = sum(2 * kept for _ in range(samples))
    return found


def _changed(answer, **other):
    """Returns the right answer with some of its numbers replaced."""
    return answer | other


def _right(frozen, trained, kept, samples, shards=1):
    return memory_bytes(frozen, trained, kept, samples, shards)


def _all_full(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, weights=(4 * frozen + 4 * trained + 2 * trained) // shards)


def _no_copy(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, weights=(2 * frozen + 4 * trained) // shards)


def _all_half(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    less = {"weights": 2 * (frozen + trained), "gradients": 2 * trained, "AdamW": 4 * trained}
    return _changed(found, **{name: size // shards for name, size in less.items()})


def _gradients_of_all(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, gradients=4 * (frozen + trained) // shards)


def _half_gradients(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, gradients=2 * trained // shards)


def _everything_trains(frozen, trained, kept, samples, shards=1):
    return _right(0, frozen + trained, kept, samples, shards)


def _one_moment(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, AdamW=4 * trained // shards)


def _one_sample(frozen, trained, kept, samples, shards=1):
    return _right(frozen, trained, kept, 1, shards)


def _full_activations(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, activations=4 * kept * samples)


def _activations_shared(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, shards)
    return _changed(found, activations=2 * kept * samples // shards)


def _never_shared(frozen, trained, kept, samples, shards=1):
    return _right(frozen, trained, kept, samples, 1)


def _optimiser_alone(frozen, trained, kept, samples, shards=1):
    found = _right(frozen, trained, kept, samples, 1)
    return _changed(found, AdamW=8 * trained // shards)


def _numbers(frozen, trained, kept, samples, shards=1):
    return {
        "weights": (frozen + 2 * trained) // shards,
        "gradients": trained // shards,
        "AdamW": 2 * trained // shards,
        "activations": kept * samples,
    }


EXERCISE = Exercise(
    objective="12.2",
    title="bytes on one GPU",
    difficulty=2,
    minutes=10,
    contract=(
        "`frozen` parameters never move, `trained` ones do. A frozen one is stored in bfloat16 (2 "
        "bytes). A trained one is stored in float32 (4 bytes), and while a pass runs there is a "
        "bfloat16 copy of it, too.",
        "The gradient of what trains is float32. AdamW keeps two float32 numbers for each number "
        "that trains: a running mean of its gradient, and one of its square.",
        "The backward pass needs `kept` numbers of each sample, in bfloat16; `samples` go through "
        "together.",
        "`shards` above 1 spreads weights (copies included), gradients and AdamW evenly over so "
        "many GPUs. Each still has samples of its own.",
        "Gives a dictionary of whole bytes on one GPU with the keys `weights`, `gradients`, "
        "`AdamW`, `activations`.",
    ),
    hints=(
        "Take one number that trains and write down everything that is stored because of it. Then "
        "the same for one that is frozen. Which of these lists does a frozen number have at all?",
        "Frozen: 2 bytes. Trained: 4 and 2 as a weight, 4 as a gradient, 4 and 4 for AdamW. Three "
        "of the four entries are divided by `shards`. Activations belong to samples, and each GPU "
        "has its own.",
        '`"weights": (2 * frozen + 6 * trained) // shards`, and so on; activations are '
        "`2 * kept * samples`, without a division.",
    ),
    solution=memory_bytes,
    reference=reference,
    cases=lambda: [
        Case("10 frozen numbers, 4 that train, 3 kept, 2 samples", (10, 4, 3, 2)),
        Case("everything trains, 3 samples", (0, 8, 5, 3)),
        Case("the same as the first, spread over 2 GPUs", (10, 4, 3, 2, 2)),
        Case("LLaVA's stage 1", (7_041_923_072, 20_979_712, 250_000_000, 16)),
    ],
    mistakes=(
        Mistake(
            _all_full,
            "frozen weights take 2 bytes",
            "frozen weights were counted in float32: nothing is ever added to them, so bfloat16 is "
            "enough",
        ),
        Mistake(
            _no_copy,
            "weights that train are there twice",
            "the bfloat16 copy of what trains was left out",
        ),
        Mistake(
            _all_half,
            "what trains is float32",
            "weights, gradients and AdamW were counted in bfloat16, in which small updates round "
            "to nothing",
        ),
        Mistake(
            _gradients_of_all,
            "frozen parameters have no gradient",
            "a gradient was kept for frozen weights; it passes through them and is not stored",
        ),
        Mistake(
            _half_gradients,
            "gradients are float32",
            "gradients were counted in bfloat16, the type of the pass and not of what is kept",
        ),
        Mistake(
            _everything_trains,
            "frozen parameters cost their weight alone",
            "all parameters were counted as if they trained",
        ),
        Mistake(
            _one_moment,
            "AdamW keeps two numbers",
            "AdamW was counted with one number for each, and it keeps mean and square",
        ),
        Mistake(
            _one_sample,
            "activations grow with the samples",
            "activations of one sample alone were counted",
        ),
        Mistake(
            _full_activations,
            "activations take 2 bytes",
            "activations were counted in float32, though the pass runs in bfloat16",
        ),
        Mistake(
            _activations_shared,
            "each GPU has its own samples",
            "activations were divided as well, but they belong to a GPU's own samples",
        ),
        Mistake(
            _never_shared,
            "shards are shares",
            "everything was counted whole on each GPU: these are copies (DDP)",
        ),
        Mistake(
            _optimiser_alone,
            "weights and gradients are spread, too",
            "only AdamW's numbers were spread, which is the first of three steps (ZeRO-1)",
        ),
        Mistake(_numbers, "bytes", "these are numbers, and not the bytes that they take"),
    ),
)
