"""How large the pieces of a file are, and how much is read of a connection at once."""

import httpcore2
import pytest

from genmodel_runtime import hub
from genmodel_runtime.manifest import RemoteFile
from genmodel_runtime.transfer import piece_bytes_of

MIB, GIB = 2**20, 2**30


@pytest.mark.parametrize(
    ("file_bytes", "at_most", "want_bytes"),
    [
        pytest.param(0, 64 * MIB, 8 * MIB, id="an empty file"),
        pytest.param(10 * MIB, 64 * MIB, 8 * MIB, id="a small file"),
        pytest.param(GIB, 64 * MIB, 16 * MIB, id="1 GiB"),
        pytest.param(5 * GIB, 64 * MIB, 64 * MIB, id="a shard of 5 GiB"),
        pytest.param(100 * GIB, 64 * MIB, 64 * MIB, id="a file of 100 GiB"),
        pytest.param(GIB, 1000, 1000, id="the setting is the limit"),
    ],
)
def test_pieces_are_small_beside_their_file(file_bytes: int, at_most: int, want_bytes: int) -> None:
    assert piece_bytes_of(RemoteFile("model.safetensors", file_bytes, "0" * 40), at_most=at_most) == want_bytes


class Watched(httpcore2.MockStream):
    """A connection that remembers how much was asked of it at once."""

    def __init__(self, answer: list[bytes]) -> None:
        super().__init__(answer)
        self.asked: set[int] = set()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.asked.add(max_bytes)
        return super().read(max_bytes, timeout)


def test_the_client_reads_as_much_at_once_as_it_is_told_to() -> None:
    stream = Watched([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"abc"])
    with httpcore2.HTTP11Connection(httpcore2.Origin(b"http", b"hub", 80), stream) as connection:
        assert connection.request("GET", "http://hub/").content == b"abc"
    assert stream.asked == {hub.READ_BYTES}
