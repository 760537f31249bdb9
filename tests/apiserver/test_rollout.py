"""From one revision to the next on a real control plane: who serves meanwhile, where there is room and where not."""

import json
import time

import pytest

from genmodel_operator.api import labels
from tests.operator_world import OperatorWorld
from tests.rollout_world import (
    L40S,
    T4,
    Sample,
    Sampler,
    a_node,
    crash,
    environment,
    pods_of,
    restarted,
    revision,
    selected,
    uids,
)

pytestmark = pytest.mark.apiserver

LONG = 120.0


def serving(world: OperatorWorld, team: str, name: str = "tiny") -> str:
    world.wait_for(team, name, "Serving", seconds=LONG)
    return str(revision(world, team, name)["serving"])


def rolled_from(world: OperatorWorld, team: str, first: str) -> str:
    """Wait until another revision serves alone; return it."""
    world.until(lambda: revision(world, team).get("serving") != first, "another revision serves", seconds=LONG)
    found = serving(world, team)
    world.until(lambda: pods_of(world, team, first) == [], "the old pods are gone", seconds=LONG)
    return found


# -- who serves


def agrees(sample: Sample) -> None:
    """Whatever the Service selects is of one model, commit and name, and status never says what is not so."""
    answering = sample.answering()
    assert answering, "somebody answers at every moment"
    told = {(pod["metadata"]["labels"][labels.COMMIT], environment(pod)["GENMODEL_COMMIT"][:12]) for pod in answering}
    assert len(told) == 1
    ((label, commit),) = told
    assert label == commit
    repositories = {environment(pod)["GENMODEL_REPOSITORY"] for pod in answering}
    names = {environment(pod)["GENMODEL_SERVED_NAMES"] for pod in answering}
    assert names == {f"tiny,{repository}" for repository in repositories}
    status = sample.before["status"]
    if not sample.is_still or status["revision"]["serving"] != sample.selected:
        return  # between the write of the Service and that of the status
    assert status["revision"]["commit"][:12] == label
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    if ready["status"] == "True" and ready["observedGeneration"] == sample.before["metadata"]["generation"]:
        assert repositories == {sample.before["spec"]["model"]}, "ready means: what was wished"
        assert status["model"]["commit"][:12] == label


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param({}, {"model": "acme/sharded-llama"}, id="another model"),
        pytest.param({}, {"revision": "v1.0"}, id="another revision"),
    ],
)
def test_the_wrong_model_is_never_served(
    world: OperatorWorld, team: str, first: dict[str, str], then: dict[str, str]
) -> None:
    world.wish(team, "tiny", replicas=2, **first)
    old = serving(world, team)
    with Sampler(world, team, "tiny") as watching:
        world.wish(team, "tiny", replicas=2, **then)
        new = rolled_from(world, team, old)
    for sample in watching.samples:
        agrees(sample)
    seen = [sample.selected for sample in watching.samples]
    assert set(seen) == {old, new}
    assert seen == sorted(seen, key=[old, new].index), "one switch, and not back"
    told = [sample.before["status"]["revision"]["serving"] for sample in watching.samples]
    assert told.index(new) >= seen.index(new), "status is never ahead of the Service"
    complete = [one for one in watching.samples if one.selected == new]
    assert all(len(one.answering()) == 2 for one in complete), "switched when all replicas are ready"


# -- a successor that fails


def test_a_successor_that_crashes_leaves_the_old_one_and_a_revert_restarts_nothing(
    world: OperatorWorld, team: str
) -> None:
    world.wish(team, "tiny")
    old = serving(world, team)
    before = uids(pods_of(world, team, old))
    deployment = world.get(team, "deployment", f"tiny-{old}")["metadata"]["uid"]
    with a_node(world, "silent", T4, devices=4, silent=True):
        world.wish(team, "tiny", accelerator={"products": [T4]}, engine={"args": ["--no-such-flag", "--port=9"]})
        world.until(lambda: revision(world, team)["current"] != old, "a successor is made")
        new = str(revision(world, team)["current"])
        world.until(lambda: len(pods_of(world, team, new)) == 1, "it has a pod")
        world.until(lambda: pods_of(world, team, new)[0]["spec"].get("nodeName") == "silent", "it is placed")
        crash(world, team, pods_of(world, team, new)[0]["metadata"]["name"], "BadEngineArgument", "no --no-such-flag")

        row = world.wait_for(team, "tiny", "BadEngineArgument")

        assert row["READY"] == "False"
        assert (
            f"no --no-such-flag; correct or remove the entry in spec.engine.args; revision {old} serves on"
            in (world.condition(team, "tiny")["message"])
        )
        assert world.condition(team, "tiny", "Available")["status"] == "True"
        assert world.condition(team, "tiny", "Stalled")["status"] == "True"
        assert world.get(team, "gm", "tiny")["status"]["plan"]["overridden"] == ["--port"], "what fights ours is named"
        assert (selected(world, team), uids(pods_of(world, team, old))) == (old, before)

        world.wish(team, "tiny", accelerator={"products": None}, engine={})

        world.wait_for(team, "tiny", "Serving")
        world.until(lambda: pods_of(world, team, new) == [] or bool(_going(world, team, new)), "the successor goes")
    assert revision(world, team)["current"] == old
    assert uids(pods_of(world, team, old)) == before
    assert world.get(team, "deployment", f"tiny-{old}")["metadata"]["uid"] == deployment


