"""`small` behind accelerate's launcher with the committed files, and in shards that one reads."""

import pytest

from course_lib.devtools.environment import ROOT
from tests.full_size_runs import FSDP, run, words_of

pytestmark = pytest.mark.timeout(900)  # several processes, on a busy machine


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return words_of(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="module")
def expected(words, tmp_path_factory):
    """The losses of one process, which passes both parts of a step one after the other."""
    return run(tmp_path_factory.mktemp("one"), "one", words, processes=1)[1]


def test_shards_are_gone_on_with_by_one_process(words, expected, tmp_path):
    told, _ = run(tmp_path, "shards", words, kill_at=3, fails=True, **FSDP)
    assert all(found["sharded"] for found in told)
    assert (tmp_path / "shards/sharded-000002").is_dir()
    told, found = run(tmp_path, "shards", (*words, "--resume"), processes=1, **FSDP)
    assert not told[0]["sharded"] and found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("config", ["ddp", "fsdp2"])
def test_accelerates_launcher_with_the_committed_files(config, words, expected, tmp_path):
    options = ["--config_file", ROOT / f"configs/accelerate/{config}.yaml"]
    options += ["--num_processes", "2", "--mixed_precision", "no"]
    launcher = ["accelerate.commands.launch", *options]
    told, found = run(tmp_path, "run", words, launcher=launcher)
    assert {one["sharded"] for one in told} == {config == "fsdp2"}
    assert found == pytest.approx(expected, rel=1e-5)
