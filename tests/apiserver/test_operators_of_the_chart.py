"""Two operators with the chart's own rights and settings: who leads, and that they need just what they may."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import audited
from tests.audited import Grant, Request
from tests.claims import a_volume
from tests.cluster import Cluster, Environment
from tests.cluster.namespace import FAKE_POD_RANGE
from tests.extra_nodes import extra_nodes
from tests.helm import CHART, NAMESPACE, RELEASE, Helm, Objects
from tests.operator_world import HUB, L4_LABELS, ROOT, OperatorWorld, tracebacks
from tests.situations.rights import account_kubeconfig
from tests.situations.scenes import L4, TOO_MANY

pytestmark = pytest.mark.apiserver

TEAM = "team-a"
LEASE_SECONDS = 6
VALUES: dict[str, Any] = {
    "replicas": 2,
    "leaderElection": {"leaseSeconds": LEASE_SECONDS},
    "watchNamespaces": [TEAM],
    "resyncSeconds": 4,
    "hub": {"endpoint": HUB},
    "measurements": {"namespace": NAMESPACE},
    # Rights of a kind that only clusters with the Prometheus Operator have.
    "metrics": {"podMonitor": {"enabled": False}},
}
OF_M = ("-l", "genmodel.dev/model=m")
OF_KEPT = ("-l", "genmodel.dev/model=kept")
PORTS = {"one": 8080, "two": 8082}
NOT_REQUESTED: set[Grant] = {
    # Asked for by an admission plugin (OwnerReferencesPermissionEnforcement) about a creation, never by a request.
    ("genmodel.dev", "generativemodels/finalizers", "update"),
    # Only for a download that failed, or that a newer commit or another claim has made useless.
    ("batch", "jobs", "delete"),
}
"""Rights that this life does not need."""


@dataclass(frozen=True)
class Operator:
    """One process that runs as a pod of the chart would."""

    world: OperatorWorld
    folder: Path

    def start(self) -> None:
        settings = {
            "CONFIG": str(self.folder / "settings.yaml"),
            "POLICY_FILE": str(self.folder / "policy.yaml"),
            "LEADER_ELECTION__LEASE_NAMESPACE": NAMESPACE,
            "MEASUREMENTS__NAMESPACE": NAMESPACE,
            "HUB__TOKEN_SECRET_NAMES": "genmodel-hub-token",
        }
        kubeconfig = account_kubeconfig(self.world.cluster, self.folder)
        self.world.start_operator(settings=settings, kubeconfig=kubeconfig)

    def leads(self) -> bool:
        return [sample.value for sample in self.world.samples("genmodel_leader")] == [1.0]

    def requests(self) -> list[Request]:
        """What this very process asked of the API server."""
        (user,) = yaml.safe_load((self.folder / "kubeconfig").read_text())["users"]
        credential = audited.credential_of(user["user"]["token"])
        return [found for found in audited.requests(self.world.cluster) if found.credential == credential]


@dataclass(frozen=True)
class Operators:
    """The chart, installed, and its two operators."""

    cluster: Cluster
    objects: Objects
    members: tuple[Operator, Operator]

    def holder(self) -> str:
        path = "jsonpath={.spec.holderIdentity}"
        return self.cluster.kubectl("-n", NAMESPACE, "get", "lease", RELEASE, "-o", path)

    def leader_and_standby(self) -> tuple[Operator, Operator]:
        one, two = self.members
        one.world.until(lambda: one.leads() != two.leads(), "one of them leads", seconds=90)
        return (one, two) if one.leads() else (two, one)


@pytest.fixture(scope="module")
def operators(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    """Yield two operators on an audited control plane where real helm has installed the chart for one namespace."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    home = tmp_path_factory.mktemp("operators")
    with Cluster(f"operators-{os.getpid()}", audit=True) as cluster:
        cluster.kubectl("create", "namespace", TEAM)
        helm = Helm(cluster, home)
        answer = helm.run("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace", values=VALUES)
        assert answer.returncode == 0, answer.stderr
        objects = helm.objects(VALUES)
        with extra_nodes(cluster, 2, prefix="l4", labels=L4_LABELS, allocatable={"nvidia.com/gpu": "8"}):
            one, two = (member(cluster, objects, home / name, port) for name, port in PORTS.items())
            one.world.start_hub()
            one.start()
            two.start()
            yield Operators(cluster, objects, (one, two))
            one.world.stop_hub()


def member(cluster: Cluster, objects: Objects, folder: Path, port: int) -> Operator:
    folder.mkdir()
    for name, file in ((RELEASE, "settings.yaml"), (f"{RELEASE}-policy", "policy.yaml")):
        (folder / file).write_text(objects["ConfigMap", name]["data"][file])
    return Operator(OperatorWorld(cluster, folder, operator_port=port), folder)


def test_a_frozen_leader_is_replaced_and_writes_nothing_when_it_goes_on(operators: Operators) -> None:
    leader, standby = operators.leader_and_standby()
    assert standby.world.readiness() == {"ready": True, "problems": {}}
    leader.world.wish(TEAM, "first")
    leader.world.wait_for(TEAM, "first", "Serving")
    assert standby.world.samples("genmodel_models")[0].value == 0, "a standby watches nothing"

    leader.world.signal_operator(signal.SIGSTOP)
    before = operators.holder()
    standby.world.until(lambda: operators.holder() != before, "the other one leads", seconds=10 * LEASE_SECONDS)
    standby.world.wish(TEAM, "second")
    standby.world.wait_for(TEAM, "second", "Serving")
    # The one that is frozen wakes to news that it would have worked on.
    standby.world.wish(TEAM, "first", replicas=2)
    asked = len([found for found in leader.requests() if found.verb not in audited.READS])
    leader.world.signal_operator(signal.SIGCONT)
    assert leader.world.wait_operator() == 1
    assert f"the Lease {NAMESPACE}/{RELEASE} was not renewed in time" in leader.world.operator_log()
    assert tracebacks(leader.world.operator_log()) == []
    standby.world.until(lambda: standby.world.row(TEAM, "first")["REPLICAS"] == "2/2", "the new leader works on")
    assert len([found for found in leader.requests() if found.verb not in audited.READS]) == asked

    leader.start()
    assert leader.world.readiness()["ready"] is True
    assert standby.leads(), "who leads goes on to lead"
    assert not leader.leads(), "who comes back stands by"


