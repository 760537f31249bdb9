"""What the client does with children that others change, against a real API server."""

from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest

from genmodel_operator.api.labels import FIELD_MANAGER
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import Conflict, Invalid, NotFound
from genmodel_operator.kube.kinds import CONTROLLER_REVISION, SERVICE, Kind
from genmodel_operator.settings import Settings
from tests.cluster import Cluster

pytestmark = pytest.mark.apiserver

Object = dict[str, Any]

DATA = {
    "z": 24.0,
    "a": {"y": 0.1, "b": [1, "<&>"]},
    "m": "gr\u00fc\u00dfe \u2028 \U0001f600",
    "t": "1e3",
    "n": None,
    "long": "a: b # c\n- 'd' \"e\" \\ \t" * 20,
}
"""Unsorted, with whole floats and characters that encoders write in different ways."""


async def test_a_controller_revision_can_be_patched_though_its_data_may_never_change(
    client: KubeClient, control_plane: Cluster, team: str
) -> None:
    wanted: Object = {"metadata": {"name": "frozen", "namespace": team}, "revision": 1, "data": DATA}
    created = await client.create(CONTROLLER_REVISION, wanted)
    control_plane.kubectl("-n", team, "label", "controllerrevision", "frozen", "theirs=1")
    wanted["metadata"] |= {"annotations": {"ours": "1"}, "labels": {"ours": "1"}}
    await client.take_over(CONTROLLER_REVISION, team, "frozen")
    applied = await client.apply(CONTROLLER_REVISION, wanted)
    assert created["data"] == applied["data"] == DATA
    assert applied["metadata"]["labels"] == {"ours": "1", "theirs": "1"}


class Interrupted(KubeClient):
    """Somebody else writes right after each of its first reads."""

    writes: list[Callable[[], object]]

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """Return what is there before somebody changes it."""
        live = await super().get(kind, namespace, name)
        if self.writes:
            self.writes.pop()()
        return live


@pytest.fixture
async def interrupted(control_plane: Cluster) -> AsyncIterator[Interrupted]:
    """Yield a client that nobody interrupts yet."""
    found = await Interrupted.connect(Settings(), environ={"KUBECONFIG": str(control_plane.kubeconfig)})
    found.writes = []
    yield found
    await found.close()


@pytest.mark.parametrize(
    ("times", "want_manager"),
    [
        pytest.param(1, "Apply", id="once"),
        pytest.param(4, "Apply", id="four times"),
        pytest.param(5, "Update", id="each time"),
    ],
)
async def test_what_changes_while_it_is_taken_over_is_read_again(
    interrupted: Interrupted, control_plane: Cluster, team: str, times: int, want_manager: str
) -> None:
    name = f"busy-{times}"
    metadata = {"name": name, "namespace": team}
    await interrupted.create(CONTROLLER_REVISION, {"metadata": metadata, "revision": 1, "data": {}})
    label = ("-n", team, "label", "--overwrite", "controllerrevision", name)
    interrupted.writes = [partial(control_plane.kubectl, *label, f"theirs={number}") for number in range(times)]
    with pytest.raises(Conflict) if want_manager == "Update" else nullcontext():
        await interrupted.take_over(CONTROLLER_REVISION, team, name)
    live = await interrupted.get(CONTROLLER_REVISION, team, name)
    ours = [one["operation"] for one in live["metadata"]["managedFields"] if one["manager"] == FIELD_MANAGER]
    assert (ours, live["metadata"]["labels"]) == ([want_manager], {"theirs": "0"})


async def test_a_page_of_a_pod_that_is_not_there(client: KubeClient, team: str) -> None:
    with pytest.raises(NotFound):
        await client.read_page(team, "nobody", 8001, "status")


async def test_a_spec_is_replaced_whole_and_only_of_the_object_that_was_meant(
    client: KubeClient, control_plane: Cluster, team: str
) -> None:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    wanted: Object = {"metadata": {"name": "whole", "namespace": team}, "spec": {"ports": ports}}
    uid = (await client.create(SERVICE, wanted))["metadata"]["uid"]
    edit = '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]'
    control_plane.kubectl("-n", team, "patch", "service", "whole", "--type=json", "-p", edit)
    with pytest.raises(Invalid):
        await client.apply(SERVICE, wanted)
    with pytest.raises(Invalid):
        await client.replace_spec(SERVICE, wanted, uid="another")
    replaced = await client.replace_spec(SERVICE, wanted, uid=uid)
    await client.apply(SERVICE, wanted)
    assert [port["port"] for port in replaced["spec"]["ports"]] == [80]
    assert replaced["spec"]["clusterIP"]
