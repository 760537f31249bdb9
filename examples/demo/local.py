"""The demo on this machine: a cluster from nothing, images, a local Hub, the chart, two models."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.demo.models import chat_model, minilm_model

from examples.demo import talk
from examples.demo.screen import DemoError, command, console, follow, heading, show
from tests.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.images import OPERATOR_IMAGE, VLLM_CPU_IMAGE, operator_image, vllm_cpu_image
from tests.cluster.namespace import NODE_ADDRESS

ROOT = Path(__file__).resolve().parents[2]
DEMO_FOLDER = ROOT / ".demo"
NAME = "demo"
HUB_PORT, CDN_PORT = 8090, 8091
UPLINK = ("nsenter", "--net=/proc/1/ns/net", "slirp4netns", "--configure", "--netns-type=path")
CHAT, EMBEDDINGS = "genmodel/fables", "sentence-transformers/all-MiniLM-L6-v2"
READY_SECONDS = 900.0
OPERATOR_NAMESPACE = "genmodel-system"
QUESTION = "Tell me the fable of the fox and the grapes."


def up(model: str | None = None) -> None:
    """Bring the demo up and show it; what runs already is used as it is."""
    cluster = _cluster()
    _offer(cluster)
    _images(cluster)
    endpoint = _hub(cluster) if model is None else _real_hub(cluster)
    _chart(cluster, endpoint)
    if model is None:
        _serve_examples(cluster)
    else:
        _serve_any(cluster, model)
    _look(cluster)
    _how_to_go_on()


def down() -> None:
    """Stop everything and remove what the demo left in the checkout."""
    Cluster(NAME).stop()
    for path in (DEMO_FOLDER / "bin" / "kubectl", DEMO_FOLDER / "kubeconfig"):
        path.unlink(missing_ok=True)
    for folder in (DEMO_FOLDER / "bin", DEMO_FOLDER):
        if folder.exists():
            folder.rmdir()
    show("the demo is gone: no process, mount, network or file of it is left")


def _cluster() -> Cluster:
    heading("A Kubernetes cluster on this machine, in a network namespace of its own")
    try:
        cluster = Cluster.attach(NAME)
        show("it runs already")
    except ClusterError:
        cluster = Cluster(NAME, real_node=True)
        cluster.start(detached=True)
    command("kubectl get nodes")
    show(cluster.kubectl("get", "nodes"))
    return cluster


def _offer(cluster: Cluster) -> None:
    """Leave a kubeconfig and kubectl where a person finds them."""
    (DEMO_FOLDER / "bin").mkdir(parents=True, exist_ok=True)
    _link(DEMO_FOLDER / "kubeconfig", cluster.kubeconfig)
    _link(DEMO_FOLDER / "bin" / "kubectl", cluster.bin / "kubectl")


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _images(cluster: Cluster) -> None:
    heading("Images: the operator's, and vLLM for CPUs")
    for archive in (operator_image(ROOT), vllm_cpu_image()):
        cluster.import_image(archive)
    show(f"{OPERATOR_IMAGE} and {VLLM_CPU_IMAGE} are on the node")


def _hub(cluster: Cluster) -> str:
    heading("A local Hub with two models")
    models = [f"{CHAT}={chat_model()}", f"{EMBEDDINGS}={minilm_model()}"]
    endpoint = f"http://{NODE_ADDRESS}:{HUB_PORT}"
    port = cluster.forward(NODE_ADDRESS, HUB_PORT)
    if not _answers(port):
        args = [sys.executable, "-m", "tests.fakes.hub", "--host", NODE_ADDRESS]
        args += ["--port", str(HUB_PORT), "--cdn-port", str(CDN_PORT)]
        for model in models:
            args += ["--model", model]
        cluster.popen(args, log=_log(cluster, "hub"), env={"PYTHONPATH": str(ROOT)})
        _wait_for(port)
    show(f"{endpoint} holds {CHAT} and {EMBEDDINGS}")
    return endpoint


def _log(cluster: Cluster, name: str) -> Path:
    return cluster.kubeconfig.parent / "logs" / f"{name}.log"


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/models", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while not _answers(port):
        if time.monotonic() > deadline:
            raise DemoError("the local Hub did not start; see its log in the cluster's run folder")
        time.sleep(0.2)


def _real_hub(cluster: Cluster) -> str:
    """Give the cluster a way out and return the public Hub; refuse where there is none."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urllib.request.urlopen(f"{endpoint}/api/models?limit=1", timeout=10):
            pass
    except (urllib.error.URLError, OSError) as error:
        raise DemoError(
            f"MODEL needs the Hub at {endpoint}, which this machine cannot reach ({error}); "
            "leave MODEL out to use the demo's own models"
        ) from error
    try:
        cluster.popen(
            [*UPLINK, f"/run/netns/genmodel-{NAME}", "tap0"],
            log=_log(cluster, "uplink"),
        )
    except FileNotFoundError as error:
        raise DemoError("MODEL needs slirp4netns for the cluster's way out: apt-get install slirp4netns") from error
    return endpoint


