"""The local Hub's faults, as the real client library sees them, and the server as a command."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import close_session

from tests.fakes.hub import Access, HubServer
from tests.fakes.hub_models import big_pickle_repository, llama_files, standard_repositories

TINY = "acme/tiny-llama"
BIG_BYTES = 48 << 20


@pytest.fixture(scope="module")
def running() -> Iterator[HubServer]:
    with HubServer([*standard_repositories(), big_pickle_repository(BIG_BYTES)]) as server:
        yield server
    close_session()


@pytest.fixture
def hub(running: HubServer) -> HubServer:
    running.clear_faults()
    running.log()
    return running


def content(hub: HubServer, repository: str, path: str) -> bytes:
    found = hub.store.get(repository)
    assert found is not None
    return found.commits[-1].files[path].read()


def get(url: str, **headers: str) -> httpx2.Response:
    with httpx2.Client(timeout=10, follow_redirects=True) as client:
        return client.get(url, headers=headers)


def test_a_cut_download_is_resumed_with_a_range(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/blob/", method="GET", cut=30_000_000)
    hub.fault("/blob/", method="GET", cut=5_000_000)
    path = hf_hub_download("acme/big", "pytorch_model.bin", endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert sha256(Path(path).read_bytes()).digest() == sha256(content(hub, "acme/big", "pytorch_model.bin")).digest()
    ranges = [entry.range for entry in hub.log() if entry.port == "cdn"]
    assert ranges[:2] == [None, "bytes=20971520-"]
    assert len(ranges) == 3


def test_a_rate_limit_in_a_download_is_waited_out(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/resolve/", method="HEAD", times=2, status=429, headers={"RateLimit": '"api";r=0;t=0'})
    hf_hub_download(TINY, "config.json", endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert [entry.status for entry in hub.log()] == [429, 429, 200, 200]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(429, {"Retry-After": "1"}, id="429"),
        pytest.param(500, {}, id="500"),
        pytest.param(503, {}, id="503"),
    ],
)
def test_info_is_not_tried_again(hub: HubServer, status: int, headers: dict[str, str]) -> None:
    hub.fault("/api/models/", status=status, headers=headers)
    with pytest.raises(HfHubHTTPError) as error:
        HfApi(endpoint=hub.url, token=False).model_info(TINY)
    assert error.value.response.status_code == status
    assert len(hub.log()) == 1


def test_a_server_error_at_the_start_of_a_snapshot(hub: HubServer, tmp_path: Path) -> None:
    hub.fault("/api/models/", status=503)
    with pytest.raises(LocalEntryNotFoundError) as error:
        snapshot_download(TINY, endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert isinstance(error.value.__cause__, HfHubHTTPError)


def test_silence(hub: HubServer) -> None:
    hub.fault("/api/models/", delay=30)
    with pytest.raises(httpx2.TimeoutException):
        HfApi(endpoint=hub.url, token=False).model_info(TINY, timeout=0.2)


def test_a_slow_drip(hub: HubServer) -> None:
    hub.fault("/resolve/main/config.json", bytes_per_second=4000)
    answer = get(f"{hub.url}/{TINY}/resolve/main/config.json")
    assert answer.content == content(hub, TINY, "config.json")
    assert answer.elapsed.total_seconds() > 0.1


def test_a_flipped_byte_keeps_the_length(hub: HubServer) -> None:
    hub.fault("/blob/", flip=5000)
    want = content(hub, TINY, "model.safetensors")
    found = get(f"{hub.url}/{TINY}/resolve/main/model.safetensors").content
    assert [index for index, pair in enumerate(zip(found, want, strict=True)) if pair[0] != pair[1]] == [5000]


@pytest.mark.parametrize(
    ("asked", "want_status", "want_range", "want_bytes"),
    [
        pytest.param("bytes=0-9", 206, "bytes 0-9/{size}", slice(0, 10), id="the first ten"),
        pytest.param("bytes=100-", 206, "bytes 100-{last}/{size}", slice(100, None), id="from there on"),
        pytest.param("bytes=0-99999999", 206, "bytes 0-{last}/{size}", slice(None), id="more than there is"),
        pytest.param("bytes=99999999-", 416, "bytes */{size}", slice(0, 0), id="behind the end"),
        pytest.param("lines=1-2", 200, None, slice(None), id="another unit"),
    ],
)
def test_ranges(hub: HubServer, asked: str, want_status: int, want_range: str | None, want_bytes: slice) -> None:
    whole = content(hub, TINY, "model.safetensors")
    answer = get(f"{hub.url}/{TINY}/resolve/main/model.safetensors", range=asked)
    sizes = {"size": len(whole), "last": len(whole) - 1}
    assert answer.status_code == want_status
    assert answer.headers.get("content-range") == (want_range.format(**sizes) if want_range else None)
    assert answer.content == whole[want_bytes]


def test_a_range_can_be_ignored(hub: HubServer) -> None:
    hub.fault("/blob/", ignore_range=True)
    answer = get(f"{hub.url}/{TINY}/resolve/main/model.safetensors", range="bytes=10-19")
    assert (answer.status_code, len(answer.content)) == (200, len(content(hub, TINY, "model.safetensors")))


def test_another_commit_can_be_claimed(hub: HubServer) -> None:
    hub.fault(".*", times=2, commit="b" * 40)
    assert get(f"{hub.url}/api/models/{TINY}").json()["sha"] == "b" * 40
    assert get(f"{hub.url}/{TINY}/resolve/main/config.json").headers["x-repo-commit"] == "b" * 40


def test_rules_count_down_and_choose_by_method_and_port(hub: HubServer) -> None:
    hub.fault("/resolve/", method="GET", port="hub", times=1, status=500)
    url = f"{hub.url}/{TINY}/resolve/main/config.json"
    with httpx2.Client() as client:
        assert client.head(url).status_code == 200
        assert [client.get(url).status_code for _ in range(2)] == [500, 200]


def test_addresses_are_made_from_the_host_header(hub: HubServer) -> None:
    port = hub.url.rsplit(":", 1)[1]
    url = f"http://localhost:{port}/{TINY}/resolve/main/model.safetensors"
    with httpx2.Client() as client:
        location = client.head(url).headers["location"]
        tree = client.get(f"http://localhost:{port}/api/models/{TINY}/tree/main?recursive=true")
    assert location.startswith("http://localhost:")
    assert f"<http://localhost:{port}/api/models/" in tree.headers["link"]


def post(url: str, document: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, data=json.dumps(document).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_the_control_routes(hub: HubServer) -> None:
    sha = get(f"{hub.url}/api/models/{TINY}").json()["sha"]
    assert post(f"{hub.url}/_move", {"repository": TINY, "revision": "v1.0"})["sha"] != sha
    post(f"{hub.url}/_move", {"repository": TINY, "revision": sha})
    post(f"{hub.url}/_token", {"token": "fresh", "gated": True})
    url = f"{hub.url}/acme/gated-llama/resolve/main/config.json"
    assert get(url, authorization="Bearer fresh").status_code == 200
    post(f"{hub.url}/_token", {"token": "fresh", "remove": True})
    assert get(url, authorization="Bearer fresh").status_code == 401
    post(f"{hub.url}/_fault", {"match": "/api/", "status": 418, "times": None})
    assert [get(f"{hub.url}/api/models/{TINY}").status_code for _ in range(2)] == [418, 418]
    post(f"{hub.url}/_clear", {})
    entries = get(f"{hub.url}/_log").json()
    assert [entry["status"] for entry in entries] == [200, 200, 401, 418, 418]
    assert "fresh" not in json.dumps(entries)
    assert get(f"{hub.url}/_log").json() == []


def test_a_commit_is_added_to_the_branch_and_what_was_there_stays(hub: HubServer) -> None:
    before = get(f"{hub.url}/api/models/{TINY}").json()["sha"]
    after = post(f"{hub.url}/_commit", {"repository": TINY, "files": {"README.md": "new"}})["sha"]
    try:
        assert get(f"{hub.url}/api/models/{TINY}").json()["sha"] == after != before
        assert get(f"{hub.url}/{TINY}/resolve/{after}/README.md").text == "new"
        for path in ("README.md", "config.json"):
            old = get(f"{hub.url}/{TINY}/resolve/{before}/{path}").text
            assert (get(f"{hub.url}/{TINY}/resolve/main/{path}").text == old) is (path != "README.md")
    finally:
        hub.move(TINY, before)


@pytest.mark.parametrize(
    ("route", "document"),
    [
        pytest.param("/_fault", {"match": "x", "stauts": 500}, id="a misspelt fault"),
        pytest.param("/_move", {"repository": TINY, "revision": "nowhere"}, id="an unknown commit"),
        pytest.param("/_move", {}, id="nothing"),
        pytest.param("/_commit", {"repository": TINY, "files": ["README.md"]}, id="files without their texts"),
    ],
)
def test_wrong_control_requests_are_refused(hub: HubServer, route: str, document: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        post(hub.url + route, document)
    assert error.value.code == 400
    error.value.close()


def test_the_command_serves_a_directory(tmp_path: Path) -> None:
    for path, data in llama_files(shards=2).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    command = [sys.executable, "-m", "tests.fakes.hub", "--model", f"acme/here={tmp_path}", "--gated", "acme/here"]
    command += ["--token", "secret:gated", "--bytes-per-second", "10000000"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": "."}) as server:
        assert server.stdout is not None
        started = json.loads(server.stdout.readline())
        client = HfApi(endpoint=started["url"], token="secret")
        assert client.model_info("acme/here").sha == started["models"]["acme/here"]
        assert client.get_safetensors_metadata("acme/here").parameter_count == {"BF16": 213_312}
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


def test_tokens_have_flags() -> None:
    with HubServer(standard_repositories(), tokens={"t": Access(private=True)}) as server:
        client = HfApi(endpoint=server.url, token="t")
        assert client.model_info("acme/private-llama").id == "acme/private-llama"
        with pytest.raises(HfHubHTTPError):
            client.auth_check("acme/gated-llama")
    close_session()