def test_a_leader_that_ends_in_order_gives_the_lease_back(operators: Operators) -> None:
    leader, standby = operators.leader_and_standby()
    leader.world.assert_ends_in_order()
    # Sooner than the term: nobody has to wait for its end.
    standby.world.until(standby.leads, "the other one leads", seconds=60)
    log = standby.world.operator_log()
    assert "was not renewed in time" not in log.rsplit("standing by", 1)[-1]
    leader.start()


@pytest.fixture
def voice(operators: Operators, tmp_path: Path) -> Iterator[None]:
    """Let every fake pod say what it measured."""
    measured = {"weightsGiB": 0.25, "kvCacheGiB": 2.0, "kvTokens": 16384, "startSeconds": 1.0}
    said = {"contract": 1, "phase": "Serving", "measured": measured, "failure": None}
    file, log, cluster = tmp_path / "status.json", tmp_path / "log", operators.cluster
    file.write_text(json.dumps({**said, "engine": {"name": "vllm", "version": "0.32.0"}}))
    cluster.run(["ip", "route", "add", "local", FAKE_POD_RANGE, "dev", "lo"])
    server = cluster.popen([sys.executable, "-m", "tests.fakes.runtime_status", str(file)], log=log, cwd=ROOT)
    operators.members[0].world.until(lambda: "listening" in log.read_text(), "the pods' status page is there")
    yield
    server.terminate()
    server.wait(10)


def until_planned(world: OperatorWorld, tokens: int) -> None:
    def plan() -> dict[str, Any]:
        found: dict[str, Any] = world.get(TEAM, "gm", "m")["status"].get("plan", {})
        return found

    world.until(lambda: plan().get("maxModelLen") == tokens, lambda: f"{tokens} tokens are planned, not {plan()}")


def live_a_life(world: OperatorWorld) -> None:
    """Make the operator do everything that it does: rollouts, drift, claims, downloads, pods without a node."""
    kubectl = world.cluster.kubectl

    world.wish(TEAM, "m", replicas=2)
    world.wait_for(TEAM, "m", "Serving")
    world.until(lambda: bool(world.list(TEAM, "pdb", *OF_M)), "two replicas have a budget")
    # By hand: every kind is put right.
    for kind in ("deployment", "service", "controllerrevision", "networkpolicy", "pdb"):
        (found, *_) = world.list(TEAM, kind, *OF_M)
        kubectl("-n", TEAM, "label", kind, found["metadata"]["name"], "app.kubernetes.io/component-")
    for length in (128, 256, 384, 448):
        world.wish(TEAM, "m", context={"maxModelLen": length})
        until_planned(world, length)
        world.wait_for(TEAM, "m", "Serving", seconds=90)
    world.until(lambda: world.list(TEAM, "pdb", *OF_M) == [], "one replica has no budget")
    world.until(lambda: len(world.list(TEAM, "controllerrevisions", *OF_M)) == 3, "old revisions go")
    world.wish(TEAM, "many", replicas=TOO_MANY, accelerator=L4)
    world.wait_for(TEAM, "many", "Unschedulable", seconds=90)
    kubectl("-n", TEAM, "delete", "gm", "many", "--timeout=60s")
    with a_volume(kubectl, "weights") as volume:
        keep_weights(world, {"persistentVolumeClaim": {"storageClassName": volume}})


def keep_weights(world: OperatorWorld, cache: dict[str, Any]) -> None:
    """Let weights be brought to a claim, and change the claim and the Job by hand."""
    kubectl = world.cluster.kubectl
    world.wish(TEAM, "kept", cache=cache)
    world.wait_for(TEAM, "kept", "Serving", seconds=120)
    kubectl("-n", TEAM, "label", "pvc", "kept-weights", "app.kubernetes.io/component-")
    (job,) = world.list(TEAM, "jobs")
    kubectl("-n", TEAM, "label", "job", job["metadata"]["name"], "app.kubernetes.io/managed-by-")
    world.until(lambda: ("batch", "jobs", "get") in audited.used(world.cluster), "the Job is looked at", seconds=90)
    label = "app.kubernetes.io/managed-by=genmodel-operator"
    kubectl("-n", TEAM, "label", "job", job["metadata"]["name"], label)
    world.wish(TEAM, "kept")
    world.until(
        lambda: len(world.list(TEAM, "networkpolicies", *OF_KEPT)) == 1, "nothing fetches to a claim", seconds=120
    )


def test_what_the_operator_asks_for_is_what_the_chart_grants(operators: Operators, voice: None) -> None:
    leader, _ = operators.leader_and_standby()
    granted = audited.granted(operators.objects)
    assert granted >= NOT_REQUESTED
    requested = granted - NOT_REQUESTED
    live_a_life(leader.world)
    leader.world.until(
        lambda: audited.used(operators.cluster) >= requested,
        lambda: f"every right is used but {sorted(requested - audited.used(operators.cluster))}",
        seconds=60,
    )
    assert audited.used(operators.cluster) - granted == set(), "nothing is asked for that is not granted"
    refused = {f"{found.verb} {found.resource}" for found in audited.requests(operators.cluster) if found.code == 403}
    assert refused == set()
