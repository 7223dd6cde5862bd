"""A recipe on a smaller machine: the batch of a step stays, what one pass holds does not."""

from typing import Any

from course_lib.teach.task import Case, Exercise, Mistake, call


def fit_batch(batch: int, gpus: int, most: int) -> tuple[int, int]:
    """Returns (passes of a step, samples of each) for one GPU."""
    if batch % gpus:
        raise ValueError(f"{batch} samples cannot be shared evenly by {gpus} GPUs.")
    own = batch // gpus
    for passes in range(1, own + 1):
        if own % passes == 0 and own // passes <= most:
            return passes, own // passes
    raise ValueError(f"A GPU that holds {most} samples cannot take one.")


def reference(batch: int, gpus: int, most: int) -> tuple[int, int]:
    """Tries the sizes of a pass, the largest first."""
    for samples in range(most, 0, -1):
        passes, rest = divmod(batch, samples * gpus)
        if passes and not rest:
            return passes, samples
    raise ValueError(f"{batch} samples, {gpus} GPUs, {most} at a time")


def _run(answer: Any, case: Case) -> Any:
    """Where no way fits, the output is what was raised."""
    batch, gpus, most = case.args
    if batch % gpus == 0 and most > 0:
        return call(answer, case)
    try:
        made = call(answer, case)
    except ValueError:
        return "raises ValueError"
    return made if made is ... else "raises nothing"


def _shared(batch, gpus):
    if batch % gpus:
        raise ValueError
    return batch // gpus


def _full_passes(batch, gpus, most):
    own = _shared(batch, gpus)
    samples = min(most, own)
    return -(-own // samples), samples


def _too_small_a_step(batch, gpus, most):
    own = _shared(batch, gpus)
    samples = min(most, own)
    return own // samples, samples


def _rounded_up(batch, gpus, most):
    own = _shared(batch, gpus)
    if most < 1:
        raise ValueError
    passes = -(-own // most)
    return passes, own // passes


def _one_by_one(batch, gpus, most):
    own = _shared(batch, gpus)
    if most < 1:
        raise ValueError
    return own, 1


def _one_gpu(batch, gpus, most):
    _shared(batch, gpus)
    return fit_batch(batch, 1, most)


def _one_pass(batch, gpus, most):
    own = _shared(batch, gpus)
    if most < 1:
        raise ValueError
    return 1, own


def _smaller_batch(batch, gpus, most):
    own = _shared(batch, gpus)
    if most < 1:
        raise ValueError
    return 1, min(most, own)


def _exchanged(batch, gpus, most):
    passes, samples = fit_batch(batch, gpus, most)
    return samples, passes


def _shares_what_is_left(batch, gpus, most):
    return fit_batch(batch - batch % gpus, gpus, most)


def _powers_of_two(batch, gpus, most):
    own, passes = _shared(batch, gpus), 1
    if most < 1:
        raise ValueError
    while own / passes > most:
        passes *= 2
    return passes, -(-own // passes)


EXERCISE = Exercise(
    objective="12.1",
    title="the same step on fewer GPUs",
    difficulty=1,
    minutes=8,
    contract=(
        "A recipe wants `batch` samples a step, of all GPUs together. There are `gpus` GPUs, and "
        "each holds at most `most` samples in one pass forward and back. What does not fit in one "
        "pass is done in several, whose gradients add up before the optimiser moves.",
        "Gives (passes, samples): how many passes a GPU does in a step, and how many samples each "
        "has. Every pass has equally many, and GPUs × passes × samples is the batch exactly.",
        "Of all ways that fit, the one with the fewest passes, since a full GPU is a fast one.",
        "Raises a `ValueError` where no way fits: GPUs that do not divide the batch, or a GPU that "
        "holds not even one sample.",
    ),
    hints=(
        "What the recipe learns depends on the batch of a step, and not on who computes which part "
        "of it. So which number may you never round?",
        "Divide the batch among the GPUs; raise if something is left. Then try 1 pass, 2 passes, 3 "
        "and so on: the first number that divides the share, with a quotient of at most `most`.",
        "`own = batch // gpus`, then `for passes in range(1, own + 1)`, and "
        "`own % passes == 0 and own // passes <= most` is the question. Behind the loop nothing "
        "fits: raise.",
    ),
    solution=fit_batch,
    reference=reference,
    cases=lambda: [
        Case("a batch of 12, 2 GPUs that hold 3 each", (12, 2, 3)),
        Case("LLaVA's 256 on 8 GPUs that hold 32", (256, 8, 32)),
        Case("the same on 4 GPUs that hold 24", (256, 4, 24)),
        Case("a batch of 36, 2 GPUs that hold 7", (36, 2, 7)),
        Case("10 samples and 4 GPUs", (10, 4, 8)),
        Case("no sample fits", (8, 2, 0)),
    ],
    run=_run,
    mistakes=(
        Mistake(
            _full_passes,
            "the batch stays what it is",
            "every pass was filled to the brim, so that the last one would need samples that the "
            "batch does not have",
        ),
        Mistake(
            _too_small_a_step,
            "the batch stays what it is",
            "what does not fill a pass was dropped, and the step has fewer samples than the recipe "
            "wants",
        ),
        Mistake(
            _rounded_up,
            "the batch stays what it is",
            "as many passes as full ones would take do not divide the share, and what was left of "
            "the division is lost",
        ),
        Mistake(
            _one_by_one,
            "as few passes as fit",
            "each pass has one sample: right in number, and slow on any GPU",
        ),
        Mistake(
            _one_gpu,
            "the batch is that of all GPUs together",
            "every GPU was given the whole batch, or the passes of all GPUs were counted",
        ),
        Mistake(
            _one_pass,
            "a pass fits the GPU",
            "all of a GPU's samples were put into one pass, however many it holds",
        ),
        Mistake(
            _smaller_batch,
            "the batch stays what it is",
            "the batch was made smaller until it fitted, and that is another recipe: its learning "
            "rate and its number of steps belong to the larger one",
        ),
        Mistake(_exchanged, "passes first, then samples", "the two numbers are exchanged"),
        Mistake(
            _shares_what_is_left,
            "GPUs that do not divide the batch",
            "samples that do not divide were left out in silence",
        ),
        Mistake(
            _powers_of_two,
            "passes of equal size",
            "passes were doubled until they fitted, and not every share divides by two",
        ),
    ),
)
