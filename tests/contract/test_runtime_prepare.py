"""The ``prepare`` container as a process: its pages, its end by signals, its resumption."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import HubServer
from tests.fakes.hub_models import a_repository, llama_files, without
from tests.fakes.runtime_pod import ROOT, prepare_environ, running

WEIGHTS = "model.safetensors"
SIZE = 4_000_000
BIG = a_repository("acme/big", {**without(llama_files(), WEIGHTS), WEIGHTS: random.Random(6).randbytes(SIZE)})
COMMIT = BIG.refs["main"]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([BIG]) as server:
        yield server


def requested_offset(hub: HubServer) -> int:
    """Where the only download from the storage began."""
    (asked,) = [entry.range for entry in hub.log() if entry.port == "cdn"]
    return 0 if asked is None else int(asked.removeprefix("bytes=").partition("-")[0])


def test_the_client_asks_the_hub_for_nothing_but_the_list_and_the_files(hub: HubServer, tmp_path: Path) -> None:
    with running("prepare", root=tmp_path, environ=prepare_environ(hub.url, BIG, HOME=str(tmp_path))) as pod:
        assert pod.wait() == 0

    wanted = (f"/api/models/acme/big/tree/{COMMIT}", f"/acme/big/resolve/{COMMIT}/", "/blob/")
    log = hub.log()
    assert len(log) == 8
    assert [entry.path for entry in log if not entry.path.startswith(wanted)] == []


def test_the_status_shows_the_download(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/blob/", bytes_per_second=2_000_000)
    environ = prepare_environ(hub.url, BIG, GENMODEL_EXPECTED_BYTES="123")

    with running("prepare", root=tmp_path, environ=environ) as pod:
        pod.wait_until(lambda: pod.is_up() and "bytesPerSecond" in pod.status().get("download", {}))
        status = pod.status()
        metrics = pod.get("/metrics")[1].decode()
        assert pod.get("/livez")[0] == 200
        assert pod.get("/readyz")[0] == 404
        assert pod.wait() == 0

    total = sum(blob.size for path, blob in BIG.commits[-1].files.items() if path in kept())
    assert (status["contract"], status["phase"], status["failure"]) == (1, "Downloading", None)
    assert status["download"]["bytesTotal"] == total
    assert 0 < status["download"]["bytesDone"] < total
    assert 0 < status["download"]["bytesPerSecond"] < 4_000_000
    assert status["download"]["secondsLeft"] >= 0
    assert 'genmodel_runtime_phase{phase="Downloading"} 1' in metrics


def kept() -> set[str]:
    return {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS}


def test_the_status_says_that_it_waits_for_the_hub(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/tree/", status=503, times=1, headers={"Retry-After": "2"})

    with running("prepare", root=tmp_path, environ=prepare_environ(hub.url, BIG)) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status()["failure"] is not None)
        status = pod.status()
        assert pod.wait() == 0

    assert status["phase"] == "Checking"
    assert status["failure"]["reason"] == "HubUnreachable"
    assert "503" in status["failure"]["message"]
    assert "next try in" in status["failure"]["hint"]


@pytest.mark.parametrize(
    ("number", "want_code"),
    [
        pytest.param(signal.SIGKILL, -9, id="killed"),
        pytest.param(signal.SIGTERM, 143, id="asked to end"),
    ],
)
def test_a_download_that_ends_half_way_goes_on_there(
    hub: HubServer, tmp_path: Path, number: signal.Signals, want_code: int
) -> None:
    hub.fault("/blob/", bytes_per_second=2_000_000)
    environ = prepare_environ(hub.url, BIG)
    with running("prepare", root=tmp_path, environ=environ) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status().get("download", {}).get("bytesDone", 0) > SIZE // 2)
        pod.send(number)
        assert pod.wait(3) == want_code
    hub.log()

    with running("prepare", root=tmp_path, environ=environ) as pod:
        assert pod.wait() == 0

    assert SIZE // 2 - 100_000 < requested_offset(hub) < SIZE
    assert (tmp_path / "models" / COMMIT / WEIGHTS).read_bytes() == BIG.commits[-1].files[WEIGHTS].read()


def test_it_ends_at_once_while_the_hub_is_silent(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/tree/", delay=60)

    with running("prepare", root=tmp_path, environ=prepare_environ(hub.url, BIG)) as pod:
        pod.wait_until(pod.is_up)
        pod.send(signal.SIGTERM)
        assert pod.wait(3) == 143


@pytest.mark.parametrize(
    ("name", "value", "want_message"),
    [
        pytest.param("GENMODEL_COMMIT", None, "GENMODEL_COMMIT is not set", id="missing"),
        pytest.param("GENMODEL_COMMIT", "main", "GENMODEL_COMMIT: 'main' is not 40 hex digits", id="malformed"),
        pytest.param(
            "GENMODEL_CONTRACT",
            "2",
            "GENMODEL_CONTRACT: the operator speaks version '2', this runtime version 1",
            id="another contract",
        ),
    ],
)
def test_a_wrong_variable_ends_it_with_the_reason(
    hub: HubServer, tmp_path: Path, name: str, value: str | None, want_message: str
) -> None:
    environ = prepare_environ(hub.url, BIG)
    environ.pop(name)
    if value is not None:
        environ[name] = value

    with running("prepare", root=tmp_path, environ=environ) as pod:
        assert pod.wait() == 11
        assert pod.termination() == {
            "contract": 1,
            "reason": "ContractMismatch",
            "message": want_message,
            "hint": "",
            "exitCode": 11,
            "log": [],
        }
        assert pod.log == f"genmodel_runtime: ContractMismatch: {want_message}\n"


def test_a_complete_volume_needs_neither_the_hub_nor_its_client(hub: HubServer, tmp_path: Path) -> None:
    environ = prepare_environ(hub.url, BIG)
    with running("prepare", root=tmp_path, environ=environ) as pod:
        assert pod.wait() == 0
    code = (
        "import sys; from pathlib import Path; from genmodel_runtime.__main__ import main;"
        f"code = main(['prepare', '--root', {str(tmp_path)!r}, '--port', '0']);"
        "print([name for name in ('huggingface_hub', 'httpx2') if name in sys.modules], code)"
    )
    offline = {**environ, "HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT / "runtime")}

    done = subprocess.run(
        [sys.executable, "-c", code], env=offline, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines()[-1] == "[] 0", done.stderr


def test_a_fetch_takes_no_time_to_load_the_hubs_library(hub: HubServer, tmp_path: Path) -> None:
    code = (
        "import sys; from genmodel_runtime.__main__ import main;"
        f"code = main(['prepare', '--root', {str(tmp_path)!r}, '--port', '0']);"
        "print([name for name in ('huggingface_hub', 'httpx2') if name in sys.modules], code)"
    )
    environ = {**prepare_environ(hub.url, BIG), "PYTHONPATH": str(ROOT / "runtime")}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines()[-1] == "['httpx2'] 0", done.stderr


def test_the_termination_log_is_json_that_the_kubelet_keeps(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/tree/", status=403, msg="é" * 5000, times=None)

    with running("prepare", root=tmp_path, environ=prepare_environ(hub.url, BIG)) as pod:
        assert pod.wait() == 11

    written = (tmp_path / "dev/termination-log").read_bytes()
    assert len(written) <= 4096
    assert json.loads(written)["reason"] == "AccessDenied"
