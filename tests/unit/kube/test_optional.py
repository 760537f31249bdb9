"""A kind that comes and goes: when it is looked for, who is woken, and what is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import Forbidden, KubeError, NotFound, Unreachable
from genmodel_operator.kube.kinds import POD_MONITOR, Kind
from genmodel_operator.kube.optional import OptionalKind

pytestmark = pytest.mark.looptime

Event = tuple[str, dict[str, Any]]


def a_monitor(name: str = "tiny", *, version: int = 1, interval: str = "30s") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata | {"labels": labels.child_labels(name)}, "spec": {"interval": interval}}


class Api(KubeClient):
    """Answers discovery, the list and each watch in turn with what it was given; then the watch stays open."""

    def __init__(self, *, served: Sequence[bool | KubeError], watches: Sequence[list[Event] | KubeError] = ()) -> None:
        self.served, self.watches = list(served), list(watches)
        self.listed: list[dict[str, Any]] = []
        self.asked: list[tuple[float, str]] = []

    def _note(self, what: str) -> None:
        self.asked.append((round(asyncio.get_running_loop().time(), 1), what))

    async def is_served(self, kind: Kind) -> bool:
        self._note("discover")
        answer = self.served.pop(0) if len(self.served) > 1 else self.served[0]
        if isinstance(answer, KubeError):
            raise answer
        return answer

    async def pages(self, *_: Any, **__: Any) -> AsyncIterator[Sequence[dict[str, Any]]]:
        self._note("list")
        yield self.listed

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Event]:
        self._note("watch")
        if not self.watches:
            await asyncio.Event().wait()
        events = self.watches.pop(0)
        if isinstance(events, KubeError):
            raise events
        for event in events:
            yield event


class Follower:
    """An optional kind with what it told."""

    def __init__(self, api: Api) -> None:
        self.cache = ChildCache()
        self.woken: list[str] = []
        self.kind = OptionalKind(
            api,
            self.cache,
            POD_MONITOR,
            namespaces=[],
            look_seconds=40,
            wake=lambda namespace, name: self.woken.append(f"{namespace}/{name}"),
            wake_all=lambda: self.woken.append("all"),
        )

    async def run(self, seconds: float) -> None:
        await self.kind.look()
        task = asyncio.create_task(self.kind.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


async def test_what_is_there_at_the_start_wakes_nobody() -> None:
    api = Api(served=[True], watches=[[("ADDED", a_monitor())]])
    api.listed = [a_monitor()]
    found = Follower(api)
    await found.run(10)
    assert found.kind.is_served
    assert found.woken == []
    assert api.asked == [(0, "discover"), (0, "list"), (0, "watch"), (1, "watch")]


async def test_a_kind_that_comes_later_wakes_everybody_once() -> None:
    api = Api(served=[False, Unreachable("no answer"), False, True])
    found = Follower(api)
    await found.run(200)
    assert found.woken == ["all"]
    times = [time for time, what in api.asked if what == "discover"]
    assert times == [0, 40, 80, 120]


async def test_changes_by_others_wake_their_model() -> None:
    events: list[Event] = [("MODIFIED", a_monitor(version=2, interval="1s")), ("DELETED", a_monitor(version=3))]
    api = Api(served=[True], watches=[events])
    api.listed = [a_monitor()]
    found = Follower(api)
    await found.run(10)
    assert found.woken == ["team-a/tiny", "team-a/tiny"]
    assert found.cache.get(POD_MONITOR, "team-a", "tiny") is None


async def test_a_watch_that_fails_is_opened_again_later() -> None:
    api = Api(served=[True], watches=[Unreachable("cut"), Forbidden("no")])
    found = Follower(api)
    await found.run(100)
    assert [entry for entry in api.asked if entry[1] == "watch"] == [(0, "watch"), (30, "watch"), (60, "watch")]
    assert found.kind.is_served


async def test_a_kind_that_goes_is_forgotten_and_looked_for() -> None:
    api = Api(served=[True, False], watches=[NotFound("no such kind")])
    api.listed = [a_monitor()]
    found = Follower(api)
    await found.run(100)
    assert not found.kind.is_served
    assert len(found.cache) == 0
    assert [entry for entry in api.asked if entry[1] == "watch"] == [(0, "watch")]


@pytest.mark.parametrize(
    "failure", [pytest.param(Forbidden("no"), id="no right"), pytest.param(Unreachable("no"), id="no answer")]
)
async def test_what_cannot_be_listed_is_not_served(failure: KubeError) -> None:
    found = Follower(Api(served=[failure]))
    found.cache.put(POD_MONITOR, a_monitor())
    assert not await found.kind.look()
    assert len(found.cache) == 0
