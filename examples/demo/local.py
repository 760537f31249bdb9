"""The demo on this machine: a cluster from nothing, images, a local Hub, the chart, two models."""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from examples.demo.models import chat_model, minilm_model
from examples.demo.screen import DemoError, command, heading, show
from examples.demo.steps import (
    CDN_PORT,
    CHAT,
    EMBEDDINGS,
    HUB_PORT,
    PUBLIC_HUB,
    ROOT,
    how_to_go_on,
    install_chart,
    look,
    serve_any,
    serve_examples,
)
from tests.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.images import OPERATOR_IMAGE, VLLM_CPU_IMAGE, operator_image, vllm_cpu_image
from tests.cluster.namespace import NODE_ADDRESS

DEMO_FOLDER = ROOT / ".demo"
NAME = "demo"
UPLINK = ("nsenter", "--net=/proc/1/ns/net", "slirp4netns", "--configure", "--netns-type=path")


def up(model: str | None = None) -> None:
    """Bring the demo up and show it; what runs already is used as it is."""
    cluster = _cluster()
    _offer(cluster)
    _images(cluster)
    endpoint = _hub(cluster) if model is None else _real_hub(cluster)
    _chart(cluster, endpoint)
    if model is None:
        serve_examples(cluster)
    else:
        serve_any(cluster, model)
    look(cluster)
    how_to_go_on(reach="export KUBECONFIG=$PWD/.demo/kubeconfig PATH=$PWD/.demo/bin:$PATH")


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
    endpoint = os.environ.get("HF_ENDPOINT", PUBLIC_HUB)
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
    install_chart(cluster, values)
