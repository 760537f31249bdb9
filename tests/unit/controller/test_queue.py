import asyncio
import contextvars
import gc
import weakref

import pytest

from genmodel_operator.controller.queue import BACKOFF_LIMIT_SECONDS, RUN_TIMEOUT_SECONDS, Key, Outcome, WorkQueue
from tests.unit.controller.queue_runs import A, B, C, Runs, a_queue, run_for

pytestmark = pytest.mark.looptime


async def test_keys_run_in_the_order_in_which_they_were_added() -> None:
    queue, runs = a_queue(), Runs(takes_seconds=1)
    for key in (B, A, C):
        queue.add(key)
    await run_for(10, queue, runs, workers=1)
    assert runs.seen == [(0, "b", False), (1, "a", False), (2, "c", False)]


async def test_many_adds_before_a_run_make_one_run() -> None:
    queue, runs = a_queue(), Runs()
    for _ in range(100):
        queue.add(A)
    await run_for(10, queue, runs)
    assert runs.names == ["a"]


async def test_many_adds_during_a_run_make_one_more_run_after_it() -> None:
    queue, runs = a_queue(), Runs(takes_seconds=5)
    task = asyncio.create_task(queue.run(4, runs))
    queue.add(A)
    for _ in range(4):
        await asyncio.sleep(1)
        queue.add(A)
    await asyncio.sleep(20)
    queue.close()
    await task
    assert runs.times == [0, 5]
    assert not runs.overlapped


async def test_a_key_never_runs_twice_at_once_and_workers_run_side_by_side() -> None:
    queue, runs = a_queue(), Runs(takes_seconds=3)
    task = asyncio.create_task(queue.run(3, runs))
    for _ in range(10):
        for key in (A, B, C):
            queue.add(key)
        await asyncio.sleep(1)
    queue.close()
    await task
    assert not runs.overlapped
    assert runs.most_at_once == 3


async def test_no_more_runs_at_once_than_there_are_workers() -> None:
    queue, runs = a_queue(), Runs(takes_seconds=1)
    for number in range(20):
        queue.add(Key("team-a", str(number)))
    await run_for(30, queue, runs, workers=4)
    assert runs.most_at_once == 4
    assert max(runs.times) == 4


async def test_a_burst_right_after_a_run_makes_one_run_after_the_gap() -> None:
    queue, runs = a_queue(gap_seconds=0.1), Runs()
    task = asyncio.create_task(queue.run(2, runs))
    queue.add(A)
    for _ in range(5):
        await asyncio.sleep(0.01)
        queue.add(A)
    await asyncio.sleep(1)
    queue.add(A)
    await asyncio.sleep(1)
    queue.close()
    await task
    assert runs.times == pytest.approx([0, 0.1, 1.05])


@pytest.mark.parametrize(
    ("others", "want"),
    [pytest.param(3, [0.0, 2.0], id="while others wait"), pytest.param(0, [0.0, 0.61], id="while nobody waits")],
)
async def test_news_of_a_key_wait_for_others_that_have_not_had_a_run(others: int, want: list[float]) -> None:
    queue, runs = a_queue(gap_seconds=0.1, rush_gap_seconds=1.0), Runs(takes_seconds=0.5)
    task = asyncio.create_task(queue.run(1, runs))
    queue.add(A)
    await asyncio.sleep(0.01)
    for number in range(others):
        queue.add(Key("team-a", f"other-{number}"))
    await asyncio.sleep(0.6)
    queue.add(A)
    await asyncio.sleep(9)
    queue.close()
    await task
    assert [seconds for seconds, name, _ in runs.seen if name == A.name] == pytest.approx(want)


async def test_no_timer_keeps_alive_what_its_maker_was_at() -> None:
    """kopf's handlers run in contexts that hold the whole event; a timer lives for minutes."""

    class AnEvent:
        pass

    at_work: contextvars.ContextVar[AnEvent] = contextvars.ContextVar("at_work")
    seen: list[weakref.ref[AnEvent]] = []

    async def handler(queue: WorkQueue[Key]) -> None:
        at_work.set(event := AnEvent())
        seen.append(weakref.ref(event))
        queue.add(A)
        queue.add_after(B, 60)

    queue = a_queue()
    await asyncio.create_task(handler(queue))
    # The loop itself holds what it has just run until its next round.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert [found() for found in seen] == [None]
    assert len(queue) == 2
    queue.close()


