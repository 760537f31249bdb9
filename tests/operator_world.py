"""A real control plane with the real operator and the local Hub on it, and how a person looks at it."""

import base64
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests import shown
from tests.api_connection import ApiConnection
from tests.cluster import Cluster
from tests.extra_nodes import extra_nodes

ROOT = Path(__file__).parents[1]
HUB_PORT, CDN_PORT, OPERATOR_PORT = 8090, 8091, 8080
HUB = f"http://127.0.0.1:{HUB_PORT}"
WAIT_SECONDS = 60.0
ENDING_SECONDS = 60.0
PLATFORM = "default"
"""Where the operator keeps what running servers measured."""
WRITES = ("apply", "apply_status", "create", "delete", "replace_spec", "take_over")
L4_LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-L4",
    "nvidia.com/gpu.memory": "23034",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "9",
}

Object = dict[str, Any]


@contextmanager
def operator_at_work(
    cluster: Cluster, logs: Path, *, nodes: int, allocatable: Mapping[str, str]
) -> "Iterator[OperatorWorld]":
    """Yield the operator on so many fake nodes of L4, with the local Hub; it must end in order and without a trace."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    with extra_nodes(cluster, nodes, prefix="l4", labels=L4_LABELS, allocatable=allocatable) as names:
        found = OperatorWorld(cluster, logs, nodes=names)
        found.start_hub()
        found.start_operator()
        yield found
        found.assert_ends_in_order()
        found.stop_hub()


def tracebacks(log: str) -> list[str]:
    """Return what a log tells of errors that nobody expected: whole entries, or the bare lines of an interpreter."""
    entries = re.split(r"\n(?=\{)", log)
    return [entry.strip()[-4000:] for entry in entries if "Traceback" in entry]


class OperatorWorld:
    """One cluster, one Hub, one operator; tests take a namespace each."""

    def __init__(
        self, cluster: Cluster, logs: Path, *, nodes: Sequence[str] = (), operator_port: int = OPERATOR_PORT
    ) -> None:
        self.cluster = cluster
        self.nodes = nodes
        """Names of the fake nodes that are there all the time."""
        self.connection = ApiConnection(cluster.kubeconfig)
        self._logs = logs
        self._operator: subprocess.Popen[Any] | None = None
        self._hub: subprocess.Popen[Any] | None = None
        self._hub_port = cluster.forward("127.0.0.1", HUB_PORT)
        self._own_port = operator_port
        self._operator_port = cluster.forward("127.0.0.1", operator_port)

    # -- processes

    def start_hub(self) -> None:
        args = [sys.executable, "-m", "tests.fakes.hub", "--standard", "--port", str(HUB_PORT)]
        args += ["--cdn-port", str(CDN_PORT), "--token", "good:gated:private", "--token", "stranger"]
        self._hub = self.cluster.popen(args, log=self._logs / "hub.log", cwd=ROOT)
        self._until(lambda: self._get(self._hub_port, "/api/models") is not None, "the Hub answers")

    def stop_hub(self) -> None:
        assert self._hub is not None
        self._hub.terminate()
        self._hub.wait(20)

    def start_operator(
        self,
        *,
        wait: bool = True,
        settings: Mapping[str, str] | None = None,
        kubeconfig: Path | None = None,
        pod: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; ``settings`` are variables by the name after GENMODEL_OPERATOR_, ``pod`` those of its own pod.

        Without a ``kubeconfig`` of a user with fewer rights it is the administrator.
        """
        environment = {
            "GENMODEL_OPERATOR_HTTP_PORT": str(self._own_port),
            "GENMODEL_OPERATOR_HUB__ENDPOINT": HUB,
            "GENMODEL_OPERATOR_HUB__TOKEN_SECRET_NAMES": '["genmodel-hub-token","team-token"]',
            "GENMODEL_OPERATOR_MEASUREMENTS__NAMESPACE": PLATFORM,
            **{f"GENMODEL_OPERATOR_{name}": value for name, value in (settings or {}).items()},
            **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
            **(pod or {}),
        }
        args = [sys.executable, "-m", "genmodel_operator"]
        self._operator = self.cluster.popen(args, env=environment, log=self._logs / "operator.log")
        if wait:
            self._until(lambda: self._get(self._operator_port, "/readyz") is not None, "the operator is ready")

    def readiness(self) -> Object:
        """What the operator says of itself, also while it is not ready."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._operator_port}/readyz", timeout=5) as answer:
                found: Object = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)
        except OSError as error:
            found = {"ready": False, "problems": {"test": str(error)}}
        return found

    def stop_operator(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._operator is not None
        self._operator.send_signal(number)
        return int(self._operator.wait(40))

    def signal_operator(self, number: signal.Signals) -> None:
        """Freeze it, or let it go on."""
        assert self._operator is not None
        self._operator.send_signal(number)

    def assert_ends_in_order(self) -> None:
        """End the operator; it must say that it ended, and have met nothing that it was not written for."""
        code, unexpected = self.stop_operator(), tracebacks(self.operator_log())
        assert code == 0, f"the operator ended with {code}; its log ends with:\n{self.operator_log()[-2000:]}"
        assert not unexpected, "the operator's log has tracebacks:\n" + "\n".join(unexpected)

    def wait_operator(self) -> int:
        """Wait until it has ended by itself; return its exit code."""
        assert self._operator is not None
        return int(self._operator.wait(40))

    def operator_log(self) -> str:
        return (self._logs / "operator.log").read_text()

    def _get(self, port: int, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def samples(self, name: str) -> list[Sample]:
        """The operator's samples of this name."""
        text = self._get(self._operator_port, "/metrics") or ""
        return [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        ]

    def requests(self) -> dict[str, float]:
        """Requests of the operator to the API server so far, by verb."""
        counted: dict[str, float] = {}
        for sample in self.samples("genmodel_kube_requests_total"):
            counted[sample.labels["verb"]] = counted.get(sample.labels["verb"], 0) + sample.value
        return counted

    def written(self) -> dict[str, float]:
        """Writes of the operator so far, by verb and kind, such as ``apply Deployment``."""
        counted: dict[str, float] = {}
        for sample in self.samples("genmodel_kube_requests_total"):
            if sample.name.endswith("_total") and sample.labels["verb"] in WRITES:
                what = f"{sample.labels['verb']} {sample.labels['kind']}"
                counted[what] = counted.get(what, 0) + sample.value
        return counted

    def writes(self) -> float:
        return sum(self.written().values())

    def until_quiet(self, *, quiet_seconds: float = 5.0, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the operator has written nothing for a while; fails where it never comes to rest.

        Namespaces of tests that are over are waited out for a while: their children go before their models do.
        """
        patience = time.monotonic() + ENDING_SECONDS
        while self._ending_namespaces() and time.monotonic() < patience:
            time.sleep(0.5)
        deadline = time.monotonic() + seconds
        before, since = self.writes(), time.monotonic()
        while time.monotonic() - since < quiet_seconds:
            assert time.monotonic() < deadline, f"the operator still writes after {seconds:.0f} s"
            time.sleep(0.5)
            if (now := self.writes()) != before:
                before, since = now, time.monotonic()

    def _ending_namespaces(self) -> bool:
        found = self.connection.list(None, "namespaces", "--field-selector", "status.phase=Terminating")
        return any(one["metadata"]["name"].startswith("team-") for one in found)

    # -- the Hub's controls

    def hub_post(self, path: str, **body: Any) -> Object:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._hub_port}{path}", data=data, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: Object = json.loads(answer.read() or b"{}")
        return found

    def hub_log(self) -> list[Object]:
        found: list[Object] = json.loads(self._get(self._hub_port, "/_log") or "[]")
        return found

    # -- as a person

    @contextmanager
    def namespace(self) -> Iterator[str]:
        name = f"team-{uuid4().hex[:8]}"
        self.cluster.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            # A namespace may take minutes to end, and its models would be looked after all that time.
            self.connection.delete_all(name, "generativemodels")
            self.cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")

    def wish(self, namespace: str, name: str, model: str = "acme/tiny-llama", **spec: Any) -> None:
        """Apply a model as a user would."""
        wanted = {
            "apiVersion": "genmodel.dev/v1alpha1",
            "kind": "GenerativeModel",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"model": model, **spec},
        }
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps(wanted))

    def token(self, namespace: str, value: str, *, name: str = "genmodel-hub-token") -> None:
        data = {"token": base64.b64encode(value.encode()).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps({**secret, "data": data}))

    def get(self, namespace: str, kind: str, name: str) -> Object:
        return self.connection.get(namespace, kind, name)

    def events(self, namespace: str, name: str) -> list[Object]:
        """The Events about a model."""
        selector = f"involvedObject.kind=GenerativeModel,involvedObject.name={name}"
        return self.list(namespace, "events", "--field-selector", selector)

    def list(self, namespace: str, kind: str, *more: str) -> list[Object]:
        return self.connection.list(namespace, kind, *more)

    def row(self, namespace: str, name: str) -> dict[str, str]:
        """The line of ``kubectl get gm``, by column."""
        return shown.row_of(self.cluster.kubectl, namespace, name)

    def describe(self, namespace: str, name: str) -> str:
        return " ".join(self.cluster.kubectl("-n", namespace, "describe", "gm", name).split())

    def assert_shown(self, namespace: str, name: str, **wanted: Any) -> shown.Shown:
        """Wait until a person sees it in ``kubectl get gm`` and in ``kubectl describe gm``; see ``tests.shown``."""
        self._until_ready_says(namespace, name, wanted["reason"], seconds=wanted.get("seconds", WAIT_SECONDS))
        return shown.assert_shown(self.cluster.kubectl, namespace, name, **wanted)

    def look(self, namespace: str, name: str) -> shown.Shown:
        """What a person sees now."""
        return shown.look(self.cluster.kubectl, namespace, name)

    def condition(self, namespace: str, name: str, kind: str = "Ready") -> Mapping[str, Any]:
        conditions = self.get(namespace, "gm", name).get("status", {}).get("conditions", [])
        return next((found for found in conditions if found["type"] == kind), {})

    def wait_for(self, namespace: str, name: str, reason: str, *, seconds: float = WAIT_SECONDS) -> dict[str, str]:
        """Wait until ``kubectl get gm`` shows the reason; return its line."""
        deadline = time.monotonic() + seconds
        while True:
            self._until_ready_says(namespace, name, reason, seconds=deadline - time.monotonic())
            # It may be another one by the time that kubectl looks.
            if (row := self.row(namespace, name))["REASON"] == reason:
                return row

    def _until_ready_says(self, namespace: str, name: str, reason: str, *, seconds: float) -> None:
        self._until(
            lambda: self.condition(namespace, name).get("reason") == reason,
            lambda: f"{namespace}/{name} shows {reason}, not {self.condition(namespace, name)}",
            seconds=seconds,
        )

    def until(self, done: Callable[[], bool], what: str | Callable[[], str], *, seconds: float = WAIT_SECONDS) -> None:
        self._until(done, what, seconds=seconds)

    def _until(self, done: Callable[[], bool], what: str | Callable[[], str], *, seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                words = what if isinstance(what, str) else what()
                raise AssertionError(f"not within {seconds:.0f} s: {words}")
            time.sleep(0.2)
