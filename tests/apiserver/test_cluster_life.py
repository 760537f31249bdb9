import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, ClusterError, Environment
from tests.cluster.cleanup import clean_abandoned
from tests.cluster.folders import RunFolder
from tests.cluster.mounts import mounts_below
from tests.cluster.namespace import NetworkNamespace
from tests.cluster.processes import ProcessId
from tests.cluster.progress import wait_until
from tests.cluster.state import read_state

pytestmark = pytest.mark.apiserver
HOLDS_CLUSTER = """
import signal, sys, time
from tests.cluster import Cluster
# A shell lets what it starts in the background ignore Ctrl-C, and so would this program.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Cluster(sys.argv[1]) as cluster:
    cluster.popen(["sleep", "600"])
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _able(environment: Environment) -> None:
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"life-{os.getpid()}-{abs(hash(request.node.name)) % 1000}"


@pytest.fixture
def other(name: str) -> Iterator[subprocess.Popen[str]]:
    """Yield another process that runs a cluster of that name."""
    command = [sys.executable, "-c", HOLDS_CLUSTER, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.terminate()


def host_network() -> dict[str, Any]:
    """Return the host's addresses, routes and firewall rules, without what clocks change."""
    addresses = json.loads(subprocess.check_output(["ip", "-j", "address"]))
    rules = subprocess.check_output(["iptables-save"], text=True) if Path("/usr/sbin/iptables-save").exists() else ""
    return {
        "addresses": {
            one["ifname"]: [(address["local"], address["prefixlen"]) for address in one["addr_info"]]
            for one in addresses
        },
        "routes": json.loads(subprocess.check_output(["ip", "-j", "route"])),
        "rules": [line for line in rules.splitlines() if line.startswith("-")],
    }


def processes_of(name: str) -> list[ProcessId]:
    state = read_state(RunFolder.of(name).state)
    assert state is not None
    return [one.process for one in state.alive()]


def assert_gone(name: str, processes: list[ProcessId]) -> None:
    assert [process for process in processes if process.is_alive()] == []
    assert not NetworkNamespace(f"genmodel-{name}").exists()
    folder = RunFolder.of(name)
    assert mounts_below(folder.root) == []
    assert {path.name for path in folder.root.iterdir()} <= {"logs"}


def test_a_cluster_beside_another_lives_and_ends_without_a_trace(name: str, control_plane: Cluster) -> None:
    before = host_network()
    with pytest.raises(RuntimeError, match="mine"), Cluster(name, audit=True) as second:  # noqa: PT012
        second.kubectl("create", "namespace", "only-here")
        found = control_plane.kubectl("get", "namespace", "only-here", "--ignore-not-found", "-o", "name")
        assert found == ""
        assert host_network() == before
        assert ("create", "/api/v1/namespaces") in requests_of_admin(second)
        guest = second.popen(["sleep", "600"])
        # Its child is noted nowhere, but lives in the namespace.
        second.popen(["sh", "-c", "setsid sleep 601 & wait"])
        processes = processes_of(name)
        assert len(processes) >= 8
        raise RuntimeError("mine")
    assert guest.poll() is not None
    assert subprocess.run(["pgrep", "-fx", "sleep 601"], check=False).returncode == 1
    assert host_network() == before
    assert_gone(name, processes)
    assert "etcd" in {path.stem for path in second.log_folder.iterdir()}


def requests_of_admin(cluster: Cluster) -> set[tuple[str, str]]:
    entries = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    mine = [one for one in entries if one["user"]["username"] == "genmodel-admin"]
    return {(one["verb"], one["requestURI"].partition("?")[0]) for one in mine}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_stops_everything(name: str, other: subprocess.Popen[str], number: int) -> None:
    processes = processes_of(name)
    other.send_signal(number)
    other.wait(timeout=30)
    assert_gone(name, processes)


def test_the_next_run_cleans_what_a_killed_one_left(name: str, other: subprocess.Popen[str]) -> None:
    left = processes_of(name)
    other.kill()
    other.wait()
    assert all(process.is_alive() for process in left)
    with Cluster(name) as cluster:
        assert [process for process in left if process.is_alive()] == []
        cluster.kubectl("get", "nodes")
    assert_gone(name, left)


def test_a_run_of_any_name_cleans_it_too(name: str, other: subprocess.Popen[str]) -> None:
    left = processes_of(name)
    other.kill()
    other.wait()
    # Each start does this first.
    clean_abandoned()
    assert_gone(name, left)


def test_a_start_that_fails_says_why_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho 'no room on this disk'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("GENMODEL_CLUSTER_BIN", str(tmp_path))
    with pytest.raises(ClusterError, match=r"kube-apiserver of cluster .* has died(.|\n)*no room on this disk"):
        Cluster(name).start()
    assert_gone(name, [])


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tests.cluster", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


def test_command_line(name: str) -> None:
    done = command("up", "--name", name)
    try:
        assert f"export KUBECONFIG={RunFolder.of(name).root}/kubeconfig" in done.stdout
        processes = processes_of(name)
        attached = Cluster.attach(name)
        assert attached.kubectl("get", "namespace", "default", "-o", "name") == "namespace/default\n"
        again = command("up", "--name", name)
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)
        assert again.stderr.startswith(f"error: cluster {name} runs already")
        assert_death_is_noticed(attached)
    finally:
        assert command("down", "--name", name).returncode == 0
    assert_gone(name, processes)
    with pytest.raises(ClusterError, match="no cluster"):
        Cluster.attach(name)


def assert_death_is_noticed(cluster: Cluster) -> None:
    well = command("status", "--name", cluster.name)
    assert (well.returncode, "DIED" in well.stdout) == (0, False)
    state = read_state(RunFolder.of(cluster.name).state)
    assert state is not None
    etcd = next(one for one in state.started if one.name == "etcd")
    os.kill(etcd.process.pid, signal.SIGKILL)
    wait_until("its end", lambda: not etcd.process.is_alive(), timeout_seconds=5)
    with pytest.raises(ClusterError, match=rf"etcd of cluster {cluster.name} has died\n.*/etcd\.log ends with:"):
        cluster.kubectl("get", "nodes")
    ill = command("status", "--name", cluster.name)
    assert ill.returncode == 3
    assert f"DIED   etcd (pid {etcd.process.pid}, log " in ill.stdout
