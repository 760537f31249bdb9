"""Models that are deleted, at any moment and in any way: nothing of ours is left, and nothing hangs."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, Environment
from tests.operator_world import L4_LABELS, OPERATOR_PORT, ROOT, OperatorWorld

pytestmark = pytest.mark.apiserver

KINDS = "deployments,replicasets,jobs,pods,services,controllerrevisions,networkpolicies,poddisruptionbudgets"


def left(world: OperatorWorld, team: str) -> list[str]:
    """What is left of the model called tiny."""
    found = world.list(team, KINDS, "-l", "genmodel.dev/model=tiny")
    return [f"{one['kind']} {one['metadata']['name']}" for one in found]


def until_nothing_is_left(world: OperatorWorld, team: str) -> None:
    world.until(lambda: left(world, team) == [], "all children are gone", seconds=120)
    assert world.list(team, "gm") == []


def just_created(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")


def before_the_hub_answered(world: OperatorWorld, team: str) -> None:
    world.hub_post("/_fault", match="^/api/models/acme/sharded-llama", status=503, times=100000)
    world.wish(team, "tiny", "acme/sharded-llama")
    world.wait_for(team, "tiny", "HubUnreachable")


def without_a_place(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny", accelerator={"kind": "GPU", "products": ["NVIDIA-H200"]})
    world.wait_for(team, "tiny", "NoCandidateNodes")


def while_pods_find_no_room(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny", replicas=40)
    world.wait_for(team, "tiny", "Unschedulable", seconds=120)


def serving(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny", replicas=2)
    world.wait_for(team, "tiny", "Serving")


def suspended(world: OperatorWorld, team: str) -> None:
    serving(world, team)
    world.wish(team, "tiny", suspend=True)
    world.wait_for(team, "tiny", "Suspended")


def in_the_middle_of_a_rollout(world: OperatorWorld, team: str) -> None:
    serving(world, team)
    world.wish(team, "tiny", replicas=2, context={"maxModelLen": 64})
    world.until(lambda: len(world.list(team, "deployments")) == 2, "both revisions have a Deployment")


STAGES = [
    pytest.param(just_created, id="just created"),
    pytest.param(before_the_hub_answered, id="before the Hub answered"),
    pytest.param(without_a_place, id="without a plan"),
    pytest.param(while_pods_find_no_room, id="while pods find no room"),
    pytest.param(serving, id="serving"),
    pytest.param(suspended, id="suspended"),
    pytest.param(in_the_middle_of_a_rollout, id="in the middle of a rollout"),
]


@pytest.mark.parametrize("reach", STAGES)
def test_deleting_at_any_moment_leaves_nothing(
    world: OperatorWorld, team: str, reach: Callable[[OperatorWorld, str], None]
) -> None:
    try:
        reach(world, team)
    finally:
        world.hub_post("/_clear")
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--timeout=30s")
    until_nothing_is_left(world, team)
    world.until_quiet(quiet_seconds=3)
    assert left(world, team) == [], "nothing came back"


def test_deleting_while_the_operator_is_down_leaves_nothing_and_its_return_writes_nothing(
    world: OperatorWorld, team: str
) -> None:
    serving(world, team)
    world.until_quiet(quiet_seconds=3)
    world.stop_operator()
    try:
        world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--timeout=30s")
        until_nothing_is_left(world, team)
    finally:
        world.start_operator()
    world.until_quiet(quiet_seconds=3)
    assert world.written() == {}


def test_deleting_in_the_foreground_waits_for_the_children_and_ends(world: OperatorWorld, team: str) -> None:
    serving(world, team)
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--cascade=foreground", "--timeout=60s")
    assert [one for one in left(world, team) if one.split()[0] in ("Deployment", "ReplicaSet")] == []
    until_nothing_is_left(world, team)


def test_children_that_were_orphaned_go_on_serving_until_the_model_comes_back_and_takes_them(
    world: OperatorWorld, team: str
) -> None:
    serving(world, team)
    pods = {pod["metadata"]["uid"] for pod in world.list(team, "pods")}
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--cascade=orphan", "--timeout=60s")
    world.until_quiet(quiet_seconds=3)
    for kind in ("deployments", "services", "controllerrevisions"):
        (found,) = world.list(team, kind, "-l", "genmodel.dev/model=tiny")
        assert "ownerReferences" not in found["metadata"], kind
    assert {pod["metadata"]["uid"] for pod in world.list(team, "pods")} == pods
    serving(world, team)
    assert {pod["metadata"]["uid"] for pod in world.list(team, "pods")} == pods, "the same pods serve"
    (found,) = world.list(team, "controllerrevisions", "-l", "genmodel.dev/model=tiny")
    assert found["metadata"]["ownerReferences"][0]["uid"] == world.get(team, "gm", "tiny")["metadata"]["uid"]
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--timeout=30s")
    until_nothing_is_left(world, team)


def test_children_that_were_orphaned_are_removed_by_their_label(world: OperatorWorld, team: str) -> None:
    serving(world, team)
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--cascade=orphan", "--timeout=60s")
    owned = "deployments,services,controllerrevisions,networkpolicies,poddisruptionbudgets"
    world.cluster.kubectl("-n", team, "delete", owned, "-l", "genmodel.dev/model=tiny", "--timeout=60s")
    until_nothing_is_left(world, team)


@pytest.mark.parametrize("operator", ["at work", "down"])
def test_a_namespace_with_models_in_it_goes(world: OperatorWorld, operator: str) -> None:
    with world.namespace() as team:
        for name in ("tiny", "second"):
            world.wish(team, name)
        world.wait_for(team, "tiny", "Serving")
        if operator == "down":
            world.stop_operator()
        try:
            world.cluster.kubectl("delete", "namespace", team, "--timeout=120s")
            assert world.cluster.kubectl("get", "namespaces", team, "--ignore-not-found") == ""
        finally:
            if operator == "down":
                world.start_operator()


@pytest.fixture
def alone(environment: Environment, tmp_path: Path) -> Iterator[OperatorWorld]:
    """A control plane of the test's own: it takes the definition of models away."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"cleanup-{os.getpid()}") as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        cluster.add_kwok_nodes(1, prefix="l4", labels=L4_LABELS, allocatable={"nvidia.com/gpu": "8"})
        world = OperatorWorld(cluster, tmp_path)
        world.start_hub()
        world.start_operator()
        yield world
        assert world.stop_operator() == 0
        world.stop_hub()