def _going(world: OperatorWorld, team: str, found: str) -> bool:
    """Without a kubelet a pod that was deleted never ends."""
    return all("deletionTimestamp" in pod["metadata"] for pod in pods_of(world, team, found))


@pytest.mark.parametrize(
    ("spec", "want_reason"),
    [
        pytest.param({"model": "acme/gguf"}, "GGUFOnly", id="another architecture, which nothing here serves"),
        pytest.param({"accelerator": {"count": 3}}, "NoFit", id="no such room"),
        pytest.param({"context": {"maxModelLen": 100_000}}, "ContextTooLong", id="longer than the model"),
    ],
)
def test_an_edit_that_cannot_be_served_keeps_what_serves(
    world: OperatorWorld, team: str, spec: dict[str, object], want_reason: str
) -> None:
    world.wish(team, "tiny")
    old = serving(world, team)
    before = uids(pods_of(world, team, old))
    world.wish(team, "tiny", **spec)  # type: ignore[arg-type]
    world.wait_for(team, "tiny", want_reason)
    assert f"; revision {old} serves on" in world.condition(team, "tiny")["message"]
    assert world.condition(team, "tiny", "Available")["status"] == "True"
    world.cluster.kubectl("-n", team, "scale", "gm/tiny", "--replicas=2")
    world.until(lambda: len(pods_of(world, team, old)) == 2, "it is still looked after")
    world.wish(team, "tiny", context={}, accelerator={})
    world.wait_for(team, "tiny", "Serving")
    assert before <= uids(pods_of(world, team, old))
    assert selected(world, team) == old


# -- room


def test_where_only_the_old_ones_place_is_left_it_makes_room_after_saying_so(world: OperatorWorld, team: str) -> None:
    with a_node(world, "single-0", L40S, devices=1), restarted(world, DRAIN_PATIENCE_SECONDS="45"):
        world.wish(team, "tiny", accelerator={"products": [L40S]})
        old = serving(world, team)
        before = uids(pods_of(world, team, old))
        world.wish(team, "tiny", accelerator={"products": [L40S]}, context={"maxModelLen": 128})

        world.wait_for(team, "tiny", "MakingRoom")

        said = world.condition(team, "tiny")["message"]
        assert f"finds no room beside {old}, which is stopped at 20" in said
        assert "Insufficient nvidia.com/gpu" in said
        assert uids(pods_of(world, team, old)) == before, "it serves until then"
        assert selected(world, team) == old
        assert world.condition(team, "tiny", "Available")["status"] == "True"

        new = rolled_from(world, team, old)

        assert pods_of(world, team, new)[0]["spec"]["nodeName"] == "single-0"
        world.until_quiet()


def test_a_node_that_comes_in_time_spares_the_gap(world: OperatorWorld, team: str) -> None:
    with a_node(world, "single-0", L40S, devices=1), restarted(world, DRAIN_PATIENCE_SECONDS="600"):
        world.wish(team, "tiny", accelerator={"products": [L40S]})
        old = serving(world, team)
        with Sampler(world, team, "tiny") as watching:
            world.wish(team, "tiny", accelerator={"products": [L40S]}, context={"maxModelLen": 128})
            world.wait_for(team, "tiny", "MakingRoom")
            with a_node(world, "second-0", L40S, devices=1):
                rolled_from(world, team, old)
        assert all(sample.answering() for sample in watching.samples), "somebody answers at every moment"


def test_taking_the_change_back_in_time_stops_nothing(world: OperatorWorld, team: str) -> None:
    with a_node(world, "single-0", L40S, devices=1), restarted(world, DRAIN_PATIENCE_SECONDS="600"):
        world.wish(team, "tiny", accelerator={"products": [L40S]})
        old = serving(world, team)
        before = uids(pods_of(world, team, old))
        world.wish(team, "tiny", accelerator={"products": [L40S]}, context={"maxModelLen": 128})
        world.wait_for(team, "tiny", "MakingRoom")
        world.wish(team, "tiny", accelerator={"products": [L40S]}, context={"maxModelLen": None})
        world.wait_for(team, "tiny", "Serving")
        assert revision(world, team)["current"] == old
        assert uids(pods_of(world, team, old)) == before


def test_where_that_would_not_help_nothing_is_stopped(world: OperatorWorld, team: str) -> None:
    with a_node(world, "single-0", L40S, devices=1), restarted(world, DRAIN_PATIENCE_SECONDS="1"):
        container = {"name": "c", "image": "theirs:1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "theirs", "namespace": team},
            "spec": {"nodeSelector": {"kubernetes.io/hostname": "single-0"}, "containers": [container]},
        }
        world.cluster.kubectl("create", "-f", "-", input=json.dumps(pod))
        world.wish(team, "tiny")
        old = serving(world, team)
        before = uids(pods_of(world, team, old))
        world.wish(team, "tiny", accelerator={"products": [L40S]})

        world.wait_for(team, "tiny", "Unschedulable")
        time.sleep(20)

        assert world.row(team, "tiny")["REASON"] == "Unschedulable"
        said = world.condition(team, "tiny")["message"]
        assert "Insufficient nvidia.com/gpu" in said
        assert said.endswith(f"; revision {old} serves on")
        assert uids(pods_of(world, team, old)) == before
        assert selected(world, team) == old
