import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cluster.binaries import Store, acquire, find_installed
from tests.cluster.folders import cache_folder
from tests.cluster.golang import planned_version
from tests.cluster.releases import Release, ReleaseError, ReleaseSource, fetch
from tests.cluster.tools import TOOLS
from tests.cluster.versions import GO_WHEEL

KUBECTL = TOOLS["kubectl"]


def program(folder: Path, name: str, *, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_the_named_folder_comes_first_whatever_its_version(tmp_path: Path) -> None:
    mine = program(tmp_path / "mine", "kubectl", says="my own")
    program(tmp_path / "path", "kubectl", says="Client Version: v1.37.0")
    variables = {"GENMODEL_CLUSTER_BIN": str(mine.parent), "PATH": str(tmp_path / "path")}
    assert find_installed(KUBECTL, variables) == mine


def test_a_link_keeps_the_name_that_it_is_called_by(tmp_path: Path) -> None:
    program(tmp_path, "kubebox", says="v1.37.2")
    (tmp_path / "kubectl").symlink_to("kubebox")
    assert find_installed(KUBECTL, {"GENMODEL_CLUSTER_BIN": str(tmp_path)}) == tmp_path / "kubectl"


@pytest.mark.parametrize("variable", ["KUBEBUILDER_ASSETS", "PATH"])
@pytest.mark.parametrize(
    ("says", "want_taken"),
    [
        pytest.param("Client Version: v1.37.9", True, id="another patch of our minor version"),
        pytest.param("Client Version: v1.29.0", False, id="an old one"),
        pytest.param("", False, id="one that says nothing"),
    ],
)
def test_found_programs_must_fit(tmp_path: Path, variable: str, says: str, want_taken: bool) -> None:
    found = program(tmp_path, "kubectl", says=says)
    assert find_installed(KUBECTL, {variable: str(tmp_path)}) == (found if want_taken else None)


def test_a_program_that_cannot_run_does_not_fit(tmp_path: Path) -> None:
    broken = tmp_path / "kubectl"
    broken.write_text("no program")
    broken.chmod(0o755)
    assert find_installed(KUBECTL, {"PATH": str(tmp_path)}) is None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "www").mkdir()
    handler = partial(QuietHandler, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def publish(folder: Path, name: str, content: bytes, *, checksum_of: bytes | None = None) -> None:
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content if checksum_of is None else checksum_of).hexdigest()
    (folder / f"{name}.sha256").write_text(f"{digest}  {name}\n")


def test_a_release_is_taken_when_its_checksum_matches(tmp_path: Path, server: str) -> None:
    publish(tmp_path / "www", "kubectl", b"a program")
    source = ReleaseSource({"kubectl": Release(f"{server}/kubectl", f"{server}/kubectl.sha256")})
    found = source.put("kubectl", tmp_path)
    assert found == tmp_path / "kubectl"
    assert found.read_bytes() == b"a program"
    assert found.stat().st_mode & 0o111 == 0o111


def test_a_release_with_another_checksum_is_refused(
    tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path / "www", "kubectl", b"tampered", checksum_of=b"a program")
    source = ReleaseSource({"kubectl": Release(f"{server}/kubectl", f"{server}/kubectl.sha256")})
    assert source.put("kubectl", tmp_path) is None
    assert not (tmp_path / "kubectl").exists()
    assert "is not the published one; building kubectl instead" in capsys.readouterr().err


def test_a_program_is_taken_out_of_its_archive(tmp_path: Path, server: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("linux-amd64/helm")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"helm"))
    publish(tmp_path / "www", "helm.tar.gz", content.getvalue())
    url = f"{server}/helm.tar.gz"
    assert fetch(Release(url, f"{url}.sha256", "linux-amd64/helm")) == b"helm"


def test_a_missing_release(server: str) -> None:
    with pytest.raises(ReleaseError, match="404"):
        fetch(Release(f"{server}/none", f"{server}/none.sha256"))


def test_an_unreachable_server_is_asked_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Nothing listens on port 1.
    names = ("kubectl", "kubelet")
    source = ReleaseSource({name: Release(f"http://127.0.0.1:1/{name}", "") for name in names})
    assert [source.put(name, tmp_path) for name in names] == [None, None]
    assert capsys.readouterr().err.count("cannot be reached") == 1


def test_a_tool_that_is_not_published(tmp_path: Path) -> None:
    assert ReleaseSource({}).put("kwok", tmp_path) is None


def test_the_cache_is_keyed_by_the_version_of_go(tmp_path: Path) -> None:
    one, other = (Store(tmp_path, go_version=version) for version in ("go1.26.8", "go1.26.9"))
    assert one.path(KUBECTL) != other.path(KUBECTL)
    assert one.path(KUBECTL) == Store(tmp_path, go_version="go1.26.8").path(KUBECTL)


def test_missing_programs_are_built_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # kwok's stages are asked for with everything; an empty file says that they are there.
    stages = Store(tmp_path / "bin", go_version=planned_version()).stages
    stages.parent.mkdir(parents=True)
    stages.touch()
    # Where Go is not on PATH it comes as a wheel; the one that the machine has already is taken.
    installed = cache_folder() / f"go-{GO_WHEEL}"
    if installed.exists():
        (tmp_path / installed.name).symlink_to(installed)
    first = acquire(["pause"], cache=tmp_path, environment={}, releases=ReleaseSource({}))
    assert "building pause with go" in capsys.readouterr().err
    assert first.programs["pause"].read_bytes().startswith(b"\x7fELF")
    second = acquire(["pause"], cache=tmp_path, environment={}, releases=ReleaseSource({}))
    assert capsys.readouterr().err == ""
    assert second == first
