"""The store against an API that answers as it must and as it must not; a real one is in tests/apiserver."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from genmodel_operator.controller.measurements import FRESH_SECONDS, RETRY_SECONDS, MeasurementStore
from genmodel_operator.kube.errors import Conflict, Forbidden, KubeError, NotFound, Unreachable
from genmodel_operator.kube.kinds import Kind
from genmodel_operator.resources.measurements import entry_name
from tests.builders_measurements import a_measurement

Object = dict[str, Any]
OTHER = a_measurement(placement={"tensor_parallel": 2})


class OneConfigMap:
    """One object of the API server, its requests, and faults that it makes in order."""

    def __init__(self) -> None:
        self.live: Object | None = None
        self.requests: list[str] = []
        self.faults: dict[str, list[KubeError]] = {}
        self.version = 1

    async def get(self, kind: Kind, _namespace: str | None, name: str) -> Object:
        self._note("get")
        if self.live is None:
            raise NotFound("not found", kind=kind.kind, name=name)
        found: Object = json.loads(json.dumps(self.live))
        return found

    async def apply(self, _kind: Kind, obj: Mapping[str, Any]) -> Object:
        self._note("apply")
        wanted = obj["metadata"].get("resourceVersion")
        if wanted is not None and wanted != str(self.version):
            raise Conflict("changed meanwhile", status=409)
        self.version += 1
        self.live = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        return self.live

    def _note(self, verb: str) -> None:
        self.requests.append(verb)
        if self.faults.get(verb):
            raise self.faults[verb].pop(0)

    def edit(self, **entries: str) -> None:
        """Change entries as a person does."""
        assert self.live is not None
        self.version += 1
        self.live["metadata"]["resourceVersion"] = str(self.version)
        self.live["data"] = {**self.live["data"], **entries}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> OneConfigMap:
    return OneConfigMap()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(api: OneConfigMap, clock: Clock) -> Callable[..., MeasurementStore]:
    def made(namespace: str = "platform") -> MeasurementStore:
        return MeasurementStore(api, namespace=namespace, name="kept", clock=clock)  # type: ignore[arg-type]

    return made


async def test_what_is_kept_is_found_by_another_process(make: Callable[..., MeasurementStore]) -> None:
    assert await make().keep(a_measurement())

    assert await make().read() == [a_measurement()]


async def test_the_same_again_is_not_written(make: Callable[..., MeasurementStore], api: OneConfigMap) -> None:
    await make().keep(a_measurement())

    assert not await make().keep(a_measurement(at="2026-12-24T10:00:00Z"))
    assert api.requests.count("apply") == 1


async def test_several_are_kept_beside_each_other(make: Callable[..., MeasurementStore]) -> None:
    store = make()
    await store.keep(a_measurement())
    await store.keep(OTHER)

    assert sorted(await make().read(), key=entry_name) == sorted([a_measurement(), OTHER], key=entry_name)


async def test_many_plans_at_once_read_it_once(
    make: Callable[..., MeasurementStore], api: OneConfigMap, clock: Clock
) -> None:
    store = make()
    for _ in range(20):
        await store.read()
    assert api.requests == ["get"]
    clock.now += FRESH_SECONDS + 1
    await store.read()
    assert api.requests == ["get", "get"]


async def test_without_a_namespace_nothing_is_asked_or_kept(
    make: Callable[..., MeasurementStore], api: OneConfigMap
) -> None:
    store = make(namespace="")

    assert not await store.keep(a_measurement())
    assert (await store.read(), store.is_waiting, api.requests) == ([], False, [])


async def test_somebody_wrote_meanwhile(make: Callable[..., MeasurementStore], api: OneConfigMap) -> None:
    await make().keep(OTHER)
    api.faults["apply"] = [Conflict("changed meanwhile", status=409)]

    assert await make().keep(a_measurement())
    assert len(await make().read()) == 2


async def test_an_entry_broken_by_hand_is_logged_once_and_goes_at_the_next_write(
    make: Callable[..., MeasurementStore], api: OneConfigMap, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = make()
    await store.keep(OTHER)
    api.edit(notes="do not delete", **{entry_name(OTHER): "{}"})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.now += FRESH_SECONDS + 1
            assert await store.read() == []
    assert len([record for record in caplog.records if "notes" in record.getMessage()]) == 1

    assert await store.keep(a_measurement())
    assert await make().read() == [a_measurement()]


async def test_a_config_map_of_somebody_else_is_left_alone(
    make: Callable[..., MeasurementStore], api: OneConfigMap, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = {"metadata": {"name": "kept", "resourceVersion": "1"}, "data": {"theirs": "1"}}
    api.live = dict(theirs)

    assert not await make().keep(a_measurement())
    assert await make().read() == []
    assert api.live == theirs
    assert "it is not the operator's" in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Unreachable("no route"), id="no answer"),
        pytest.param(Forbidden("configmaps is forbidden", status=403), id="no right"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "apply"])
async def test_what_cannot_be_written_waits(
    make: Callable[..., MeasurementStore], api: OneConfigMap, clock: Clock, fault: KubeError, verb: str
) -> None:
    store = make()
    api.faults[verb] = [fault]
    assert not await store.keep(a_measurement())
    assert store.is_waiting

    await store.flush()
    assert store.is_waiting, "not tried again at once, by every model"
    clock.now += RETRY_SECONDS + 1
    await store.flush()

    assert not waits(store)
    assert await make().read() == [a_measurement()]


def waits(store: MeasurementStore) -> bool:
    """What time has changed, which a type checker does not see."""
    return store.is_waiting


async def test_the_next_measurement_takes_along_what_waits(
    make: Callable[..., MeasurementStore], api: OneConfigMap
) -> None:
    store = make()
    api.faults["apply"] = [Unreachable("no route")]
    await store.keep(a_measurement())

    assert await store.keep(OTHER)
    assert len(await make().read()) == 2


async def test_plans_are_made_with_what_was_known_where_it_cannot_be_read(
    make: Callable[..., MeasurementStore], api: OneConfigMap, clock: Clock
) -> None:
    store = make()
    await store.keep(a_measurement())
    clock.now += FRESH_SECONDS + 1
    api.faults["get"] = [Unreachable("no route")]

    assert await store.read() == [a_measurement()]


async def test_deleted_by_a_person_is_forgotten(
    make: Callable[..., MeasurementStore], api: OneConfigMap, clock: Clock
) -> None:
    store = make()
    await store.keep(a_measurement())
    api.live = None
    clock.now += FRESH_SECONDS + 1

    assert await store.read() == []


async def test_endless_conflicts_end(make: Callable[..., MeasurementStore], api: OneConfigMap) -> None:
    api.faults["apply"] = [Conflict("changed meanwhile", status=409)] * 50
    store = make()

    assert not await store.keep(a_measurement())
    assert store.is_waiting
    assert len(api.requests) < 10
