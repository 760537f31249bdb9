"""The ways from a pod to the Hub: proxies, mirrors with their own authority, and none at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.pki import Authority, write_certificate
from tests.fakes.addresses import noting, seen
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import a_repository, llama_files
from tests.fakes.relay import Relay
from tests.fakes.runtime_pod import RuntimeProcess, prepare_environ, running

SHARDED = a_repository("acme/sharded", llama_files(shards=3))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([SHARDED]) as server:
        yield server


def fetched(pod: RuntimeProcess) -> bool:
    assert pod.wait() == 0, pod.log
    folder = pod.root / "models" / SHARDED.refs["main"]
    blobs = SHARDED.commits[-1].files
    return all((folder / path).read_bytes() == blobs[path].read() for path in blobs if path.endswith(".safetensors"))


@pytest.mark.parametrize(
    ("no_proxy", "want_proxied"),
    [
        pytest.param("", True, id="everything"),
        pytest.param("example.com,.svc,10.0.0.0/8", True, id="all but others"),
        pytest.param("127.0.0.1", False, id="not to this address"),
        pytest.param(".svc, 127.0.0.0/8", False, id="not into this network"),
        pytest.param("*", False, id="nothing"),
    ],
)
def test_a_proxy_is_used(hub: HubServer, tmp_path: Path, no_proxy: str, want_proxied: bool) -> None:
    with Relay() as proxy:
        environ = prepare_environ(hub.url, SHARDED, HTTP_PROXY=proxy.url, NO_PROXY=no_proxy)
        with running("prepare", root=tmp_path, environ=environ) as pod:
            assert fetched(pod)
        assert bool(proxy.seen) == want_proxied
        if want_proxied:
            assert len(proxy.seen) == len(hub.log())


def test_no_proxy_means_a_name_and_all_below_it(hub: HubServer, tmp_path: Path) -> None:
    endpoint = hub.url.replace("127.0.0.1", "localhost")
    with Relay() as proxy:
        environ = prepare_environ(endpoint, SHARDED, HTTP_PROXY=proxy.url, NO_PROXY="localhost")
        with running("prepare", root=tmp_path, environ=environ) as pod:
            assert fetched(pod)
        assert proxy.seen == []


def test_a_proxy_that_is_away_is_named(hub: HubServer, tmp_path: Path) -> None:
    environ = prepare_environ(hub.url, SHARDED, HTTP_PROXY="http://127.0.0.1:9")
    with running("prepare", root=tmp_path, environ=environ) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status()["failure"] is not None)
        assert pod.status()["failure"]["reason"] == "HubUnreachable"
    assert hub.log() == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A mirror's certificate; its authority is in ``ca.crt`` beside it."""
    folder = tmp_path / "pki"
    folder.mkdir()
    authority = Authority.create()
    write_certificate(folder / "ca.crt", authority.certificate)
    authority.issue(folder, "mirror", user="mirror", server=("127.0.0.1",))
    return folder / "mirror.crt"


@pytest.mark.parametrize("through_proxy", [pytest.param(False, id="directly"), pytest.param(True, id="by a proxy")])
def test_a_mirror_below_a_path_with_its_own_authority(
    hub: HubServer, tmp_path: Path, certificate: Path, through_proxy: bool
) -> None:
    with Relay(hub.url, prefix="/artifacts/hub", certificate=certificate) as mirror, Relay() as proxy:
        way = {"HTTPS_PROXY": proxy.url} if through_proxy else {}
        trusted = str(certificate.with_name("ca.crt"))
        environ = prepare_environ(mirror.url, SHARDED, SSL_CERT_FILE=trusted, **way)
        with running("prepare", root=tmp_path / "pod", environ=environ) as pod:
            assert fetched(pod)
        assert all(line.startswith("GET /artifacts/hub/") for line in mirror.seen)
        assert bool(proxy.seen) == through_proxy


def test_an_unknown_authority_is_said(hub: HubServer, tmp_path: Path, certificate: Path) -> None:
    with Relay(hub.url, certificate=certificate) as mirror:
        environ = prepare_environ(mirror.url, SHARDED)
        with running("prepare", root=tmp_path / "pod", environ=environ) as pod:
            pod.wait_until(lambda: pod.is_up() and pod.status()["failure"] is not None)
            failure = pod.status()["failure"]
    assert failure["reason"] == "HubUnreachable"
    assert "certificate" in failure["message"].lower()


def test_with_a_mirror_inside_nobody_else_is_asked(hub: HubServer, tmp_path: Path) -> None:
    environ = noting(tmp_path / "notes", prepare_environ(hub.url, SHARDED, HOME=str(tmp_path)))
    with running("prepare", root=tmp_path / "pod", environ=environ, python_path=[tmp_path / "notes"]) as pod:
        assert fetched(pod)

    ports = {url.rsplit(":", 1)[1] for url in (hub.url, hub.cdn_url)}
    assert seen(tmp_path / "notes") == {("127.0.0.1", port) for port in ports}


def test_a_filled_volume_needs_no_network_at_all(hub: HubServer, tmp_path: Path) -> None:
    environ = prepare_environ(hub.url, SHARDED, HOME=str(tmp_path))
    with running("prepare", root=tmp_path / "pod", environ=environ) as pod:
        assert fetched(pod)
    hub.log()
    offline = noting(tmp_path / "notes", {**environ, "HF_ENDPOINT": "https://huggingface.co"})
    with running("prepare", root=tmp_path / "pod", environ=offline, python_path=[tmp_path / "notes"]) as pod:
        assert fetched(pod)
        assert "complete on the volume" in pod.log

    assert seen(tmp_path / "notes") == set()
    assert hub.log() == []


def test_a_filled_volume_in_a_namespace_without_network(hub: HubServer, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("a network namespace of its own needs root")
    environ = prepare_environ(hub.url, SHARDED)
    with running("prepare", root=tmp_path, environ=environ) as pod:
        assert fetched(pod)
    with running("prepare", root=tmp_path, environ=environ, prefix=["unshare", "--net"]) as pod:
        assert fetched(pod)


def test_the_notes_have_what_goes_elsewhere(tmp_path: Path) -> None:
    environ = noting(tmp_path / "notes", prepare_environ("http://no-such-hub.invalid:81", SHARDED))
    with running("prepare", root=tmp_path / "pod", environ=environ, python_path=[tmp_path / "notes"]) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status()["failure"] is not None)

    assert ("no-such-hub.invalid", "81") in seen(tmp_path / "notes")
