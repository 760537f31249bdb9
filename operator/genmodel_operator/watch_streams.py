"""The end of kopf's watches: their streams are closed by us, one after another."""

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import AsyncGeneratorType
from typing import Any
from weakref import WeakSet

STREAM = "infinite_watch"
"""The generator function of kopf whose generators are the watches."""


@asynccontextmanager
async def closed_streams() -> AsyncIterator[None]:
    """Close every watch stream that began within the block and was left in the middle.

    A watch that is cancelled while it handles an event leaves its generator suspended. The event loop closes
    all such generators at its end, at once and in any order: where the pause signal's, which the watch's own
    holds open, comes first, the watch's fails with "generator didn't stop after athrow()".
    """
    streams: WeakSet[AsyncGeneratorType[Any, Any]] = WeakSet()
    before = sys.get_asyncgen_hooks().firstiter

    def begin(generator: AsyncGenerator[Any, Any]) -> None:
        if isinstance(generator, AsyncGeneratorType) and generator.ag_code.co_name == STREAM:
            streams.add(generator)
        if before is not None:
            before(generator)

    sys.set_asyncgen_hooks(firstiter=begin)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(firstiter=before)
        for stream in [stream for stream in streams if not stream.ag_running]:
            await stream.aclose()
