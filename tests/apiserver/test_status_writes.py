"""How often the status is written, as a watch of the model tells, and what tools see before the first time."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.hand_node import RUNNING, in_prepare, in_server, serving
from tests.operator_world import Object, OperatorWorld
from tests.oracles.kstatus import compute
from tests.situations.patients import Patient, admit, hand_node, named, pods_voice
from tests.situations.pods import FETCHING, told

pytestmark = pytest.mark.apiserver

PER_PHASE = 2


class Recorder:
    """Every version of one model that a watch shows, in order."""

    def __init__(self, log: Path, process: "subprocess.Popen[bytes]") -> None:
        self._log, self._process = log, process

    def versions(self) -> list[Object]:
        decoder, text, found = json.JSONDecoder(), self._log.read_text(), []
        while text.strip():
            try:
                obj, end = decoder.raw_decode(text.lstrip())
            except ValueError:
                break
            found.append(obj)
            text = text.lstrip()[end:]
        return found

    def reasons(self) -> list[str]:
        return [reason_of(found) for found in self.versions()]


def reason_of(obj: Object) -> str:
    conditions = obj.get("status", {}).get("conditions", [])
    return next((str(found["reason"]) for found in conditions if found["type"] == "Ready"), "")


@contextmanager
def recording(world: OperatorWorld, team: str, name: str, log: Path) -> Iterator[Recorder]:
    process = world.cluster.popen(["kubectl", "-n", team, "get", "gm", name, "-o", "json", "--watch"], log=log)
    found = Recorder(log, process)
    try:
        world.until(lambda: found.versions() != [], "the watch shows the model")
        yield found
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def patient(world: OperatorWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    folder = tmp_path_factory.mktemp("pods")
    with hand_node(world) as node, pods_voice(world, folder) as voice, world.namespace() as team:
        (found,) = admit(named(world, node, voice, team, 1))
        yield found
        world.cluster.kubectl("-n", team, "delete", "gm", "--all")
        world.until(lambda: world.list(team, "pods") == [], "the pods are gone")


def test_at_most_two_writes_in_each_phase_of_a_start_and_none_when_it_serves(patient: Patient, tmp_path: Path) -> None:
    world, team, name, node = patient.world, patient.team, patient.name, patient.node
    pod = patient.pod()["metadata"]["name"]
    with recording(world, team, name, tmp_path / "watch.json") as record:

        def phase(runtime: Object, status: Object, reason: str) -> None:
            patient.voice.write_text(json.dumps(runtime))
            node.write(team, pod, status)
            world.wait_for(team, name, reason)

        phase(told("Verifying"), in_prepare(patient.address, FETCHING), "Verifying")
        phase(told("Starting"), in_server(patient.address, RUNNING), "Loading")
        phase(told("Loading"), in_server(patient.address, RUNNING), "Loading")
        phase(told("Compiling"), in_server(patient.address, RUNNING), "Compiling")
        phase(told("WarmingUp"), in_server(patient.address, RUNNING), "WarmingUp")
        world.until_quiet(quiet_seconds=12)
        phase(told("Serving"), serving(patient.address), "Serving")
        world.until_quiet(quiet_seconds=12)

        seen = record.reasons()
        counted = {
            reason: seen.count(reason) for reason in ("Verifying", "Loading", "Compiling", "WarmingUp", "Serving")
        }
        assert all(1 <= count <= PER_PHASE for count in counted.values()), counted
        versions = record.versions()
    assert [compute(found) for found in versions][-1] == "Current"
    assert {compute(found) for found in versions[:-2]} == {"InProgress"}


def test_a_download_is_told_each_ten_seconds_or_five_percent(patient: Patient, tmp_path: Path) -> None:
    world, team, name = patient.world, patient.team, patient.name
    pod = patient.pod()["metadata"]["name"]

    def fetched(share: float) -> None:
        progress = {"bytesDone": int(share * 10_000), "bytesTotal": 10_000, "bytesPerSecond": 10, "secondsLeft": 9}
        patient.voice.write_text(json.dumps(told("Downloading", download=progress)))

    fetched(0.0)
    patient.node.write(team, pod, in_prepare(patient.address, FETCHING))
    world.wait_for(team, name, "Downloading")
    with recording(world, team, name, tmp_path / "watch.json") as record:
        started = time.monotonic()
        for percent in range(1, 25):
            fetched(percent / 100)
            time.sleep(1.2)
        world.until(lambda: record.versions()[-1]["status"]["download"]["bytesDone"] == 2400, "the last is told, too")
        bytes_told = [found["status"]["download"]["bytesDone"] for found in record.versions()]
        elapsed = time.monotonic() - started
    assert bytes_told == sorted(bytes_told)
    assert 3 <= len(bytes_told) <= 2 + 24 / 5 + elapsed / 10, "the first and the last, each 5 %, and each 10 s"
    patient.recovers()


def test_a_model_that_nobody_has_looked_at_is_not_done(world: OperatorWorld, team: str) -> None:
    world.stop_operator()
    try:
        world.wish(team, "m")
        fresh = world.get(team, "gm", "m")
        assert fresh["status"] == {"observedGeneration": -1}
        assert compute(fresh) == "InProgress"
    finally:
        world.start_operator()
    world.cluster.kubectl("-n", team, "wait", "--for=condition=Ready", "--timeout=60s", "gm/m")
    assert compute(world.get(team, "gm", "m")) == "Current"


def test_the_generation_is_observed_only_when_it_was_acted_on(world: OperatorWorld, team: str, tmp_path: Path) -> None:
    world.wish(team, "m")
    world.wait_for(team, "m", "Serving")
    with recording(world, team, "m", tmp_path / "watch.json") as record:
        for length in (64, 128, 256):
            world.wish(team, "m", context={"maxModelLen": length})
            world.until(lambda: world.get(team, "gm", "m")["status"]["observedGeneration"] > 1, "it is looked at")
        world.until(lambda: compute(world.get(team, "gm", "m")) == "Current", "the last wish is served")
        last = world.get(team, "gm", "m")
        versions = record.versions()
    assert all(found["status"]["observedGeneration"] <= found["metadata"]["generation"] for found in versions)
    done = [found for found in versions if compute(found) == "Current"]
    assert {found["status"]["plan"]["maxModelLen"] for found in done if found["metadata"]["generation"] > 1} <= {
        64,
        128,
        256,
    }
    for found in done:
        wanted = found["spec"].get("context", {}).get("maxModelLen")
        assert wanted in (None, found["status"]["plan"]["maxModelLen"]), "what is called done is what was wished"
    assert last["status"]["plan"]["maxModelLen"] == 256
