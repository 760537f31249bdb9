"""The operator's client, connected to a cluster of the tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from genmodel_operator.kube.client import KubeClient
from genmodel_operator.settings import Settings


@asynccontextmanager
async def connected(kubeconfig: Path, **options: Any) -> AsyncIterator[KubeClient]:
    """Yield a client with the rights of a kubeconfig."""
    client = await KubeClient.connect(Settings(), environ={"KUBECONFIG": str(kubeconfig)}, **options)
    try:
        yield client
    finally:
        await client.close()
