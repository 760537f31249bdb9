"""Everything that an operator does, driven once: what it needs rights for."""

from typing import Any

from genmodel_operator.api.labels import CLAIM_UID
from tests import audited
from tests.claims import a_volume
from tests.operator_world import OperatorWorld
from tests.situations.scenes import L4, TOO_MANY

OF_M = ("-l", "genmodel.dev/model=m")
MONITORS = "podmonitors.monitoring.coreos.com"
OF_KEPT = ("-l", "genmodel.dev/model=kept")


def _until_planned(world: OperatorWorld, team: str, tokens: int) -> None:
    def plan() -> dict[str, Any]:
        found: dict[str, Any] = world.get(team, "gm", "m")["status"].get("plan", {})
        return found

    world.until(lambda: plan().get("maxModelLen") == tokens, lambda: f"{tokens} tokens are planned, not {plan()}")


def live_a_life(world: OperatorWorld, team: str, since: str) -> None:
    """Make the operator do everything that it does: rollouts, drift, claims, downloads, pods without a node.

    ``since`` is when it began, as `audited.now` says it.
    """
    kubectl = world.cluster.kubectl
    kinds = ["deployment", "service", "controllerrevision", "networkpolicy", "pdb"]
    kinds += ["podmonitor"] if kubectl("get", "crd", MONITORS, "--ignore-not-found", "-o", "name") else []

    world.wish(team, "m", replicas=2)
    world.wait_for(team, "m", "Serving")
    world.until(lambda: bool(world.list(team, "pdb", *OF_M)), "two replicas have a budget")
    # By hand: every kind is put right.
    for kind in kinds:
        (found, *_) = world.list(team, kind, *OF_M)
        kubectl("-n", team, "label", kind, found["metadata"]["name"], "app.kubernetes.io/component-")
    for length in (128, 256, 384, 448):
        world.wish(team, "m", context={"maxModelLen": length})
        _until_planned(world, team, length)
        world.wait_for(team, "m", "Serving", seconds=90)
    world.until(lambda: world.list(team, "pdb", *OF_M) == [], "one replica has no budget")
    world.until(lambda: len(world.list(team, "controllerrevisions", *OF_M)) == 3, "old revisions go")
    world.wish(team, "many", replicas=TOO_MANY, accelerator=L4)
    world.wait_for(team, "many", "Unschedulable", seconds=90)
    kubectl("-n", team, "delete", "gm", "many", "--timeout=60s")
    with a_volume(kubectl, f"weights-{team}") as volume:
        _keep_weights(world, team, {"persistentVolumeClaim": {"storageClassName": volume}}, since)


def _keep_weights(world: OperatorWorld, team: str, cache: dict[str, Any], since: str) -> None:
    """Let weights be brought to a claim, and change the claim and the Job by hand."""
    kubectl = world.cluster.kubectl
    world.wish(team, "kept", cache=cache)
    world.wait_for(team, "kept", "Serving", seconds=120)
    kubectl("-n", team, "label", "pvc", "kept-weights", "app.kubernetes.io/component-")
    (job,) = world.list(team, "jobs")
    name = job["metadata"]["name"]
    kubectl("-n", team, "label", "job", name, "app.kubernetes.io/managed-by-")
    world.until(
        lambda: ("batch", "jobs", "get") in audited.used(world.cluster, since), "the Job is looked at", seconds=90
    )
    # It has filled another claim than the one that is there, as after a claim that was made anew.
    kubectl("-n", team, "annotate", "--overwrite", "job", name, f"{CLAIM_UID}=of-another")
    kubectl("-n", team, "label", "job", name, "app.kubernetes.io/managed-by=genmodel-operator")
    gone = job["metadata"]["uid"]
    world.until(
        lambda: [found["metadata"]["uid"] for found in world.list(team, "jobs")] not in ([], [gone]),
        "another Job takes its place",
        seconds=90,
    )
    world.wait_for(team, "kept", "Serving", seconds=120)
    world.wish(team, "kept")
    world.until(
        lambda: len(world.list(team, "networkpolicies", *OF_KEPT)) == 1, "nothing fetches to a claim", seconds=120
    )
