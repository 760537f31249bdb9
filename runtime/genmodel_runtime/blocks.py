"""Bytes as a connection brings them, gathered to few and large writes.

Each write costs a look at the lease, two calls of the kernel and a change of threads; a connection brings
some ten KiB at a time.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from genmodel_runtime.refusals import TryAgain

BLOCK_BYTES = 1024 * 1024
HOLD_SECONDS = 0.25
"""Nothing that a slow connection brings waits longer for more, so that a kill loses little."""


def gathered(
    chunks: Iterable[bytes],
    *,
    block_bytes: int = BLOCK_BYTES,
    hold_seconds: float = HOLD_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """Yield the same bytes in blocks of at least ``block_bytes``, smaller ones where they come slowly.

    What came before ``TryAgain`` is yielded before that is raised.
    """
    held: list[bytes] = []
    held_bytes, since = 0, 0.0
    try:
        for chunk in chunks:
            now = clock()
            since = since if held else now
            held.append(chunk)
            held_bytes += len(chunk)
            if held_bytes >= block_bytes or now - since >= hold_seconds:
                yield b"".join(held)
                held, held_bytes = [], 0
    except TryAgain:
        if held:
            yield b"".join(held)
        raise
    if held:
        yield b"".join(held)
