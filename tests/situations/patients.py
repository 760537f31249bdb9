"""Models whose pods the scheduler places on a node whose kubelet is the test."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.cluster.namespace import FAKE_POD_RANGE
from tests.fakes.hand_node import HandNode, serving
from tests.operator_world import ROOT, Object, OperatorWorld
from tests.situations.pods import PodSituation

PRODUCT = "NVIDIA-A10"
LABELS = {
    "nvidia.com/gpu.product": PRODUCT,
    "nvidia.com/gpu.memory": "23028",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "6",
}


@dataclass(frozen=True)
class Patient:
    """A model whose pod is on the node of the test."""

    world: OperatorWorld
    node: HandNode
    voice: Path
    team: str
    name: str
    address: str

    def pod(self) -> Object:
        found = self.world.list(self.team, "pods", "-l", f"genmodel.dev/model={self.name}")
        (alive,) = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return alive

    def is_placed(self) -> bool:
        pods = self.world.list(self.team, "pods", "-l", f"genmodel.dev/model={self.name}")
        return [pod["spec"].get("nodeName") for pod in pods] == [self.node.name]

    def falls_into(self, situation: PodSituation) -> None:
        self.voice.write_text(json.dumps(dict(situation.runtime)))
        pod = self.pod()
        for reason, message in situation.events:
            self.node.say(self.team, pod, reason, message)
        self.node.write(self.team, pod["metadata"]["name"], situation.status(self.address))

    def recovers(self) -> None:
        self.voice.write_text("{}")
        self.node.write(self.team, self.pod()["metadata"]["name"], serving(self.address))
        self.world.wait_for(self.team, self.name, "Serving")

    def gives_place(self, name: str) -> "Patient":
        """Take the model away and wish one of another name in its place, of which no Event was told yet."""
        self.world.cluster.kubectl("-n", self.team, "delete", "gm", self.name)
        return admit([replace(self, name=name)])[0]

    def conditions(self) -> dict[str, dict[str, Any]]:
        found = self.world.get(self.team, "gm", self.name)["status"]["conditions"]
        return {condition["type"]: condition for condition in found}


@contextmanager
def hand_node(world: OperatorWorld, *, devices: int = 8) -> Iterator[HandNode]:
    """Yield a node of a product that nobody else has."""
    with HandNode(world.cluster, "by-hand", labels=LABELS, devices=devices) as found:
        yield found


@contextmanager
def pods_voice(world: OperatorWorld, folder: Path) -> Iterator[Path]:
    """Yield the file that holds what all pods with made-up addresses say of themselves."""
    voice, log = folder / "status.json", folder / "log"
    voice.write_text("{}")
    world.cluster.run(["ip", "route", "add", "local", FAKE_POD_RANGE, "dev", "lo"])
    server = world.cluster.popen([sys.executable, "-m", "tests.fakes.runtime_status", str(voice)], log=log, cwd=ROOT)
    try:
        world.until(lambda: "listening" in log.read_text(), "the pods' status page is there")
        yield voice
    finally:
        server.terminate()
        server.wait(10)
        world.cluster.run(["ip", "route", "del", "local", FAKE_POD_RANGE, "dev", "lo"])


def named(world: OperatorWorld, node: HandNode, voice: Path, team: str, count: int) -> list[Patient]:
    """Return so many patients, who are not admitted yet."""
    return [Patient(world, node, voice, team, f"p{number}", f"10.245.200.{number + 1}") for number in range(count)]


def admit(patients: list[Patient]) -> list[Patient]:
    """Wish the models on the node and wait until their pods are placed."""
    for patient in patients:
        patient.world.wish(patient.team, patient.name, accelerator={"products": [PRODUCT]})
    for patient in patients:
        patient.world.until(patient.is_placed, f"the pod of {patient.name} is placed")
    return patients
