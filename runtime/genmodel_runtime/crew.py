"""Threads that fetch the pieces of many files; whoever is free takes the next piece of the earliest file."""

import threading
import time
from collections import deque
from collections.abc import Sequence

from genmodel_runtime.manifest import StoredFile
from genmodel_runtime.partial import Piece
from genmodel_runtime.patience import Interrupted, Patience
from genmodel_runtime.refusals import OtherContent
from genmodel_runtime.transfer import RangesIgnored, Stopped, Transfer

_POLL_SECONDS = 0.1
_END_SECONDS = 1.0

_Task = tuple[Transfer, Piece | None]
"""A piece to receive, or a file to begin with."""


class Crew:
    """Fetches files, the first of the list first; ``run`` may be called once."""

    def __init__(
        self, transfers: Sequence[Transfer], *, connections: int, patience: Patience, stop: threading.Event
    ) -> None:
        self._transfers, self._patience, self._stop = transfers, patience, stop
        self._waiting: deque[_Task] = deque((transfer, None) for transfer in transfers)
        self._open = dict.fromkeys(transfers, 1)
        """How many tasks of a file are waiting or under way; without those that are done."""
        self._changed = threading.Condition()
        self._stored: list[StoredFile] = []
        self._errors: deque[Exception] = deque()
        self._threads = [
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True) for number in range(connections)
        ]

    def run(self) -> list[StoredFile]:
        """Return all files, sorted; the first failure ends the others and is raised."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            # A thread may sit in a silent connection for long; the failure of another must not wait.
            while thread.is_alive() and not self._errors:
                thread.join(_POLL_SECONDS)
        if self._errors:
            self._close()
            raise self._errors[0]
        return sorted(self._stored, key=lambda file: file.path)

    def _close(self) -> None:
        """Close all files, unless somebody sits in a silent connection and would write to them later."""
        deadline = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            for transfer in self._transfers:
                transfer.close()

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None:
                self._do(*task)
        except (Interrupted, Stopped):
            return
        except Exception as error:  # noqa: BLE001 - handed to the thread that joins, which raises it
            self._errors.append(error)
            self._stop.set()

    def _next(self) -> _Task | None:
        """Return what is to be done, None at the end; waits while others may give more to do."""
        with self._changed:
            while self._open and not self._stop.is_set():
                if self._waiting:
                    return self._waiting.popleft()
                self._changed.wait(_POLL_SECONDS)
        return None

    def _do(self, transfer: Transfer, piece: Piece | None) -> None:
        if piece is None:
            self._add([(transfer, missing) for missing in transfer.begin()])
        else:
            self._receive(transfer, piece)
        transfer.hash_on()
        if self._is_last_of(transfer):
            self._settle(transfer)

    def _receive(self, transfer: Transfer, piece: Piece) -> None:
        try:
            self._patience.run(lambda: transfer.receive(piece))
        except OtherContent as error:
            transfer.differs(str(error))
            self._drop(transfer)
        except RangesIgnored:
            self._drop(transfer)

    def _settle(self, transfer: Transfer) -> None:
        stored = transfer.settle()
        with self._changed:
            if stored is not None:
                self._stored.append(stored)
                del self._open[transfer]
            self._changed.notify_all()
        if stored is None:
            self._add([(transfer, None)])

    def _add(self, tasks: Sequence[_Task]) -> None:
        """Put tasks before those of later files."""
        with self._changed:
            for task in reversed(tasks):
                self._waiting.appendleft(task)
                self._open[task[0]] += 1
            self._changed.notify_all()

    def _drop(self, transfer: Transfer) -> None:
        """Forget the pieces of a file that nobody has begun with."""
        with self._changed:
            kept = deque(task for task in self._waiting if task[0] is not transfer)
            self._open[transfer] -= len(self._waiting) - len(kept)
            self._waiting = kept

    def _is_last_of(self, transfer: Transfer) -> bool:
        with self._changed:
            self._open[transfer] -= 1
            return self._open[transfer] == 0
