"""What the client does with children that others change, against a real API server."""

from typing import Any

import pytest

from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import Invalid, NotFound
from genmodel_operator.kube.kinds import CONTROLLER_REVISION, SERVICE
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
