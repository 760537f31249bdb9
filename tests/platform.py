"""A cluster with genmodel installed, as an application team uses it."""

import json
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openai import OpenAI

from examples.demo.foreign import bring_up
from examples.demo.models import chat_model, minilm_model
from examples.demo.steps import (
    CDN_PORT,
    CHAT,
    EMBEDDINGS,
    HUB_PORT,
    QUESTION,
    ROOT,
    AnyCluster,
    image_values,
    install_chart,
    shared_machine_values,
)
from tests import audited, shown
from tests.api_connection import ApiConnection
from tests.cluster import Cluster, HostedCluster, KindCluster
from tests.cluster.images import OPERATOR_IMAGE, VLLM_CPU_IMAGE, operator_image, vllm_cpu_image
from tests.cluster.namespace import NODE_ADDRESS
from tests.cluster.progress import wait_until
from tests.fakes.hub_reranker import reranker_files

GATED = "genmodel/gated"
"""The sentence-embedding model once more, for those whose token may read it; on a Hub of our own only."""
RERANKER = "genmodel/reranker"
"""Scores pairs of texts; on a Hub of our own only."""
MOVING = "genmodel/moving"
"""The chat model, on a branch that tests move; on a Hub of our own only."""
ANSWER_SECONDS = 300
TEST_VALUES = {"engines.drainSeconds": "20"}


