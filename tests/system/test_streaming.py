"""Shards are streamed by ranks and workers, killed and gone on with: every row comes once."""

import inspect
import json
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset, IterableDataset
from datasets.distributed import split_dataset_by_node
from torch import nn

from course_lib.corpora import shard_rows
from course_lib.corpora.corpus import Split, write_corpus
from course_lib.corpora.pixels import pixels_of
from course_lib.corpora.reading import ShardFile, shard_files
from course_lib.corpora.rows import Row
from course_lib.corpora.shards import Settings
from course_lib.corpora.stream_order import StreamOrder
from course_lib.corpora.streaming import Stream
from course_lib.data.images import ImageTransform
from course_lib.downloads.remote import Card
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from tests.official_files import jpeg

SMALL = {"portion": 4, "buffer": 32, "lanes": 32}


def write_shards(folder, count):
    """Writes shards of 2 to 5 rows, numbered through."""
    schema, shards, first = pa.schema({"id": pa.int64()}), [], 0
    for number in range(count):
        path, rows = folder / f"shard-{number:05d}.arrow", 2 + number % 4
        batch = pa.RecordBatch.from_pydict({"id": range(first, first + rows)}, schema=schema)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(batch)
        shards.append(ShardFile(path, rows, f"sum of {number}"))
        first += rows
    return shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), 1000)


def order_of(shards, seed=0, **settings):
    return StreamOrder([shard.rows for shard in shards], seed, **(SMALL | settings))


def streams_of(shards, world, batch_size=8, epochs=1, **more):
    order = order_of(shards)
    more |= {"world": world, "epochs": epochs}
    return [Stream(shards, order, batch_size, rank=rank, **more) for rank in range(world)]


def read(streams, steps, state=None, seen=None):
    """Lets all ranks do some steps behind a state; returns the state, as a file would keep it."""
    for stream in streams:
        if state is not None:
            stream.load_state_dict(json.loads(state))
        for batch in islice(stream, steps):
            seen.update(row["id"] for row in batch)
        stream.close()  # what workers have fetched ahead dies with them
    states = {json.dumps(stream.state_dict()) for stream in streams}
    assert len(states) == 1 or steps is None
    return states.pop()


def once_each(shards):
    return Counter(range(sum(shard.rows for shard in shards)))


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(
    ("sizes", "portion", "buffer", "lanes"),
    [((5, 0, 7, 1, 12), 4, 8, 3), ((3,), 1, 1, 9), ((10, 10), 4, 400, 1), ((1,) * 37, 5, 10, 4)],
)
def test_an_epoch_has_every_row_once(sizes, portion, buffer, lanes, drop_last):
    order = StreamOrder(sizes, 7, portion, buffer, lanes, drop_last)
    all_rows = {(shard, row) for shard, size in enumerate(sizes) for row in range(size)}
    left_out = []
    for epoch in range(3):
        numbers = range(epoch * order.portions, (epoch + 1) * order.portions)
        assert {order.epoch_of(number) for number in numbers} == {epoch}
        portions = [order.portion_of(number) for number in numbers]
        shorter = [len(rows) for rows in portions if len(rows) != portion]
        assert shorter == ([] if drop_last or sum(sizes) % portion == 0 else [sum(sizes) % portion])
        rows = [row for found in portions for row in found]
        assert len(rows) == len(set(rows)) == order.rows and set(rows) <= all_rows
        left_out.append(all_rows - set(rows))
        assert len(left_out[-1]) == (sum(sizes) % portion if drop_last else 0)


