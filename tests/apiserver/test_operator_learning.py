"""What pods measured, kept on a real API server by the real operator, and taken into the next plan.

kwok's pods run nothing: one process in the cluster's network namespace answers for all of them.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.namespace import FAKE_POD_RANGE
from tests.operator_world import PLATFORM, ROOT, Object, OperatorWorld

pytestmark = pytest.mark.apiserver

STORE = "genmodel-measurements"
LLAMA = "acme/tiny-llama"


class Pods:
    """What the pods say of themselves."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def say(self, **measured: Any) -> None:
        document = {
            "contract": 1,
            "phase": "Serving",
            "measured": measured,
            "engine": {"name": "vllm", "version": "0.32.0"},
            "failure": None,
        }
        self._file.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def pods(world: OperatorWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Yield the voice of all fake pods."""
    folder = tmp_path_factory.mktemp("pods")
    found, log = Pods(folder / "status.json"), folder / "log"
    found.say(startSeconds=1.0)
    world.cluster.run(["ip", "route", "add", "local", FAKE_POD_RANGE, "dev", "lo"])
    argv = [sys.executable, "-m", "tests.fakes.runtime_status", str(folder / "status.json")]
    server = world.cluster.popen(argv, log=log, cwd=ROOT)
    world.until(lambda: "listening" in log.read_text(), "the pods' status page is there")
    yield found
    server.terminate()
    server.wait(10)
    world.cluster.run(["ip", "route", "del", "local", FAKE_POD_RANGE, "dev", "lo"])
    # The tests that come after plan with estimates.
    assert world.stop_operator() == 0
    world.cluster.kubectl("-n", PLATFORM, "delete", "configmap", STORE, "--ignore-not-found")
    world.start_operator()


def entries(world: OperatorWorld) -> dict[str, Object]:
    found = world.cluster.run(["kubectl", "-n", PLATFORM, "get", "configmap", STORE, "-o", "json"], check=False)
    data = json.loads(found.stdout).get("data") or {} if found.returncode == 0 else {}
    return {name: json.loads(text) for name, text in data.items() if text.startswith("{")}


def entry(world: OperatorWorld, weights_gib: float) -> Object | None:
    return next((found for found in entries(world).values() if found.get("weightsGiB") == weights_gib), None)


def plan(world: OperatorWorld, team: str, name: str) -> Object:
    found: Object = world.get(team, "gm", name)["status"]["plan"]
    return found


def frozen(world: OperatorWorld, team: str, name: str) -> Object:
    """What must never change of a model that serves."""
    (revision,) = world.list(team, "controllerrevisions", "-l", f"genmodel.dev/model={name}")
    (deployment,) = world.list(team, "deployments", "-l", f"genmodel.dev/model={name}")
    found = world.list(team, "pods", "-l", f"genmodel.dev/model={name}")
    return {
        "revision": (revision["metadata"]["uid"], revision["data"]),
        "deployment": (deployment["metadata"]["uid"], deployment["metadata"]["generation"]),
        "pods": [pod["metadata"]["uid"] for pod in found],
        "plan": plan(world, team, name),
    }


def apart(number: int) -> Object:
    """Engine options that keep one test's measurements apart from another's."""
    return {"args": ["--seed", str(number)]}


def serve(world: OperatorWorld, team: str, name: str, model: str = LLAMA, **spec: Any) -> None:
    world.wish(team, name, model, **spec)
    world.wait_for(team, name, "Serving")


def test_what_a_pod_measured_is_kept_and_the_next_model_is_planned_with_it(
    world: OperatorWorld, team: str, pods: Pods
) -> None:
    pods.say(weightsGiB=0.31, cudaGraphGiB=0.2, activationGiB=0.25)
    serve(world, team, "first", engine=apart(1))
    world.until(lambda: entry(world, 0.31) is not None, "the measurement is kept")
    kept = entry(world, 0.31)
    assert kept is not None
    assert (kept["product"], kept["engineVersion"], kept["tensorParallel"]) == ("NVIDIA-L4", "0.32.0", 1)
    assert kept["commit"] == world.get(team, "gm", "first")["status"]["model"]["commit"]
    before = frozen(world, team, "first")
    assert "measured" not in before["plan"]["explanation"]

    time.sleep(11)
    serve(world, team, "second", engine=apart(1))

    planned = plan(world, team, "second")
    assert "Weights 0.31 GiB, activation 0.25 GiB and CUDA graphs 0.20 GiB as measured on" in planned["explanation"]
    assert planned["memory"]["weightsGiB"] == 0.31
    assert "0.31 GiB" in world.condition(team, "second", "Planned")["message"]
    assert world.get(team, "gm", "second")["status"]["measured"]["cudaGraphGiB"] == 0.2
    figures = {sample.labels["figure"] for sample in world.samples("genmodel_sizing_error_bytes_count")}
    assert {"weights", "activation"} <= figures


def test_a_model_that_serves_never_changes_because_of_a_measurement(
    world: OperatorWorld, team: str, pods: Pods
) -> None:
    pods.say(weightsGiB=0.32)
    serve(world, team, "first", engine=apart(2))
    world.until(lambda: entry(world, 0.32) is not None, "the measurement is kept")
    before = frozen(world, team, "first")

    pods.say(weightsGiB=0.42)
    serve(world, team, "second", engine=apart(2))
    world.until(lambda: entry(world, 0.42) is not None, "a newer one takes its place")
    world.cluster.kubectl("-n", team, "annotate", "gm", "first", "team.example/note=look-again")
    world.until_quiet()
    world.stop_operator()
    world.start_operator()
    time.sleep(5)

    assert world.written() == {}, "a restart in steady state writes nothing"
    assert frozen(world, team, "first") == before
    assert entry(world, 0.32) is None


def test_it_outlives_the_operator_and_another_model_has_nothing_of_it(
    world: OperatorWorld, team: str, pods: Pods
) -> None:
    pods.say(weightsGiB=0.33)
    serve(world, team, "first", engine=apart(3))
    world.until(lambda: entry(world, 0.33) is not None, "the measurement is kept")
    world.stop_operator()
    world.start_operator()

    serve(world, team, "same", engine=apart(3))
    serve(world, team, "plain")
    serve(world, team, "sharded", "acme/sharded-llama", engine=apart(3))

    assert "Weights 0.33 GiB as measured" in plan(world, team, "same")["explanation"]
    assert "0.33" not in plan(world, team, "plain")["explanation"]
    assert "measured" not in plan(world, team, "sharded")["explanation"]


def test_an_outlier_is_refused_and_said(world: OperatorWorld, team: str, pods: Pods) -> None:
    def refused() -> float:
        return sum(sample.value for sample in world.samples("genmodel_measurements_refused_total"))

    before, kept = refused(), entries(world)
    pods.say(weightsGiB=9.0, activationGiB=-1.0)
    serve(world, team, "odd", engine=apart(4))
    world.until(lambda: refused() >= before + 2, "both figures are refused")

    assert entries(world) == kept
    assert "nothing known explains" in world.operator_log()
    assert world.get(team, "gm", "odd")["status"]["measured"]["weightsGiB"] == 9.0, "what was told is shown"


def test_a_store_that_people_wrote_in_is_read_as_far_as_it_can_be(world: OperatorWorld, team: str, pods: Pods) -> None:
    pods.say(weightsGiB=0.35)
    serve(world, team, "first", engine=apart(5))
    world.until(lambda: entry(world, 0.35) is not None, "the measurement is kept")
    names = [name for name, found in entries(world).items() if found["weightsGiB"] != 0.35]
    patch = {"data": {"notes": "please keep", **dict.fromkeys(names, '{"weightsGiB": "much"}')}}
    world.cluster.kubectl("-n", PLATFORM, "patch", "configmap", STORE, "-p", json.dumps(patch))

    time.sleep(11)
    serve(world, team, "second", engine=apart(5))

    assert "Weights 0.35 GiB as measured" in plan(world, team, "second")["explanation"]
    assert "notes: " in world.operator_log()
    pods.say(weightsGiB=0.36)
    serve(world, team, "third", engine=apart(6))
    world.until(lambda: entry(world, 0.36) is not None, "it is written on")
    assert entry(world, 0.35) is not None


def test_deleted_by_a_person_it_is_begun_anew(world: OperatorWorld, team: str, pods: Pods) -> None:
    pods.say(weightsGiB=0.37)
    serve(world, team, "first", engine=apart(7))
    world.until(lambda: entry(world, 0.37) is not None, "the measurement is kept")
    world.cluster.kubectl("-n", PLATFORM, "delete", "configmap", STORE)

    time.sleep(11)
    pods.say(weightsGiB=0.38)
    serve(world, team, "second", engine=apart(8))

    world.until(lambda: entry(world, 0.38) is not None, "it is there again")
    assert entry(world, 0.37) is None
