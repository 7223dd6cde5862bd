"""Two real processes train at `small`: the losses of one process, also after a kill."""

import json

import pytest

from tests.full_size_runs import run, words_of

pytestmark = pytest.mark.timeout(900)  # several processes, on a busy machine


def test_two_processes_share_a_batch_and_go_on_after_a_kill(tmp_path):
    words = words_of(tmp_path / "disk")
    _, expected = run(tmp_path, "one", words, processes=1)
    assert len(expected) == len(set(expected)) == 4
    told, _ = run(tmp_path, "killed", words, kill_at=3, fails=True)
    assert {found["kind"] for found in told} == {"gloo"}
    record = json.loads((tmp_path / "killed/config.json").read_text())
    assert record["parts"] == 2 and record["stage"]["batch_size"] == 4
    assert (tmp_path / "killed/state-000002.safetensors").is_file()
    _, found = run(tmp_path, "killed", (*words, "--resume"))
    assert found == pytest.approx(expected, rel=1e-5)
