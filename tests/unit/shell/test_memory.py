"""What a burst of work took goes back to the system."""

import asyncio
import ctypes
import gc
import sys
from pathlib import Path

import pytest

from genmodel_operator import memory

PIECES, PIECE_BYTES = 4_000, 16_384
"""Pieces that Python takes from the C library: above 512 bytes each, and below what is mapped on its own."""


def resident_mib() -> float:
    line = next(found for found in Path("/proc/self/status").read_text().splitlines() if found.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def keep_every_hundredth() -> list[bytearray]:
    """Take 62 MiB, free most of it, and return what lies above all that is free."""
    pieces = [bytearray(b"x" * PIECE_BYTES) for _ in range(PIECES)]
    return pieces[::100] + pieces[-1:]


@pytest.mark.skipif(memory.find_trim() is None, reason="the C library gives free memory back in its own way")
async def test_what_is_free_below_what_is_in_use_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "GIVE_BACK_SECONDS", 0.01)
    kept = keep_every_hundredth()
    before = resident_mib()
    task = asyncio.create_task(memory.give_back_free_memory())
    await asyncio.sleep(0.2)
    assert not task.done(), "it goes on"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert resident_mib() < before - 40
    assert {bytes(piece[:1]) for piece in kept} == {b"x"}


async def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    async with asyncio.timeout(1):
        await memory.give_back_free_memory()


def test_the_collector_looks_seldom_and_never_at_what_was_there() -> None:
    before = gc.get_threshold()
    try:
        memory.spare_garbage_collection()
        assert gc.get_threshold()[0] == memory.YOUNG_OBJECTS
        assert gc.get_freeze_count() > len(sys.modules)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
