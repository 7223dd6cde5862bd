"""Refuses every network address but loopback, in each Python process that finds this on its path.

Python imports `sitecustomize` at its start, so one PYTHONPATH entry reaches test workers, notebook
kernels and whatever they start. An audit hook sits below `socket`, sees every library's calls and
cannot be taken off again. Not seen: programs and extension modules that call the system directly,
which is why the Hugging Face libraries are also told to stay offline.
"""

import errno
import os
import sys

_WITH_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_WITH_NAME = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
# Families by number: importing `socket` here would slow the start of every process down.
_INSIDE_THE_MACHINE = {"AF_UNIX", "AF_NETLINK"}


def is_local(host):
    """Says whether a host name or address stays on this machine."""
    import ipaddress

    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if host is None or host in ("", "localhost", "localhost.localdomain"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return hasattr(os, "uname") and host == os.uname().nodename
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _refuse(event, arguments):
    if event in _WITH_ADDRESS:
        sock, address = arguments[0], arguments[1]
        if address is None or getattr(sock.family, "name", "") in _INSIDE_THE_MACHINE:
            return
        host = address[0] if isinstance(address, tuple) else address
    elif event in _WITH_NAME:
        host = arguments[0]
    else:
        return
    if not is_local(host):
        raise OSError(errno.ENETUNREACH, f"tests have no network: {host!r} was refused")


sys.addaudithook(_refuse)
