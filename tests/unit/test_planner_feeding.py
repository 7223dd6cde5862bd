"""The arithmetic of feeding 129 million pairs, by hand and against what the paper says."""

from dataclasses import replace

import pytest

from course_lib.planner import assumptions
from course_lib.planner.feeding import feed_lines, feed_of
from course_lib.planner.papers import RUNS
from course_lib.planner.plan import plan_job, plan_recipe

IMAGES = 129e6
DAY = 24.0


@pytest.fixture(scope="module")
def plan():
    return RUNS[0].plan()  # the paper's run with ViT-g


def test_blip2_reads_129_million_pairs(plan):
    feed = feed_of(plan, IMAGES)
    # 250,000 steps of 1,680 images: 3.26 passes.
    assert (plan.gpu.name, plan.gpus, plan.job.stage.batch_size) == ("a100-40gb", 16, 1680)
    assert feed.images_read == 420e6 and feed.passes == pytest.approx(3.256, abs=1e-3)
    assert feed.disk == pytest.approx(2.3e12) and feed.shards == 129_000
    # The paper: under 6 days on 16 A100-40G, which are at least 50.6 images a second and GPU.
    least = 420e6 / (16 * 6 * DAY * 3600)
    assert least == pytest.approx(50.6, abs=0.1)
    assert least < feed.images_per_gpu_second == pytest.approx(assumptions.IMAGES_PER_GPU_SECOND)
    assert feed.images_per_gpu_second_wanted > 2 * feed.images_per_gpu_second
    assert plan.hours == pytest.approx(420e6 / 16 / 65 / 3600) and plan.hours < 6 * DAY
    assert feed.bytes_per_second == pytest.approx(65 * 16 * 2.3e12 / 129e6)  # 18.5 MB/s
    assert feed.cores == 6  # 1,040 images a second, 200 a core
    assert feed.usd_of_disk == pytest.approx(2300 * 0.023 * plan.hours / 730)
    assert plan.usd() == pytest.approx(4.10 * 16 * plan.hours)


def test_pictures_as_published_take_nine_times_the_disk(plan):
    feed, published = feed_of(plan, IMAGES), feed_of(plan, IMAGES, bytes_per_pair=160e3)
    assert published.disk == pytest.approx(20.64e12)
    assert 8.5 < published.disk / feed.disk < 9.5
    assert published.bytes_per_second / feed.bytes_per_second == pytest.approx(8.97, abs=0.01)


def test_a_rate_that_cores_cannot_give_is_seen(plan):
    slow = feed_of(plan, IMAGES, images_per_core_second=20)
    assert slow.cores == 52
    # More GPUs read more a second, and the disk is rented for less time.
    more = feed_of(plan_job(plan.job, plan.gpu, 32), IMAGES)
    assert more.bytes_per_second > 1.9 * slow.bytes_per_second
    assert more.usd_of_disk < 0.6 * slow.usd_of_disk


def test_images_of_a_sample_count(plan):
    flamingo = plan_recipe("flamingo", "a100", "a100-80gb", 8)[0]
    feed, stage = feed_of(flamingo, 185e6), flamingo.job.stage
    assert feed.images_read == 3 * stage.steps * stage.batch_size
    rate = flamingo.samples_per_gpu * 3 / flamingo.step_seconds
    assert feed.images_per_gpu_second == pytest.approx(rate)


def test_the_lines_say_it(plan):
    assert feed_lines(feed_of(plan, IMAGES)) == [
        "disk: 2.3 TB in 129,000 shards (129.00M pairs of 18 kB)",
        "read: 420.00M images, 3.3 times each, in 4.7 days",
        "rate: 65 images a second and GPU (its arithmetic would take 168), 19 MB a second in all",
        "cores: 6 that decode and transform, for 16 × a100-40gb",
        "cost: GPUs 7,359 USD, disk 8 USD while it runs",
    ]
    unknown = replace(plan, gpu=replace(plan.gpu, usd=None))
    assert "price unknown" in feed_lines(feed_of(unknown, IMAGES))[-1]
    assert "1,795 USD" in feed_lines(feed_of(unknown, IMAGES), price=1.0)[-1]


def test_what_cannot_be_is_refused(plan):
    with pytest.raises(ValueError, match="reads no images"):
        feed_of(plan_job(plan.job, plan.gpu, 16, cached=True), IMAGES)
    for numbers in ({"bytes_per_pair": 0}, {"rows_per_shard": -1}, {"images_per_core_second": 0}):
        with pytest.raises(ValueError, match="give numbers above 0"):
            feed_of(plan, IMAGES, **numbers)
    with pytest.raises(ValueError, match="give numbers above 0"):
        feed_of(plan, 0)
