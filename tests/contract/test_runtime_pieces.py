"""A large file in pieces that come side by side: from servers good and bad, and over the end of a process."""

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import ExitCode
from genmodel_runtime.partial import Partial
from genmodel_runtime.prepare import prepare
from genmodel_runtime.settings import PrepareSettings
from tests.fakes.fetching import fetching
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import a_repository, llama_files, without
from tests.fakes.runtime_pod import fetch_settings

WEIGHTS = "model.safetensors"
PIECE = 256 * 1024
COUNT = 16
SIZE = PIECE * COUNT - 1000
BIG = a_repository("acme/big", {**without(llama_files(), WEIGHTS), WEIGHTS: random.Random(7).randbytes(SIZE)})
CONTENT = BIG.commits[-1].files[WEIGHTS].read()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([BIG]) as server:
        yield server


def pieces_of(root: Path, hub: HubServer, **changes: Any) -> PrepareSettings:
    return fetch_settings(root, hub.url, BIG, **{"piece_bytes": PIECE, "connections": 4, **changes})


def weights_of(settings: PrepareSettings) -> bytes:
    return (settings.paths.models_dir / settings.commit / WEIGHTS).read_bytes()


def asked(hub: HubServer) -> list[tuple[int, int]]:
    """Return the ranges of the weights that were asked for, from the first byte to the one after the last."""
    found = [entry.range for entry in hub.log() if entry.port == "cdn"]
    pairs = [one.removeprefix("bytes=").partition("-") for one in found if one]
    return sorted([*((int(begin), int(end) + 1) for begin, _, end in pairs), *((0, SIZE) for one in found if not one)])


EACH_PIECE_ONCE = [(begin, min(begin + PIECE, SIZE)) for begin in range(0, SIZE, PIECE)]


def test_each_piece_is_asked_for_once_and_the_hub_once_for_each_connection(hub: HubServer, tmp_path: Path) -> None:
    settings = pieces_of(tmp_path, hub)

    assert prepare(settings) == ExitCode.DONE
    assert weights_of(settings) == CONTENT
    log = hub.log()
    resolved = [entry for entry in log if entry.port == "hub" and entry.path.endswith(WEIGHTS)]
    assert 1 <= len(resolved) <= 4
    from_storage = [entry.range or "" for entry in log if entry.port == "cdn"]
    assert sorted(from_storage) == sorted(f"bytes={begin}-{end - 1}" for begin, end in EACH_PIECE_ONCE)


def test_connections_add_up_where_the_server_limits_each(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/blob/", bytes_per_second=1_000_000, times=None)
    before = time.monotonic()

    assert prepare(pieces_of(tmp_path, hub, connections=8)) == ExitCode.DONE
    # One connection would take longer than four seconds.
    assert time.monotonic() - before < SIZE / 1_000_000 * 0.75


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([{"ignore_range": True, "times": None}], id="the storage knows no ranges"),
        pytest.param([{"ignore_range": True, "times": 1}], id="the first answer is the whole file"),
        pytest.param([{"delay": 0.0, "times": 6}, {"ignore_range": True, "times": None}], id="no ranges half way"),
        pytest.param([{"cut": 100_000, "times": 10}], id="cut in many pieces"),
        pytest.param([{"status": 403, "times": 5}], id="links expire"),
        pytest.param([{"status": 503, "times": 5}], id="the storage is overloaded"),
        pytest.param([{"flip": 5 * PIECE, "times": 1}, {"flip": 5 * PIECE, "times": 15}], id="a flipped byte"),
    ],
)
def test_the_file_is_right_in_the_end(hub: HubServer, tmp_path: Path, faults: list[dict[str, Any]]) -> None:
    settings = pieces_of(tmp_path, hub)
    for fault in faults:
        hub.fault("/blob/", **fault)

    assert prepare(settings) == ExitCode.DONE
    assert weights_of(settings) == CONTENT


def test_a_server_without_ranges_sends_little_twice(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/blob/", ignore_range=True, bytes_per_second=8_000_000, times=None)

    assert prepare(pieces_of(tmp_path, hub)) == ExitCode.DONE
    # Each connection was told so by an answer that it gave up at once; then one took all.
    assert len(asked(hub)) <= 5


def test_an_expired_link_is_asked_for_anew(hub: HubServer, tmp_path: Path) -> None:
    settings = pieces_of(tmp_path, hub, connections=1)
    hub.fault("/blob/", delay=0.0, times=3)
    hub.fault("/blob/", status=403, times=1)

    assert prepare(settings) == ExitCode.DONE
    log = hub.log()
    assert len([entry for entry in log if entry.port == "hub" and entry.path.endswith(WEIGHTS)]) == 2


def test_a_file_of_another_commit_is_refused(hub: HubServer, tmp_path: Path) -> None:
    settings = pieces_of(tmp_path, hub)
    hub.fault(f"/resolve/.*/{WEIGHTS}", commit="f" * 40, times=None)

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    said = settings.paths.termination_log.read_text()
    assert "IntegrityFailed" in said
    assert f"{WEIGHTS} came from commit {'f' * 40} instead of {settings.commit}" in said


def test_a_branch_that_moves_changes_nothing(tmp_path: Path) -> None:
    moving = a_repository("acme/moving", llama_files(seed=1), llama_files(seed=2))
    with HubServer([moving]) as hub:
        first = moving.commits[0].sha
        settings = fetch_settings(tmp_path, hub.url, moving, commit=first)
        hub.fault("/tree/", delay=0.3)
        hub.move("acme/moving", moving.commits[1].sha)

        assert prepare(settings) == ExitCode.DONE
        assert weights_of(settings) == moving.commits[0].files[WEIGHTS].read()


def received(models: Path) -> int:
    """Return how many bytes of the weights are there, by the journal."""
    found = list(models.glob(f".partial/*/{BIG.commits[-1].files[WEIGHTS].sha256}-????????"))
    if not found:
        return 0
    partial = Partial(found[0], size_bytes=SIZE, piece_bytes=PIECE)
    partial.load()
    return partial.present_bytes


@pytest.mark.parametrize("boots", [pytest.param(1, id="killed"), pytest.param(3, id="killed again and again")])
def test_what_came_before_a_kill_is_not_fetched_again(hub: HubServer, tmp_path: Path, boots: int) -> None:
    options = {"piece_bytes": PIECE, "connections": 4}
    hub.fault("/blob/", bytes_per_second=500_000, times=None)
    for _ in range(boots):
        with fetching(tmp_path, hub.url, BIG, **options) as pod:
            deadline = time.monotonic() + 60
            while received(tmp_path / "models") < SIZE // 2:
                assert time.monotonic() < deadline, pod.log
                assert pod.process.poll() is None, pod.log
                time.sleep(0.02)
            pod.process.kill()
            pod.process.wait()
    # What it asked for last reaches the log a little later.
    time.sleep(0.5)
    hub.log()
    hub.clear_faults()

    with fetching(tmp_path, hub.url, BIG, **options) as pod:
        assert pod.wait() == "done"

    assert sum(end - begin for begin, end in asked(hub)) <= 0.55 * SIZE
    (weights,) = (tmp_path / "models").glob(f"*/{WEIGHTS}")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == BIG.commits[-1].files[WEIGHTS].sha256
