"""Watches that were cancelled in the middle of an event are closed in order; with kopf's own stream."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import nullcontext
from typing import Any

import kopf
import pytest
from kopf._cogs.aiokits.aiotoggles import ToggleSet
from kopf._cogs.clients import watching
from kopf._cogs.structs.references import Resource

from genmodel_operator.watch_streams import STREAM, closed_streams

Stream = AsyncGenerator[Any, Any]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Stream]:
    """Kopf's endless watch, of events that need no API server."""

    async def events(**_: object) -> AsyncIterator[dict[str, str]]:
        while True:
            yield {"type": "ADDED"}

    monkeypatch.setattr(watching, "continuous_watch", events)
    return lambda: watching.infinite_watch(  # type: ignore[return-value]
        settings=kopf.OperatorSettings(),
        resource=Resource("genmodel.dev", "v1alpha1", "generativemodels"),
        namespace=None,
        operator_paused=ToggleSet(any),
    )


async def _leave_in_the_middle(stream: Stream) -> None:
    """Handle an event for ever, be cancelled in it, as kopf's pause signal is at the end."""

    async def watch() -> None:
        async for _ in stream:
            await asyncio.Event().wait()

    others = asyncio.all_tasks()
    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    younger = asyncio.all_tasks() - others
    for task in younger:
        task.cancel()
    await asyncio.wait(younger)
    assert watcher.cancelled()


async def _closed_all_at_once(generators: list[Stream]) -> list[BaseException | None]:
    """What the event loop does at its end, in the order that hurts: the youngest first."""
    return await asyncio.gather(*(each.aclose() for each in reversed(generators)), return_exceptions=True)


def _problems(*, in_order: bool, stream: Callable[[], Stream]) -> list[str]:
    began: list[Stream] = []

    async def run() -> list[str]:
        firstiter = sys.get_asyncgen_hooks().firstiter
        sys.set_asyncgen_hooks(firstiter=began.append)
        try:
            async with closed_streams() if in_order else nullcontext():
                await _leave_in_the_middle(stream())
            assert STREAM in [getattr(each, "__name__", "") for each in began], "kopf has another name for its watch"
            return [str(each) for each in await _closed_all_at_once(began) if each is not None]
        finally:
            sys.set_asyncgen_hooks(firstiter=firstiter)

    return asyncio.run(run())


def test_streams_closed_all_at_once_fail(stream: Callable[[], Stream]) -> None:
    assert _problems(in_order=False, stream=stream) == ["generator didn't stop after athrow()"]


def test_streams_closed_in_order_do_not(stream: Callable[[], Stream]) -> None:
    assert _problems(in_order=True, stream=stream) == []


def test_only_streams_of_watches_are_closed(stream: Callable[[], Stream]) -> None:
    async def others() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def run() -> list[int]:
        mine = others()
        async with closed_streams():
            first = await anext(mine)
            await _leave_in_the_middle(stream())
        return [first, await anext(mine)]

    assert asyncio.run(run()) == [1, 2]


def test_a_stream_that_somebody_reads_is_left_to_him() -> None:
    async def infinite_watch() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def run() -> bool:
        async with closed_streams():
            held = infinite_watch()
            assert await anext(held) == 1
            reading = asyncio.ensure_future(anext(held))
            await asyncio.sleep(0)
        return not reading.done()

    assert asyncio.run(run())


def test_the_hook_of_before_is_there_again() -> None:
    async def run() -> bool:
        before = sys.get_asyncgen_hooks()
        async with closed_streams():
            assert sys.get_asyncgen_hooks().firstiter != before.firstiter
        return sys.get_asyncgen_hooks() == before

    assert asyncio.run(run())
