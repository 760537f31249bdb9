"""Scenes with a model on a node whose kubelet is the test: more than one pod, or the node itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from genmodel_operator.api.reasons import Reason
from tests.fakes.hand_node import RUNNING, in_server
from tests.operator_world import Object
from tests.situations.patients import PRODUCT, Patient
from tests.situations.pods import ended, looping, printed, told

Play = Callable[[Patient], None]


@dataclass(frozen=True)
class NodeScene:
    """A play with one model, and the reasons that are seen in it."""

    id: str
    reasons: tuple[Reason, ...]
    play: Play


NODE_SCENES: list[NodeScene] = []


def scene(*reasons: Reason) -> Callable[[Play], Play]:
    """Register a scene; afterwards the model's only pod is made to serve."""

    def register(play: Play) -> Play:
        NODE_SCENES.append(NodeScene(play.__name__.replace("_", " "), reasons, play))
        return play

    return register


def unready(patient: Patient) -> list[Object]:
    """The pods that do not serve, newest last."""
    found = patient.world.list(patient.team, "pods", "-l", f"genmodel.dev/model={patient.name}")
    waiting = [pod for pod in found if pod["status"].get("podIP") != patient.address and is_bound(pod)]
    return sorted(waiting, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def is_bound(pod: Object) -> bool:
    return "nodeName" in pod["spec"] and "deletionTimestamp" not in pod["metadata"]


def loads(patient: Patient) -> None:
    """Let the newest pod load its weights."""
    patient.world.until(lambda: len(unready(patient)) == 1, "another pod is placed")
    patient.voice.write_text(json.dumps(told("Loading")))
    (pod,) = unready(patient)
    patient.node.write(patient.team, pod["metadata"]["name"], in_server("10.245.200.99", RUNNING))


@scene(Reason.SCALING)
def one_of_two_replicas_answers(patient: Patient) -> None:
    world, team, name = patient.world, patient.team, patient.name
    patient.recovers()
    world.cluster.kubectl("-n", team, "scale", f"gm/{name}", "--replicas=2")
    loads(patient)
    row = world.wait_for(team, name, "Scaling")
    assert (row["READY"], row["REPLICAS"]) == ("False", "1/2")
    said = world.condition(team, name)["message"]
    assert "1 of 2 replicas answer: the engine loads the weights, since 10:00:00 UTC" in said
    world.until(lambda: "Scaling" in {event["reason"] for event in world.events(team, name)}, "an Event tells")
    world.cluster.kubectl("-n", team, "scale", f"gm/{name}", "--replicas=1")
    world.until(lambda: unready(patient) == [], "the second one is gone")


@scene(Reason.ROLLING_OUT)
def a_successor_loads_while_the_old_one_serves(patient: Patient) -> None:
    world, team, name = patient.world, patient.team, patient.name
    patient.recovers()
    world.wish(team, name, accelerator={"products": [PRODUCT]}, context={"maxModelLen": 128})
    loads(patient)
    row = world.wait_for(team, name, "RollingOut")
    assert (row["READY"], row["REPLICAS"]) == ("False", "1/1")
    assert "comes up while " in world.condition(team, name)["message"]
    assert world.condition(team, name, "Available")["status"] == "True"
    world.until(lambda: "RollingOut" in {event["reason"] for event in world.events(team, name)}, "an Event tells")
    world.wish(team, name, accelerator={"products": [PRODUCT]})
    world.until(lambda: unready(patient) == [], "the wish is taken back")


@scene()
def a_successor_crashes_while_the_old_one_serves(patient: Patient) -> None:
    world, team, name = patient.world, patient.team, patient.name
    patient.recovers()
    world.wish(team, name, accelerator={"products": [PRODUCT]}, engine={"args": ["--no-such-flag"]})
    loads(patient)
    (pod,) = unready(patient)
    refused = printed("vllm: error: unrecognized arguments: --no-such-flag", code=2)
    crashed = in_server("10.245.200.99", looping("server", ended(refused)))
    patient.node.write(team, pod["metadata"]["name"], crashed)
    row = world.wait_for(team, name, "BadEngineArgument")
    assert (row["READY"], row["REPLICAS"]) == ("False", "1/1")
    assert "--no-such-flag" in world.condition(team, name)["message"]
    assert world.condition(team, name, "Stalled")["status"] == "True"
    assert world.condition(team, name, "Available")["status"] == "True"
    world.wish(team, name, accelerator={"products": [PRODUCT]})
    world.until(lambda: unready(patient) == [], "the wish is taken back")


@scene(Reason.NODE_LOST)
def a_node_that_does_not_answer_any_more(patient: Patient) -> None:
    world, team, name = patient.world, patient.team, patient.name
    patient.recovers()
    patient.node.die()
    try:
        row = world.wait_for(team, name, "NodeLost", seconds=150)
        assert row["READY"] == "False"
        said = world.condition(team, name)["message"]
        assert f"the node {patient.node.name} is lost: it is not ready since " in said
        assert "Kubelet stopped posting node status" in said
        world.until(lambda: "NodeLost" in {event["reason"] for event in world.events(team, name)}, "an Event tells")
    finally:
        patient.node.revive()


@scene(Reason.DEVICE_UNHEALTHY)
def the_devices_of_a_node_fail(patient: Patient) -> None:
    world, team, name = patient.world, patient.team, patient.name
    patient.recovers()
    ended = {"exitCode": 1, "reason": "Error"}
    crashed = {**RUNNING, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
    patient.node.write(team, patient.pod()["metadata"]["name"], in_server(patient.address, crashed))
    world.wait_for(team, name, "PodCrashed")
    # The device plugin notices later than the engine.
    patient.node.patch(allocatable={"nvidia.com/gpu": "0"})
    try:
        world.wait_for(team, name, "DeviceUnhealthy")
        said = world.condition(team, name)["message"]
        assert "0 of its 8 can be used, and the pod wants 1; repair or cordon the node by-hand" in said
    finally:
        patient.node.patch(allocatable={"nvidia.com/gpu": "8"})
