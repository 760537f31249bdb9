"""Each fault of the Hub at each stage of a fetch: it passes, or it ends with its reason, and nothing is left wrong."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import ExitCode
from genmodel_runtime.prepare import prepare
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import a_repository, llama_files, without
from tests.fakes.runtime_pod import fetch_settings

WEIGHTS = "model.safetensors"
PIECE = 100_000
BIG = a_repository("acme/big", {**without(llama_files(), WEIGHTS), WEIGHTS: random.Random(8).randbytes(10 * PIECE)})
CONTENT = {
    path: blob.read() for path, blob in BIG.commits[-1].files.items() if "/" not in path and not path.endswith(".md")
}

STAGES = {
    "list": {"match": "/tree/"},
    "small file": {"match": "/resolve/.*/config.json"},
    "link": {"match": f"/resolve/.*/{WEIGHTS}"},
    "storage": {"match": "/blob/", "port": "cdn"},
}
PASSING: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "502 once": {"status": 502, "times": 1},
    "503 with Retry-After": {"status": 503, "headers": {"Retry-After": "0"}},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "0"}},
    "429 with RateLimit": {"status": 429, "headers": {"RateLimit": '"api";r=0;t=0'}},
    "429 without a word": {"status": 429},
    "silence": {"delay": 1.0, "times": 1},
    "cut at once": {"cut": 0},
    "cut on the way": {"cut": 100},
    "a sign-in page": {"body": "<html>sign in</html>", "times": 1},
}
ENDING: dict[str, dict[str, Any]] = {"401": {"status": 401}, "403": {"status": 403}, "404": {"status": 404}}
REASONS = {"401": "AccessDenied", "403": "AccessDenied", "404": "FileNotFound"}


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer([BIG]) as hub:
        yield hub


@pytest.fixture
def hub(server: HubServer) -> HubServer:
    server.clear_faults()
    server.log()
    return server


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("stage", STAGES)
def test_it_passes(hub: HubServer, tmp_path: Path, stage: str, fault: str) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, piece_bytes=PIECE, connections=3, read_seconds=0.5)
    hub.fault(**STAGES[stage], **{"times": 3, **PASSING[fault]})

    assert prepare(settings) == ExitCode.DONE
    folder = settings.paths.models_dir / settings.commit
    found = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
    assert found == CONTENT
    assert not list((settings.paths.models_dir / ".partial").iterdir())


@pytest.mark.parametrize("fault", ENDING)
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "storage"])
def test_a_person_must_act(hub: HubServer, tmp_path: Path, stage: str, fault: str) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, piece_bytes=PIECE)
    hub.fault(**STAGES[stage], **ENDING[fault], times=None)

    assert prepare(settings) == ExitCode.NEEDS_A_PERSON
    said = json.loads(settings.paths.termination_log.read_bytes())
    assert (said["reason"], said["exitCode"]) == (REASONS[fault], 11)
    assert hub.url in said["message"]
    assert not (settings.paths.models_dir / settings.commit / ".genmodel-manifest.json").exists()


@pytest.mark.parametrize("fault", ENDING)
def test_a_storage_that_refuses_for_ever_is_temporary(hub: HubServer, tmp_path: Path, fault: str) -> None:
    settings = fetch_settings(tmp_path, hub.url, BIG, piece_bytes=PIECE, patience_seconds=0.5)
    hub.fault(**STAGES["storage"], **ENDING[fault], times=None)

    assert prepare(settings) == ExitCode.TEMPORARY
    said = json.loads(settings.paths.termination_log.read_bytes())
    assert (said["reason"], said["exitCode"]) == ("HubUnreachable", 10)
    assert hub.cdn_url.removeprefix("http://") in said["message"]
    assert fault in said["message"]
