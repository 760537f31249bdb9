"""What tests of several folders share: the clusters, each started once for the whole run."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

from examples.demo.foreign import remove
from tests import audited
from tests.cluster import Cluster, Environment, HostedCluster, KindCluster, detect
from tests.cluster.images import vllm_site_packages
from tests.leftovers import Leftovers
from tests.platform import Platform, set_up, set_up_hosted

LEFTOVERS = pytest.StashKey[Leftovers]()

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
"""For every property of the tree: how long an example takes says only how loaded the machine is."""


def pytest_configure(config: pytest.Config) -> None:
    """Add our marker, and keep looptime from making an event loop in every plain test, which nobody closes."""
    config.addinivalue_line("markers", "own_node: starts a real node of its own, so it comes before the shared one")
    config.stash[LEFTOVERS] = Leftovers()
    asyncio.set_event_loop(None)


NODE_MARKERS = ("own_node", "e2e", "engine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that need the machine's only real node to themselves first."""
    items.sort(key=_turn)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Say what runs side by side where there are several processes (`-n 4`)."""
    return SideBySide(config, log)


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]
    """One process has the real node, another the engines outside pods, which would take each other's processors.

    All else is taken file by file, with a control plane for each process.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return runs_in(_text(self.config.rootpath / path)) or path


def runs_in(text: str) -> str:
    """Return the process that the tests of a file with this text share with others; none: any takes the file."""
    found = [name for name in NODE_MARKERS if f"pytest.mark.{name}" in text]
    if not found:
        return ""
    return "engines" if found == ["engine"] else "node"


@cache
def _text(path: Path) -> str:
    return path.read_text()


def _turn(item: pytest.Item) -> int:
    """Return the place of a test's kind: what needs a node of its own, the shared one, engines alone, the rest."""
    found = (turn for turn, name in enumerate(NODE_MARKERS) if item.get_closest_marker(name))
    return next(found, len(NODE_MARKERS))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note when each test begins, to know who made what is left on the shared control plane."""
    item.config.stash[LEFTOVERS].began(item.nodeid)


@pytest.fixture(scope="session")
def leftovers(pytestconfig: pytest.Config) -> Leftovers:
    """Return what knows which objects may stay on the shared control plane."""
    return pytestconfig.stash[LEFTOVERS]


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest, leftovers: Leftovers) -> Iterator[None]:
    """Look after each module that used the shared control plane, once its own fixtures have ended."""
    yield
    if any("control_plane" in getattr(item, "fixturenames", ()) for item in items_beside(request)):
        leftovers.check()


def items_beside(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """Return the tests of this run that are in the module of the request."""
    return [item for item in request.session.items if item.path == request.path]


@pytest.fixture(scope="session")
def environment() -> Environment:
    """Return what this machine can run, and why not."""
    return detect()


def showing_progress(config: pytest.Config) -> AbstractContextManager[None]:
    """Let progress through to the terminal: starting from nothing takes minutes and must not look hung."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()


@pytest.fixture(scope="session")
def control_plane(environment: Environment, pytestconfig: pytest.Config, leftovers: Leftovers) -> Iterator[Cluster]:
    """Yield a cluster with a real control plane and kwok, of this pytest process alone."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    cluster = Cluster(f"test-{os.getpid()}")
    with showing_progress(pytestconfig):
        cluster.__enter__()
    leftovers.kubectl = cluster.kubectl
    try:
        yield cluster
    finally:
        leftovers.kubectl = None
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
    return Cluster(f"node-{os.getpid()}", real_node=True, audit=True)


@pytest.fixture(scope="session")
def platform(
    real_node: Cluster | HostedCluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Yield a real node with the chart from real images and the local Hub; what takes long says how far it is.

    In the end the operator must have been refused nothing, in the whole run. A cluster of other people gets it back
    as it was.
    """
    if isinstance(real_node, HostedCluster):
        with showing_progress(pytestconfig):
            made = set_up_hosted(real_node)
        yield made
        remove(real_node)
    else:
        with showing_progress(pytestconfig):
            made = set_up(real_node, tmp_path_factory.mktemp("hub") / "hub.log")
        yield made
        audited.assert_rights_suffice(real_node, excused=made.without_rights)


@pytest.fixture(scope="session")
def site_packages(environment: Environment) -> Path:
    """Return the packages of the real vLLM on CPU."""
    if environment.no_engine:
        pytest.skip(environment.no_engine)
    return vllm_site_packages()
