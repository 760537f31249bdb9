"""The Hub's token: replaced while a fetch runs, missing, wrong, and never seen anywhere but at the Hub."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.credentials import ROTATION_SECONDS, Credentials
from genmodel_runtime.refusals import FetchFailed, TryAgain
from genmodel_runtime.termination import Failure
from tests.fakes.hub import Access, HubServer
from tests.fakes.hub_models import a_repository, llama_files
from tests.fakes.runtime_pod import prepare_environ, running

GATED = a_repository("acme/gated", llama_files(shards=3), gated="manual")
CANARY, NEXT = "hf_canaryThatNobodyMaySee", "hf_canaryThatComesNext"
REFUSED = FetchFailed(Failure(RuntimeReason.ACCESS_DENIED, "refused with status 401", ExitCode.NEEDS_A_PERSON))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([GATED], tokens={CANARY: Access(gated=True)}) as server:
        yield server


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(CANARY)
    return path


def environ(hub: HubServer, token: Path) -> dict[str, str]:
    return prepare_environ(hub.url, GATED, HF_TOKEN_PATH=str(token), HF_DEBUG="1", HF_HUB_VERBOSITY="debug")


def test_a_token_that_is_replaced_on_the_way(hub: HubServer, tmp_path: Path, token: Path) -> None:
    hub.fault("/blob/", delay=1.0, times=1)
    hub.fault("/resolve/", delay=0.5, times=None)
    with running("prepare", root=tmp_path / "pod", environ=environ(hub, token)) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status()["phase"] == "Downloading")
        hub.store.set_token(CANARY, None)
        hub.store.set_token(NEXT, Access(gated=True))
        # The kubelet brings the new one some time after the old one was revoked.
        threading.Timer(1.0, token.write_text, [NEXT]).start()
        assert pod.wait() == 0, pod.log
        assert "401" in pod.log


@pytest.mark.parametrize(
    ("content", "want_words"),
    [
        pytest.param(None, "401", id="no Secret"),
        pytest.param("", "401", id="an empty Secret"),
        pytest.param("hf_wrong", "Invalid credentials", id="a wrong token"),
    ],
)
def test_a_token_that_never_worked_ends_it_at_once(
    hub: HubServer, tmp_path: Path, token: Path, content: str | None, want_words: str
) -> None:
    token.unlink()
    if content is not None:
        token.write_text(content)
    with running("prepare", root=tmp_path / "pod", environ=environ(hub, token)) as pod:
        assert pod.wait() == 11
        said = pod.termination()
    assert (said["reason"], want_words in said["message"]) == ("AccessDenied", True)


def test_a_token_that_worked_is_waited_for_a_while(token: Path) -> None:
    now = [0.0]
    credentials = Credentials(token, clock=lambda: now[0])
    assert credentials.refused(CANARY, REFUSED) is REFUSED
    credentials.accepted()
    assert isinstance(credentials.refused(CANARY, REFUSED), TryAgain)
    now[0] = ROTATION_SECONDS - 1
    assert isinstance(credentials.refused(CANARY, REFUSED), TryAgain)
    now[0] = ROTATION_SECONDS
    assert credentials.refused(CANARY, REFUSED) is REFUSED
    token.write_text(NEXT)
    error = credentials.refused(CANARY, REFUSED)
    assert isinstance(error, TryAgain)
    assert error.after_seconds == 0


FAULTS: tuple[dict[str, Any], ...] = (
    {"match": "/tree/", "status": 500},
    {"match": "/tree/", "status": 429, "headers": {"Retry-After": "0"}},
    {"match": "/resolve/", "status": 503},
    {"match": "/blob/", "status": 403},
    {"match": "/blob/", "cut": 1000},
    {"match": "/blob/", "flip": 50},
)


@pytest.mark.parametrize("end", ["it is done", "the token is refused", "the Hub is away"])
def test_a_token_is_in_nothing_that_comes_out(hub: HubServer, tmp_path: Path, token: Path, end: str) -> None:
    for fault in FAULTS:
        hub.fault(**fault)
    hub.fault("/blob/", delay=0.5)
    if end != "it is done":
        hub.fault("/resolve/.*3.safetensors", status=401 if end == "the token is refused" else 503, times=None)
    pages: list[bytes] = []
    with running("prepare", root=tmp_path / "pod", environ=environ(hub, token)) as pod:
        pod.wait_until(pod.is_up)
        deadline = time.monotonic() + (20 if end == "it is done" else 3)
        while pod.process.poll() is None and time.monotonic() < deadline:
            try:
                pages += [pod.get(page)[1] for page in ("/status", "/metrics", "/livez", "/nothing")]
            except OSError:
                break
            time.sleep(0.05)
        assert end != "it is done" or pod.wait() == 0, pod.log
        log = pod.log.encode()

    assert len(pages) > 4
    files = [path.read_bytes() for path in (tmp_path / "pod").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [found for found in (*pages, *files, log) if b"hf_canary" in found] == []
    authorized = {entry.port for entry in hub.log() if entry.authorized}
    assert authorized == {"hub"}