def _chart(cluster: Cluster, endpoint: str) -> None:
    heading("The chart, installed as a platform team would")
    registry, _, rest = OPERATOR_IMAGE.partition("/")
    repository, _, tag = rest.partition(":")
    values = {
        "image.registry": registry,
        "image.repository": repository,
        "image.tag": tag,
        "hub.endpoint": endpoint,
        "engines.cpuImage": VLLM_CPU_IMAGE,
        "engines.cpuRequest": "200m",
        "engines.cpuThreads": str(os.cpu_count() or 1),
    }
    args = ["upgrade", "--install", "genmodel", "charts/genmodel", "--namespace", OPERATOR_NAMESPACE]
    args += ["--create-namespace", "--wait", "--timeout", "3m"]
    for name, value in values.items():
        args += ["--set-string" if name == "image.tag" else "--set", f"{name}={value}"]
    command("helm " + " ".join(args))
    show(_run([str(cluster.bin / "helm"), *args], cluster))


def _run(args: list[str], cluster: Cluster) -> str:
    """Run a program of the cluster from the checkout; raise with its words where it fails."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run(args, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        raise DemoError(f"{Path(args[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _read(cluster: Cluster, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(cluster.kubectl("get", "gm", name, "-o", "json"))
    return found


def _serve_examples(cluster: Cluster) -> None:
    heading("Six lines, and nothing else to decide")
    _apply(cluster, "quickstart.yaml", "fables")
    heading("A streamed chat answer through the Service")
    talk.chat(_port(cluster, "fables"), "fables", QUESTION)
    heading("The same for embeddings, with a published model")
    _apply(cluster, "embeddings.yaml", "minilm")
    talk.similarities(_port(cluster, "minilm"), "minilm")


def _apply(cluster: Cluster, file: str, name: str) -> None:
    path = ROOT / "examples" / file
    show(path.read_text())
    command(f"kubectl apply -f examples/{file}")
    show(cluster.kubectl("apply", "-f", str(path)))
    follow(lambda wanted: _read(cluster, wanted), name, timeout_seconds=READY_SECONDS)


def _serve_any(cluster: Cluster, model: str) -> None:
    heading(f"{model} from the public Hub")
    wish = {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": {"name": "chosen", "namespace": "default"},
        "spec": {"model": model},
    }
    cluster.apply(wish)
    follow(lambda wanted: _read(cluster, wanted), "chosen", timeout_seconds=4 * READY_SECONDS)
    if _read(cluster, "chosen")["status"]["model"]["task"] == "Embed":
        talk.similarities(_port(cluster, "chosen"), "chosen")
    else:
        talk.chat(_port(cluster, "chosen"), "chosen", "What can you do?")


def _port(cluster: Cluster, name: str) -> int:
    address = cluster.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}").strip()
    return cluster.forward(address, 80)


def _look(cluster: Cluster) -> None:
    heading("What the cluster says")
    command("kubectl get gm")
    show(cluster.kubectl("get", "gm"))
    first = cluster.kubectl("get", "gm", "-o", "jsonpath={.items[0].metadata.name}").strip()
    command(f"kubectl describe gm {first}")
    show(cluster.kubectl("describe", "gm", first))


def _how_to_go_on() -> None:
    heading("How to go on")
    console.print(
        "export KUBECONFIG=$PWD/.demo/kubeconfig PATH=$PWD/.demo/bin:$PATH\n"
        "kubectl get gm -o wide                  # all columns\n"
        "kubectl explain gm.spec                 # every field\n"
        "kubectl scale gm fables --replicas=2    # more replicas\n"
        "kubectl port-forward svc/fables 8000:80 # then: curl http://127.0.0.1:8000/v1/models\n"
        "make demo-down                          # stop it and leave nothing behind",
        markup=False,
    )
