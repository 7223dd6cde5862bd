"""The bar of a training is for terminals alone, whatever the environment says about colours."""

import os
import subprocess
import sys

import pytest

RUN = (
    "from course_lib.training.progress import progress_bar\n"
    "with progress_bar('stage 1', 2) as advance:\n"
    "    advance(note='loss 3')\n"
    "    advance()\n"
)


def test_nothing_is_written_where_a_kernel_forces_colours():
    environment = {**os.environ, "FORCE_COLOR": "1", "CLICOLOR": "1", "TERM": "xterm-color"}
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True)
    assert done.returncode == 0 and done.stdout + done.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_sees_bar_and_note():
    import pty

    own, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, stderr=other, stdout=other)
    os.close(other)
    shown = os.read(own, 65536).decode()
    os.close(own)
    assert done.returncode == 0 and "stage 1" in shown and "2/2" in shown and "loss 3" in shown
