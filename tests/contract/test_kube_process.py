"""The operator's process on a real API server: how it starts, waits, notices and ends.

The reconcile itself is a trivial one, see ``tests.fakes.operator``.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import Cluster, Environment
from tests.crd_cluster import CRD_FILE, install_crd

pytestmark = pytest.mark.apiserver

ROOT = Path(__file__).parents[2]
TEAM = "process"
WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def cluster(environment: Environment) -> Iterator[Cluster]:
    """A control plane of our own: these tests delete the CustomResourceDefinition."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"process-{os.getpid()}") as found:
        found.kubectl("create", "namespace", TEAM)
        yield found


class Process:
    """One operator process and what it said."""

    def __init__(self, process: "subprocess.Popen[Any]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def runs(self, name: str) -> int:
        return self.said.count(f"RUN {TEAM}/{name} ")

    def until(self, holds: Callable[[], object], *, seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < deadline, f"it did not happen: {self.said}"
            time.sleep(0.05)

    def readiness(self) -> dict[str, Any]:
        line = next((line for line in self.said.splitlines() if '"msg": "started"' in line), None)
        if line is None:
            return {"ready": False, "problems": {"test": "not started"}}
        url = f"http://127.0.0.1:{json.loads(line)['port']}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))

    def until_ready(self) -> None:
        self.until(lambda: self.readiness()["ready"])

    def problem(self, name: str) -> str:
        return str(self.readiness()["problems"].get(name, ""))

    def end(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 25.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def operator(
    kubeconfig: Path, folder: Path, *args: str, settings: Mapping[str, str] | None = None
) -> Iterator[Process]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "KUBECONFIG": str(kubeconfig)}
    environ["GENMODEL_OPERATOR_HTTP_PORT"] = "0"
    environ |= {f"GENMODEL_OPERATOR_{name}": value for name, value in (settings or {}).items()}
    log = folder / "operator.log"
    with log.open("w") as out:
        command = [sys.executable, "-m", "tests.fakes.operator", *args]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield Process(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def remove_crd(cluster: Cluster) -> None:
    cluster.kubectl("delete", "-f", str(CRD_FILE), "--ignore-not-found", "--wait=true")


def wish(cluster: Cluster, name: str) -> None:
    cluster.apply(
        {
            "apiVersion": "genmodel.dev/v1alpha1",
            "kind": "GenerativeModel",
            "metadata": {"name": name, "namespace": TEAM},
            "spec": {"model": "acme/tiny"},
        }
    )


BOTH_SCOPES = pytest.mark.parametrize(
    "settings",
    [pytest.param({}, id="the whole cluster"), pytest.param({"WATCH_NAMESPACES": TEAM}, id="one namespace")],
)


@BOTH_SCOPES
def test_it_waits_for_its_definition_and_says_so(cluster: Cluster, tmp_path: Path, settings: Mapping[str, str]) -> None:
    remove_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path, settings=settings) as process:
        process.until(lambda: "is not installed" in process.problem("kind"))
        assert "generativemodels.genmodel.dev" in process.said
        install_crd(cluster)
        process.until_ready()
        wish(cluster, "first")
        process.until(lambda: process.runs("first"))
        assert process.end() == 0


def test_it_waits_for_the_definition_of_its_own_version(cluster: Cluster, tmp_path: Path) -> None:
    remove_crd(cluster)
    older = yaml.safe_load(CRD_FILE.read_text())
    del older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["measured"]
    cluster.apply(older)
    with operator(cluster.kubeconfig, tmp_path) as process:
        process.until(lambda: "it lacks status.measured; install that of this version" in process.problem("kind"))
        assert "is older than the operator" in process.said
        install_crd(cluster)
        process.until_ready()
        wish(cluster, "current")
        process.until(lambda: process.runs("current"))
        assert process.end() == 0


@BOTH_SCOPES
def test_it_ends_when_its_definition_goes(cluster: Cluster, tmp_path: Path, settings: Mapping[str, str]) -> None:
    install_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path, settings=settings) as process:
        process.until_ready()
        started = time.monotonic()
        remove_crd(cluster)
        assert process.process.wait(25) == 1
        assert time.monotonic() - started < 20
        assert "the operator ends: APINotFoundError" in process.said
        assert "Exception in callback" not in process.said


def test_sigterm_while_it_waits_ends_it_at_once(cluster: Cluster, tmp_path: Path) -> None:
    remove_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path) as process:
        process.until(lambda: process.problem("kind"))
        started = time.monotonic()
        assert process.end() == 0
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_soon(cluster: Cluster, tmp_path: Path, number: signal.Signals) -> None:
    install_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path) as process:
        process.until_ready()
        started = time.monotonic()
        assert process.end(number) == 0
        assert time.monotonic() - started < 3
        assert '"msg": "stopped"' in process.said
        assert "Traceback" not in process.said


