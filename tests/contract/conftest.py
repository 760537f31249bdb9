"""A client and a namespace on the real control plane, and settings of libraries that read them when imported."""

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from genmodel_operator.kube.client import KubeClient
from tests.cluster import Cluster
from tests.crd_cluster import install_crd
from tests.kube_client import connected

# Else huggingface_hub's first call asks its own site which agent it runs under.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture(scope="module")
def team(control_plane: Cluster) -> Iterator[str]:
    """Yield a namespace in which there may be models."""
    install_crd(control_plane)
    name = f"client-{uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def client(control_plane: Cluster) -> AsyncIterator[KubeClient]:
    """Yield a client with every right."""
    async with connected(control_plane.kubeconfig) as found:
        yield found
