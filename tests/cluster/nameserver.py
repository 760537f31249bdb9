"""Answers questions for names inside a cluster's network namespace with what the machine outside knows.

Runs as a process of its own: it opens its socket in the namespace that it was started in, then goes over to the one
whose descriptor it was given, where the machine's resolver works as for everything else: /etc/hosts, search domains,
VPNs. It needs the standard library only: `python nameserver.py ADDRESS PORT DESCRIPTOR READY LOOPBACK`, where one byte
is written to the descriptor READY when it answers, and LOOPBACK is the address by which the namespace reaches the
machine's own loopback, or nothing where it may not.

IPv4 only: the way out has no other. Answers always fit a datagram, so there is no TCP.
"""

import contextlib
import ctypes
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from ipaddress import ip_address

HEADER = struct.Struct(">HHHHHH")
QUESTION_END = struct.Struct(">HH")
RECORD = struct.Struct(">HHHIH4s")
RESPONSE, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0100, 0x0080
OPCODE = 0x7800
NO_ERROR, NOT_NOW, NO_SUCH_NAME, NOT_IMPLEMENTED = 0, 2, 3, 4
ADDRESS, INTERNET = 1, 1
NAME_OF_QUESTION = 0xC000 | HEADER.size
TTL_SECONDS = 5
MOST_ADDRESSES = 8
NAME_BYTES = 255
DATAGRAM_BYTES = 512
THREADS = 8
CLONE_NEWNET = 0x40000000

Lookup = Callable[[str], list[str]]
"""Returns the IPv4 addresses of a name, none where it has no such; LookupError for no such name, OSError for later."""


def answer(query: bytes, lookup: Lookup) -> bytes:
    """Return the answer to a query, nothing for what is no query of one name."""
    try:
        number, flags, questions, *_ = HEADER.unpack_from(query)
        name, end = _name(query)
        kind, family = QUESTION_END.unpack_from(query, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        return b""
    if flags & RESPONSE or questions != 1 or end - HEADER.size > NAME_BYTES:
        return b""
    question = query[HEADER.size : end + QUESTION_END.size]
    code, addresses = (NOT_IMPLEMENTED, []) if flags & OPCODE or family != INTERNET else _asked(name, lookup)
    found = addresses[:MOST_ADDRESSES] if kind == ADDRESS else []
    said = RESPONSE | (flags & RECURSION_DESIRED) | RECURSION_AVAILABLE | code
    return HEADER.pack(number, said, 1, len(found), 0, 0) + question + b"".join(map(_record, found))


def _asked(name: str, lookup: Lookup) -> tuple[int, list[str]]:
    try:
        return NO_ERROR, lookup(name)
    except LookupError:
        return NO_SUCH_NAME, []
    except OSError:
        return NOT_NOW, []


def _name(query: bytes) -> tuple[str, int]:
    """Return the question's name and where it ends; a query has no pointers."""
    labels, at = [], HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels), at + 1


def _record(address: str) -> bytes:
    return RECORD.pack(NAME_OF_QUESTION, ADDRESS, INTERNET, TTL_SECONDS, 4, socket.inet_aton(address))


def resolved(name: str, loopback: str) -> list[str]:
    """Return a name's addresses as the machine knows them; its loopback goes by the given address, or is left out."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except UnicodeError:
        raise LookupError(name) from None
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NODATA, getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NODATA)):
            return []
        if error.errno == socket.EAI_NONAME:
            raise LookupError(name) from error
        raise
    addresses = dict.fromkeys(str(one[4][0]) for one in found)
    outside = (loopback if ip_address(one).is_loopback else one for one in addresses)
    return list(dict.fromkeys(one for one in outside if one))


def serve(listener: socket.socket, lookup: Lookup) -> None:
    """Answer until the process ends."""
    while True:
        query, client = listener.recvfrom(DATAGRAM_BYTES)
        said = answer(query, lookup)
        # The one who asked may have ended meanwhile.
        with contextlib.suppress(ConnectionError):
            if said:
                listener.sendto(said, client)


def go_over(namespace: int) -> None:
    """Go over to the network namespace behind a descriptor; sockets that are open stay where they are."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def main(address: str, port: str, namespace: str, ready: str, loopback: str) -> None:
    """Open the socket here, go over, say so, answer."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((address, int(port)))
    go_over(int(namespace))
    os.write(int(ready), b"1")
    os.close(int(ready))

    def work() -> None:
        serve(listener, lambda name: resolved(name, loopback))

    # Some names take seconds; they shall not hold up the others.
    for _ in range(THREADS - 1):
        threading.Thread(target=work, daemon=True).start()
    work()


if __name__ == "__main__":
    main(*sys.argv[1:])
