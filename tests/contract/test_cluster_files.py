import base64
import contextlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from cryptography import x509

from tests.cluster.__main__ import main
from tests.cluster.cleanup import newest_first
from tests.cluster.containerd import PAUSE_IMAGE, archived_image, write_pause_image
from tests.cluster.errors import ClusterError
from tests.cluster.folders import LONGEST_RUN_FOLDER, RunFolder, private_folder
from tests.cluster.mounts import mounts_below
from tests.cluster.pki import write_all, write_kubeconfig


@pytest.mark.parametrize("name", ["demo", "test-12345", "a", "a" * 40])
def test_names(tmp_path: Path, name: str) -> None:
    folder = RunFolder.of(name, cache=tmp_path)
    assert folder.root.name == name
    assert len(str(folder.root.parent)) + 20 <= LONGEST_RUN_FOLDER


@pytest.mark.parametrize("name", ["", "Demo", "-a", "a-", "a/b", "..", "a" * 41, "a b"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClusterError, match="no name for a cluster"):
        RunFolder.of(name, cache=tmp_path)


def test_a_long_cache_path_leaves_room_for_sockets(tmp_path: Path) -> None:
    folder = RunFolder.of("x", cache=tmp_path / ("long" * 30))
    assert folder.root == Path(f"/tmp/genmodel-{os.getuid()}/x")
    with contextlib.suppress(OSError):
        folder.root.parent.rmdir()


def test_of_ended_runs_the_newest_come_first_and_one_that_is_just_removed_is_left_out(tmp_path: Path) -> None:
    runs = {name: RunFolder(name=name, root=tmp_path / name) for name in ("old", "gone", "new")}
    for moment, name in enumerate(("new", "old")):
        runs[name].root.mkdir(parents=True)
        os.utime(runs[name].root, (1000 - moment, 1000 - moment))
    assert [folder.name for folder in newest_first(list(runs.values()))] == ["new", "old"]


def test_a_private_folder_is_for_its_owner(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ClusterError, match="belongs to somebody else"):
        private_folder(tmp_path / "link")


def test_certificates(tmp_path: Path) -> None:
    write_all(tmp_path, server_names=("127.0.0.1", "kubernetes"), node_name="local", node_address="10.0.0.1")
    server = x509.load_pem_x509_certificate((tmp_path / "apiserver.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["127.0.0.1", "kubernetes"]
    node = x509.load_pem_x509_certificate((tmp_path / "node.crt").read_bytes())
    assert node.subject.rfc4514_string() == "CN=system:node:local,O=system:nodes"
    assert {key.stat().st_mode & 0o777 for key in tmp_path.glob("*.key")} == {0o600}


def test_kubeconfig_holds_all_it_needs(tmp_path: Path) -> None:
    write_all(tmp_path, server_names=("127.0.0.1",), node_name="local", node_address="10.0.0.1")
    path = write_kubeconfig(tmp_path / "config", pki=tmp_path, user="admin", server="https://127.0.0.1:1")
    document = yaml.safe_load(path.read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    inlined = base64.b64decode(document["users"][0]["user"]["client-key-data"])
    assert inlined == (tmp_path / "admin.key").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_archive_says_which_image_it_holds(tmp_path: Path) -> None:
    (tmp_path / "pause").write_bytes(b"program")
    write_pause_image(tmp_path / "image.tar", program=tmp_path / "pause")
    image = archived_image(tmp_path / "image.tar")
    assert image.name == PAUSE_IMAGE
    assert image.digest.startswith("sha256:")


@pytest.mark.parametrize("content", [pytest.param(b"", id="empty"), pytest.param(b"no tar", id="no tar")])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(ClusterError, match="is not an OCI archive of one named image"):
        archived_image(tmp_path / "image.tar")


def test_mounts_are_found_by_their_folder(tmp_path: Path) -> None:
    assert mounts_below(tmp_path) == []
    assert Path("/proc") in mounts_below(Path("/proc"))


@pytest.mark.parametrize(
    ("arguments", "want_code", "want_output", "want_error"),
    [
        pytest.param(["status"], 4, "no cluster runs\n", "", id="status of nothing"),
        pytest.param(["status", "--name", "x"], 4, "no cluster x runs\n", "", id="status of one that does not run"),
        pytest.param(["down", "--name", "x"], 0, "no cluster x runs\n", "", id="nothing to stop"),
        pytest.param(["up", "--name", "X!"], 1, "", "error: 'X!' is no name for a cluster", id="a bad name"),
    ],
)
def test_command_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    want_code: int,
    want_output: str,
    want_error: str,
) -> None:
    # A path so short that runs are kept below it, and not with those of other processes.
    with TemporaryDirectory(dir="/tmp") as cache:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        assert main(arguments) == want_code
    output, error = capsys.readouterr()
    assert output == want_output
    assert error.startswith(want_error)
    assert error.count("\n") == bool(want_error)
