"""Scenes on a real control plane in which a reason comes and goes: what the Hub and the cluster do to a model."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api.reasons import Reason
from tests.cluster.errors import ClusterError
from tests.fakes.hand_node import post_event
from tests.operator_world import Object, OperatorWorld
from tests.situations import policies
from tests.situations.spec import TINY

Play = Callable[[OperatorWorld, str], None]
L4 = {"products": ["NVIDIA-L4"]}
TOO_MANY = 17
"""Replicas for which the nodes of these tests have no room: two of eight devices each."""

WELL = {"Serving", "Resolved", "Planned", "WeightsReady"}
"""Reasons of a model with which all is well."""
UNWELL = {"Stalled", "Reconciling"}


@dataclass(frozen=True)
class Scene:
    """A play in a namespace of its own, and the reasons that are seen in it."""

    id: str
    reasons: tuple[Reason, ...]
    play: Play


SCENES: list[Scene] = []


def scene(*reasons: Reason) -> Callable[[Play], Play]:
    """Register a scene."""

    def register(play: Play) -> Play:
        SCENES.append(Scene(play.__name__.replace("_", " "), reasons, play))
        return play

    return register


def sees(
    world: OperatorWorld, team: str, reason: Reason, *words: str, name: str = "m", seconds: float = 90.0
) -> dict[str, str]:
    """Wait until `kubectl get gm` shows the reason and its message has the words."""
    row = world.wait_for(team, name, reason.value, seconds=seconds)
    for wanted in words:
        world.until(
            lambda wanted=wanted: wanted in world.condition(team, name)["message"],  # type: ignore[misc]
            f"{reason.value} says {wanted!r}",
        )
    return row


def is_told(world: OperatorWorld, team: str, reason: Reason, name: str = "m") -> None:
    world.until(lambda: reason.value in {e["reason"] for e in world.events(team, name)}, f"an Event {reason.value}")


def recovers(world: OperatorWorld, team: str, name: str = "m", *, seconds: float = 120.0) -> None:
    """Wait until it serves, and nothing is left of what was wrong."""
    world.wait_for(team, name, "Serving", seconds=seconds)

    def left() -> dict[str, str]:
        found = world.get(team, "gm", name)["status"]["conditions"]
        return {c["type"]: c["reason"] for c in found if c["reason"] not in WELL or c["type"] in UNWELL}

    world.until(lambda: left() == {}, lambda: f"nothing is left of what was wrong, but {left()}")


def create(world: OperatorWorld, team: str, kind: str, name: str, spec: Object, api: str = "v1") -> None:
    found = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": team}, "spec": spec}
    world.cluster.kubectl("create", "-f", "-", input=json.dumps(found))


def unplaced_pod(world: OperatorWorld, team: str, name: str = "m") -> Object:
    """The one pod of a model that the scheduler found no node for, once all others are placed."""

    def without_node() -> list[Object]:
        found = world.list(team, "pods", "-l", f"genmodel.dev/model={name}")
        return [pod for pod in found if "nodeName" not in pod["spec"]]

    world.until(lambda: len(without_node()) == 1, "all pods but one are placed")
    return without_node()[0]


@scene(Reason.SERVING, Reason.RESOLVED, Reason.PLANNED, Reason.WEIGHTS_READY, Reason.SUSPENDED)
def served_and_suspended(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m")
    row = sees(world, team, Reason.SERVING, f"1 of 1 replicas answer at http://m.{team}.svc/v1")
    assert row["READY"] == "True"
    found = {c["type"]: c["reason"] for c in world.get(team, "gm", "m")["status"]["conditions"]}
    assert found["ModelResolved"] == "Resolved"
    assert found["Planned"] == "Planned"
    assert found["WeightsReady"] == "WeightsReady"
    for reason in (Reason.PLANNED, Reason.SERVING):
        is_told(world, team, reason)
    world.wish(team, "m", suspend=True)
    assert sees(world, team, Reason.SUSPENDED, "set spec.suspend to false")["READY"] == "True"
    is_told(world, team, Reason.SUSPENDED)
    world.wish(team, "m", suspend=False)
    recovers(world, team)


@scene(Reason.UNSCHEDULABLE, Reason.WAITING_FOR_NODE)
def no_room_and_a_pool_that_grows(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m", replicas=TOO_MANY, accelerator=L4)
    sees(world, team, Reason.UNSCHEDULABLE, "no node takes the pod: of 2 nodes: 2 Insufficient nvidia.com/gpu (the pod")
    is_told(world, team, Reason.UNSCHEDULABLE)
    pod = unplaced_pod(world, team)
    grows = "pod triggered scale-up: [{l4-pool 2->3 (max: 4)}]"
    post_event(world.cluster, team, pod, "TriggeredScaleUp", grows, by="cluster-autoscaler")
    sees(world, team, Reason.WAITING_FOR_NODE, f"cluster-autoscaler says: {grows}")
    is_told(world, team, Reason.WAITING_FOR_NODE)
    stays = "pod didn't trigger scale-up: 1 max node group size reached"
    post_event(world.cluster, team, pod, "NotTriggerScaleUp", stays, by="cluster-autoscaler")
    sees(world, team, Reason.UNSCHEDULABLE, f"no node is added: cluster-autoscaler says: {stays}")
    world.wish(team, "m", replicas=1, accelerator=L4)
    recovers(world, team)


@scene(Reason.QUOTA_EXCEEDED)
def a_quota_that_leaves_no_room(world: OperatorWorld, team: str) -> None:
    create(world, team, "ResourceQuota", "gpus", {"hard": {"requests.nvidia.com/gpu": "0"}})
    world.until(lambda: "hard" in world.get(team, "resourcequota", "gpus")["status"], "the quota is counted")
    world.wish(team, "m", accelerator=L4)
    sees(world, team, Reason.QUOTA_EXCEEDED, "the quota gpus leaves no room", "nvidia.com/gpu: 1 wanted, 0 of 0 used")
    is_told(world, team, Reason.QUOTA_EXCEEDED)
    assert world.condition(team, "m", "Stalled")["status"] == "True"
    patch = json.dumps({"spec": {"hard": {"requests.nvidia.com/gpu": "4"}}})
    world.cluster.kubectl("-n", team, "patch", "resourcequota", "gpus", "-p", patch)
    recovers(world, team)


@scene(Reason.POD_CREATION_REFUSED)
def a_policy_that_refuses_pods(world: OperatorWorld, team: str) -> None:
    limits = [{"type": "Container", "max": {"memory": "16Mi"}}]
    create(world, team, "LimitRange", "small", {"limits": limits})
    world.wish(team, "m")
    sees(world, team, Reason.POD_CREATION_REFUSED, "maximum memory usage per Container is 16Mi", "change the policy")
    is_told(world, team, Reason.POD_CREATION_REFUSED)
    world.cluster.kubectl("-n", team, "delete", "limitrange", "small")
    recovers(world, team)


def evict(world: OperatorWorld, team: str, pod: Object, said: str) -> None:
    """Write what a kubelet writes that takes a pod away."""
    status = json.dumps({"status": {"phase": "Failed", "reason": "Evicted", "message": said}})
    world.cluster.kubectl("-n", team, "patch", "pod", pod["metadata"]["name"], "--subresource=status", "-p", status)


@scene(Reason.PODS_PENDING, Reason.POD_EVICTED, Reason.DISK_LIMIT_EXCEEDED)
def evicted_while_its_successor_is_held_back(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m")
    sees(world, team, Reason.SERVING)
    with policies.gated_pods(world.cluster, team):
        world.wish(team, "other")
        sees(world, team, Reason.PODS_PENDING, "a scheduling gate holds the pod back", name="other")
        (pod,) = world.list(team, "pods", "-l", "genmodel.dev/model=m")
        evict(world, team, pod, "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi")
        sees(world, team, Reason.POD_EVICTED, "ephemeral-storage", "it is placed again by itself")
        is_told(world, team, Reason.POD_EVICTED)
        evict(world, team, pod, 'Usage of EmptyDir volume "cache" exceeds the limit "10Gi". ')
        sees(world, team, Reason.DISK_LIMIT_EXCEEDED, "raise spec.podTemplate.spec.volumes[cache].emptyDir.sizeLimit")
        is_told(world, team, Reason.DISK_LIMIT_EXCEEDED)
        policies.open_gates(world.cluster, team)
    recovers(world, team)
    recovers(world, team, "other")


@scene(Reason.NAME_CONFLICT)
def a_name_that_somebody_else_has(world: OperatorWorld, team: str) -> None:
    create(world, team, "Service", "m", {"ports": [{"port": 80}]})
    world.wish(team, "m")
    sees(world, team, Reason.NAME_CONFLICT, "the Service m exists already", "rename this model, or delete that Service")
    is_told(world, team, Reason.NAME_CONFLICT)
    world.cluster.kubectl("-n", team, "delete", "service", "m")
    recovers(world, team)


@scene(Reason.WAITING_FOR_CLEANUP)
def a_child_of_an_earlier_model_that_does_not_go(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m")
    sees(world, team, Reason.SERVING)
    hold, let_go = ({"metadata": {"finalizers": wanted}} for wanted in (["team.example/hold"], []))
    world.cluster.kubectl("-n", team, "patch", "service", "m", "--type=merge", "-p", json.dumps(hold))
    world.cluster.kubectl("-n", team, "delete", "gm", "m")
    world.wish(team, "m")
    sees(world, team, Reason.WAITING_FOR_CLEANUP, "the Service m of an earlier model of this name")
    is_told(world, team, Reason.WAITING_FOR_CLEANUP)
    world.cluster.kubectl("-n", team, "patch", "service", "m", "--type=merge", "-p", json.dumps(let_go))
    recovers(world, team)


@scene(Reason.NAMESPACE_TERMINATING)
def a_namespace_that_is_being_deleted(world: OperatorWorld, team: str) -> None:
    doomed = f"{team}-doomed"
    world.cluster.kubectl("create", "namespace", doomed)
    world.wish(doomed, "m")
    sees(world, doomed, Reason.SERVING)
    with policies.refusing(world.cluster, doomed, resource="generativemodels", group="genmodel.dev", verb="DELETE"):
        world.cluster.kubectl("delete", "namespace", doomed, "--wait=false")
        sees(world, doomed, Reason.NAMESPACE_TERMINATING, f"the namespace {doomed} is being deleted")
    world.until(lambda: not _exists(world, "namespace", doomed), "the namespace is gone", seconds=120)


def _exists(world: OperatorWorld, kind: str, name: str) -> bool:
    return world.cluster.run(["kubectl", "get", kind, name], check=False).returncode == 0


@scene(Reason.REFUSED_BY_CLUSTER)
def a_policy_that_refuses_deployments(world: OperatorWorld, team: str) -> None:
    with policies.refusing(world.cluster, team, resource="deployments", group="apps", verb="CREATE", why="ask Ops"):
        world.wish(team, "m")
        sees(world, team, Reason.REFUSED_BY_CLUSTER, "the cluster refused the Deployment m-", "ask Ops")
        is_told(world, team, Reason.REFUSED_BY_CLUSTER)
    recovers(world, team)


@scene(Reason.RETRYING)
def an_admission_webhook_that_is_down(world: OperatorWorld, team: str) -> None:
    with policies.dead_webhook(world.cluster, team, resource="deployments", group="apps"):
        world.wish(team, "m")
        sees(world, team, Reason.RETRYING, "apply failed and is tried again", "failed calling webhook")
        is_told(world, team, Reason.RETRYING)
        assert world.condition(team, "m", "Reconciling")["status"] == "True"
    recovers(world, team)


@scene(Reason.SPEC_INVALID)
def a_stored_spec_that_today_s_schema_would_refuse(world: OperatorWorld, team: str) -> None:
    with policies.schema_without_rules(world.cluster):
        world.until(lambda: _is_taken(world, team, context={"concurrency": "many"}), "the looser schema is in force")
    sees(world, team, Reason.SPEC_INVALID, "spec.context.concurrency", "kubectl explain gm.spec")
    is_told(world, team, Reason.SPEC_INVALID)
    world.wish(team, "m", context={"concurrency": 1})
    recovers(world, team)


def _is_taken(world: OperatorWorld, team: str, **spec: Any) -> bool:
    try:
        world.wish(team, "m", **spec)
    except ClusterError:
        return False
    return True


@scene(Reason.HUB_UNREACHABLE)
def a_hub_that_is_down(world: OperatorWorld, team: str) -> None:
    _with_hub_fault(world, team, Reason.HUB_UNREACHABLE, "retried by itself", status=503)


@scene(Reason.HUB_RATE_LIMITED)
def a_hub_that_limits_the_rate(world: OperatorWorld, team: str) -> None:
    # Another repository than that of the Hub that is away: what was resolved a moment ago is not asked again.
    _with_hub_fault(
        world, team, Reason.HUB_RATE_LIMITED, "limits the rate",
        model="acme/rarely-asked", status=429, headers={"Retry-After": "3"},
    )  # fmt: skip


def _with_hub_fault(
    world: OperatorWorld, team: str, reason: Reason, words: str, *, model: str = "acme/sharded-llama", **fault: Any
) -> None:
    world.hub_post("/_fault", match=f"^/api/models/{model}", times=100_000, **fault)
    try:
        world.wish(team, "m", model, revision="v1.0")
        sees(world, team, reason, words)
        is_told(world, team, reason)
        assert world.condition(team, "m", "Reconciling")["status"] == "True"
    finally:
        world.hub_post("/_clear")
    recovers(world, team)


@scene(Reason.TOKEN_REJECTED, Reason.TOKEN_SECRET_MISSING)
def a_secret_that_is_missing_then_wrong_then_right(world: OperatorWorld, team: str) -> None:
    source = {"hub": {"tokenSecretRef": {"name": "team-token"}}}
    world.wish(team, "m", source=source)
    sees(world, team, Reason.TOKEN_SECRET_MISSING, f"kubectl -n {team} create secret generic team-token")
    is_told(world, team, Reason.TOKEN_SECRET_MISSING)
    world.token(team, "expired", name="team-token")
    sees(world, team, Reason.TOKEN_REJECTED, "does not accept the token in the Secret team-token")
    is_told(world, team, Reason.TOKEN_REJECTED)
    world.token(team, "good", name="team-token")
    recovers(world, team)


TEN_WAYS = (
    (Reason.MODEL_NOT_FOUND, "check the name", {"model": "acme/nothing"}),
    (Reason.MODEL_GATED, "accept the licence on the model's page", {"model": "acme/gated-llama"}),
    (Reason.REVISION_NOT_FOUND, "the default is main", {"revision": "v9"}),
    (Reason.CONTEXT_TOO_LONG, "set it to 512 or less", {"context": {"maxModelLen": 9000}}),
    (Reason.PICKLE_ONLY, "choose a revision or a model with safetensors files", {"model": "acme/pickle"}),
    (Reason.ADAPTER_REPOSITORY, "serve acme/tiny-llama", {"model": "acme/adapter"}),
    (Reason.NO_CANDIDATE_NODES, "NVIDIA-H200", {"accelerator": {"products": ["NVIDIA-H200"]}}),
    (Reason.NO_FIT, "spec.accelerator.count", {"accelerator": {"kind": "GPU", "count": 3}}),
    (
        Reason.TOKEN_SECRET_MISSING,
        "create it, for example: kubectl -n",
        {"source": {"hub": {"tokenSecretRef": {"name": "team-token"}}}},
    ),
    (Reason.UNSCHEDULABLE, "free or add what is short", {"replicas": 40, "accelerator": L4}),
)
"""What a newcomer does wrong in ten ways: the reason, its way out, and the wish."""


def wish_of(changes: Object) -> Object:
    """Return a newcomer's wish with one thing wrong."""
    return {"model": TINY, **changes}
