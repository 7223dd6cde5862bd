"""What feeding a training takes: disk, images a second, processor cores, and what that costs.

Written for BLIP-2's 129 million pairs (arXiv 2301.12597, section 3.4), with the plan of the paper's
own run: `feed_of(papers.RUNS[0].plan(), 129e6)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from course_lib.planner.assumptions import (
    BYTES_PER_PAIR,
    IMAGES_PER_CORE_SECOND,
    USD_PER_GB_MONTH,
)
from course_lib.planner.plan import Plan
from course_lib.planner.report import lasting, short

MONTH = 730.0  # hours


@dataclass(frozen=True)
class Feed:
    """Pairs of image and text on their way from a disk into GPUs.

    Args:
        plan: of the stage that reads them.
        images: in the data set.
        bytes_per_pair: on the disk, text included.
        rows_per_shard: of a file.
        images_per_core_second: that one processor core makes ready.
        usd_per_gb_month: of the disk.
    """

    plan: Plan
    images: float
    bytes_per_pair: float
    rows_per_shard: int
    images_per_core_second: float
    usd_per_gb_month: float

    @property
    def disk(self) -> float:
        """Bytes of the data set."""
        return self.images * self.bytes_per_pair

    @property
    def shards(self) -> int:
        """Files of the data set."""
        return math.ceil(self.images / self.rows_per_shard)

    @property
    def images_read(self) -> float:
        """Images that the whole stage reads."""
        stage = self.plan.job.stage
        return float(stage.steps) * stage.batch_size * self.plan.job.text.images

    @property
    def passes(self) -> float:
        """How often the stage reads each image, on average."""
        return self.images_read / self.images

    @property
    def images_per_gpu_second(self) -> float:
        """Images that each GPU takes in a second, as planned."""
        return self._rate(self.plan.step_seconds)

    @property
    def images_per_gpu_second_wanted(self) -> float:
        """Images that each GPU would take in a second, were they always there."""
        return self._rate(self.plan.arithmetic_seconds)

    def _rate(self, seconds: float) -> float:
        return self.plan.samples_per_gpu * self.plan.job.text.images / seconds

    @property
    def bytes_per_second(self) -> float:
        """Bytes that all GPUs together take from the disk in a second."""
        return self.images_per_gpu_second * self.plan.busy * self.bytes_per_pair

    @property
    def cores(self) -> int:
        """Processor cores that all machines together need to make images ready."""
        rate = self.images_per_gpu_second * self.plan.busy
        return math.ceil(rate / self.images_per_core_second)

    @property
    def usd_of_disk(self) -> float:
        """Price of the disk while the stage runs."""
        return self.disk / 1e9 * self.usd_per_gb_month * self.plan.hours / MONTH


def feed_of(
    plan: Plan,
    images: float,
    *,
    bytes_per_pair: float = BYTES_PER_PAIR,
    rows_per_shard: int = 1000,
    images_per_core_second: float = IMAGES_PER_CORE_SECOND,
    usd_per_gb_month: float = USD_PER_GB_MONTH,
) -> Feed:
    """Works out what feeding a stage takes.

    Args:
        plan: of the stage; its GPUs may wait for images (`assumptions.IMAGES_PER_GPU_SECOND`).
        images: in the data set, 129e6 for BLIP-2.
        bytes_per_pair: on the disk, text included; about 160,000 for COCO as it was published.
        rows_per_shard: of a file.
        images_per_core_second: that one processor core decodes and transforms.
        usd_per_gb_month: of the disk.

    Raises:
        ValueError: for a plan that reads cached features and no images, or a number that is not
            above 0.
    """
    if plan.cached or plan.job.text.images <= 0:
        raise ValueError("This plan reads no images: make it without cached features.")
    numbers = (images, bytes_per_pair, rows_per_shard, images_per_core_second)
    if min(numbers) <= 0 or usd_per_gb_month < 0:
        raise ValueError(
            f"Images, bytes, rows of a shard, images a second are {numbers} and the price is "
            f"{usd_per_gb_month}: give numbers above 0."
        )
    return Feed(plan, *numbers, usd_per_gb_month)


def feed_lines(feed: Feed, price: float | None = None) -> list[str]:
    """Writes a feed in words.

    Args:
        feed: see `feed_of`.
        price: USD of a GPU-hour; None takes the list price.
    """
    plan, usd = feed.plan, feed.plan.usd(price)
    gpus = "price unknown" if usd is None else f"{usd:,.0f} USD"
    return [
        f"disk: {feed.disk / 1e12:.1f} TB in {feed.shards:,} shards "
        f"({short(feed.images)} pairs of {feed.bytes_per_pair / 1e3:.0f} kB)",
        f"read: {short(feed.images_read)} images, {feed.passes:.1f} times each, "
        f"in {lasting(plan.hours)}",
        f"rate: {feed.images_per_gpu_second:.0f} images a second and GPU (its arithmetic would "
        f"take {feed.images_per_gpu_second_wanted:.0f}), "
        f"{feed.bytes_per_second / 1e6:.0f} MB a second in all",
        f"cores: {feed.cores} that decode and transform, for {plan.gpus} × {plan.gpu.name}",
        f"cost: GPUs {gpus}, disk {feed.usd_of_disk:,.0f} USD while it runs",
    ]
