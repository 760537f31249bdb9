"""Minutes of faults at random moments on a real control plane; afterwards everything is as wished."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.record import keep
from tests.cluster import Cluster
from tests.cluster.folders import RunFolder
from tests.cluster.state import read_state
from tests.operator_world import OperatorWorld

pytestmark = [pytest.mark.soak, pytest.mark.apiserver, pytest.mark.timeout(2400)]

MANY = 200
CHURN_SECONDS = 420.0
SETTLE_SECONDS = 300.0
CHILDREN = ("deployments", "services")


def ready_count(world: OperatorWorld, team: str) -> int:
    printed = world.cluster.kubectl(
        "-n", team, "get", "gm", "-o", 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}'
    )
    return printed.split().count("True")


def test_a_restart_with_two_hundred_serving_models_writes_nothing(world: OperatorWorld, team: str) -> None:
    wishes = [
        {
            "apiVersion": "genmodel.dev/v1alpha1",
            "kind": "GenerativeModel",
            "metadata": {"name": f"m{index}", "namespace": team},
            "spec": {"model": "acme/tiny-llama"},
        }
        for index in range(MANY)
    ]
    world.cluster.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": wishes}))
    world.until(lambda: ready_count(world, team) == MANY, f"{MANY} models are Ready", seconds=600)
    world.until_quiet()
    assert world.stop_operator() == 0
    world.start_operator()
    time.sleep(20)
    used = world.requests()
    assert world.written() == {}
    keep("soak-restart", {f"{MANY} serving models": {"writes": "0", "reads": f"{sum(used.values()):.0f}"}})
    world.cluster.kubectl("-n", team, "delete", "gm", "--all")
    world.until(lambda: world.list(team, "pods") == [], "all pods are gone", seconds=300)


class User:
    """Somebody who wishes, changes and deletes models, and edits what is not theirs, at random."""

    def __init__(self, world: OperatorWorld, team: str, random_: random.Random) -> None:
        self._world, self._team, self._random = world, team, random_
        self.wished: dict[str, int] = {}
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """Do one thing."""
        actions = [
            self._wish,
            self._wish,
            self._scale,
            self._change,
            self._delete,
            self._delete_child,
            self._edit_child,
        ]
        action = self._random.choice(actions)
        self.done[action.__name__.strip("_")] += 1
        action()

    def _name(self) -> str:
        return f"m{self._random.randrange(30)}"

    def _wish(self) -> None:
        name = self._name()
        self.wished.setdefault(name, 1)
        self._world.wish(self._team, name, replicas=self.wished[name])

    def _scale(self) -> None:
        name = self._name()
        if name in self.wished:
            self.wished[name] = self._random.randrange(1, 4)
            self._world.cluster.kubectl("-n", self._team, "scale", f"gm/{name}", f"--replicas={self.wished[name]}")

    def _change(self) -> None:
        name = self._name()
        if name in self.wished:
            length = self._random.choice([128, 256, 512])
            patch = json.dumps({"spec": {"context": {"maxModelLen": length}}})
            self._world.cluster.kubectl("-n", self._team, "patch", "gm", name, "--type=merge", "-p", patch)

    def _delete(self) -> None:
        name = self._name()
        if self.wished.pop(name, None) is not None:
            self._world.cluster.kubectl("-n", self._team, "delete", "gm", name, "--wait=false")

    def _child(self) -> str | None:
        kind = self._random.choice(CHILDREN)
        found = [one["metadata"]["name"] for one in self._world.list(self._team, kind)]
        return f"{kind}/{self._random.choice(found)}" if found else None

    def _delete_child(self) -> None:
        if child := self._child():
            self._world.cluster.kubectl("-n", self._team, "delete", child, "--wait=false", check=False)

    def _edit_child(self) -> None:
        if child := self._child():
            patch = json.dumps({"metadata": {"labels": {"genmodel.dev/model": "stolen"}}, "spec": {"replicas": 7}})
            if child.startswith("services"):
                patch = json.dumps({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 1}]}})
            self._world.cluster.kubectl("-n", self._team, "patch", child, "-p", patch, check=False)


@contextmanager
def frozen(cluster: Cluster, component: str) -> Iterator[None]:
    """Let a component of the control plane stand still, as on a machine that hangs."""
    state = read_state(RunFolder.of(cluster.name).state)
    assert state is not None
    process = next(one.process for one in state.started if one.name == component and one.process.is_alive())
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def assert_as_wished(world: OperatorWorld, team: str, wished: dict[str, int]) -> None:
    """Every wished model serves with its replicas, by one Deployment and one Service, and nothing else is there."""

    def settled() -> bool:
        rows = {one["metadata"]["name"]: one.get("status", {}) for one in world.list(team, "gm")}
        wants = {name: f"{replicas}/{replicas}" for name, replicas in wished.items()}
        shown = {name: status.get("display", {}).get("replicas") for name, status in rows.items()}
        return shown == wants and ready_count(world, team) == len(wished)

    def words() -> str:
        return world.cluster.kubectl("-n", team, "get", "gm", "-o", "wide")

    try:
        world.until(settled, "everything is as wished", seconds=SETTLE_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}; wished {wished}\n{words()}") from error
    for kind in CHILDREN:
        listed = world.cluster.kubectl(
            "-n", team, "get", kind, "--show-labels", "--sort-by=.metadata.creationTimestamp"
        )
        world.until(
            lambda kind=kind: (
                [one["metadata"]["name"].split("-")[0] for one in sorted_children(world, team, kind)]  # type: ignore[misc]
                == sorted(wished)
            ),
            f"one of {kind} per model; wished {sorted(wished)}, first seen\n{listed}",
            seconds=120,
        )
    world.until_quiet()


def sorted_children(world: OperatorWorld, team: str, kind: str) -> list[dict[str, dict[str, str]]]:
    return sorted(world.list(team, kind), key=lambda one: str(one["metadata"]["name"].split("-")[0]))


def kill_the_operator(world: OperatorWorld, _: random.Random) -> None:
    world.stop_operator(signal.SIGKILL)
    world.start_operator(wait=False)


def restart_the_hub(world: OperatorWorld, random_: random.Random) -> None:
    world.stop_hub()
    time.sleep(random_.uniform(0, 5))
    world.start_hub()


def freeze_the_api_server(world: OperatorWorld, random_: random.Random) -> None:
    with frozen(world.cluster, "kube-apiserver"):
        time.sleep(random_.uniform(1, 12))


FAULTS = {
    "the operator is killed": kill_the_operator,
    "the Hub goes and comes": restart_the_hub,
    "the API server stands still": freeze_the_api_server,
}


@pytest.mark.parametrize("fault", [pytest.param(found, id=name) for name, found in FAULTS.items()])
def test_minutes_of_faults_end_as_wished(
    world: OperatorWorld, team: str, fault: Callable[[OperatorWorld, random.Random], None]
) -> None:
    random_ = random.Random(fault.__name__)
    user, faults = User(world, team, random_), 0
    deadline = time.monotonic() + CHURN_SECONDS
    while time.monotonic() < deadline:
        for _ in range(random_.randrange(1, 6)):
            user.act()
        fault(world, random_)
        faults += 1
        time.sleep(random_.uniform(0, 3))
    started = time.monotonic()
    assert_as_wished(world, team, user.wished)
    row = {"faults": str(faults), "minutes": f"{CHURN_SECONDS / 60:.0f}", "models at the end": str(len(user.wished))}
    row |= {f"user: {name}": str(count) for name, count in sorted(user.done.items())}
    keep(
        f"soak-{fault.__name__.replace('_', '-')}", {"faults": row | {"settled": f"{time.monotonic() - started:.0f} s"}}
    )
