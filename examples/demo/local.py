"""The demo on this machine: a cluster from nothing, images, a local Hub, the chart, two models."""

import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from examples.demo.models import chat_model, minilm_model
from examples.demo.outside import OuterHub, outer_hub
from examples.demo.screen import DemoError, command, heading, show
from examples.demo.steps import (
    CDN_PORT,
    CHAT,
    DEMO_FOLDER,
    EMBEDDINGS,
    HUB_PORT,
    REACH,
    ROOT,
    how_to_go_on,
    image_values,
    install_chart,
    look,
    serve,
    shared_machine_values,
)
from tests.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.images import OPERATOR_IMAGE, VLLM_CPU_IMAGE, operator_image, vllm_cpu_image
from tests.cluster.namespace import NODE_ADDRESS

NAME = "demo"


def up(model: str | None = None) -> None:
    """Bring the demo up and show it; what runs already is used as it is."""
    outside = outer_hub(os.environ) if model else None
    cluster = _cluster()
    _offer(cluster)
    _images(cluster)
    endpoint = _open_way(cluster, outside) if outside else _hub(cluster)
    images = {**image_values(OPERATOR_IMAGE), "engines.cpuImage": VLLM_CPU_IMAGE}
    install_chart(cluster, {**images, **shared_machine_values(), "hub.endpoint": endpoint})
    name = serve(cluster, model)
    look(cluster)
    how_to_go_on(name, reach=REACH)


def down() -> None:
    """Stop everything and remove what the demo left in the checkout."""
    Cluster(NAME).stop()
    if DEMO_FOLDER.exists():
        shutil.rmtree(DEMO_FOLDER)
    show("the demo is gone: no process, mount, network or file of it is left")
    show(f"what it built is kept for the next time in {cache_folder()}; remove that folder to be rid of it, too")


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


def _open_way(cluster: Cluster, hub: OuterHub) -> str:
    """Give the cluster a way out to a Hub; return its endpoint."""
    heading(f"A way out of the cluster, to {hub.endpoint}")
    cluster.open_uplink(host_loopback=hub.host_loopback)
    show("slirp4netns carries the traffic; pods resolve names as this machine does")
    return hub.endpoint
