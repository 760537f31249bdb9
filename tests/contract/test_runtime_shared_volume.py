"""Pods of several nodes on one volume whose locks end at the node: processes that die and stand still."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import Phase
from genmodel_runtime.fetch import Fetch
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.volume import Volume
from tests.contract.test_runtime_pieces import BIG, CONTENT, PIECE, SIZE, WEIGHTS, asked, received
from tests.fakes.fetching import FetchProcess, fetching
from tests.fakes.hub import HubServer
from tests.fakes.runtime_pod import fetch_settings

STALE_SECONDS = 3.0
ELSEWHERE = {"piece_bytes": PIECE, "connections": 4, "stale_seconds": STALE_SECONDS, "has_locks": False}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([BIG], bytes_per_second=400_000) as server:
        yield server


class Nodes:
    """Pods that share one volume."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "shared"
        self._folder = folder

    def root(self, name: str) -> Path:
        root = self._folder / name
        root.mkdir()
        self.models.mkdir(exist_ok=True)
        (root / "models").symlink_to(self.models)
        return root

    def wait_until(self, condition: Callable[[], bool], *pods: FetchProcess) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            running = any(pod.process.poll() is None for pod in pods)
            assert running, [pod.log for pod in pods]
            assert time.monotonic() < deadline, [pod.log for pod in pods]
            time.sleep(0.02)

    def received(self) -> int:
        return received(self.models)

    def weights(self) -> bytes:
        (path,) = self.models.glob(f"*/{WEIGHTS}")
        return path.read_bytes()


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path)


@contextmanager
def two_pods(nodes: Nodes, hub: HubServer, **options: Any) -> Iterator[tuple[FetchProcess, FetchProcess]]:
    """Yield two pods that want the same commit at once."""
    chosen = ELSEWHERE | options
    with (
        fetching(nodes.root("one"), hub.url, BIG, **chosen) as one,
        fetching(nodes.root("two"), hub.url, BIG, **chosen) as two,
    ):
        yield one, two


def owner_first(one: FetchProcess, two: FetchProcess) -> tuple[FetchProcess, FetchProcess]:
    return (one, two) if "fetching 5 files" in one.log else (two, one)


@pytest.mark.parametrize(
    "options", [pytest.param({"has_locks": True}, id="one node"), pytest.param({}, id="two nodes")]
)
def test_two_at_once_fetch_once(hub: HubServer, nodes: Nodes, options: dict[str, Any]) -> None:
    with two_pods(nodes, hub, **options) as (one, two):
        assert (one.wait(), two.wait()) == ("done", "done")

    assert sum(end - begin for begin, end in asked(hub)) == SIZE
    assert nodes.weights() == CONTENT
    assert list((nodes.models / ".partial").iterdir()) == []


def test_who_waits_tells_how_far_the_other_one_is(hub: HubServer, nodes: Nodes) -> None:
    state = RuntimeState(Phase.CHECKING)
    seen: list[dict[str, Any]] = []
    with fetching(nodes.root("one"), hub.url, BIG, **ELSEWHERE) as owner:
        nodes.wait_until(lambda: "fetching 5 files" in owner.log, owner)
        settings = fetch_settings(nodes.root("two"), hub.url, BIG, expected_bytes=SIZE)
        volume = Volume(settings.paths.models_dir, settings.commit, has_locks=False)
        waiting = threading.Thread(target=Fetch(settings, state=state, volume=volume).run)
        waiting.start()
        while waiting.is_alive():
            seen.append(state.snapshot().document())
            time.sleep(0.1)
        waiting.join()
        assert owner.wait() == "done"

    others = [one["download"] for one in seen if one.get("download", {}).get("elsewhere")]
    assert {one["phase"] for one in seen} <= {"Checking", "Downloading"}
    assert {one["bytesTotal"] for one in others} == {SIZE}
    done = [one["bytesDone"] for one in others]
    assert done == sorted(done), "it never goes back"
    assert done[0] < SIZE / 2 < done[-1] <= SIZE
    assert any(one.get("bytesPerSecond") for one in others)
    assert sum(end - begin for begin, end in asked(hub)) == SIZE, "who waits fetches nothing"


def test_the_work_of_a_dead_owner_is_gone_on_with(hub: HubServer, nodes: Nodes) -> None:
    with two_pods(nodes, hub) as (one, two):
        nodes.wait_until(lambda: nodes.received() > SIZE // 2, one, two)
        owner, other = owner_first(one, two)
        owner.process.kill()
        # What it asked for last reaches the log a little later.
        time.sleep(0.5)
        hub.log()
        assert other.wait() == "done"

    assert sum(end - begin for begin, end in asked(hub)) <= 0.55 * SIZE
    assert nodes.weights() == CONTENT


def test_an_owner_that_stood_still_does_no_harm(hub: HubServer, nodes: Nodes) -> None:
    with two_pods(nodes, hub) as (one, two):
        nodes.wait_until(lambda: nodes.received() > SIZE // 4, one, two)
        owner, other = owner_first(one, two)
        os.kill(owner.process.pid, signal.SIGSTOP)
        nodes.wait_until(lambda: "fetching 5 files" in other.log, one, two)
        os.kill(owner.process.pid, signal.SIGCONT)
        assert (owner.wait(), other.wait()) == ("done", "done")

    assert "another pod took over" in owner.log
    assert "complete and verified" not in owner.log
    assert nodes.weights() == CONTENT
    assert list((nodes.models / ".partial").iterdir()) == []


def test_an_owner_that_wakes_up_when_all_is_done_does_no_harm(hub: HubServer, nodes: Nodes) -> None:
    with two_pods(nodes, hub) as (one, two):
        nodes.wait_until(lambda: nodes.received() > SIZE // 2, one, two)
        owner, other = owner_first(one, two)
        os.kill(owner.process.pid, signal.SIGSTOP)
        assert other.wait() == "done"
        (weights,) = nodes.models.glob(f"*/{WEIGHTS}")
        before = weights.stat()
        os.kill(owner.process.pid, signal.SIGCONT)
        assert owner.wait() == "done"

    assert nodes.weights() == CONTENT
    assert (weights.stat().st_mtime_ns, weights.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert list((nodes.models / ".partial").iterdir()) == []
