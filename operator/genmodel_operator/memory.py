"""Memory of the process: the garbage collector looks seldom, and what a burst of work took is given back."""

import asyncio
import ctypes
import gc
from collections.abc import Callable

YOUNG_OBJECTS = 2_000
"""Objects that may be made before the garbage collector looks at them; one decoded answer makes a few hundred.
More would be faster and leave events of kopf, which are cycles, in memory for longer."""
GIVE_BACK_SECONDS = 10.0
"""How often free memory is given back; that takes some milliseconds."""


def spare_garbage_collection() -> None:
    """Keep the collector from looking again and again at what the imports made, and at each decoded answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 5, 5)


async def give_back_free_memory() -> None:
    """Give free memory back to the system every few seconds, until cancelled.

    glibc keeps what was freed below something that is still in use: after two hundred models at once 6 of 103 MiB.
    Other C libraries have no such function, and nothing is done.
    """
    trim = find_trim()
    while trim is not None:
        await asyncio.sleep(GIVE_BACK_SECONDS)
        trim(0)


def find_trim() -> Callable[[int], int] | None:
    """Return glibc's ``malloc_trim``, which takes the bytes to keep at the top; None where there is none."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
