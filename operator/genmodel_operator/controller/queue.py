"""Which model is looked at next: a queue of keys, not of events.

One run per key at a time; an add during a run makes one more run after it. Failing keys come back
with growing delays, every key comes back at each resync, and a user's change does not wait behind
a listing of everything.
"""

import asyncio
import contextvars
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

logger = logging.getLogger(__name__)

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_LIMIT_SECONDS = 300.0
RUN_TIMEOUT_SECONDS = 600.0
"""Bound on one run: every request has its own, this one is against a bug that would block a key for ever."""
GAP_SECONDS = 0.05
"""Shortest time between two runs of a key for which nobody asked: a burst of events makes one run."""
RUSH_GAP_SECONDS = 1.0
"""The same while other keys wait for a worker: most often the pods of a new model are ready by then."""
FRESH_BEFORE_LATER = 8
"""Fresh keys taken before one that waits in the other lane, so that neither starves."""


class Key(NamedTuple):
    """One model."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        retry: it failed and comes back with backoff.
        after_seconds: it comes back then, whatever happens.
        forget: the object is gone; nothing of the key is kept.
    """

    retry: bool = False
    after_seconds: float | None = None
    forget: bool = False


class QueueObserver(Protocol):
    """Who counts what the queue does."""

    def ran(self, result: str, *, waited_seconds: float, ran_seconds: float) -> None:
        """Take the end of a run; ``result`` is success, retry, error or forgotten."""
        ...


class _Silent:
    def ran(self, result: str, *, waited_seconds: float, ran_seconds: float) -> None:
        """Count nothing."""


K = TypeVar("K", bound=Hashable)
Handle = Callable[[K, bool], Awaitable[Outcome]]


class _State:
    """What is known of one key; times are the event loop's."""

    __slots__ = (
        "again",
        "due",
        "due_fresh",
        "failures",
        "forgotten",
        "fresh",
        "queued_at",
        "ran_at",
        "resync",
        "resync_due",
        "running",
    )

    def __init__(self) -> None:
        self.queued_at: float | None = None
        self.fresh = False
        self.running = False
        self.forgotten = False
        self.again: bool | None = None
        self.failures = 0
        self.ran_at: float | None = None
        self.resync = False
        self.due: asyncio.TimerHandle | None = None
        self.due_fresh = False
        self.resync_due: asyncio.TimerHandle | None = None


