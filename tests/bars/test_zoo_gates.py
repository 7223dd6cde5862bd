"""Every backbone of the zoo passes its gates, measured on the files that ship."""

import pytest

from course_lib.zoo.check import check
from course_lib.zoo.registry import builders


@pytest.mark.parametrize("name", builders())
def test_gates(name):
    row = check([name])["models"][name]
    missed = {
        key: row["scores"][key] for key, gate in row["gates"].items() if row["scores"][key] < gate
    }
    assert not missed
