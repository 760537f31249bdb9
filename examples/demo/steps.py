"""What the demo does on every cluster: the chart, two models, what the cluster says of them."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.demo import talk
from examples.demo.screen import DemoError, command, console, follow, heading, show
from tests.cluster import Cluster, HostedCluster

ROOT = Path(__file__).resolve().parents[2]
CHAT, EMBEDDINGS = "genmodel/fables", "sentence-transformers/all-MiniLM-L6-v2"
PUBLIC_HUB = "https://huggingface.co"
HUB_PORT, CDN_PORT = 8090, 8091
READY_SECONDS = 900.0
OPERATOR_NAMESPACE = "genmodel-system"
QUESTION = "Tell me the fable of the fox and the grapes."
NAMES = ("fables", "minilm", "chosen")
"""Every model that a demo makes: those of the two examples, and the one of the public Hub."""

AnyCluster = Cluster | HostedCluster


def install_chart(cluster: AnyCluster, values: Mapping[str, str]) -> None:
    """Install the chart with these values and wait for the operator."""
    heading("The chart, installed as a platform team would")
    args = ["upgrade", "--install", "genmodel", "charts/genmodel", "--namespace", OPERATOR_NAMESPACE]
    args += ["--create-namespace", "--wait", "--timeout", "3m"]
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


def serve_examples(cluster: AnyCluster) -> None:
    """Serve the two examples and talk to both."""
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


def serve_any(cluster: AnyCluster, model: str) -> None:
    """Serve a model of the public Hub and talk to it."""
    heading(f"{model} from the public Hub")
    wish = {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": {"name": "chosen"},
        "spec": {"model": model},
    }
    cluster.apply(wish)
    follow(lambda wanted: _read(cluster, wanted), "chosen", timeout_seconds=4 * READY_SECONDS)
    if _read(cluster, "chosen")["status"]["model"]["task"] == "Embed":
        talk.similarities(_port(cluster, "chosen"), "chosen")
    else:
        talk.chat(_port(cluster, "chosen"), "chosen", "What can you do?")


def _port(cluster: AnyCluster, name: str) -> int:
    address = cluster.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}").strip()
    return cluster.forward(address, 80)


def look(cluster: AnyCluster) -> None:
    """Show the models as kubectl shows them."""
    heading("What the cluster says")
    command("kubectl get gm")
    show(cluster.kubectl("get", "gm"))
    first = cluster.kubectl("get", "gm", "-o", "jsonpath={.items[0].metadata.name}").strip()
    command(f"kubectl describe gm {first}")
    show(cluster.kubectl("describe", "gm", first))


def how_to_go_on(*, reach: str) -> None:
    """Say what to try next; `reach` are the commands that make kubectl speak to this cluster."""
    heading("How to go on")
    console.print(
        f"{reach}\n"
        "kubectl get gm -o wide                  # all columns\n"
        "kubectl explain gm.spec                 # every field\n"
        "kubectl scale gm fables --replicas=2    # more replicas\n"
        "kubectl port-forward svc/fables 8000:80 # then: curl http://127.0.0.1:8000/v1/models\n"
        "make demo-down                          # stop it and leave nothing behind",
        markup=False,
    )