class WorkQueue(Generic[K]):
    """Keys that want a run. All methods belong to the event loop's thread; ``run`` does the work."""

    def __init__(
        self,
        *,
        resync_seconds: float,
        observer: QueueObserver | None = None,
        random_between: Callable[[float, float], float] = random.uniform,
        gap_seconds: float = GAP_SECONDS,
        rush_gap_seconds: float = RUSH_GAP_SECONDS,
    ) -> None:
        self._resync_seconds = resync_seconds
        self._observer = observer or _Silent()
        self._between = random_between
        self._gap_seconds = gap_seconds
        self._rush_gap_seconds = rush_gap_seconds
        self._states: dict[K, _State] = {}
        self._fresh: deque[K] = deque()
        self._later: deque[K] = deque()
        self._fresh_in_a_row = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    # -- what others ask for

    def add(self, key: K, *, fresh: bool = True) -> None:
        """Want a run of the key; fresh ones go before those of a first listing or a resync."""
        state = self._known(key)
        state.forgotten = False
        if state.running:
            state.again = fresh or bool(state.again)
        elif state.queued_at is not None:
            self._promote(key, state, fresh=fresh)
        elif (left := self._gap_left_seconds(state)) > 0:
            self.add_after(key, left)
            state.due_fresh = state.due_fresh or fresh
        else:
            self._enqueue(key, state, fresh=fresh)

    def add_after(self, key: K, seconds: float) -> None:
        """Want a run of the key in some time; of several wishes the earliest counts."""
        state = self._known(key)
        when = asyncio.get_running_loop().time() + max(0.0, seconds)
        if state.due is not None and state.due.when() <= when:
            return
        if state.due is not None:
            state.due.cancel()
        # With the context of its maker a timer would keep the whole event alive that made it, for minutes.
        state.due = asyncio.get_running_loop().call_at(when, self._on_due, key, context=contextvars.Context())

    def retry(self, key: K) -> None:
        """Want another run after a failure: 1 s, doubled each time up to 300 s, with jitter."""
        state = self._known(key)
        delay = min(BACKOFF_LIMIT_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(state.failures, 32))
        state.failures += 1
        self.add_after(key, min(BACKOFF_LIMIT_SECONDS, delay * self._between(1.0, 1.5)))

    def add_all(self) -> None:
        """Want a run of every known key, after what users ask for."""
        for key in list(self._states):
            self.add(key, fresh=False)

    def forget(self, key: K) -> None:
        """Drop everything about a key; a run that goes on is left to end, and an add meanwhile keeps the key."""
        state = self._states.get(key)
        if state is None:
            return
        if state.running:
            state.forgotten, state.again = True, None
            return
        _cancel_timers(state)
        del self._states[key]

    def close(self) -> None:
        """Start no further run; ``run`` returns when those that go on have ended."""
        self._is_closed = True
        while self._idle:
            self._wake_one()
        for state in self._states.values():
            _cancel_timers(state)

    # -- what metrics and health read

    def __len__(self) -> int:
        return len(self._states)

    @property
    def is_busy(self) -> bool:
        """Whether a key waits for a worker; told without looking at all of them."""
        return bool(self._fresh or self._later)

    @property
    def depth(self) -> int:
        """Keys that wait for a worker."""
        return sum(1 for state in self._states.values() if state.queued_at is not None)

    def oldest_seconds(self) -> float:
        """How long the key that waits longest for a worker has waited; 0 where none waits."""
        waiting = [state.queued_at for state in self._states.values() if state.queued_at is not None]
        return asyncio.get_running_loop().time() - min(waiting) if waiting else 0.0

    # -- the work

    async def run(self, worker_count: int, handle: Handle[K]) -> None:
        """Run keys with so many workers until ``close``; ``handle`` takes the key and whether it is a resync."""
        async with asyncio.TaskGroup() as group:
            for number in range(worker_count):
                group.create_task(self._work(handle), name=f"queue worker {number}")

    async def _work(self, handle: Handle[K]) -> None:
        while not self._is_closed:
            key = self._take()
            if key is None:
                await self._sleep()
            else:
                await self._run_one(key, handle)

    async def _sleep(self) -> None:
        """Wait until a key is enqueued; each wakes one worker, not all of them."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        await waiter

    def _wake_one(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _run_one(self, key: K, handle: Handle[K]) -> None:
        loop = asyncio.get_running_loop()
        state = self._states[key]
        waited_seconds = 0.0 if state.queued_at is None else loop.time() - state.queued_at
        resync = self._begin(state)
        started = time.monotonic()
        result, outcome = await self._try(key, resync, handle)
        self._observer.ran(result, waited_seconds=waited_seconds, ran_seconds=time.monotonic() - started)
        self._end(key, state, outcome, resync=resync)

    async def _try(self, key: K, resync: bool, handle: Handle[K]) -> tuple[str, Outcome]:  # noqa: FBT001
        try:
            async with asyncio.timeout(RUN_TIMEOUT_SECONDS):
                outcome = await handle(key, resync)
        except Exception:
            logger.exception("a reconcile failed", extra={"key": "/".join(key) if isinstance(key, Key) else str(key)})
            return "error", Outcome(retry=True)
        if outcome.forget:
            return "forgotten", outcome
        return ("retry" if outcome.retry else "success"), outcome

    def _begin(self, state: _State) -> bool:
        """Mark a key as running; return whether this run is its resync."""
        resync, state.resync = state.resync, False
        state.queued_at, state.again, state.running = None, None, True
        if state.due is not None:
            # The run decides anew when to come back.
            state.due.cancel()
            state.due, state.due_fresh = None, False
        return resync

    def _end(self, key: K, state: _State, outcome: Outcome, *, resync: bool) -> None:
        state.running = False
        state.ran_at = asyncio.get_running_loop().time()
        if self._is_closed:
            return
        if (outcome.forget or state.forgotten) and state.again is None:
            self.forget(key)
            return
        if resync and outcome.retry:
            # What was to be read live has not been: the retry is the resync.
            state.resync = True
        elif resync:
            self._plan_resync(key, state)
        self._come_back(key, state, outcome)

    def _come_back(self, key: K, state: _State, outcome: Outcome) -> None:
        if outcome.retry:
            self.retry(key)
        else:
            state.failures = 0
        if outcome.after_seconds is not None:
            self.add_after(key, outcome.after_seconds)
        if state.again is not None:
            fresh, state.again = state.again, None
            self.add(key, fresh=fresh)

    # -- lanes and timers

    def _known(self, key: K) -> _State:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State()
            self._plan_resync(key, state, first=True)
        return state

    def _plan_resync(self, key: K, state: _State, *, first: bool = False) -> None:
        """Plan the next resync; the first ones are spread, since a listing makes all keys known at once."""
        if self._is_closed:
            return
        lowest = 0.5 if first else 0.9
        delay = self._resync_seconds * self._between(lowest, 1.1)
        loop, context = asyncio.get_running_loop(), contextvars.Context()
        state.resync_due = loop.call_later(delay, self._on_resync, key, context=context)

    def _on_resync(self, key: K) -> None:
        state = self._states[key]
        state.resync = True
        state.resync_due = None
        if state.running:
            # The run that goes on has begun without live reads.
            state.again = bool(state.again)
        elif state.queued_at is None:
            self._enqueue(key, state, fresh=False)

    def _on_due(self, key: K) -> None:
        state = self._states[key]
        fresh, state.due, state.due_fresh = state.due_fresh, None, False
        if state.running:
            state.again = fresh or bool(state.again)
        elif state.queued_at is None:
            self._enqueue(key, state, fresh=fresh)

    def _gap_left_seconds(self, state: _State) -> float:
        """Return how long the key still rests after its last run; not above 0 where it may run."""
        gap_seconds = self._rush_gap_seconds if self.is_busy else self._gap_seconds
        return 0.0 if state.ran_at is None else state.ran_at + gap_seconds - asyncio.get_running_loop().time()

    def _enqueue(self, key: K, state: _State, *, fresh: bool) -> None:
        if self._is_closed:
            return
        state.queued_at = asyncio.get_running_loop().time()
        state.fresh = fresh
        (self._fresh if fresh else self._later).append(key)
        self._wake_one()

    def _promote(self, key: K, state: _State, *, fresh: bool) -> None:
        if fresh and not state.fresh:
            # Its place in the other lane is skipped when its turn comes.
            state.fresh = True
            self._fresh.append(key)

    def _take(self) -> K | None:
        """Return the next key: fresh ones first, but now and then one of the others."""
        turn_of_later = self._fresh_in_a_row >= FRESH_BEFORE_LATER
        for is_fresh in (False, True) if turn_of_later else (True, False):
            key = self._pop(is_fresh=is_fresh)
            if key is not None:
                self._fresh_in_a_row = self._fresh_in_a_row + 1 if is_fresh else 0
                return key
        return None

    def _pop(self, *, is_fresh: bool) -> K | None:
        lane = self._fresh if is_fresh else self._later
        while lane:
            key = lane.popleft()
            state = self._states.get(key)
            if state is not None and state.queued_at is not None and state.fresh == is_fresh and not state.running:
                return key
        return None


def _cancel_timers(state: _State) -> None:
    for timer in (state.due, state.resync_due):
        if timer is not None:
            timer.cancel()
    state.due = state.resync_due = None
