"""Building side by side: real processes, in the order of their needs, errors as sentences."""

import sys

import pytest

from course_lib.commands import zoo_build
from course_lib.commands.zoo_runs import ZOO_RUNS
from course_lib.zoo.registry import builders

NAMES = ("blip2-opt", "clip", "blip2-stage1", "opt")


def test_needs_are_built_first_and_jobs_are_kept(tmp_path):
    log = tmp_path / "log"
    log.touch()
    script = (
        "import json, sys, time; name = sys.argv[1]; log = open(sys.argv[2], 'a')\n"
        "print('start', name, file=log, flush=True); time.sleep(0.2)\n"
        "print('end', name, file=log, flush=True); print(json.dumps({name: {'passed': True}}))"
    )
    cards = zoo_build.build_side_by_side(
        NAMES, 2, lambda name: [sys.executable, "-c", script, name, str(log)], progress=False
    )
    assert cards == {name: {"passed": True} for name in NAMES}
    events = log.read_text().splitlines()
    for name, needs in zoo_build.NEEDS.items():
        for need in set(needs) & set(NAMES) if name in NAMES else ():
            assert events.index(f"end {need}") < events.index(f"start {name}")
    assert {events[0], events[1]} == {"start clip", "start opt"}


def test_a_process_without_a_card_is_named_with_its_own_sentence():
    script = "import sys; print('course: No disk space is left', file=sys.stderr); sys.exit(1)"
    with pytest.raises(ValueError, match=r"clip was not built \(No disk space is left\)"):
        zoo_build.build_side_by_side(
            ["clip"], 1, lambda name: [sys.executable, "-c", script], progress=False
        )


def test_every_model_has_a_run_and_every_need_can_be_built():
    known = {*builders(), *ZOO_RUNS}
    assert {need for needs in zoo_build.NEEDS.values() for need in needs} <= known
    assert all(steps > 100 for name in known for _, steps in zoo_build.runs_of(name))
