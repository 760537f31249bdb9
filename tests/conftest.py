"""What tests of several folders share: the clusters, each started once for the whole run."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest
from hypothesis import HealthCheck, settings

from tests.cluster import Cluster, Environment, HostedCluster, KindCluster, detect

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
"""For every property of the tree: how long an example takes says only how loaded the machine is."""


def pytest_configure(config: pytest.Config) -> None:
    """Add our marker, and keep looptime from making an event loop in every plain test, which nobody closes."""
    config.addinivalue_line("markers", "own_node: starts a real node of its own, so it comes before the shared one")
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that need the machine's only real node to themselves first."""
    items.sort(key=lambda item: item.get_closest_marker("own_node") is None)


@pytest.fixture(scope="session")
def environment() -> Environment:
    """Return what this machine can run, and why not."""
    return detect()


def showing_progress(config: pytest.Config) -> AbstractContextManager[None]:
    """Let progress through to the terminal: starting from nothing takes minutes and must not look hung."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()


@pytest.fixture(scope="session")
def control_plane(environment: Environment, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """Yield a cluster with a real control plane and kwok, of this pytest process alone."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    cluster = Cluster(f"test-{os.getpid()}")
    with showing_progress(pytestconfig):
        cluster.__enter__()
    try:
        yield cluster
    finally:
        with showing_progress(pytestconfig):
            cluster.__exit__(None, None, None)


@pytest.fixture(scope="session")
def real_node(environment: Environment, pytestconfig: pytest.Config) -> Iterator[Cluster | HostedCluster]:
    """Yield a cluster with a real node: our own, or the one that the user named, or kind's."""
    if environment.no_real_node:
        pytest.skip(environment.no_real_node)
    cluster = real_cluster(environment)
    with showing_progress(pytestconfig):
        cluster.__enter__()
    try:
        yield cluster
    finally:
        with showing_progress(pytestconfig):
            cluster.__exit__(None, None, None)


def real_cluster(environment: Environment) -> Cluster | HostedCluster:
    """Return the cluster of the machine's rung, not yet started."""
    if environment.rung == "foreign" and environment.kubeconfig:
        return HostedCluster(environment.kubeconfig, registry=environment.registry)
    if environment.rung == "kind":
        return KindCluster(f"test-{os.getpid()}")
    return Cluster(f"node-{os.getpid()}", real_node=True)
