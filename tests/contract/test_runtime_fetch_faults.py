"""The fetch step when the Hub, the network or the volume fails."""

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import ExitCode
from genmodel_runtime.prepare import prepare
from genmodel_runtime.settings import PrepareSettings
from tests.fakes.hub import Access, HubServer
from tests.fakes.hub_models import a_repository, llama_files, without
from tests.fakes.hub_store import Repository
from tests.fakes.runtime_pod import fetch_settings, free_port, prepare_environ, running

WEIGHTS = "model.safetensors"
SIZE = 3_000_000
BIG = a_repository("acme/big", {**without(llama_files(), WEIGHTS), WEIGHTS: random.Random(5).randbytes(SIZE)})
BLOB = BIG.commits[-1].files[WEIGHTS]
GATED = a_repository("acme/gated", llama_files(), gated="manual")
PRIVATE = a_repository("acme/private", llama_files(), private=True)
DISABLED = a_repository("acme/disabled", llama_files(), disabled=True)
EMPTY = a_repository("acme/empty", {"notes.md": b"nothing\n"})
CANARY = "hf_canary_that_must_never_be_seen"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer([BIG, GATED, PRIVATE, DISABLED, EMPTY], tokens={CANARY: Access()}) as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh(hub: HubServer) -> None:
    hub.clear_faults()
    hub.log()


def weights_of(settings: PrepareSettings) -> bytes:
    return (settings.paths.models_dir / settings.commit / WEIGHTS).read_bytes()


def termination(settings: PrepareSettings) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(settings.paths.termination_log.read_bytes())
    return document


def ranges(hub: HubServer) -> list[str | None]:
    return [entry.range for entry in hub.log() if entry.port == "cdn"]


def begin_of(asked: str) -> int:
    return int(asked.removeprefix("bytes=").partition("-")[0])


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"match": "/tree/", "status": 500, "times": 2}, id="list answers 500"),
        pytest.param({"match": "/tree/", "status": 429, "headers": {"Retry-After": "0"}}, id="list is rate limited"),
        pytest.param({"match": "/tree/", "body": "<html>sign in</html>"}, id="a portal answers in place of the Hub"),
        pytest.param({"match": "/resolve/", "status": 503, "times": 5}, id="files answer 503"),
        pytest.param({"match": "/blob/", "status": 502, "times": 3}, id="storage answers 502"),
        pytest.param({"match": "/blob/", "status": 403, "times": 2}, id="storage refuses an old link"),
        pytest.param({"match": "/blob/", "status": 404, "times": 2}, id="storage does not have it yet"),
        pytest.param(
            {"match": "/blob/", "status": 429, "headers": {"RateLimit": '"resolve";r=0;t=0'}}, id="rate limit"
        ),
        pytest.param({"match": "/blob/", "cut": 0}, id="cut before the first byte"),
        pytest.param({"match": "/blob/", "cut": 1_000_000, "times": 2}, id="cut twice on the way"),
        pytest.param({"match": "config.json", "cut": 3}, id="cut in a small file"),
    ],
)
def test_what_passes_is_waited_for(hub: HubServer, tmp_path: Path, fault: dict[str, Any]) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault(**fault)

    assert prepare(settings) == ExitCode.DONE
    assert weights_of(settings) == BIG.commits[-1].files[WEIGHTS].read()


