"""Two operators with the chart's own rights and settings: who leads, and that they need just what they may."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import audited
from tests.audited import Grant, Request
from tests.cluster import Cluster, Environment
from tests.extra_nodes import extra_nodes
from tests.helm import CHART, NAMESPACE, RELEASE, Helm, Objects
from tests.operator_world import HUB, L4_LABELS, OperatorWorld, tracebacks
from tests.situations.rights import account_kubeconfig

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
}
OF_M = ("-l", "genmodel.dev/model=m")
SERVERS_OF_KEPT = ("-l", "genmodel.dev/model=kept,app.kubernetes.io/component=server")
PORTS = {"one": 8080, "two": 8082}
NOT_REQUESTED: set[Grant] = {("genmodel.dev", "generativemodels/finalizers", "update")}
"""Asked for by an admission plugin (OwnerReferencesPermissionEnforcement) about a creation, never by a request."""


@dataclass(frozen=True)
class Operator:
    """One process that runs as a pod of the chart would."""

    world: OperatorWorld
    folder: Path

    def start(self) -> None:
        settings = {
            "CONFIG": str(self.folder / "settings.yaml"),
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
    (folder / "settings.yaml").write_text(objects["ConfigMap", RELEASE]["data"]["settings.yaml"])
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
