"""Hours of a run from its FLOPs and its images, whichever takes longer."""

import math

from course_lib.teach.task import Case, Exercise, Mistake


def run_hours(
    steps: int, batch: int, gpus: int, flops: float, images: float, speed: float, rate: float
) -> dict[str, float | str]:
    """Returns hours of a run, GPU-hours, and what a step waits for."""
    samples = math.ceil(batch / gpus)  # of the busiest GPU
    computing = samples * flops / speed
    reading = samples * images / rate
    hours = steps * max(computing, reading) / 3600
    waits = "images" if reading > computing else "arithmetic"
    return {"hours": hours, "GPU-hours": hours * gpus, "waits for": waits}


def reference(
    steps: int, batch: int, gpus: int, flops: float, images: float, speed: float, rate: float
) -> dict[str, float | str]:
    """Deals the samples to the GPUs one by one, then waits for the last of them."""
    shares = [len(range(gpu, batch, gpus)) for gpu in range(gpus)]
    slowest = max(shares)
    work = {"arithmetic": slowest * flops / speed, "images": slowest * images / rate}
    waits = max(work, key=lambda name: work[name])
    hours = steps * work[waits] / 3600
    return {"hours": hours, "GPU-hours": sum(hours for _ in shares), "waits for": waits}


def _made(hours, gpus, computing, reading):
    waits = "images" if reading > computing else "arithmetic"
    return {"hours": hours, "GPU-hours": hours * gpus, "waits for": waits}


def _seconds(steps, batch, gpus, flops, images, speed, rate):
    samples = math.ceil(batch / gpus)
    return samples * flops / speed, samples * images / rate


def _one_after_the_other(steps, batch, gpus, *rest):
    parts = _seconds(steps, batch, gpus, *rest)
    return _made(steps * sum(parts) / 3600, gpus, *parts)


def _the_shorter(steps, batch, gpus, *rest):
    parts = _seconds(steps, batch, gpus, *rest)
    return _made(steps * min(parts) / 3600, gpus, *parts)


def _arithmetic_alone(steps, batch, gpus, *rest):
    computing, _ = _seconds(steps, batch, gpus, *rest)
    return _made(steps * computing / 3600, gpus, computing, 0.0)


def _whole_batch(steps, batch, gpus, *rest):
    parts = _seconds(steps, batch, 1, *rest)
    return _made(steps * max(parts) / 3600, gpus, *parts)


def _shared_evenly(steps, batch, gpus, *rest):
    parts = [seconds * batch / gpus for seconds in _seconds(steps, 1, 1, *rest)]
    return _made(steps * max(parts) / 3600, gpus, *parts)


def _rounded_down(steps, batch, gpus, *rest):
    parts = [seconds * (batch // gpus) for seconds in _seconds(steps, 1, 1, *rest)]
    return _made(steps * max(parts) / 3600, gpus, *parts)


def _one_reader(steps, batch, gpus, flops, images, speed, rate):
    computing = math.ceil(batch / gpus) * flops / speed
    reading = batch * images / rate
    return _made(steps * max(computing, reading) / 3600, gpus, computing, reading)


def _in_seconds(steps, batch, gpus, *rest):
    parts = _seconds(steps, batch, gpus, *rest)
    return _made(steps * max(parts), gpus, *parts)


def _hours_of_one(steps, batch, gpus, *rest):
    return run_hours(steps, batch, gpus, *rest) | {
        "GPU-hours": run_hours(steps, batch, gpus, *rest)["hours"]
    }


def _idle_for_nothing(steps, batch, gpus, *rest):
    found = run_hours(steps, batch, gpus, *rest)
    return found | {"GPU-hours": found["hours"] * min(gpus, batch)}


def _one_step(steps, batch, gpus, *rest):
    return run_hours(1, batch, gpus, *rest)


def _waits_turned(steps, batch, gpus, *rest):
    found = run_hours(steps, batch, gpus, *rest)
    other = {"images": "arithmetic", "arithmetic": "images"}
    return found | {"waits for": other[found["waits for"]]}


EXERCISE = Exercise(
    objective="12.3",
    title="hours and GPU-hours",
    difficulty=2,
    minutes=10,
    contract=(
        "`steps` steps of `batch` samples run on `gpus` GPUs, which share a batch as evenly as "
        "whole samples allow; a step ends when the busiest GPU is done.",
        "A sample takes `flops` floating-point operations, and each GPU does `speed` of them in a "
        "second, what it loses already taken off. A sample has `images` images, and each GPU gets "
        "`rate` of them in a second.",
        "Reading and computing go on at the same time.",
        "Gives a dictionary: `hours` of the run, `GPU-hours` as they are paid, and `waits for`, "
        '"images" where reading takes longer and otherwise "arithmetic".',
    ),
    hints=(
        "One person cooks, another fetches what the next dish needs: how long does a dish take if "
        "both work at the same time?",
        "How many samples has the busiest GPU? From it, the seconds of computing and the seconds "
        "of reading. A step takes the longer. Times steps, in hours; times GPUs for GPU-hours.",
        "`samples = math.ceil(batch / gpus)`, `computing = samples * flops / speed`, "
        "`reading = samples * images / rate`, and an hour has 3,600 seconds.",
    ),
    solution=run_hours,
    reference=reference,
    cases=lambda: [
        Case("10 samples on 4 GPUs, much arithmetic", (7200, 10, 4, 6.0, 1.0, 2.0, 4.0)),
        Case("much to read", (900, 12, 4, 3.0, 2.0, 100.0, 4.0)),
        Case("without images", (3600, 8, 8, 5.0, 0.0, 10.0, 4.0)),
        Case("3 samples for 8 GPUs", (1800, 3, 8, 4.0, 0.5, 2.0, 8.0)),
        Case("LLaVA's stage 1, about", (2180, 256, 8, 2.0e13, 1.0, 1.2e14, 65.0)),
    ],
    tolerance=1e-6,
    mistakes=(
        Mistake(
            _one_after_the_other,
            "both at the same time",
            "seconds of reading and of computing were added, as if a GPU waited for its own "
            "reading every time",
        ),
        Mistake(_the_shorter, "the longer one counts", "the shorter of the two was taken"),
        Mistake(
            _arithmetic_alone,
            "images have to be read",
            "reading was left out: that is what BLIP-2's first stage waits for",
        ),
        Mistake(
            _whole_batch,
            "GPUs share a batch",
            "each GPU was given the whole batch, so that more GPUs would not help",
        ),
        Mistake(
            _shared_evenly,
            "samples are whole",
            "a sample was cut in parts; the busiest GPU has one more than the others",
        ),
        Mistake(
            _rounded_down,
            "all samples are computed",
            "samples that GPUs cannot share evenly were left out: some GPU has one more",
        ),
        Mistake(
            _one_reader,
            "each GPU reads its own",
            "all images were read at the rate of one GPU's share of the machine",
        ),
        Mistake(_in_seconds, "hours", "these are seconds: an hour has 3,600 of them"),
        Mistake(
            _hours_of_one,
            "every GPU is paid",
            "GPU-hours are the hours of all GPUs together",
        ),
        Mistake(
            _idle_for_nothing,
            "idle GPUs are paid",
            "GPUs that got no sample were left out of the bill; they are rented all the same",
        ),
        Mistake(_one_step, "all steps", "this is one step, and not the run"),
        Mistake(
            _waits_turned,
            "what takes longer is waited for",
            "the two words are the wrong way round",
        ),
    ),
)
