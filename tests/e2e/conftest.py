"""A real node with the chart installed from real images and a local Hub, once for the whole run."""

import os
import sys
import urllib.request
from pathlib import Path

import pytest

from examples.demo.models import chat_model, minilm_model
from examples.demo.steps import CDN_PORT, CHAT, EMBEDDINGS, HUB_PORT, ROOT, install_chart
from tests.cluster import Cluster
from tests.cluster.images import OPERATOR_IMAGE, VLLM_CPU_IMAGE, operator_image, vllm_cpu_image
from tests.cluster.namespace import NODE_ADDRESS
from tests.cluster.progress import wait_until
from tests.conftest import showing_progress
from tests.platform import Platform


@pytest.fixture(scope="session")
def platform(real_node: Cluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Return the platform; what takes long says how far it is."""
    with showing_progress(pytestconfig):
        for archive in (operator_image(ROOT), vllm_cpu_image()):
            real_node.import_image(archive)
        port = start_hub(real_node, tmp_path_factory.mktemp("hub") / "hub.log")
        registry, _, rest = OPERATOR_IMAGE.partition("/")
        repository, _, tag = rest.partition(":")
        values = {"image.registry": registry, "image.repository": repository, "image.tag": tag}
        values |= {"hub.endpoint": f"http://{NODE_ADDRESS}:{HUB_PORT}", "engines.cpuImage": VLLM_CPU_IMAGE}
        values |= {"engines.cpuRequest": "200m", "engines.cpuThreads": str(os.cpu_count() or 1)}
        values |= {"engines.drainSeconds": "20"}
        install_chart(real_node, values)
    return Platform(real_node, port)


def start_hub(cluster: Cluster, log: Path) -> int:
    """Start the local Hub where pods reach it; return the host's port to it."""
    args = [sys.executable, "-m", "tests.fakes.hub", "--host", NODE_ADDRESS, "--port", str(HUB_PORT)]
    args += ["--cdn-port", str(CDN_PORT), "--model", f"{CHAT}={chat_model()}"]
    args += ["--model", f"{EMBEDDINGS}={minilm_model()}"]
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
