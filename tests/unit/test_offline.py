"""Tests and notebook kernels reach loopback and nothing else, and the notebook pass is strict."""

import socket

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_lib.devtools import checks

OUTSIDE = "192.0.2.1"  # reserved for documentation: nobody answers there

KERNEL_PROBE = f"""
import os, socket
def tried(act):
    try:
        act()
        return "went through"
    except OSError as error:
        return "refused" if "tests have no network" in str(error) else repr(error)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("address:", tried(lambda: socket.create_connection(("{OUTSIDE}", 80), 0.2)))
print("datagram:", tried(lambda: udp.sendto(b"x", ("{OUTSIDE}", 9))))
print("name:", tried(lambda: socket.getaddrinfo("example.invalid", 80)))
server = socket.create_server(("127.0.0.1", 0))
print("loopback:", tried(lambda: socket.create_connection(server.getsockname(), 1)))
print("threads:", os.environ["OMP_NUM_THREADS"], "offline:", os.environ["HF_HUB_OFFLINE"])
""".strip()
KERNEL_ANSWER = (
    "address: refused\ndatagram: refused\nname: refused\nloopback: went through\n"
    "threads: 1 offline: 1\n"
)


@pytest.mark.parametrize("host", [OUTSIDE, "8.8.8.8", "::ffff:8.8.8.8", "2001:db8::1"])
def test_an_address_outside_is_refused(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(OSError, match="tests have no network"):
        sock.settimeout(0.2)
        sock.connect((host, 80))


@pytest.mark.parametrize("name", ["example.invalid", "127.example.invalid", b"example.invalid"])
def test_a_name_outside_is_not_even_looked_up(name):
    with pytest.raises(OSError, match="tests have no network"):
        socket.getaddrinfo(name, 80)


def test_loopback_works():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=1).close()


def write_notebook(path, source, printed):
    output = new_output("stream", name="stdout", text=printed)
    cell = new_code_cell(source, execution_count=1, outputs=[output], id="probe")
    nbformat.write(new_notebook(cells=[cell]), path)
    return path


def test_kernels_of_the_notebook_pass_have_no_network_and_outputs_are_compared(tmp_path):
    blocked = write_notebook(tmp_path / "blocked.ipynb", KERNEL_PROBE, KERNEL_ANSWER)
    strict = write_notebook(tmp_path / "strict.ipynb", "print(1)", "2\n")
    counts = checks.check_notebooks([blocked, strict], tmp_path)
    assert counts == checks.Counts(passed=1, failed=1)
