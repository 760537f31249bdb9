"""Runs a queue in looptime and writes down when each key ran."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from genmodel_operator.controller.queue import Key, Outcome, WorkQueue

A, B, C = Key("team-a", "a"), Key("team-a", "b"), Key("team-b", "c")


@dataclass
class Runs:
    """A handle that remembers: ``seen`` holds (seconds, name, resync)."""

    takes_seconds: float = 0.0
    outcomes: dict[Key, list[Outcome]] = field(default_factory=dict)
    seen: list[tuple[float, str, bool]] = field(default_factory=list)
    running: dict[Key, int] = field(default_factory=dict)
    most_at_once: int = 0
    overlapped: bool = False
    during: Callable[[Key], Awaitable[None]] | None = None

    async def __call__(self, key: Key, resync: bool) -> Outcome:
        self.seen.append((round(asyncio.get_running_loop().time(), 3), key.name, resync))
        self.overlapped |= self.running.get(key, 0) > 0
        self.running[key] = self.running.get(key, 0) + 1
        self.most_at_once = max(self.most_at_once, sum(self.running.values()))
        try:
            if self.during is not None:
                await self.during(key)
            await asyncio.sleep(self.takes_seconds)
        finally:
            self.running[key] -= 1
        outcomes = self.outcomes.get(key, [])
        return outcomes.pop(0) if outcomes else Outcome()

    @property
    def times(self) -> list[float]:
        return [seconds for seconds, _, _ in self.seen]

    @property
    def names(self) -> list[str]:
        return [name for _, name, _ in self.seen]


def a_queue(
    *, resync_seconds: float = 1e6, gap_seconds: float = 0.0, rush_gap_seconds: float = 0.0, jitter: float = 0.0
) -> WorkQueue[Key]:
    """A queue whose random numbers are the low end of each range, moved up by ``jitter`` of it."""

    def between(low: float, high: float) -> float:
        return low + (high - low) * jitter

    return WorkQueue(
        resync_seconds=resync_seconds,
        gap_seconds=gap_seconds,
        rush_gap_seconds=rush_gap_seconds,
        random_between=between,
    )


async def run_for(seconds: float, queue: WorkQueue[Key], runs: Runs, *, workers: int = 2) -> None:
    """Run the queue for so long, then close it and wait for its end."""
    task = asyncio.create_task(queue.run(workers, runs))
    await asyncio.sleep(seconds)
    queue.close()
    await task
