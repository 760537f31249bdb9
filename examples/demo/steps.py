"""What the demo does on every cluster: the chart, two models, what the cluster says of them."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.demo import talk
from examples.demo.screen import DemoError, command, follow, heading, show
from tests.cluster import Cluster, HostedCluster

ROOT = Path(__file__).resolve().parents[2]
DEMO_FOLDER = ROOT / ".demo"
REACH = "export KUBECONFIG=$PWD/.demo/kubeconfig PATH=$PWD/.demo/bin:$PATH"
"""What makes kubectl speak to a cluster that the demo has made."""
CHAT, EMBEDDINGS = "genmodel/fables", "sentence-transformers/all-MiniLM-L6-v2"
HUB_PORT, CDN_PORT = 8090, 8091
READY_SECONDS = 900.0
OPERATOR_NAMESPACE = "genmodel-system"
QUESTION = "Tell me the fable of the fox and the grapes."
CHOSEN = "chosen"
NAMES = ("fables", "minilm", CHOSEN)
"""Every model that a demo makes: those of the two examples, and the one of the public Hub."""

AnyCluster = Cluster | HostedCluster


def image_values(image: str) -> dict[str, str]:
    """Return the chart's values for an operator's image, ``registry/repository`` with ``:tag`` or ``@digest``."""
    name, _, digest = image.partition("@")
    registry, _, rest = name.partition("/")
    repository, _, tag = rest.partition(":")
    version = {"image.digest": digest} if digest else {"image.tag": tag}
    return {"image.registry": registry, "image.repository": repository, **version}


def shared_machine_values() -> dict[str, str]:
    """Return the chart's values for a node with few cores, where several engines shall find room."""
    return {"engines.cpuRequest": "200m", "engines.cpuThreads": str(os.cpu_count() or 1)}


def install_chart(cluster: AnyCluster, values: Mapping[str, str]) -> None:
    """Install the chart with these values and wait for the operator."""
    heading("The chart, installed as a platform team would")
    args = ["upgrade", "--install", "genmodel", "charts/genmodel", "--namespace", OPERATOR_NAMESPACE]
    args += ["--create-namespace", "--wait", "--timeout", "3m", "--hide-notes"]
    for name, value in values.items():
        args += ["--set-string" if name.startswith("image.") else "--set", f"{name}={value}"]
    command("helm " + " ".join(args))
    show(run_program([str(cluster.bin / "helm"), *args], cluster))


def run_program(args: list[str], cluster: AnyCluster) -> str:
    """Run a program of the cluster from the checkout; raise with its words where it fails."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run(args, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        raise DemoError(f"{Path(args[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _read(cluster: AnyCluster, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(cluster.kubectl("get", "gm", name, "-o", "json"))
    return found


def serve(cluster: AnyCluster, model: str | None) -> str:
    """Serve this model of an outer Hub, or else the two examples, and talk to them; return a model's name."""
    if model:
        _serve_any(cluster, model)
        return CHOSEN
    _serve_examples(cluster)
    return "fables"


def _serve_examples(cluster: AnyCluster) -> None:
    heading("Six lines, and nothing else to decide")
    _apply(cluster, "quickstart.yaml", "fables")
    heading("A streamed chat answer through the Service")
    talk.chat(_port(cluster, "fables"), "fables", QUESTION)
    heading("The same for embeddings, with a published model")
    _apply(cluster, "embeddings.yaml", "minilm")
    talk.similarities(_port(cluster, "minilm"), "minilm")


def _apply(cluster: AnyCluster, file: str, name: str) -> None:
    path = ROOT / "examples" / file
    show(path.read_text())
    command(f"kubectl apply -f examples/{file}")
    show(cluster.kubectl("apply", "-f", str(path)))
    follow(lambda wanted: _read(cluster, wanted), name, timeout_seconds=READY_SECONDS)


def _serve_any(cluster: AnyCluster, model: str) -> None:
    heading(f"{model}, from one field")
    wish = {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": {"name": CHOSEN},
        "spec": {"model": model},
    }
    cluster.apply(wish)
    follow(lambda wanted: _read(cluster, wanted), CHOSEN, timeout_seconds=4 * READY_SECONDS)
    if _read(cluster, CHOSEN)["status"]["model"]["task"] == "Embed":
        talk.similarities(_port(cluster, CHOSEN), CHOSEN)
    else:
        talk.chat(_port(cluster, CHOSEN), CHOSEN, "What can you do?")


def _port(cluster: AnyCluster, name: str) -> int:
    address = cluster.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}").strip()
    return cluster.forward(address, 80)


def look(cluster: AnyCluster) -> None:
    """Show the models as kubectl shows them."""
    heading("What the cluster says")
    command("kubectl get gm")
    show(cluster.kubectl("get", "gm"))
    for name in cluster.kubectl("get", "gm", "-o", "jsonpath={.items[*].metadata.name}").split():
        command(f"kubectl describe gm {name}")
        show(cluster.kubectl("describe", "gm", name))


def how_to_go_on(name: str, *, reach: str) -> None:
    """Say what to try next with a model; `reach` are the commands that make kubectl speak to this cluster."""
    heading("How to go on")
    port_forward = f"kubectl port-forward svc/{name} 8000:80"
    commands = {
        "kubectl get gm -o wide": "all columns",
        "kubectl explain gm.spec": "every field",
        f"kubectl scale gm {name} --replicas=2": "more replicas",
        port_forward: "then: curl http://127.0.0.1:8000/v1/models",
        "make demo-down": "stop it; only caches and Debian packages stay",
    }
    width = max(map(len, commands))
    show("\n".join([reach, *(f"{line:<{width}}  # {why}" for line, why in commands.items())]))
