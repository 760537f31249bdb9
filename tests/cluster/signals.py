"""Signals: SIGTERM ends a block as Ctrl-C does, and neither may break off a cleaning half way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tests.cluster.progress import say

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM, unless the program has a handler of its own."""
    if not _is_main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    with _handling(_interrupt, signal.SIGTERM):
        yield


@contextmanager
def uninterrupted(what: str) -> Iterator[None]:
    """Put SIGINT and SIGTERM off until the block is over, and say so."""
    if not _is_main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)
        say(f"{what}: this takes some seconds, please wait")

    with _handling(note, signal.SIGINT, signal.SIGTERM):
        yield
    if arrived:
        raise KeyboardInterrupt


@contextmanager
def _handling(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    # A Python function, not SIG_IGN: programs started meanwhile would inherit that.
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    say("told to end: stopping")
    raise KeyboardInterrupt