def test_epochs_and_seeds_have_orders_of_their_own_and_a_seed_has_one():
    def ids(seed, epoch, sizes=(50,) * 40):
        order = StreamOrder(sizes, seed, 4, 100, 4)
        first = epoch * order.portions
        found = [order.portion_of(number) for number in range(first, first + order.portions)]
        return [50 * shard + row for portion in found for shard, row in portion]

    orders = [ids(0, 0), ids(0, 1), ids(1, 0), ids(1, 1)]
    assert ids(0, 1) == orders[1] and len({tuple(order) for order in orders}) == 4
    for order in orders:
        # Shuffled by shard and in a buffer: nothing is left of the order on the disk.
        assert abs(np.corrcoef(order, range(len(order)))[0, 1]) < 0.3
        assert np.mean(np.diff(order) == 1) < 0.02
    # A portion has rows of several shards: a buffer is two shards long here.
    assert len({row // 50 for row in orders[0][:8]}) > 2


def test_a_shard_is_opened_by_one_worker():
    order = StreamOrder([10] * 1000, 0, portion=5, buffer=50, lanes=8 * 2 * 2)
    opened = []
    for rank in range(8):
        for worker in range(2):
            steps = range(worker, order.portions // 16, 2)
            numbers = [(step * 8 + rank) * 2 + place for step in steps for place in range(2)]
            opened.append({shard for number in numbers for shard, _ in order.portion_of(number)})
    assert len(set().union(*opened)) == 1000
    assert sum(map(len, opened)) <= 1000 + order.lanes  # only those in which a lane ends are shared
    assert max(map(len, opened)) - min(map(len, opened)) <= 4


def test_8_ranks_with_2_workers_read_1000_shards_over_three_kills(shards):
    seen, state, steps = Counter(), None, order_of(shards).portions // 16
    assert steps > 50
    for killed_after in (3, 17, 20, None):
        streams = streams_of(shards, 8, workers=2)
        state = read(streams, killed_after, state, seen)
    assert seen == once_each(shards)


@pytest.mark.parametrize("count", [1000, 997, 13, 3])
def test_ranks_need_not_divide_shards_and_do_the_same_number_of_steps(shards, count):
    shards, seen, state = shards[:count], Counter(), None
    for killed_after in (0, 1, 2):
        state = read(streams_of(shards, 7, 4, epochs=None), killed_after, state, seen)
    assert json.loads(state)["portions"] == 21  # 1 + 2 steps of 7 ranks, also across epochs
    steps = 40 * order_of(shards).portions // 7 if count < 20 else 5
    read(streams_of(shards, 7, 4, epochs=None), steps, state, seen)
    order = order_of(shards)
    epochs, rest = divmod(21 + 7 * steps, order.portions)
    assert sum(seen.values()) == sum(
        len(order.portion_of(number)) for number in range(epochs * order.portions + rest)
    )
    assert set(seen.values()) <= {epochs, epochs + 1}


def test_a_run_goes_on_on_other_numbers_of_ranks_and_workers_with_other_batches(shards):
    seen, state = Counter(), None
    plans = [(8, 8, 0, 5), (3, 4, 2, 7), (16, 16, 0, 2), (1, 32, 2, 3), (5, 8, 0, None)]
    for world, batch_size, workers, steps in plans:
        streams = streams_of(shards, world, batch_size, workers=workers)
        state = read(streams, steps, state, seen)
    assert seen == once_each(shards)


def test_a_state_of_another_order_or_of_other_shards_is_refused(shards, tmp_path):
    stream = streams_of(shards, 1)[0]
    next(stream)
    state = stream.state_dict()
    for change in ({"seed": 1}, {"buffer": 64}, {"lanes": 8}, {"portion": 8}, {"drop_last": True}):
        other = Stream(shards, order_of(shards, **change), 8)
        with pytest.raises(ValueError, match=r"2 portions on, is of other shards or of another"):
            other.load_state_dict(state)
    changed = [*shards[:-1], replace(shards[-1], sha256="another")]
    with pytest.raises(ValueError, match="go on with the same ones"):
        Stream(changed, order_of(shards), 8).load_state_dict(state)
    (tmp_path / "moved").symlink_to(shards[0].path.parent)
    moved = [replace(shard, path=tmp_path / "moved" / shard.path.name) for shard in shards]
    same = Stream(moved, order_of(shards), 8)
    same.load_state_dict(state)
    assert next(same) == next(stream)


def _reads_and_notes(shards, notes):
    """Is killed: notes the rows of each batch together with the state behind it."""
    stream = streams_of(shards, 1, workers=2)[0]
    lines = notes.read_text().splitlines()
    if lines:
        stream.load_state_dict(json.loads(lines[-1])["state"])
    with open(notes, "a") as file:
        for batch in stream:
            time.sleep(0.002)
            note = {"ids": [row["id"] for row in batch], "state": stream.state_dict()}
            file.write(json.dumps(note) + "\n")
            file.flush()


def test_a_process_killed_in_the_middle_loses_nothing(shards, tmp_path):
    shards, notes = shards[:200], tmp_path / "notes.jsonl"
    notes.touch()
    for kill_after in (9, 30, 55, None):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _reads_and_notes(shards, notes)
                code = 0
            finally:
                os._exit(code)
        deadline = time.monotonic() + 60
        while kill_after and len(notes.read_text().splitlines()) < kill_after:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        if kill_after:
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) if kill_after else status == 0
        whole = [line + "\n" for line in notes.read_text().split("\n")[:-1]]
        notes.write_text("".join(whole))
    seen = Counter(n for line in notes.read_text().splitlines() for n in json.loads(line)["ids"])
    assert seen == once_each(shards)


def test_the_training_loop_takes_a_stream_and_goes_on_with_it(shards, tmp_path):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, batch):
            return (self.layer(batch) - 1).square().mean()

    def run(steps, resume, folder="run"):
        torch.manual_seed(0)
        make = lambda rows, seed: torch.tensor([[row["id"] / 1e4] for row in rows])  # noqa: E731
        stream = Stream(shards, order_of(shards), 8, workers=1, make=make)
        stage = Stage("one", ("layer",), steps=6, batch_size=8, learning_rate=0.1)
        limited = stream if steps is None else lambda s: stream(s) if s < steps else 1 / 0
        how = {"seed": 0, "resume": resume, "save_every": 2, "progress": False}
        return train(Model(), stage, limited, tmp_path / folder, **how)

    with pytest.raises(ZeroDivisionError):
        run(5, resume=False)
    losses = [row["loss"] for row in run(None, resume=True)]
    assert losses == [row["loss"] for row in run(None, resume=False, folder="whole")]
    assert len(set(losses)) == 6


def test_a_step_reads_the_same_rows_on_any_number_of_ranks(shards):
    def step(world, parts, batch_size, number):
        more = {"parts": parts, "epochs": None}
        streams = streams_of(shards, world, batch_size, **more)
        found = {part: stream(number * parts + part) for stream in streams for part in stream.own}
        return [row for part in range(parts) for row in found[part]]

    assert step(2, 2, 32, 5) == step(8, 8, 8, 5) == step(1, 1, 64, 5) == step(16, 16, 4, 5)
    # A run of 8 parts goes on with fewer processes: each has several of them.
    assert step(2, 8, 8, 5) == step(1, 8, 8, 5) == step(4, 8, 8, 5) == step(8, 8, 8, 5)
    stream = streams_of(shards, 2)[1]
    with pytest.raises(ValueError, match="Batch 4 is part 0 of step 2, and this rank has the part"):
        stream(4)
    assert stream(7) == stream(7) and stream(9) == streams_of(shards, 2)[1](9)
    with pytest.raises(ValueError, match="3 parts cannot be shared evenly by 2 processes"):
        streams_of(shards, 2, parts=3)


@pytest.mark.parametrize("workers", [0, 2])
def test_parts_of_a_step_are_read_ahead_and_a_state_counts_whole_steps(shards, workers):
    streams = streams_of(shards, 2, parts=6, workers=workers)
    seen = Counter()
    for stream in streams:
        for batch in islice(stream, 7):  # two steps, and a part of the third
            seen.update(row["id"] for row in batch)
    assert {stream.portions for stream in streams} == {2 * 6 * 2}
    again = streams_of(shards, 1, 4, workers=workers)[0]
    again.load_state_dict(streams[0].state_dict())
    rest = Counter(row["id"] for batch in again for row in batch)
    assert once_each(shards) - rest == Counter(  # the third step comes again
        row["id"]
        for stream in streams_of(shards, 2, parts=6)
        for b in islice(stream, 6)
        for row in b
    )
    one = streams_of(shards, 2, parts=6)[1]
    assert [one(index) for index in (3, 4, 5, 9, 10, 11)] == list(
        islice(streams_of(shards, 2, parts=6, workers=workers)[1], 6)
    )


def test_the_seed_of_a_batch_does_not_depend_on_who_reads_it(shards):
    def seeds(world, workers, epochs=2):
        streams = streams_of(shards[:40], world, workers=workers, epochs=epochs)
        for stream in streams:
            stream._batches.make = lambda rows, seed: (rows[0]["id"], seed)
        return sorted(batch for stream in streams for batch in stream)

    found = seeds(1, 0)
    assert found == seeds(4, 0) == seeds(2, 2)
    assert len({seed for _, seed in found}) == len(found) > 30  # also between epochs
    before = torch.get_rng_state()
    next(streams_of(shards, 1, workers=1)[0])
    assert torch.equal(before, torch.get_rng_state())


def test_data_sets_as_the_scripts_write_them_are_streamed_together(tmp_path):
    pictures = {str(n): jpeg(n) for n in range(7)}
    card, settings = Card("set", "A set", "a licence", "http://one.example"), Settings(rows=3)
    shards = []
    for name, numbers in (("one", range(4)), ("two", range(4, 7))):
        rows = [Row(str(n), str(n), (f"caption {n}",)) for n in numbers]
        split = Split("train", lambda rows=rows: rows, pictures.__getitem__)
        write_corpus(card, [split], tmp_path, f"{name}/rows", settings)
        shards += shard_files(tmp_path / name / "rows", "train")
    assert [shard.rows for shard in shards] == [3, 1, 3]
    order = StreamOrder([3, 1, 3], 0, portion=1, buffer=2, lanes=2)
    rows = [row for batch in Stream(shards, order, 2, epochs=1) for row in batch]
    assert sorted(row["id"] for row in rows) == [str(n) for n in range(7)]
    for row in rows:
        assert row["image"]["bytes"] == pictures[row["id"]]
        assert row["captions"] == [f"caption {row['id']}"]
    transform = ImageTransform((8, 8))

    def make(rows, seed):
        return pixels_of([row["image"]["bytes"] for row in rows], transform)

    batches = list(Stream(shards, order, 2, workers=2, epochs=1, make=make))
    expected = [pixels_of([row["image"]["bytes"]], transform) for row in rows]
    assert torch.equal(torch.cat(batches), torch.cat(expected))


def test_numbers_that_cannot_be_are_refused(shards):
    for settings, words in (
        ({"portion": 0}, "portion is 0"),
        ({"lanes": -1}, "lanes is -1"),
        ({"buffer": 30}, "A buffer of 30 rows does not hold whole portions of 4"),
    ):
        with pytest.raises(ValueError, match=words):
            order_of(shards, **settings)
    with pytest.raises(ValueError, match="2 shards hold 3 rows: at least 4 are needed"):
        StreamOrder([3, 0], 0, portion=4, buffer=4, drop_last=True)
    with pytest.raises(ValueError, match="0 shards hold 0 rows: at least 1 are needed"):
        StreamOrder([], 0)
    order = order_of(shards)
    for batch_size in (0, 6):
        with pytest.raises(ValueError, match=f"A batch of {batch_size} rows is not made of whole"):
            Stream(shards, order, batch_size)
    with pytest.raises(ValueError, match="Rank 2 is none of 2 ranks"):
        Stream(shards, order, 8, rank=2, world=2)
    with pytest.raises(ValueError, match="1000 shards with 3500 rows, but there are 999 with 3495"):
        Stream(shards[:-1], order, 8)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shard_that_was_harmed_is_named(tmp_path, workers):
    shards = write_shards(tmp_path, 3)
    path = shards[1].path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"shard-00001.arrow cannot be read"):
        list(Stream(shards, order_of(shards), 8, workers=workers, epochs=1))
    path.write_bytes(shards[0].path.read_bytes())
    with pytest.raises(ValueError, match=r"holds 2 rows and its data set's index says 3"):
        list(Stream(shards, order_of(shards), 8, workers=workers, epochs=1))


