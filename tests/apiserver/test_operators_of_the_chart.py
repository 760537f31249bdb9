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
from tests.cluster import Cluster, Environment
from tests.cluster.namespace import FAKE_POD_RANGE
from tests.extra_nodes import extra_nodes
from tests.helm import CHART, NAMESPACE, RELEASE, Helm, Objects
from tests.operator_life import live_a_life
from tests.operator_world import HUB, L4_LABELS, ROOT, OperatorWorld, tracebacks
from tests.prometheus_crds import prometheus_crd
from tests.situations.rights import account_kubeconfig

pytestmark = pytest.mark.apiserver

TEAM = "team-a"
LEASE_SECONDS = 6
WIDE_TEAM = "team-b"
PRODUCT = {name: L4_LABELS[name] for name in ("nvidia.com/gpu.product",)}
POOL = {
    "name": "l4",
    "product": "NVIDIA-L4",
    "devices": 8,
    "nodes": 2,
    "labels": PRODUCT,
    "memory": "256Gi",
    "cpu": "32",
}
VALUES: dict[str, Any] = {
    "replicas": 2,
    "drainPatienceSeconds": 3,
    "leaderElection": {"leaseSeconds": LEASE_SECONDS},
    "watchNamespaces": [TEAM],
    "resyncSeconds": 4,
    "hub": {"endpoint": HUB},
    "measurements": {"namespace": NAMESPACE},
    # Rights of a kind that only clusters with the Prometheus Operator have, as this one has later.
    "metrics": {"podMonitor": {"enabled": False}},
    # Nodes are described here, and read where the whole cluster is served.
    "inventory": {"mode": "pools"},
    "policy": {"pools": [POOL]},
}
WIDE = VALUES | {"watchNamespaces": [], "inventory": {"mode": "nodes"}, "policy": {}, "metrics": {}}
PORTS = {"one": 8080, "two": 8082}
WRONG_POLICY = "allowedPublisher: [acme]"
NOT_REQUESTED: set[Grant] = {
    # Asked for by an admission plugin (OwnerReferencesPermissionEnforcement) about a creation, never by a request.
    ("genmodel.dev", "generativemodels/finalizers", "update"),
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
        self.world.start_operator(settings=settings, kubeconfig=kubeconfig, pod=self.pod)

    @property
    def pod(self) -> dict[str, str]:
        """What a pod would be told of itself."""
        return {"POD_NAME": f"{RELEASE}-{self.folder.name}", "POD_NAMESPACE": NAMESPACE, "POD_UID": self.folder.name}

    def configure(self, objects: Objects) -> None:
        """Mount what the chart renders, as the kubelet does."""
        for name, file in ((RELEASE, "settings.yaml"), (f"{RELEASE}-policy", "policy.yaml")):
            (self.folder / file).write_text(objects["ConfigMap", name]["data"][file])

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
    helm: Helm

    def changed_to(self, values: dict[str, Any]) -> Objects:
        """Upgrade the release to other values while no operator runs; return what the chart renders."""
        answer = self.helm.run("upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, values=values)
        assert answer.returncode == 0, answer.stderr
        objects = self.helm.objects(values)
        for member in self.members:
            member.configure(objects)
        return objects

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
        for team in (TEAM, WIDE_TEAM):
            cluster.kubectl("create", "namespace", team)
        helm = Helm(cluster, home)
        answer = helm.run("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace", values=VALUES)
        assert answer.returncode == 0, answer.stderr
        objects = helm.objects(VALUES)
        with extra_nodes(cluster, 2, prefix="l4", labels=L4_LABELS, allocatable={"nvidia.com/gpu": "8"}):
            one, two = (member(cluster, objects, home / name, port) for name, port in PORTS.items())
            one.world.start_hub()
            one.start()
            two.start()
            yield Operators(cluster, objects, (one, two), helm)
            one.world.stop_hub()


def member(cluster: Cluster, objects: Objects, folder: Path, port: int) -> Operator:
    folder.mkdir()
    found = Operator(OperatorWorld(cluster, folder, operator_port=port), folder)
    found.configure(objects)
    return found


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


@pytest.fixture(scope="module")
def voice(operators: Operators, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let every fake pod say what it measured."""
    measured = {"weightsGiB": 0.25, "kvCacheGiB": 2.0, "kvTokens": 16384, "startSeconds": 1.0}
    said = {"contract": 1, "phase": "Serving", "measured": measured, "failure": None}
    folder, cluster = tmp_path_factory.mktemp("voice"), operators.cluster
    file, log = folder / "status.json", folder / "log"
    file.write_text(json.dumps({**said, "engine": {"name": "vllm", "version": "0.32.0"}}))
    cluster.run(["ip", "route", "add", "local", FAKE_POD_RANGE, "dev", "lo"])
    server = cluster.popen([sys.executable, "-m", "tests.fakes.runtime_status", str(file)], log=log, cwd=ROOT)
    operators.members[0].world.until(lambda: "listening" in log.read_text(), "the pods' status page is there")
    yield
    server.terminate()
    server.wait(10)


def tell_of_a_wrong_policy(operator: Operator) -> None:
    """Break the policy for a moment: the operator says so in an Event about its own pod."""
    file, world = operator.folder / "policy.yaml", operator.world
    right = file.read_text()
    file.write_text(WRONG_POLICY)
    selector = f"involvedObject.name={operator.pod['POD_NAME']},reason=PolicyInvalid"
    world.until(lambda: world.list(NAMESPACE, "events", "--field-selector", selector) != [], "an Event tells")
    file.write_text(right)


def assert_asks_for_what_is_granted(leader: Operator, team: str, objects: Objects, since: str) -> None:
    """Hold what is asked for in a driven life to what is granted, both ways."""
    cluster, granted = leader.world.cluster, audited.granted(objects)
    assert granted >= NOT_REQUESTED
    requested = granted - NOT_REQUESTED
    live_a_life(leader.world, team, since)
    tell_of_a_wrong_policy(leader)
    leader.world.until(
        lambda: audited.used(cluster, since) >= requested,
        lambda: f"every right is used but {sorted(requested - audited.used(cluster, since))}",
        seconds=60,
    )
    assert audited.used(cluster, since) - granted == set(), "nothing is asked for that is not granted"
    found = audited.requests(cluster, since)
    assert {f"{one.verb} {one.resource}" for one in found if one.is_forbidden} == set()


def test_what_the_operator_asks_for_is_what_the_chart_grants(operators: Operators, voice: None) -> None:
    leader, _ = operators.leader_and_standby()
    assert_asks_for_what_is_granted(leader, TEAM, operators.objects, since="")


def test_an_operator_that_reads_no_nodes_plans_with_pools_and_makes_room(operators: Operators) -> None:
    leader, _ = operators.leader_and_standby()
    world, halves = leader.world, {"products": ["NVIDIA-L4"], "count": 4}
    world.cluster.kubectl("-n", TEAM, "delete", "gm", "--all", "--timeout=60s")
    world.wish(TEAM, "wide", replicas=4, accelerator=halves)
    world.wait_for(TEAM, "wide", "Serving", seconds=90)
    status = world.get(TEAM, "gm", "wide")["status"]
    assert (status["plan"]["replicasFit"], status["plan"]["accelerator"]["product"]) == (4, "NVIDIA-L4")
    old = status["revision"]["serving"]
    # Both nodes are full: the successor gets the place of the old revision, of which pools and pods tell.
    world.wish(TEAM, "wide", replicas=4, accelerator=halves, context={"maxModelLen": 128})
    world.until(
        lambda: world.get(TEAM, "gm", "wide")["status"]["revision"].get("serving") not in (None, old),
        "its successor serves",
        seconds=120,
    )
    world.wait_for(TEAM, "wide", "Serving", seconds=90)
    asked = {found.resource for member in operators.members for found in member.requests()}
    assert "pods" in asked
    assert "nodes" not in asked


def test_the_same_in_the_whole_cluster(operators: Operators, voice: None) -> None:
    one, two = operators.members
    operators.cluster.kubectl("-n", TEAM, "delete", "gm", "--all", "--timeout=60s")
    for member in (one, two):
        member.world.assert_ends_in_order()
    # What the life before has made in the release's namespace is made anew.
    operators.cluster.kubectl("-n", NAMESPACE, "delete", f"lease/{RELEASE}", f"configmap/{RELEASE}-measurements")
    operators.cluster.apply(prometheus_crd("podmonitors"))
    name = "crd/podmonitors.monitoring.coreos.com"
    operators.cluster.kubectl("wait", "--for=condition=Established", name, "--timeout=60s")
    since = audited.now()
    objects = operators.changed_to(WIDE)
    one.start()
    one.world.until(one.leads, "it leads", seconds=90)
    assert_asks_for_what_is_granted(one, WIDE_TEAM, objects, since)
