import re

import pytest

from tests.cluster import versions
from tests.cluster.golang import SOURCES, needed_version, numbers, sources_of
from tests.cluster.releases import ReleaseError, official_releases, published_checksum
from tests.cluster.tools import CONTROL_PLANE_TOOLS, NODE_TOOLS, TOOLS

MODULES = (SOURCES / "go.mod").read_text()


@pytest.mark.parametrize(
    ("module", "want_version"),
    [
        pytest.param("k8s.io/kubernetes", versions.KUBERNETES, id="Kubernetes"),
        pytest.param("go.etcd.io/etcd/server/v3", versions.ETCD, id="etcd"),
        pytest.param("sigs.k8s.io/kwok", versions.KWOK, id="kwok"),
        pytest.param("helm.sh/helm/v3", versions.HELM, id="helm"),
    ],
)
def test_sources_and_releases_are_of_one_version(module: str, want_version: str) -> None:
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", MODULES, re.MULTILINE)
    assert found is not None
    assert found[1] == want_version


def test_the_go_wheel_is_new_enough() -> None:
    assert numbers(versions.GO_WHEEL) >= needed_version()


@pytest.mark.parametrize(
    ("version", "want"),
    [
        pytest.param("go1.26.8", (1, 26, 8), id="as go says it"),
        pytest.param("1.26", (1, 26), id="without a patch"),
        pytest.param("", (), id="nothing"),
    ],
)
def test_version_numbers(version: str, want: tuple[int, ...]) -> None:
    assert numbers(version) == want


@pytest.mark.parametrize("name", [*CONTROL_PLANE_TOOLS, *NODE_TOOLS, "greeter"])
def test_every_tool_has_sources(name: str) -> None:
    files = sources_of(TOOLS[name].package)
    assert files
    assert all(file.is_file() for file in files)


def test_only_what_has_a_published_checksum_is_downloaded() -> None:
    releases = official_releases()
    assert set(releases) == {*CONTROL_PLANE_TOOLS, *NODE_TOOLS} - {"kwok", "pause"}
    assert all(release.url.startswith("https://") and release.checksum_url for release in releases.values())


A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param(f"{A}\n", A, id="nothing but the checksum"),
        pytest.param(f"{B}  other.tar.gz\n{A}  tool.tar.gz\n", A, id="a list"),
        pytest.param(f"{A.upper()} *tool.tar.gz\n", A, id="binary mode, capitals"),
    ],
)
def test_published_checksum(text: str, want: str) -> None:
    assert published_checksum(text, "tool.tar.gz") == want


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{B}  other.tar.gz\n", id="only of another file"),
        pytest.param(f"{B}\n{A}\n", id="two without names"),
    ],
)
def test_no_published_checksum(text: str) -> None:
    with pytest.raises(ReleaseError, match=r"no checksum of tool\.tar\.gz"):
        published_checksum(text, "tool.tar.gz")
