"""What the cluster's name server says, byte for byte; the names are looked up by a function of the test."""

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.nameserver import answer, resolved

ADDRESS, IPV6_ADDRESS, INTERNET, CHAOS = 1, 28, 1, 3
KNOWN = {"hub.example": ["192.0.2.7", "192.0.2.8"], "only-six.example": [], "many.example": ["192.0.2.1"] * 40}
MORE = b"\x00\x00\x29\x02\x00\x00\x00\x00\x00\x00\x00"
"""An OPT record, which newer resolvers put behind the question."""


def lookup(name: str) -> list[str]:
    if name == "later.example":
        raise OSError(errno.EAGAIN, "the network is down")
    return KNOWN[name]


def query(name: str, kind: int = ADDRESS, *, flags: int = 0x0100, family: int = INTERNET, more: bytes = b"") -> bytes:
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    header = struct.pack(">HHHHHH", 0x1234, flags, 1, 0, 0, 1 if more else 0)
    return header + labels + b"\0" + struct.pack(">HH", kind, family) + more


def parsed(said: bytes) -> tuple[int, list[str]]:
    """Return the code and the addresses of an answer, whose other parts are checked."""
    number, flags, questions, answers, *others = struct.unpack_from(">HHHHHH", said)
    assert (number, questions, others) == (0x1234, 1, [0, 0])
    # It is an answer, and says that names are looked up for who asks.
    assert flags & 0x8180 == 0x8180
    records = [said[len(said) - 16 * at :][:16] for at in range(answers, 0, -1)]
    for record in records:
        assert struct.unpack_from(">HHHIH", record) == (0xC00C, ADDRESS, INTERNET, 5, 4)
    return flags & 0xF, [socket.inet_ntoa(record[-4:]) for record in records]


@pytest.mark.parametrize(
    ("asked", "want"),
    [
        pytest.param(query("hub.example"), (0, ["192.0.2.7", "192.0.2.8"]), id="a name with two addresses"),
        pytest.param(query("hub.example", more=MORE), (0, ["192.0.2.7", "192.0.2.8"]), id="with an OPT record"),
        pytest.param(query("hub.example", IPV6_ADDRESS), (0, []), id="IPv6 of a name that is there"),
        pytest.param(query("only-six.example"), (0, []), id="a name without an IPv4 address"),
        pytest.param(query("none.example"), (3, []), id="no such name"),
        pytest.param(query("none.example", IPV6_ADDRESS), (3, []), id="IPv6 of no such name"),
        pytest.param(query("later.example"), (2, []), id="a name that cannot be looked up now"),
        pytest.param(query("hub.example", family=CHAOS), (4, []), id="not the Internet's class"),
        pytest.param(query("hub.example", flags=0x2900), (4, []), id="an update instead of a question"),
    ],
)
def test_answers(asked: bytes, want: tuple[int, list[str]]) -> None:
    assert parsed(answer(asked, lookup)) == want


def test_an_answer_with_many_addresses_still_fits_a_datagram() -> None:
    said = answer(query("many.example"), lookup)
    assert parsed(said) == (0, ["192.0.2.1"] * 8)
    assert len(said) <= 512


def test_the_question_comes_back_as_it_was_asked() -> None:
    asked = query("hub.example")
    assert answer(asked, lookup)[12 : len(asked)] == asked[12:]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x12\x34\x01", id="half a header"),
        pytest.param(query("hub.example")[:20], id="half a name"),
        pytest.param(query("hub.example")[:-3], id="half a question"),
        pytest.param(query("hub.example", flags=0x8180), id="an answer, which must not be answered"),
        pytest.param(query(".".join(["a" * 60] * 5)), id="a name that is too long"),
        pytest.param(struct.pack(">HHHHHH", 1, 0x0100, 0, 0, 0, 0) + bytes(5), id="no question"),
        pytest.param(query("hub.example").replace(b"hub", b"h\xfcb"), id="a name that is not ASCII"),
    ],
)
def test_no_question_has_no_answer(garbage: bytes) -> None:
    assert answer(garbage, lookup) == b""


@given(st.binary(max_size=600) | st.binary(max_size=500).map(lambda more: query("hub.example")[:12] + more))
def test_whatever_a_pod_sends_the_answer_is_small_or_none(sent: bytes) -> None:
    said = answer(sent[:512], lambda _: ["192.0.2.1"] * 40)
    assert len(said) <= 512
    assert not said or said[:2] == sent[:2]


@pytest.mark.parametrize(
    ("loopback", "want"),
    [
        pytest.param("10.0.2.2", ["10.0.2.2"], id="shown"),
        pytest.param("", [], id="hidden"),
    ],
)
def test_the_machine_s_own_loopback(loopback: str, want: list[str]) -> None:
    assert resolved("localhost", loopback) == want


def test_an_address_is_its_own_name() -> None:
    assert resolved("192.0.2.7", "") == ["192.0.2.7"]


@pytest.mark.parametrize("name", [pytest.param("a" * 64 + ".example", id="a label too long"), pytest.param("", id="")])
def test_what_can_be_no_name(name: str) -> None:
    with pytest.raises(LookupError):
        resolved(name, "")