def test_a_cut_download_goes_on_where_it_stopped(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault("/blob/", cut=1_000_000)

    assert prepare(settings) == ExitCode.DONE
    first, second = ranges(hub)
    assert first is None
    assert second is not None
    assert 0 < begin_of(second) <= 1_000_000


def test_a_server_without_ranges_sends_the_file_from_its_beginning(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault("/blob/", cut=1_000_000)
    hub.fault("/blob/", status=503)
    # The Hub's answer to a request whose Range it does not see.
    hub.fault("/blob/", ignore_range=True)

    assert prepare(settings) == ExitCode.DONE
    assert weights_of(settings) == BIG.commits[-1].files[WEIGHTS].read()


def test_a_partial_file_of_an_earlier_process_is_gone_on_with(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, patience_seconds=0.5)
    hub.fault("/blob/", cut=2_000_000)
    hub.fault("/blob/", status=503, times=None)
    assert prepare(settings) == ExitCode.TEMPORARY
    hub.clear_faults()
    hub.log()

    assert prepare(settings) == ExitCode.DONE
    (begin,) = ranges(hub)
    assert begin is not None
    assert begin_of(begin) > 1_000_000
    assert weights_of(settings) == BIG.commits[-1].files[WEIGHTS].read()


def test_a_damaged_partial_file_costs_one_more_download(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, patience_seconds=0.5)
    hub.fault("/blob/", cut=2_000_000)
    hub.fault("/blob/", status=503, times=None)
    prepare(settings)
    hub.clear_faults()
    hub.log()
    (partial,) = (settings.paths.models_dir / ".partial" / settings.commit).glob(f"{BLOB.sha256}-????????")
    with partial.open("rb+") as stream:
        stream.write(b"\0\0\0\0damaged")

    assert prepare(settings) == ExitCode.DONE
    assert ranges(hub)[-1] is None
    assert weights_of(settings) == BIG.commits[-1].files[WEIGHTS].read()


def test_a_flipped_byte_is_fetched_once_more(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault("/blob/", flip=SIZE // 2)

    assert prepare(settings) == ExitCode.DONE
    assert weights_of(settings) == BIG.commits[-1].files[WEIGHTS].read()
    assert ranges(hub) == [None, None]


@pytest.mark.parametrize(
    ("fault", "want_file"),
    [
        pytest.param({"match": "/blob/", "flip": 1}, WEIGHTS, id="flipped byte in the weights"),
        pytest.param({"match": "/resolve/.*/config.json", "flip": 1}, "config.json", id="flipped byte in a small file"),
        pytest.param({"match": "/blob/", "body": "truncated"}, WEIGHTS, id="truncated"),
        pytest.param({"match": "/blob/", "body": "x" * (SIZE + 1)}, WEIGHTS, id="longer"),
    ],
)
def test_a_file_that_differs_twice_is_named(
    hub: HubServer, tmp_path: Path, fault: dict[str, Any], want_file: str
) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault(**fault, times=None)

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    document = termination(settings)
    assert (document["reason"], document["exitCode"]) == ("IntegrityFailed", 11)
    assert want_file in document["message"]
    assert hub.url in document["message"]
    assert not (settings.paths.models_dir / settings.commit / ".genmodel-manifest.json").exists()
    assert not (settings.paths.models_dir / settings.commit / want_file).exists()


@pytest.mark.parametrize(
    ("repository", "token", "want_reason", "want_words"),
    [
        pytest.param(GATED, None, "AccessDenied", "401", id="gated without a token"),
        pytest.param(GATED, CANARY, "AccessDenied", "not in the authorized list", id="gated for this token"),
        pytest.param(PRIVATE, None, "AccessDenied", "401", id="private without a token"),
        pytest.param(PRIVATE, CANARY, "FileNotFound", "Repository not found", id="private for this token"),
        pytest.param(DISABLED, None, "AccessDenied", "disabled", id="disabled"),
        pytest.param(BIG, "hf_expired", "AccessDenied", "Invalid credentials", id="expired token"),
        pytest.param(BIG, "two words", "AccessDenied", "more than one word", id="token file with other content"),
        pytest.param(EMPTY, None, "FileNotFound", "no file that can be served", id="nothing to serve"),
    ],
)
def test_what_a_person_must_settle_ends_at_once(
    hub: HubServer, tmp_path: Path, repository: Repository, token: str | None, want_reason: str, want_words: str
) -> None:
    token_path = tmp_path / "token"
    if token is not None:
        token_path.write_text(token)
    settings = fetch_settings(tmp_path / "pod", hub.url, repository, token_path=token_path)

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    document = termination(settings)
    assert (document["reason"], document["exitCode"]) == (want_reason, 11)
    assert want_words in document["message"]


def test_a_commit_that_is_gone(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, commit="0" * 40)

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    assert termination(settings)["reason"] == "FileNotFound"
    assert "0" * 40 in termination(settings)["message"]


def test_a_file_that_is_refused_ends_the_others(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault("/blob/", bytes_per_second=50_000, times=None)
    hub.fault("/resolve/.*/config.json", status=403, times=None)
    before = time.monotonic()

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    assert time.monotonic() - before < 10
    assert "config.json" in termination(settings)["message"]


@pytest.mark.parametrize(
    ("changes", "fault", "want_reason"),
    [
        pytest.param({"endpoint": "http://127.0.0.1:9"}, {}, "HubUnreachable", id="refused connection"),
        pytest.param({"endpoint": "http://no-such-hub.invalid"}, {}, "HubUnreachable", id="unknown name"),
        pytest.param({"read_seconds": 0.2}, {"match": "/tree/", "delay": 5.0}, "HubUnreachable", id="silent"),
        pytest.param({}, {"match": "/tree/", "status": 500}, "HubUnreachable", id="always 500"),
        pytest.param({}, {"match": "/blob/", "status": 429}, "HubRateLimited", id="always rate limited"),
    ],
)
def test_patience_ends_with_a_temporary_code(
    hub: HubServer, tmp_path: Path, changes: dict[str, Any], fault: dict[str, Any], want_reason: str
) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, patience_seconds=0.6, **changes)
    if fault:
        hub.fault(**fault, times=None)

    assert prepare(settings) == ExitCode.TEMPORARY
    assert (termination(settings)["reason"], termination(settings)["exitCode"]) == (want_reason, 10)


def test_a_rate_limit_is_waited_out_by_everybody(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    hub.fault("/tree/", status=429, headers={"Retry-After": "1"})
    before = time.monotonic()

    assert prepare(settings) == ExitCode.DONE
    assert time.monotonic() - before >= 1


def test_the_token_is_in_no_output_and_no_file(
    hub: HubServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text(CANARY)
    settings = fetch_settings(tmp_path / "pod", hub.url, GATED, token_path=tmp_path / "token")

    prepare(settings)

    captured = capfd.readouterr()
    assert CANARY not in captured.out + captured.err
    for path in (tmp_path / "pod").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes()


# The volume --------------------------------------------------------------------------------------


@pytest.fixture
def tiny_volume(tmp_path: Path) -> Iterator[Path]:
    """A pod whose volume for models holds 2 MiB."""
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    models = tmp_path / "pod" / "models"
    models.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "tmpfs", str(models)], check=True)
    try:
        yield tmp_path / "pod"
    finally:
        subprocess.run(["umount", str(models)], check=True)


def test_too_little_space_is_said_before_the_first_byte(hub: HubServer, tiny_volume: Path) -> None:
    settings = fetch_settings(tiny_volume, hub.url, BIG)

    assert prepare(settings) == ExitCode.NO_SPACE
    document = termination(settings)
    assert (document["reason"], document["exitCode"]) == ("VolumeFull", 12)
    assert str(settings.paths.models_dir) in document["message"]
    assert "GiB are needed" in document["message"]
    assert "GiB are free" in document["message"]
    assert ranges(hub) == []


def test_a_volume_that_fills_up_on_the_way(hub: HubServer, tiny_volume: Path) -> None:
    repository = a_repository("acme/fits", {"config.json": b"{}", WEIGHTS: bytes(1_800_000)})
    hub.store.add(repository)
    hub.fault("/blob/", bytes_per_second=2_000_000, times=None)
    settings = fetch_settings(tiny_volume, hub.url, repository)
    filler = threading.Timer(0.3, (tiny_volume / "models/filler").write_bytes, [bytes(1_000_000)])
    filler.start()

    assert prepare(settings) == ExitCode.NO_SPACE
    filler.join()
    assert termination(settings)["reason"] == "VolumeFull"


def test_a_volume_that_cannot_be_written(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG)
    settings.paths.models_dir.write_text("a file where a folder should be")

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    assert termination(settings)["reason"] == "VolumeNotWritable"
    assert str(settings.paths.models_dir) in termination(settings)["message"]


def remount(volume: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(volume)], check=True)


def test_a_read_only_volume_serves_what_is_complete_and_takes_nothing_new(hub: HubServer, tiny_volume: Path) -> None:
    complete = a_repository("acme/small", {"config.json": b"{}", WEIGHTS: bytes(100_000)})
    missing = a_repository("acme/other", {"config.json": b"{}", WEIGHTS: bytes(200_000)})
    for repository in (complete, missing):
        hub.store.add(repository)
    assert prepare(fetch_settings(tiny_volume, hub.url, complete)) == ExitCode.DONE
    hub.log()
    remount(tiny_volume / "models", "ro")

    assert prepare(fetch_settings(tiny_volume, hub.url, complete)) == ExitCode.DONE
    settings = fetch_settings(tiny_volume, hub.url, missing)
    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    document = termination(settings)
    assert (document["reason"], document["exitCode"]) == ("VolumeNotWritable", 11)
    assert "Read-only file system" in document["message"]
    assert str(settings.paths.models_dir) in document["message"]
    # Of these two: a process of an earlier test that was killed may have had a request on its way.
    assert [entry.path for entry in hub.log() if "acme/big" not in entry.path] == []


def test_a_volume_that_belongs_to_somebody_else(hub: HubServer, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("giving a folder away needs root")
    models = tmp_path / "models"
    models.mkdir(mode=0o755)
    os.chown(models, 10002, 10002)
    # Root without its usual right to write everywhere.
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    with running("prepare", root=tmp_path, environ=prepare_environ(hub.url, BIG), prefix=bound) as pod:
        assert pod.wait() == 11
        document = pod.termination()

    assert document["reason"] == "VolumeNotWritable"
    assert f"user 0, group 0 cannot write to the volume {models}: Permission denied" in document["message"]


def test_two_pods_on_one_volume_fetch_once(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/blob/", bytes_per_second=3_000_000, times=1)
    alone = [fetch_settings(tmp_path / name, hub.url, BIG) for name in ("one", "two")]
    settings = [replace(one, paths=replace(one.paths, models_dir=tmp_path / "shared")) for one in alone]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda one=one: codes.append(prepare(one))) for one in settings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [0, 0]
    assert ranges(hub) == [None]


def test_the_port_in_use_is_no_mystery(hub: HubServer, tmp_path: Path) -> None:
    port = free_port()
    with HubServer(port=port), pytest.raises(OSError, match="in use"):
        prepare(fetch_settings(tmp_path, hub.url, BIG, port=port))
