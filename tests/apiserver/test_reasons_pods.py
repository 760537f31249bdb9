"""What a kubelet finds, lifted into `kubectl get gm`, the conditions and an Event, and cleared on recovery.

The scheduler places real pods on a node whose kubelet is the test.
"""

from collections.abc import Iterator

import pytest

from tests.fakes.hand_node import HandNode
from tests.operator_world import OperatorWorld
from tests.situations.node_scenes import NODE_SCENES, NodeScene
from tests.situations.patients import Patient, admit, hand_node, named, pods_voice
from tests.situations.pods import PODS, PodSituation

pytestmark = pytest.mark.apiserver

PATIENTS = 7
"""Models that take turns: an Event about one of them is dropped after ten in a minute."""


@pytest.fixture(scope="module")
def node(world: OperatorWorld) -> Iterator[HandNode]:
    with hand_node(world) as found:
        yield found


@pytest.fixture(scope="module")
def patients(world: OperatorWorld, node: HandNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Patient]]:
    """Yield models on the node."""
    with pods_voice(world, tmp_path_factory.mktemp("pods")) as voice, world.namespace() as team:
        yield admit(named(world, node, voice, team, PATIENTS))
        world.cluster.kubectl("-n", team, "delete", "gm", "--all")
        world.until(lambda: world.list(team, "pods") == [], "the pods are gone")


@pytest.mark.parametrize(("index", "situation"), [pytest.param(i, s, id=s.id) for i, s in enumerate(PODS)])
def test_what_the_kubelet_finds_is_told_and_forgotten(
    patients: list[Patient], index: int, situation: PodSituation
) -> None:
    patient = patients[index % PATIENTS]
    world, team, name = patient.world, patient.team, patient.name
    patient.falls_into(situation)

    row = world.wait_for(team, name, situation.reason.value)

    assert (row["READY"], row["REPLICAS"]) == ("False", "0/1")
    found = patient.conditions()
    world.until(lambda: situation.words in patient.conditions()["Ready"]["message"], f"it says {situation.words}")
    assert ("Stalled" in found) is situation.needs_person
    assert ("Reconciling" in found) is not situation.needs_person
    if situation.is_told_by_event:
        world.until(lambda: situation.reason.value in {e["reason"] for e in world.events(team, name)}, "an Event tells")

    patient.recovers()
    found = patient.conditions()
    assert found["Ready"]["status"] == "True"
    assert not {"Stalled", "Reconciling"} & set(found)
    assert situation.reason.value not in {condition["reason"] for condition in found.values()}


@pytest.mark.parametrize(
    ("index", "scene"), [pytest.param(index, found, id=found.id) for index, found in enumerate(NODE_SCENES)]
)
def test_scene_on_a_node(patients: list[Patient], index: int, scene: NodeScene) -> None:
    patient = patients[index] = patients[index].gives_place(f"scene-{index}")
    scene.play(patient)
    patient.recovers()
