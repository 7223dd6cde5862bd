"""Every backbone of the zoo passes its gates, every trained recipe its bars, as they ship."""

import pytest

from course_lib.commands.zoo_runs import check_zoo
from course_lib.zoo.load import names


@pytest.mark.parametrize("name", names())  # what ships; others are made by `course zoo build`
def test_gates(name):
    row = check_zoo([name])["models"][name]
    missed = {
        key: row["scores"][key] for key, gate in row["gates"].items() if row["scores"][key] < gate
    }
    assert not missed
