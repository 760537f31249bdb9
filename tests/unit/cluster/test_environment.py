from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.environment import Machine, detect

DEBIAN_ROOT = Machine(
    is_linux=True,
    is_root=True,
    has_user_namespaces=True,
    is_debian=True,
    missing_for_control_plane=(),
    missing_for_node=("containerd",),
    missing_for_engine=("libnuma1",),
    engine="",
    has_kind=False,
    python=(3, 11),
)
USER = replace(DEBIAN_ROOT, is_root=False)
FEDORA_ROOT = replace(DEBIAN_ROOT, is_debian=False)


@pytest.mark.parametrize(
    ("machine", "want_rung", "want_no_control_plane", "want_no_real_node"),
    [
        pytest.param(DEBIAN_ROOT, "node", "", "", id="Debian with root installs what is missing"),
        pytest.param(
            replace(FEDORA_ROOT, missing_for_node=()), "node", "", "", id="another system with everything installed"
        ),
        pytest.param(
            FEDORA_ROOT,
            "none",
            "",
            "a real node needs Debian or Ubuntu, or these installed: containerd; no container engine answers",
            id="another system without containerd",
        ),
        pytest.param(
            replace(FEDORA_ROOT, missing_for_control_plane=("iproute2",)),
            "none",
            "a control plane needs iproute2",
            "a real node needs Debian or Ubuntu, or these installed: containerd; no container engine answers",
            id="another system without iproute2",
        ),
        pytest.param(
            USER,
            "none",
            "",
            "a real node needs root; no container engine answers",
            id="a plain user",
        ),
        pytest.param(
            replace(USER, missing_for_control_plane=("iproute2",)),
            "none",
            "a control plane needs iproute2",
            "a real node needs root; no container engine answers",
            id="a plain user without iproute2",
        ),
        pytest.param(
            replace(USER, has_user_namespaces=False),
            "none",
            "a control plane in a network namespace needs root, or a system that lets users make namespaces",
            "a real node needs root; no container engine answers",
            id="a plain user who may make no namespaces",
        ),
        pytest.param(
            replace(USER, engine="podman"),
            "none",
            "",
            "a real node needs root; podman answers, but kind is not on PATH",
            id="an engine without kind",
        ),
        pytest.param(
            replace(USER, engine="docker", has_kind=True),
            "kind",
            "",
            "",
            id="an engine with kind",
        ),
        pytest.param(
            replace(USER, is_linux=False),
            "none",
            "a control plane in a network namespace needs Linux",
            "a real node needs Linux; no container engine answers",
            id="another kernel",
        ),
    ],
)
def test_ladder(machine: Machine, want_rung: str, want_no_control_plane: str, want_no_real_node: str) -> None:
    found = detect({}, machine=machine)
    assert (found.rung, found.no_control_plane, found.no_real_node) == (
        want_rung,
        want_no_control_plane,
        want_no_real_node,
    )


@pytest.mark.parametrize(
    ("machine", "want_no_engine"),
    [
        pytest.param(DEBIAN_ROOT, "", id="Debian with root installs what is missing"),
        pytest.param(replace(USER, missing_for_engine=()), "", id="a plain user with everything installed"),
        pytest.param(USER, "vLLM for CPU needs libnuma1", id="a plain user without a library"),
        pytest.param(
            replace(DEBIAN_ROOT, python=(3, 12)),
            "vLLM for CPU is locked for Python 3.11; this is 3.12",
            id="another Python",
        ),
        pytest.param(replace(DEBIAN_ROOT, is_linux=False), "vLLM for CPU needs Linux", id="another kernel"),
    ],
)
def test_where_the_engine_runs_outside_a_pod(machine: Machine, want_no_engine: str) -> None:
    assert detect({}, machine=machine).no_engine == want_no_engine


def test_a_named_cluster_comes_before_all_else(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    found = detect(
        {"GENMODEL_KUBECONFIG": str(kubeconfig), "IMAGE_REGISTRY": "registry.example/team"}, machine=DEBIAN_ROOT
    )
    assert (found.rung, found.kubeconfig, found.registry, found.no_real_node) == (
        "foreign",
        kubeconfig,
        "registry.example/team",
        "",
    )


@pytest.mark.parametrize(
    ("exists", "registry", "want_reason"),
    [
        pytest.param(False, "registry.example", "there is no such file", id="no such kubeconfig"),
        pytest.param(True, "", "not IMAGE_REGISTRY", id="no registry to push to"),
    ],
)
def test_a_named_cluster_that_cannot_be_used(tmp_path: Path, exists: bool, registry: str, want_reason: str) -> None:
    kubeconfig = tmp_path / "config"
    if exists:
        kubeconfig.touch()
    found = detect({"GENMODEL_KUBECONFIG": str(kubeconfig), "IMAGE_REGISTRY": registry}, machine=DEBIAN_ROOT)
    assert found.rung == "foreign"
    assert want_reason in found.no_real_node