class TestBackoff:
    @pytest.mark.parametrize(
        ("jitter", "want_times"),
        [
            pytest.param(0.0, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111], id="shortest"),
            pytest.param(1.0, [0, 1.5, 4.5, 10.5, 22.5, 46.5, 94.5, 190.5, 382.5, 682.5, 982.5], id="longest"),
        ],
    )
    async def test_a_failing_key_comes_back_from_1_to_300_seconds(self, jitter: float, want_times: list[float]) -> None:
        queue, runs = a_queue(jitter=jitter), Runs(outcomes={A: [Outcome(retry=True)] * 50})
        queue.add(A)
        await run_for(1200, queue, runs)
        assert runs.times == want_times
        assert want_times[-1] - want_times[-2] == BACKOFF_LIMIT_SECONDS

    async def test_an_exception_is_a_failure_like_any_other_and_the_worker_lives_on(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        queue, runs = a_queue(), Runs()
        failures = iter([ValueError("first"), OSError("second")])

        async def fail(key: Key) -> None:
            if key == A and (error := next(failures, None)) is not None:
                raise error

        runs.during = fail
        queue.add(A)
        queue.add(B)
        await run_for(10, queue, runs, workers=1)
        assert runs.seen == [(0, "a", False), (0, "b", False), (1, "a", False), (3, "a", False)]
        assert [record.exc_info is not None for record in caplog.records] == [True] * len(caplog.records)
        assert "a reconcile failed" in caplog.text

    async def test_success_resets_the_backoff(self) -> None:
        queue = a_queue()
        runs = Runs(outcomes={A: [Outcome(retry=True), Outcome(retry=True), Outcome(), Outcome(retry=True)]})
        queue.add(A)
        task = asyncio.create_task(queue.run(1, runs))
        await asyncio.sleep(10)
        queue.add(A)
        await asyncio.sleep(10)
        queue.close()
        await task
        assert runs.times == [0, 1, 3, 10, 11]

    async def test_a_change_does_not_wait_for_the_backoff(self) -> None:
        queue, runs = a_queue(), Runs(outcomes={A: [Outcome(retry=True)] * 6})
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        await asyncio.sleep(20)
        queue.add(A)
        await asyncio.sleep(1)
        queue.close()
        await task
        assert runs.times == [0, 1, 3, 7, 15, 20]

    async def test_a_failing_key_holds_nobody_up(self) -> None:
        queue, runs = a_queue(), Runs(outcomes={A: [Outcome(retry=True)] * 50})
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        for _ in range(5):
            await asyncio.sleep(10)
            queue.add(B)
        await asyncio.sleep(1)
        queue.close()
        await task
        assert [seconds for seconds, name, _ in runs.seen if name == "b"] == [10, 20, 30, 40, 50]

    async def test_a_run_that_hangs_is_cut_off_and_retried(self) -> None:
        queue, runs = a_queue(), Runs()

        async def hang(_key: Key) -> None:
            if len(runs.seen) == 1:
                await asyncio.Event().wait()

        runs.during = hang
        queue.add(A)
        await run_for(RUN_TIMEOUT_SECONDS + 10, queue, runs)
        assert runs.times == [0, RUN_TIMEOUT_SECONDS + 1]


class TestAddAfter:
    async def test_the_earliest_wish_wins(self) -> None:
        queue, runs = a_queue(), Runs()
        for seconds in (30, 10, 20):
            queue.add_after(A, seconds)
        await run_for(60, queue, runs)
        assert runs.times == [10]

    async def test_an_outcome_brings_the_key_back(self) -> None:
        queue, runs = a_queue(), Runs(outcomes={A: [Outcome(after_seconds=15), Outcome(after_seconds=2)]})
        queue.add(A)
        await run_for(60, queue, runs)
        assert runs.times == [0, 15, 17]

    async def test_a_run_decides_anew_when_to_come_back(self) -> None:
        queue, runs = a_queue(), Runs(outcomes={A: [Outcome(after_seconds=15), Outcome()]})
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        await asyncio.sleep(5)
        queue.add(A)
        await asyncio.sleep(60)
        queue.close()
        await task
        assert runs.times == [0, 5]

    async def test_of_a_retry_and_a_delay_the_earlier_wins(self) -> None:
        queue = a_queue()
        runs = Runs(outcomes={A: [Outcome(retry=True, after_seconds=60), Outcome(retry=True, after_seconds=0.5)]})
        queue.add(A)
        await run_for(100, queue, runs)
        assert runs.times == [0, 1, 1.5]


class TestForget:
    async def test_a_forgotten_key_never_comes_back(self) -> None:
        queue, runs = a_queue(resync_seconds=10), Runs(outcomes={A: [Outcome(forget=True, after_seconds=3)]})
        queue.add(A)
        await run_for(100, queue, runs)
        assert runs.times == [0]
        assert len(queue) == 0

    async def test_a_key_that_is_added_while_it_is_found_gone_runs_again(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=2, outcomes={A: [Outcome(forget=True)]})
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        await asyncio.sleep(1)
        queue.add(A)
        await asyncio.sleep(10)
        queue.close()
        await task
        assert runs.times == [0, 2]
        assert len(queue) == 1

    async def test_forgetting_during_a_run_lets_it_end_and_an_add_keeps_the_key_single(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=5)
        task = asyncio.create_task(queue.run(2, runs))
        queue.add(A)
        await asyncio.sleep(1)
        queue.forget(A)
        await asyncio.sleep(1)
        queue.add(A)
        await asyncio.sleep(20)
        queue.close()
        await task
        assert runs.times == [0, 5]
        assert not runs.overlapped

    async def test_forgetting_an_unknown_key_is_nothing(self) -> None:
        queue = a_queue()
        queue.forget(A)
        assert len(queue) == 0


class TestClose:
    async def test_close_lets_runs_end_and_starts_no_other(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=5)
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(1)
        queue.close()
        await task
        assert asyncio.get_running_loop().time() == 5
        assert runs.names == ["a"]

    async def test_cancelling_run_cancels_what_goes_on(self) -> None:
        queue, runs = a_queue(), Runs(takes_seconds=500)
        task = asyncio.create_task(queue.run(1, runs))
        queue.add(A)
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert runs.running == {A: 0}

    async def test_nothing_is_added_after_close(self) -> None:
        queue, runs = a_queue(), Runs()
        queue.close()
        queue.add(A)
        await queue.run(1, runs)
        assert runs.seen == []


async def test_all_known_keys_are_looked_at_again_after_what_users_ask_for() -> None:
    queue, runs = a_queue(), Runs(takes_seconds=1)
    task = asyncio.create_task(queue.run(1, runs))
    for key in (A, B):
        queue.add(key)
    await asyncio.sleep(5)
    queue.add_all()
    queue.add(C)
    await asyncio.sleep(5)
    queue.close()
    await task
    assert runs.names == ["a", "b", "c", "a", "b"]
