"""Fake nodes that are there for a while: what a test adds to the shared control plane, it takes away again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster import Cluster


@contextmanager
def extra_nodes(cluster: Cluster, count: int, *, prefix: str, **properties: Any) -> Iterator[list[str]]:
    """Yield the names of so many more nodes; ``properties`` are those of ``Cluster.add_kwok_nodes``."""
    names = [f"{prefix}-{index}" for index in range(count)]
    try:
        yield cluster.add_kwok_nodes(count, prefix=prefix, **properties)
    finally:
        cluster.kubectl("delete", "node", *names, "--ignore-not-found")
