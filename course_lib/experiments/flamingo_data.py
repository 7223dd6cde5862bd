"""What do interleaved documents bring? All, without symbols, and pairs alone.

All three read as many captions and as many images with questions a step; what is left out is left
out, as in the paper's ablation, and not replaced by more of the rest.
"""

from course_lib.data.toy_interleaved import Interleaved
from course_lib.experiments.flamingo_runs import BATCH_SIZE, STEPS, USUAL, Way, run_way
from course_lib.experiments.runner import Experiment

DOCUMENTS, NO_SYMBOLS, PAIRS = "interleaved documents", "no symbols", "pairs alone"
FULL = USUAL.reading
_REST = (*FULL.mix[:2], 0.0)
# Documents without symbols, and images in them: 1 to `most_images`, as likely.
_PER_STEP = round(BATCH_SIZE * sum(_REST) / sum(FULL.mix))
_IMAGES = round(_PER_STEP * (1 + FULL.most_images) / 2)
WAYS = {
    DOCUMENTS: USUAL,
    NO_SYMBOLS: Way(Interleaved(_REST), _PER_STEP),
    PAIRS: Way(Interleaved(_REST, most_images=1), _IMAGES),
}


def _measure(arm: str, seed: int, steps: int) -> dict:
    return run_way(WAYS[arm], seed, steps)


EXPERIMENT = Experiment(
    claim="Without interleaved documents few-shot learning is lost (Flamingo, v2 table 3: 70.7 "
    "with them, 53.4 without).",
    arms=tuple(WAYS),
    measure=_measure,
    steps=STEPS,
    minutes=1.9,
    shared={arm: ("flamingo_shots", arm) for arm in (DOCUMENTS, PAIRS)},
)