@dataclass(frozen=True, slots=True)
class Platform:
    """What a platform team has set up, and how an application team uses it."""

    cluster: AnyCluster
    hub_port: int
    connection: ApiConnection
    without_rights: list[audited.Span] = field(default_factory=list)
    """When a test had taken the chart's rights away."""

    def wished(self, name: str, model: str, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "genmodel.dev/v1alpha1",
            "kind": "GenerativeModel",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"model": model, **spec},
        }

    def wish(self, name: str, model: str, **spec: Any) -> None:
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps(self.wished(name, model, **spec)))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.connection.get("default", kind, name)

    def pods(self, name: str) -> list[dict[str, Any]]:
        return self.connection.list("default", "pods", "-l", f"genmodel.dev/model={name}")

    def ready(self, name: str) -> dict[str, Any]:
        return self.condition(name, "Ready")

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """Return a condition of the model, empty where it has none of that kind."""
        conditions = self.get("gm", name).get("status", {}).get("conditions", [])
        return next((found for found in conditions if found["type"] == kind), {})

    def received_bytes(self, name: str) -> int:
        """Return how much of a model's weights has come, by its status."""
        return int(self.get("gm", name).get("status", {}).get("download", {}).get("bytesDone", 0))

    def wait_for_weights(self, name: str, *, seconds: float) -> None:
        """Wait until the weights of a model are on their claim."""
        wait_until(
            "the weights on the claim",
            lambda: self.condition(name, "WeightsReady").get("status") == "True",
            timeout_seconds=seconds,
            hint=str(self.condition(name, "WeightsReady")),
        )

    def wait_for(self, name: str, reason: str, *, seconds: float = 420.0) -> str:
        """Wait until `kubectl get gm` shows the reason; return its line."""
        self._until_ready_says(name, reason, seconds=seconds)
        return self.cluster.kubectl("get", "gm", name)

    def _until_ready_says(self, name: str, reason: str, *, seconds: float) -> None:
        wait_until(
            f"{name} to be {reason}",
            lambda: self.ready(name).get("reason") == reason,
            timeout_seconds=seconds,
            every_seconds=0.5,
            hint=str(self.ready(name)),
        )

    def assert_shown(self, name: str, *, seconds: float = 420.0, **wanted: Any) -> shown.Shown:
        """Wait until a person sees it in `kubectl get gm` and in `kubectl describe gm`; see `tests.shown`."""
        self._until_ready_says(name, wanted["reason"], seconds=seconds)
        return shown.assert_shown(self.cluster.kubectl, "default", name, seconds=seconds, **wanted)

    def endpoint(self, name: str) -> str:
        address = self.get("service", name)["spec"]["clusterIP"]
        return f"http://127.0.0.1:{self.cluster.forward(address, 80)}/v1"

    def chat(self, name: str, *, max_tokens: int) -> str:
        """Return the chat model's answer through its Service, always the same."""
        with OpenAI(base_url=self.endpoint(name), api_key="unused", timeout=ANSWER_SECONDS, max_retries=0) as api:
            said = api.chat.completions.create(
                model=name, messages=[{"role": "user", "content": QUESTION}], max_tokens=max_tokens, temperature=0
            )
        return str(said.choices[0].message.content)

    def delete(self, name: str) -> None:
        self.cluster.kubectl("delete", "gm", name, "--timeout=30s")

    def hub_fault(self, **fault: Any) -> None:
        self._post("/_fault", fault)

    def clear_hub_faults(self) -> None:
        self._post("/_clear", {})

    def hub_token(self, token: str, **access: bool) -> None:
        """Let the Hub know a token; ``gated=True`` may read gated files, ``remove=True`` is revoked."""
        self._post("/_token", {"token": token, **access})

    def hub_commit(self, repository: str, files: dict[str, str]) -> str:
        """Add a commit to the main branch with these texts by path; return its id."""
        return str(self._post("/_commit", {"repository": repository, "files": files})["sha"])

    def hub_log(self) -> list[dict[str, Any]]:
        """What was asked of the Hub since the last look."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.hub_port}/_log", timeout=10) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return found

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.hub_port}{path}", data=data, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found


def set_up(cluster: Cluster, hub_log: Path) -> Platform:
    """Bring images, local Hub and chart to a cluster with a real node."""
    for archive in (operator_image(ROOT), vllm_cpu_image()):
        cluster.import_image(archive)
    port = start_hub(cluster, hub_log, write_reranker(hub_log.with_name("reranker")))
    values = {**image_values(OPERATOR_IMAGE), **shared_machine_values(), **TEST_VALUES}
    values |= {"hub.endpoint": f"http://{NODE_ADDRESS}:{HUB_PORT}", "engines.cpuImage": VLLM_CPU_IMAGE}
    install_chart(cluster, values)
    return Platform(cluster, port, ApiConnection(cluster.kubeconfig))


def set_up_hosted(cluster: HostedCluster) -> Platform:
    """Bring images, a Hub as a pod, and chart to a cluster that is not ours. Unproven: no such cluster was at hand.

    Image, Hub and chart were seen on a control plane with fake nodes (tests/apiserver/test_demo_kind.py).
    """
    small = shared_machine_values() if isinstance(cluster, KindCluster) else {}
    endpoint = bring_up(cluster, {}, None, values={**small, **TEST_VALUES})
    hub_port = cluster.forward(urlsplit(endpoint).hostname or "", HUB_PORT)
    return Platform(cluster, hub_port, ApiConnection(cluster.kubeconfig))


def write_reranker(folder: Path) -> Path:
    """Write the repository of ``RERANKER``; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in reranker_files().items():
        (folder / name).write_bytes(content)
    return folder


def start_hub(cluster: Cluster, log: Path, reranker: Path) -> int:
    """Start the local Hub where pods reach it; return the host's port to it."""
    args = [sys.executable, "-m", "tests.fakes.hub", "--host", NODE_ADDRESS, "--port", str(HUB_PORT)]
    args += ["--cdn-port", str(CDN_PORT), "--model", f"{CHAT}={chat_model()}"]
    args += ["--model", f"{EMBEDDINGS}={minilm_model()}"]
    args += ["--model", f"{MOVING}={chat_model()}"]
    args += ["--model", f"{RERANKER}={reranker}"]
    args += ["--model", f"{GATED}={minilm_model()}", "--gated", GATED]
    cluster.popen(args, log=log, cwd=ROOT)
    port = cluster.forward(NODE_ADDRESS, HUB_PORT)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/models", timeout=5):
                return True
        except OSError:
            return False

    wait_until("the local Hub", answers, timeout_seconds=30)
    return port
