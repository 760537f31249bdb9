"""A plan is sticky, but for a model that never served and finds no node, on a real scheduler."""

import json
import time
from collections.abc import Iterator

import pytest

from genmodel_operator.process import NODES_SETTLE_SECONDS
from tests.operator_world import Object, OperatorWorld

pytestmark = pytest.mark.apiserver

A4000_LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-RTX-A4000",
    "nvidia.com/gpu.memory": "16376",
    "nvidia.com/gpu.count": "1",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "6",
}
A4000, L4 = "NVIDIA-RTX-A4000", "NVIDIA-L4"


@pytest.fixture
def small(world: OperatorWorld) -> Iterator[str]:
    """Yield the one node of a kind that small models are planned on first."""
    name = add_small(world)
    time.sleep(2 * NODES_SETTLE_SECONDS)
    yield name
    world.cluster.kubectl("delete", "node", name, "--ignore-not-found")


def add_small(world: OperatorWorld) -> str:
    (name,) = world.cluster.add_kwok_nodes(1, prefix="a4000", labels=A4000_LABELS, allocatable={"nvidia.com/gpu": "1"})
    return name


def occupy(world: OperatorWorld, team: str, node: str) -> None:
    """Take the node's only device for somebody else's pod, of which the operator knows nothing."""
    container = {"name": "c", "image": "theirs:1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "theirs", "namespace": team},
        "spec": {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container]},
    }
    world.cluster.kubectl("create", "-f", "-", input=json.dumps(pod))
    world.cluster.kubectl("-n", team, "wait", "--for=condition=Ready", "--timeout=60s", "pod/theirs")


def product(world: OperatorWorld, team: str, name: str) -> str:
    found: Object = world.get(team, "gm", name)["status"]["plan"]["accelerator"]
    return str(found["product"])


def serving_revision(world: OperatorWorld, team: str) -> str:
    return str(world.get(team, "service", "tiny")["spec"]["selector"]["genmodel.dev/revision"])


def revision(world: OperatorWorld, team: str) -> Object:
    (found,) = world.list(team, "controllerrevisions")
    return found


def test_a_model_whose_nodes_vanished_before_it_ever_served_is_planned_onto_others(
    world: OperatorWorld, team: str, small: str
) -> None:
    occupy(world, team, small)
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Unschedulable")
    before = revision(world, team)
    assert product(world, team, "tiny") == A4000
    world.until_quiet(quiet_seconds=15)
    assert revision(world, team)["metadata"]["uid"] == before["metadata"]["uid"], "the same plan is not written anew"

    world.cluster.kubectl("delete", "node", small)

    world.wait_for(team, "tiny", "Serving", seconds=90)
    assert product(world, team, "tiny") == L4
    after = revision(world, team)
    assert after["metadata"]["name"] == before["metadata"]["name"], "the same inputs are the same revision"
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["revision"] == before["revision"] + 1
    assert after["data"]["plan"]["product"] == L4
    (pod,) = world.list(team, "pods", "-l", "genmodel.dev/model=tiny")
    assert pod["spec"]["nodeName"].startswith("l4-")
    world.until_quiet()


def test_a_model_that_served_once_stays_with_its_plan(world: OperatorWorld, team: str, small: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    before = revision(world, team)
    answered = world.get(team, "gm", "tiny")["status"]["revision"]["answered"]
    assert before["metadata"]["name"] == f"tiny-{answered}", "that is remembered"
    assert product(world, team, "tiny") == A4000

    world.cluster.kubectl("delete", "node", small)
    world.cluster.kubectl("-n", team, "delete", "pods", "-l", "genmodel.dev/model=tiny", "--force", "--grace-period=0")
    world.wait_for(team, "tiny", "Unschedulable", seconds=90)
    time.sleep(15)
    world.stop_operator()
    world.start_operator()
    time.sleep(15)

    assert world.row(team, "tiny")["REASON"] == "Unschedulable"
    assert product(world, team, "tiny") == A4000
    assert revision(world, team)["metadata"]["uid"] == before["metadata"]["uid"]
    assert world.written() == {}
    add_small(world)
    world.wait_for(team, "tiny", "Serving", seconds=90)


def test_a_model_that_no_other_nodes_can_take_waits_for_its_own(world: OperatorWorld, team: str, small: str) -> None:
    occupy(world, team, small)
    world.wish(team, "tiny", accelerator={"products": [A4000]})
    world.wait_for(team, "tiny", "Unschedulable")
    before = revision(world, team)
    world.cluster.kubectl("delete", "node", small)
    world.cluster.kubectl("-n", team, "delete", "pod", "theirs", "--force", "--grace-period=0")
    time.sleep(15)
    assert world.row(team, "tiny")["REASON"] == "Unschedulable", "that is what a person can act on"

    add_small(world)

    world.wait_for(team, "tiny", "Serving", seconds=90)
    assert revision(world, team)["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_model_that_waits_is_planned_anew_when_other_nodes_come(world: OperatorWorld, team: str, small: str) -> None:
    world.cluster.kubectl("cordon", "l4-0", "l4-1")
    try:
        occupy(world, team, small)
        world.wish(team, "tiny")
        world.wait_for(team, "tiny", "Unschedulable")
        world.cluster.kubectl("delete", "node", small)
        time.sleep(15)
        assert world.row(team, "tiny")["REASON"] == "Unschedulable"
    finally:
        world.cluster.kubectl("uncordon", "l4-0", "l4-1")
    world.wait_for(team, "tiny", "Serving", seconds=90)
    assert product(world, team, "tiny") == L4


def test_what_serves_goes_on_until_its_successor_was_planned_anew(world: OperatorWorld, team: str, small: str) -> None:
    world.wish(team, "tiny", accelerator={"products": [L4]})
    world.wait_for(team, "tiny", "Serving")
    first = world.get(team, "gm", "tiny")["status"]["revision"]["serving"]
    (old,) = world.list(team, "pods", "-l", f"genmodel.dev/revision={first}")
    occupy(world, team, small)

    world.wish(team, "tiny", accelerator={"products": None}, context={"maxModelLen": 256})
    world.until(lambda: product(world, team, "tiny") == A4000, "the successor is planned onto the smaller device")
    world.cluster.kubectl("delete", "node", small)

    def switched() -> bool:
        if serving_revision(world, team) != first:
            return True
        pods = world.list(team, "pods", "-l", f"genmodel.dev/revision={first}")
        if [pod["metadata"]["uid"] for pod in pods] == [old["metadata"]["uid"]]:
            return False
        # Between the two looks it may have been replaced.
        assert serving_revision(world, team) != first, "it serves all the time"
        return True

    world.until(switched, "the successor serves", seconds=90)
    world.wait_for(team, "tiny", "Serving")
    assert product(world, team, "tiny") == L4
