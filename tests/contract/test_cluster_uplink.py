"""A namespace's way out: real slirp4netns, our name server, the system's own resolver inside."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cluster.cleanup import clean
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.launcher import Launcher
from tests.cluster.namespace import NODE_ADDRESS, NetworkNamespace
from tests.cluster.prerequisites import ensure_prerequisites, is_debian, is_root
from tests.cluster.processes import ProcessId
from tests.cluster.progress import wait_until
from tests.cluster.rootless import UserNamespace
from tests.cluster.state import RunState, Started, read_state, write_state
from tests.cluster.uplink import open_uplink

pytestmark = pytest.mark.skipif(not (is_root() and is_debian()), reason="a way out needs root and slirp4netns")
NAME = f"uplink-{os.getpid()}"
HOST = socket.gethostname()
GREETING = b"from outside"
GET = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


class Outside(BaseHTTPRequestHandler):
    """Says the same to everybody."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(GREETING)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as overridden
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Yield the port of a server on all of the machine's addresses."""
    with ThreadingHTTPServer(("0.0.0.0", 0), Outside) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


class Inside:
    """A cluster's namespace with nothing in it but its bridge."""

    def __init__(self, resolver: Path) -> None:
        self.folder = RunFolder.of(NAME)
        self.namespace = NetworkNamespace(f"genmodel-{NAME}")
        self.launcher = Launcher(self.folder, self.namespace)
        self._resolver = resolver

    def open(self, *, host_loopback: bool) -> None:
        open_uplink(self.folder, self.launcher, self.namespace, host_loopback=host_loopback)

    def parts(self) -> dict[str, Started]:
        state = read_state(self.folder.state)
        assert state is not None
        return {one.name: one for one in state.alive()}

    def get(self, url: str) -> str:
        """Return what a server says; its name is looked up as in a pod, with a hosts file that knows no names."""
        binds = f"mount --bind {self._resolver / 'resolv.conf'} /etc/resolv.conf"
        binds += f" && mount --bind {self._resolver / 'hosts'} /etc/hosts"
        script = ["unshare", "--mount", "sh", "-c", f'{binds} && exec "$@"', "sh"]
        return self.launcher.run([*script, sys.executable, "-c", GET, url], timeout=60).stdout.strip()


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    ensure_prerequisites()
    (tmp_path / "resolv.conf").write_text(f"nameserver {NODE_ADDRESS}\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    made = Inside(tmp_path)
    made.folder.logs.mkdir(parents=True, exist_ok=True)
    write_state(made.folder.state, RunState(name=NAME, owner=ProcessId.of(os.getpid())))
    made.namespace.create()
    yield made
    clean(made.folder)
    made.launcher.reap()


def test_without_a_way_out_no_name_is_known(inside: Inside, port: int) -> None:
    with pytest.raises(ClusterError, match=r"Name or service not known|failure in name resolution"):
        inside.get(f"http://{HOST}:{port}/")


def test_a_server_on_this_machine_is_reached_by_the_machine_s_name(inside: Inside, port: int) -> None:
    inside.open(host_loopback=True)
    assert inside.get(f"http://{HOST}:{port}/").encode() == GREETING


def test_no_such_name_is_said_at_once(inside: Inside) -> None:
    inside.open(host_loopback=False)
    with pytest.raises(ClusterError, match="Name or service not known"):
        inside.get("http://no-such-name.invalid/")


def test_the_machine_s_loopback_is_hidden_unless_it_is_asked_for(inside: Inside, port: int) -> None:
    inside.open(host_loopback=False)
    with pytest.raises(ClusterError, match="urlopen error"):
        inside.get(f"http://10.0.2.2:{port}/")
    with pytest.raises(ClusterError, match=f"{NAME} has a way out already, but not to this machine's loopback"):
        inside.open(host_loopback=True)


def test_what_is_open_is_left_as_it_is_and_what_has_died_is_started_again(inside: Inside, port: int) -> None:
    inside.open(host_loopback=True)
    first = inside.parts()
    inside.open(host_loopback=False)
    assert inside.parts() == first
    os.kill(first["slirp4netns"].process.pid, signal.SIGKILL)
    wait_until("its end", lambda: not first["slirp4netns"].process.is_alive(), timeout_seconds=10)
    inside.open(host_loopback=True)
    again = inside.parts()
    assert again["nameserver"] == first["nameserver"]
    assert again["slirp4netns"] != first["slirp4netns"]
    assert inside.get(f"http://{HOST}:{port}/").encode() == GREETING


def test_nothing_of_it_outlives_the_cluster(inside: Inside) -> None:
    before = subprocess.check_output(["ip", "-brief", "address"], text=True)
    inside.open(host_loopback=True)
    assert subprocess.check_output(["ip", "-brief", "address"], text=True) == before
    parts = inside.parts()
    assert sorted(parts) == ["nameserver", "slirp4netns"]
    clean(inside.folder)
    assert [name for name, one in parts.items() if one.process.is_alive()] == []
    assert not inside.namespace.exists()


def test_a_way_out_that_does_not_open_is_said_with_its_log(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "slirp4netns"
    broken.write_text("#!/bin/sh\necho 'no tun device'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ClusterError, match=rf"the way out of cluster {NAME} did not open\n(.|\n)*no tun device"):
        inside.open(host_loopback=False)
    assert inside.parts() == {}


def test_a_plain_user_s_cluster_has_none(inside: Inside, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="needs root"):
        open_uplink(inside.folder, inside.launcher, UserNamespace(tmp_path / "none"), host_loopback=False)
