import asyncio

import pytest

from genmodel_operator.controller.queue import FRESH_BEFORE_LATER, Key, Outcome, WorkQueue
from tests.unit.controller.queue_runs import A, B, Runs, a_queue, run_for

pytestmark = pytest.mark.looptime


def listed(count: int) -> list[Key]:
    return [Key("team-l", f"listed-{number}") for number in range(count)]


class TestLanes:
    async def test_a_change_goes_before_a_listing(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=1)
        for key in listed(100):
            queue.add(key, fresh=False)
        queue.add(A)
        await run_for(2, queue, runs, workers=1)
        assert runs.names[0] == "a"

    async def test_a_listed_key_that_is_then_changed_moves_up_and_runs_once(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=1)
        keys = listed(10)
        for key in keys:
            queue.add(key, fresh=False)
        queue.add(keys[7])
        await run_for(30, queue, runs, workers=1)
        assert runs.names[0] == keys[7].name
        assert sorted(runs.names) == sorted(key.name for key in keys)

    async def test_changes_do_not_starve_a_listing(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=1)
        keys = listed(3)
        for key in keys:
            queue.add(key, fresh=False)
        for number in range(50):
            queue.add(Key("team-f", f"fresh-{number}"))
        await run_for(60, queue, runs, workers=1)
        places = [runs.names.index(key.name) for key in keys]
        assert places == [FRESH_BEFORE_LATER, 2 * FRESH_BEFORE_LATER + 1, 3 * FRESH_BEFORE_LATER + 2]

    async def test_retries_wait_behind_changes(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=2, outcomes={A: [Outcome(retry=True)]})
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        await asyncio.sleep(2.5)
        for number in range(4):
            queue.add(Key("team-f", f"fresh-{number}"))
        await asyncio.sleep(20)
        queue.close()
        await task
        assert runs.names == ["a", "fresh-0", "fresh-1", "fresh-2", "fresh-3", "a"]


class TestResync:
    async def test_every_known_key_comes_back_and_is_told_so(self) -> None:
        queue, runs = a_queue(resync_seconds=100), Runs()
        queue.add(A)
        queue.add(B)
        await run_for(250, queue, runs)
        want = [(0, False), (50, True), (140, True), (230, True)]
        assert [(seconds, resync) for seconds, name, resync in runs.seen if name == "a"] == want
        assert [(seconds, resync) for seconds, name, resync in runs.seen if name == "b"] == want

    async def test_the_first_resyncs_after_a_listing_are_spread(self) -> None:
        queue, runs = WorkQueue[Key](resync_seconds=100), Runs()
        for key in listed(200):
            queue.add(key, fresh=False)
        await run_for(115, queue, runs, workers=8)
        times = sorted(seconds for seconds, _, resync in runs.seen if resync)
        assert len(times) == 200
        per_ten_seconds = [sum(1 for t in times if start <= t < start + 10) for start in range(50, 110, 10)]
        assert min(per_ten_seconds) >= 15
        assert times[0] >= 50
        assert times[-1] <= 110

    async def test_a_run_for_another_reason_does_not_move_the_resync(self) -> None:
        queue, runs = a_queue(resync_seconds=100), Runs()
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        for _ in range(9):
            await asyncio.sleep(10)
            queue.add(A)
        await asyncio.sleep(5)
        queue.close()
        await task
        assert [seconds for seconds, _, resync in runs.seen if resync] == [50]

    async def test_a_resync_that_comes_due_during_a_run_follows_it(self) -> None:
        queue, runs = a_queue(resync_seconds=100), Runs(takes_seconds=60)
        queue.add(A)
        await run_for(70, queue, runs)
        assert [(seconds, resync) for seconds, _, resync in runs.seen] == [(0, False), (60, True)]

    async def test_a_resync_that_fails_is_retried_as_a_resync(self) -> None:
        queue, runs = a_queue(resync_seconds=100), Runs()
        runs.outcomes[A] = [Outcome(), Outcome(retry=True), Outcome(retry=True), Outcome()]
        queue.add(A)
        await run_for(150, queue, runs)
        want = [(0, False), (50, True), (51, True), (53, True), (143, True)]
        assert [(seconds, resync) for seconds, _, resync in runs.seen] == want


class TestNumbers:
    async def test_depth_and_oldest_count_what_waits_for_a_worker(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=10)
        assert queue.depth == 0
        assert queue.oldest_seconds() == 0
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        await asyncio.sleep(1)
        queue.add(B)
        queue.add_after(Key("team-a", "later"), 1000)
        await asyncio.sleep(3)
        assert queue.depth == 1
        assert queue.oldest_seconds() == 3
        await asyncio.sleep(7)
        assert queue.depth == 0
        assert queue.oldest_seconds() == 0
        queue.close()
        await task

    async def test_the_observer_is_told_of_each_run(self) -> None:
        told: list[tuple[str, float]] = []

        class Observer:
            def ran(self, result: str, *, waited_seconds: float, ran_seconds: float) -> None:
                assert ran_seconds >= 0
                told.append((result, round(waited_seconds, 3)))

        queue = WorkQueue[Key](
            resync_seconds=1e6,
            gap_seconds=0,
            rush_gap_seconds=0,
            observer=Observer(),
            random_between=lambda low, _high: low,
        )
        runs = Runs(takes_seconds=2, outcomes={A: [Outcome(retry=True), Outcome()], B: [Outcome(forget=True)]})

        async def fail(key: Key) -> None:
            if key.name == "broken":
                raise RuntimeError("broken")

        runs.during = fail
        for key in (A, B, Key("team-a", "broken")):
            queue.add(key)
        await run_for(4.5, queue, runs, workers=1)
        assert told[:3] == [("retry", 0), ("forgotten", 2), ("error", 4)]
        assert told[3][0] == "success"


async def test_it_is_busy_while_a_key_waits_for_a_worker() -> None:
    queue, runs = a_queue(), Runs(takes_seconds=2)
    task = asyncio.create_task(queue.run(1, runs))
    queue.add(A)
    queue.add(B, fresh=False)
    await asyncio.sleep(1)
    seen = [queue.is_busy]
    await asyncio.sleep(2)
    assert [*seen, queue.is_busy] == [True, False]
    queue.close()
    await task
