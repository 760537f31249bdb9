"""The election, with two electors on one stored Lease and clocks that run as the test says."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from genmodel_operator.kube.errors import AlreadyExists, Conflict, KubeError, NotFound, Unreachable
from genmodel_operator.kube.kinds import LEASE, Kind
from genmodel_operator.kube.lease import Elector, LeaseLost

pytestmark = pytest.mark.looptime

TERM_SECONDS = 15
Object = dict[str, Any]


class Store:
    """One Lease with resource versions, as the API server keeps it; the real one is in tests/apiserver."""

    def __init__(self) -> None:
        self.live: Object | None = None
        self.version = 0
        self.fault: KubeError | None = None
        self.hangs = False
        self.writes: list[str] = []

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(10_000)
        if self.fault:
            raise self.fault

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        assert (kind, namespace, name) == (LEASE, "system", "genmodel")
        await self._answer()
        if self.live is None:
            raise NotFound("gone")
        return self.live

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        await self._answer()
        if self.live is not None:
            raise AlreadyExists("there")
        return self._store(obj)

    async def replace(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        await self._answer()
        if self.live is None:
            raise NotFound("gone")
        if obj["metadata"]["resourceVersion"] != self.live["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        return self._store(obj)

    def _store(self, obj: Mapping[str, Any]) -> Object:
        self.version += 1
        self.live = {"metadata": {**obj["metadata"], "resourceVersion": str(self.version)}, "spec": dict(obj["spec"])}
        self.writes.append(obj["spec"]["holderIdentity"])
        return self.live

    def edit(self, **spec: Any) -> None:
        assert self.live is not None
        self._store({**self.live, "spec": {**self.live["spec"], **spec}})

    @property
    def holder(self) -> str:
        assert self.live is not None
        return str(self.live["spec"]["holderIdentity"])


def elector(store: Store, name: str, *, ahead_seconds: float = 0.0) -> Elector:
    loop = asyncio.get_running_loop()
    return Elector(
        store,
        namespace="system",
        name="genmodel",
        identity=name,
        lease_seconds=TERM_SECONDS,
        clock=lambda: loop.time() + ahead_seconds,
    )


async def lead(one: Elector) -> "asyncio.Task[None]":
    await one.acquire()
    return asyncio.create_task(one.hold())


async def end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_first_one_leads_at_once(looptime: Any) -> None:
    store = Store()
    one = elector(store, "one")
    assert one.seconds_left() <= 0
    await one.acquire()
    assert looptime == 0
    assert one.seconds_left() == pytest.approx(10)
    assert store.live is not None
    assert store.live["spec"]["leaseTransitions"] == 0


async def test_a_leader_that_renews_leads_for_ever_and_writes_five_times_a_term() -> None:
    store = Store()
    one, two = elector(store, "one"), elector(store, "two")
    holding = await lead(one)
    waiting = asyncio.create_task(two.acquire())
    await asyncio.sleep(300)
    assert not holding.done()
    assert not waiting.done()
    assert set(store.writes) == {"one"}
    assert 95 <= len(store.writes) <= 102
    assert one.seconds_left() > 6
    await end(holding, waiting)


@pytest.mark.parametrize("ahead_seconds", [-3600.0, 0.0, 3600.0], ids=["an hour behind", "equal", "an hour ahead"])
async def test_a_standby_takes_over_after_the_term_and_never_before_the_leader_gave_up(ahead_seconds: float) -> None:
    store, loop = Store(), asyncio.get_running_loop()
    one, two = elector(store, "one"), elector(store, "two", ahead_seconds=ahead_seconds)
    await one.acquire()  # and is frozen: it never renews
    began = loop.time()
    await two.acquire()
    assert one.seconds_left() < 0
    assert TERM_SECONDS <= loop.time() - began <= TERM_SECONDS * 1.3
    assert store.holder == "two"
    assert store.live is not None
    assert store.live["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_was_frozen_writes_nothing_afterwards() -> None:
    store = Store()
    frozen_seconds = 0.0
    loop = asyncio.get_running_loop()
    one = Elector(
        store,
        namespace="system",
        name="genmodel",
        identity="one",
        lease_seconds=TERM_SECONDS,
        clock=lambda: loop.time() + frozen_seconds,
    )
    holding = await lead(one)
    await asyncio.sleep(4)
    frozen_seconds = 60.0
    assert one.seconds_left() < 0
    before = len(store.writes)
    with pytest.raises(LeaseLost, match="was not renewed in time"):
        await holding
    assert len(store.writes) == before
    await one.release()
    assert len(store.writes) == before


FAULTS = [
    pytest.param(Unreachable("connection refused"), False, id="no answer"),
    pytest.param(None, True, id="an answer that never comes"),
]


@pytest.mark.parametrize(("fault", "hangs"), FAULTS)
async def test_without_an_api_server_the_leader_gives_up_before_the_term_ends(
    fault: KubeError | None, hangs: bool
) -> None:
    store, loop = Store(), asyncio.get_running_loop()
    holding = await lead(elector(store, "one"))
    began = loop.time()
    store.fault, store.hangs = fault, hangs
    with pytest.raises(LeaseLost, match=r"system/genmodel was not renewed in time"):
        await holding
    assert 10 <= loop.time() - began < TERM_SECONDS


@pytest.mark.parametrize(("fault", "hangs"), FAULTS)
async def test_a_short_outage_is_survived(fault: KubeError | None, hangs: bool) -> None:
    store = Store()
    one = elector(store, "one")
    holding = await lead(one)
    store.fault = fault
    await asyncio.sleep(7)
    store.fault = None
    await asyncio.sleep(60)
    assert not holding.done()
    assert one.seconds_left() > 6
    await end(holding)


async def test_a_standby_waits_an_outage_out() -> None:
    store = Store()
    store.fault = Unreachable("connection refused")
    waiting = asyncio.create_task(elector(store, "one").acquire())
    await asyncio.sleep(600)
    assert not waiting.done()
    store.fault = None
    await asyncio.wait_for(waiting, 5)


async def test_a_lease_that_is_given_back_is_taken_at_once() -> None:
    store, loop = Store(), asyncio.get_running_loop()
    one, two = elector(store, "one"), elector(store, "two")
    holding = await lead(one)
    waiting = asyncio.create_task(two.acquire())
    await asyncio.sleep(8)
    await end(holding)
    await one.release()
    released = loop.time()
    assert one.seconds_left() <= 0
    await waiting
    assert loop.time() - released <= 4
    assert store.holder == "two"


async def test_a_lease_that_cannot_be_given_back_is_only_told(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    one = elector(store, "one")
    await one.acquire()
    store.fault = Unreachable("connection refused")
    with caplog.at_level(logging.WARNING):
        await one.release()
    assert "system/genmodel was not given back" in caplog.text
    assert one.seconds_left() <= 0


async def test_a_deleted_lease_is_made_anew_by_its_leader_and_not_taken_by_a_standby() -> None:
    store = Store()
    holding = await lead(elector(store, "one"))
    waiting = asyncio.create_task(elector(store, "two").acquire())
    await asyncio.sleep(10)
    store.live = None
    await asyncio.sleep(60)
    assert not holding.done()
    assert not waiting.done()
    assert set(store.writes) == {"one"}
    await end(holding, waiting)


async def test_a_leader_that_finds_another_name_gives_up_at_once() -> None:
    store, loop = Store(), asyncio.get_running_loop()
    one = elector(store, "one")
    holding = await lead(one)
    store.edit(holderIdentity="somebody")
    began = loop.time()
    with pytest.raises(LeaseLost, match="is held by somebody now"):
        await holding
    assert loop.time() - began <= 3
    assert one.seconds_left() <= 0
    assert store.holder == "somebody"


async def test_a_label_on_the_lease_changes_nothing() -> None:
    store = Store()
    holding = await lead(elector(store, "one"))
    assert store.live is not None
    store._store({**store.live, "metadata": {**store.live["metadata"], "labels": {"theirs": "1"}}})
    await asyncio.sleep(60)
    assert not holding.done()
    assert store.live["metadata"]["labels"] == {"theirs": "1"}
    await end(holding)


async def test_of_two_that_come_at_once_one_leads() -> None:
    store = Store()
    one, two = (asyncio.create_task(elector(store, name).acquire()) for name in ("one", "two"))
    await asyncio.sleep(1)
    assert [one.done(), two.done()].count(True) == 1
    await end(one, two)


async def test_a_longer_term_that_the_lease_names_is_waited_for() -> None:
    store, loop = Store(), asyncio.get_running_loop()
    await elector(store, "one").acquire()
    store.edit(leaseDurationSeconds=60)
    began = loop.time()
    await elector(store, "two").acquire()
    assert loop.time() - began >= 60
