import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.processes import ProcessId
from tests.cluster.rootless import UserNamespace, user_namespaces_work

pytestmark = pytest.mark.skipif(not user_namespaces_work(), reason="this system lets nobody make user namespaces")


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[UserNamespace]:
    made = UserNamespace(tmp_path / "namespace.json")
    made.create()
    yield made
    made.delete()


def inside(namespace: UserNamespace, *args: str) -> str:
    return subprocess.run(namespace.entering(list(args)), capture_output=True, text=True, check=True).stdout


def test_it_has_the_addresses_of_a_cluster(namespace: UserNamespace) -> None:
    assert "10.244.0.1/24" in inside(namespace, "ip", "-brief", "address", "show", "cni0")
    assert inside(namespace, "ip", "route", "show", "10.96.0.0/16").startswith("10.96.0.0/16 dev cni0")
    assert inside(namespace, "sysctl", "-n", "net.ipv4.ip_forward") == "1\n"


def test_the_host_does_not_have_them(namespace: UserNamespace) -> None:
    assert namespace.processes() == []
    assert "10.244.0.1/24" not in subprocess.check_output(["ip", "-brief", "address"], text=True)


def test_processes_inside_are_known(namespace: UserNamespace) -> None:
    with subprocess.Popen(namespace.entering(["sleep", "60"])) as child:
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n":
            pass
        assert namespace.processes() == [ProcessId.of(child.pid)]
        child.kill()


def test_nothing_is_entered_after_the_end(namespace: UserNamespace) -> None:
    namespace.delete()
    assert namespace.processes() == []
    with pytest.raises(ClusterError, match="is gone"):
        namespace.entering(["true"])
    namespace.delete()


def test_nothing_is_there_before_the_start(tmp_path: Path) -> None:
    never = UserNamespace(tmp_path / "namespace.json")
    assert never.processes() == []
    never.delete()