def readiness(cluster: Cluster) -> str:
    """What the operator's readiness page says."""
    url = f"http://127.0.0.1:{cluster.forward('127.0.0.1', OPERATOR_PORT)}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError as error:
        return str(error)


def test_the_definition_is_deleted_first_and_comes_back(alone: OperatorWorld) -> None:
    """Children go with their models, or when the definition is back where the garbage collector did not know it yet.

    It looks for new kinds each 30 s, and asks for an owner of a kind that it cannot find again and again.
    """
    cluster = alone.cluster
    with alone.namespace() as team:
        serving(alone, team)
        before = {one["metadata"]["uid"] for one in alone.list(team, KINDS, "-l", "genmodel.dev/model=tiny")}
        cluster.kubectl("delete", "-f", str(ROOT / "crds"), "--timeout=120s")
        assert alone.wait_operator() == 1, "it ends, and its supervisor starts it anew"
        alone.start_operator(wait=False)
        alone.until(lambda: "is not installed" in readiness(cluster), "it says what it waits for")
        cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        alone.until(lambda: json.loads(readiness(cluster)).get("ready") is True, "it is ready again")
        alone.wish(team, "tiny")
        alone.wait_for(team, "tiny", "Serving", seconds=240)
        after = {one["metadata"]["uid"] for one in alone.list(team, KINDS, "-l", "genmodel.dev/model=tiny")}
        assert not before & after, "nothing of the model before is left"
        cluster.kubectl("-n", team, "delete", "gm", "tiny", "--timeout=30s")
        alone.until(lambda: left(alone, team) == [], "nothing is left", seconds=240)