def test_no_more_shards_are_kept_than_said_and_no_file_stays_open(shards, monkeypatch):
    monkeypatch.setattr(shard_rows, "OPEN", 5)
    open_files, reader = len(os.listdir("/proc/self/fd")), shard_rows.ShardRows(shards)
    rows = reader.rows([(number, 1) for number in range(20)] + [(0, 0)])
    assert len(rows) == 21 and rows[-1] == {"id": 0}
    assert len(reader._open) == 5 and len(os.listdir("/proc/self/fd")) == open_files


def test_a_shuffled_stream_of_datasets_loses_the_rows_of_its_buffer():
    whole = Dataset.from_dict({"id": range(200)}).to_iterable_dataset(num_shards=10)
    shuffled = whole.shuffle(seed=0, buffer_size=40)
    first = [row["id"] for row in islice(shuffled, 50)]
    again = whole.shuffle(seed=0, buffer_size=40)
    again.load_state_dict(shuffled.state_dict())
    seen = Counter([*first, *(row["id"] for row in again)])
    assert len(seen) < 200  # ours: see the kills above


OPENED = []


def _rows(shards):
    for shard in shards:
        OPENED.append(shard)
        yield from ({"id": 10 * shard + row} for row in range(10))


def test_a_stream_of_datasets_is_split_unevenly_or_read_by_everybody():
    OPENED.clear()
    whole = IterableDataset.from_generator(_rows, gen_kwargs={"shards": list(range(10))})
    ranks = [split_dataset_by_node(whole, rank, 4) for rank in range(4)]
    assert [len(list(rank)) for rank in ranks] == [25] * 4
    assert len(OPENED) == 4 * 10  # each rank reads every shard and throws three rows of four away
    if "strategy" in inspect.signature(split_dataset_by_node).parameters:
        ranks = [split_dataset_by_node(whole, rank, 4, strategy="shards") for rank in range(4)]
        assert [len(list(rank)) for rank in ranks] == [30, 30, 20, 20]


def test_a_stream_of_datasets_takes_a_state_of_other_ranks_in_silence():
    whole = Dataset.from_dict({"id": range(80)}).to_iterable_dataset(num_shards=8)
    seen = Counter()
    for rank in range(2):
        stream = split_dataset_by_node(whole, rank, 2)
        seen.update(row["id"] for row in islice(stream, 15))
        state = stream.state_dict()
    for rank in range(4):
        stream = split_dataset_by_node(whole, rank, 4)
        stream.load_state_dict(state)
        seen.update(row["id"] for row in stream)
    assert len(seen) < 80 or max(seen.values()) > 1
