"""What a connection brings is gathered to blocks: how large, how long it is held, and what an error leaves."""

from collections.abc import Iterator, Sequence

import pytest

from genmodel_runtime.blocks import gathered
from genmodel_runtime.contract import RuntimeReason
from genmodel_runtime.refusals import TryAgain

BLOCK, HOLD_SECONDS = 10, 1.0


class Connection:
    """Chunks that come at given times, on a clock of its own; ``breaks`` after the last."""

    def __init__(self, chunks: Sequence[tuple[float, bytes]], *, breaks: bool = False) -> None:
        self._chunks, self._breaks, self.now = chunks, breaks, 0.0

    def __iter__(self) -> Iterator[bytes]:
        for at, chunk in self._chunks:
            self.now = at
            yield chunk
        if self._breaks:
            raise TryAgain(RuntimeReason.HUB_UNREACHABLE, "cut")

    def gathered(self) -> Iterator[bytes]:
        return gathered(self, block_bytes=BLOCK, hold_seconds=HOLD_SECONDS, clock=lambda: self.now)


@pytest.mark.parametrize(
    ("chunks", "want_blocks"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(0, b"abc")], [b"abc"], id="less than a block"),
        pytest.param([(0, b"a" * 4), (0, b"b" * 4), (0, b"c" * 4)], [b"aaaabbbbcccc"], id="one block"),
        pytest.param([(0, b"a" * 10), (0, b"b" * 10)], [b"a" * 10, b"b" * 10], id="each chunk is a block"),
        pytest.param([(0, b"a" * 25), (0, b"b")], [b"a" * 25, b"b"], id="a chunk above a block is not cut"),
        pytest.param([(5, b"a"), (5.9, b"b"), (6, b"c"), (6.5, b"d")], [b"abc", b"d"], id="slow ones are not held"),
        pytest.param([(0, b"a"), (30, b"b"), (30.5, b"c")], [b"ab", b"c"], id="the time begins with each block"),
    ],
)
def test_chunks_become_blocks(chunks: list[tuple[float, bytes]], want_blocks: list[bytes]) -> None:
    assert list(Connection(chunks).gathered()) == want_blocks


@pytest.mark.parametrize(
    ("chunks", "want_blocks"),
    [
        pytest.param([], [], id="at once"),
        pytest.param([(0, b"a"), (0, b"b")], [b"ab"], id="within a block"),
        pytest.param([(0, b"a" * 10)], [b"a" * 10], id="after a block"),
    ],
)
def test_what_came_before_an_error_is_not_lost(chunks: list[tuple[float, bytes]], want_blocks: list[bytes]) -> None:
    found: list[bytes] = []
    with pytest.raises(TryAgain, match="cut"):
        found.extend(Connection(chunks, breaks=True).gathered())
    assert found == want_blocks