def test_a_run_that_goes_on_is_finished_first(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    wish(cluster, "slow")
    with operator(cluster.kubeconfig, tmp_path, "--takes", "3") as process:
        process.until(lambda: process.runs("slow"))
        assert process.end() == 0
        assert f"DONE {TEAM}/slow" in process.said


def test_a_run_that_does_not_end_is_cut_off(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    wish(cluster, "slow")
    with operator(cluster.kubeconfig, tmp_path, "--takes", "600") as process:
        process.until(lambda: process.runs("slow"))
        started = time.monotonic()
        assert process.end() == 0
        assert 14 < time.monotonic() - started < 25
        assert "are cancelled" in process.said


def test_models_and_their_children_wake_a_run_and_echoes_do_not(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path) as process:
        process.until_ready()
        wish(cluster, "woken")
        process.until(lambda: process.runs("woken") == 1)
        label = "app.kubernetes.io/managed-by=genmodel-operator,genmodel.dev/model=woken"
        cluster.kubectl("-n", TEAM, "create", "service", "clusterip", "woken", "--tcp=80")
        cluster.kubectl("-n", TEAM, "label", "service", "woken", *label.split(","))
        process.until(lambda: process.runs("woken") == 2)
        cluster.kubectl("-n", TEAM, "delete", "service", "woken")
        process.until(lambda: process.runs("woken") == 3)
        cluster.kubectl("-n", TEAM, "patch", "gm", "woken", "--type=merge", "-p", '{"spec":{"replicas":2}}')
        process.until(lambda: process.runs("woken") == 4)
        cluster.kubectl("-n", TEAM, "label", "gm", "woken", "theirs=1")
        cluster.kubectl("-n", TEAM, "delete", "gm", "woken")
        process.until(lambda: process.runs("woken") >= 5)
        assert process.end() == 0


def test_nodes_that_change_wake_what_waits_for_them(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path) as process:
        process.until_ready()
        before = process.said.count("NODES")
        cluster.add_kwok_nodes(1, prefix="added", labels={"nvidia.com/gpu.product": "NVIDIA-L4"})
        process.until(lambda: process.said.count("NODES") > before)
        assert process.end() == 0


def test_every_model_is_looked_at_again(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    wish(cluster, "again")
    with operator(cluster.kubeconfig, tmp_path, settings={"RESYNC_SECONDS": "1"}) as process:
        process.until(lambda: process.said.count(f"RUN {TEAM}/again resync") >= 2)
        assert process.end() == 0


RIGHTS = [
    {"apiGroups": ["genmodel.dev"], "resources": ["generativemodels"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "controllerrevisions"], "verbs": ["list", "watch"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["services", "nodes"], "verbs": ["list", "watch"]},
]
POD_RIGHTS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}


def grant(cluster: Cluster, *rules: Mapping[str, Any]) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "limited"}}
    cluster.apply({**role, "rules": list(rules)})


def test_a_missing_permission_keeps_it_unready_and_is_named(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    cluster.kubectl("-n", TEAM, "create", "serviceaccount", "limited")
    grant(cluster, *RIGHTS)
    account = f"{TEAM}:limited"
    cluster.kubectl("create", "clusterrolebinding", "limited", "--clusterrole=limited", f"--serviceaccount={account}")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": cluster.kubectl("-n", TEAM, "create", "token", "limited").strip()}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    with operator(kubeconfig, tmp_path) as process:
        process.until(lambda: 'cannot list resource "pods"' in process.problem("lists"))
        assert "install the chart's RBAC again" in process.problem("lists")
        grant(cluster, *RIGHTS, POD_RIGHTS)
        process.until_ready()
        wish(cluster, "permitted")
        process.until(lambda: process.runs("permitted"))
        assert process.end() == 0
        assert user["user"]["token"] not in process.said


def test_without_a_server_it_ends_and_says_how_to_name_one(tmp_path: Path) -> None:
    with operator(tmp_path / "missing", tmp_path) as process:
        assert process.process.wait(20) == 2
        assert f"no API server: KUBECONFIG={tmp_path}/missing: there is no such file" in process.said


def test_a_server_that_is_away_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    with operator(kubeconfig, tmp_path) as process:
        process.until(lambda: "the API server does not answer" in process.problem("kind"))
        assert process.end() == 0


def test_a_taken_port_ends_it(cluster: Cluster, tmp_path: Path) -> None:
    install_crd(cluster)
    with operator(cluster.kubeconfig, tmp_path) as process:
        process.until_ready()
        line = next(line for line in process.said.splitlines() if '"msg": "started"' in line)
        second = tmp_path / "second"
        second.mkdir()
        with operator(cluster.kubeconfig, second, settings={"HTTP_PORT": str(json.loads(line)["port"])}) as other:
            assert other.process.wait(20) == 1
            assert "Address already in use" in other.said
        assert process.end() == 0
