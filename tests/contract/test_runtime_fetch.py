"""The fetch step against the local Hub: what ends up on the volume, and with which requests."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from genmodel_runtime.contract import ExitCode
from genmodel_runtime.prepare import prepare
from genmodel_runtime.settings import PrepareSettings
from tests.fakes.hub import Access, HubServer
from tests.fakes.hub_models import a_repository, bert_files, llama_files, without
from tests.fakes.hub_store import Repository
from tests.fakes.runtime_pod import fetch_settings

WEIGHTS = "model.safetensors"
PLAIN = a_repository("acme/tiny-llama", llama_files())
SHARDED = a_repository("acme/sharded-llama", llama_files(shards=3))
SENTENCE = a_repository("acme/tiny-bert", bert_files())
GATED = a_repository("acme/gated-llama", llama_files(), gated="manual")
CODE = a_repository("acme/code", {**llama_files(), "modeling_own.py": b"pass\n"})
PICKLE = a_repository("acme/pickle", {**without(llama_files(), WEIGHTS), "pytorch_model.bin": b"\x80\x02"})
TWINS = a_repository("acme/twins", {**llama_files(shards=2), "model-00002-of-00002.safetensors": b"same" * 50_000,
                                    "model-00001-of-00002.safetensors": b"same" * 50_000})  # fmt: skip
ODD_NAMES = a_repository("acme/odd", {**llama_files(), "chat template+1.jinja": b"{{ x }}", "empty.txt": b""})

ALL = [PLAIN, SHARDED, SENTENCE, GATED, CODE, PICKLE, TWINS, ODD_NAMES]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer(ALL, tokens={"hf_good": Access(gated=True), "hf_poor": Access()}) as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh(hub: HubServer) -> None:
    hub.clear_faults()
    hub.log()


def model_dir(settings: PrepareSettings) -> Path:
    return settings.paths.models_dir / settings.commit


def fetched(settings: PrepareSettings) -> dict[str, bytes]:
    folder = model_dir(settings)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".genmodel-manifest.json"
    }


def content(repository: Repository, *paths: str) -> dict[str, bytes]:
    files = repository.commits[-1].files
    return {path: files[path].read() for path in paths}


CONFIGURATION = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")


@pytest.mark.parametrize(
    ("repository", "want_files"),
    [
        pytest.param(PLAIN, (*CONFIGURATION, WEIGHTS), id="one weight file"),
        pytest.param(
            SHARDED,
            (
                *CONFIGURATION,
                "model.safetensors.index.json",
                *(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)),
            ),
            id="three shards with their index",
        ),
        pytest.param(
            SENTENCE,
            (
                *("config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"),
                *("vocab.txt", "tokenizer_config.json", WEIGHTS),
            ),
            id="a folder within",
        ),
        pytest.param(CODE, (*CONFIGURATION, WEIGHTS), id="no code where none is allowed"),
        pytest.param(
            TWINS,
            (
                *CONFIGURATION,
                "model.safetensors.index.json",
                *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2)),
            ),
            id="two files of the same content",
        ),
        pytest.param(
            ODD_NAMES,
            (*CONFIGURATION, WEIGHTS, "chat template+1.jinja", "empty.txt"),
            id="names that need quoting and an empty file",
        ),
    ],
)
def test_exactly_the_served_files_come(
    hub: HubServer, tmp_path: Path, repository: Repository, want_files: tuple[str, ...]
) -> None:
    settings = fetch_settings(tmp_path, hub.url, repository)

    assert prepare(settings) == ExitCode.DONE
    assert fetched(settings) == content(repository, *want_files)


@pytest.mark.parametrize(
    ("repository", "changes", "want_file"),
    [
        pytest.param(CODE, {"allow_remote_code": True}, "modeling_own.py", id="code"),
        pytest.param(PICKLE, {"allow_pickle": True}, "pytorch_model.bin", id="pickle"),
    ],
)
def test_more_comes_where_more_is_allowed(
    hub: HubServer, tmp_path: Path, repository: Repository, changes: dict[str, bool], want_file: str
) -> None:
    settings = fetch_settings(tmp_path, hub.url, repository, **changes)

    assert prepare(settings) == ExitCode.DONE
    assert want_file in fetched(settings)


def test_a_complete_volume_starts_without_any_request(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, PLAIN)
    prepare(settings)
    assert hub.log()
    before = fetched(settings)

    assert prepare(settings) == ExitCode.DONE
    assert hub.log() == []
    assert fetched(settings) == before


def test_a_restored_volume_is_hashed_instead_of_fetched(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, PLAIN)
    prepare(settings)
    hub.log()
    for path in model_dir(settings).iterdir():
        os.utime(path, (1, 1))

    assert prepare(settings) == ExitCode.DONE
    assert hub.log() == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="a file is gone"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1]), id="a file is shorter"),
        pytest.param(lambda path: path.write_bytes(b"\0" + path.read_bytes()[1:]), id="a byte changed"),
    ],
)
def test_only_what_was_damaged_is_fetched_again(hub: HubServer, tmp_path: Path, damage: object) -> None:
    settings = fetch_settings(tmp_path, hub.url, PLAIN)
    prepare(settings)
    assert callable(damage)
    damage(model_dir(settings) / WEIGHTS)
    hub.log()

    assert prepare(settings) == ExitCode.DONE
    assert {entry.path for entry in hub.log() if entry.port == "cdn"} == {f"/blob/acme/tiny-llama/{WEIGHTS}"}
    assert fetched(settings)[WEIGHTS] == PLAIN.commits[-1].files[WEIGHTS].read()


def test_another_permission_makes_the_volume_incomplete(hub: HubServer, tmp_path: Path) -> None:
    prepare(fetch_settings(tmp_path, hub.url, CODE))
    hub.log()
    settings = fetch_settings(tmp_path, hub.url, CODE, allow_remote_code=True)

    assert prepare(settings) == ExitCode.DONE
    assert "modeling_own.py" in fetched(settings)
    assert [entry.path for entry in hub.log() if entry.path.endswith(WEIGHTS) and entry.port == "cdn"] == []


def test_everybody_may_read_what_was_fetched_whatever_the_umask(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, SENTENCE)
    before = os.umask(0o077)
    try:
        assert prepare(settings) == ExitCode.DONE
    finally:
        os.umask(before)

    for folder in (settings.paths.models_dir, settings.paths.runtime_dir):
        for path in (folder, *folder.rglob("*")):
            wanted = 0o755 if path.is_dir() else 0o644
            if ".partial" not in path.parts:
                assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_the_manifest_names_every_file_with_its_sha256(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, PLAIN)
    prepare(settings)

    manifest = json.loads((model_dir(settings) / ".genmodel-manifest.json").read_bytes())

    assert (manifest["contract"], manifest["repository"], manifest["allow"]) == (1, "acme/tiny-llama", [])
    found = {entry["path"]: (entry["sizeBytes"], entry["sha256"]) for entry in manifest["files"]}
    blobs = PLAIN.commits[-1].files
    assert found == {path: (blobs[path].size, blobs[path].sha256) for path in fetched(settings)}


def test_the_runtime_travels_and_works_where_it_arrives(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, PLAIN)
    prepare(settings)
    installed = settings.paths.runtime_dir / "genmodel_runtime"
    (installed / "left_over.py").touch()
    (settings.paths.runtime_dir / ".genmodel_runtime.new").mkdir()
    (settings.paths.runtime_dir / ".genmodel_runtime.old").mkdir()

    assert prepare(settings) == ExitCode.DONE
    names = {path.name for path in installed.iterdir()}
    assert {"__main__.py", "contract.py", "supervise.py", "py.typed", "known_models.json"} <= names
    assert "left_over.py" not in names
    assert [path.name for path in settings.paths.runtime_dir.iterdir()] == ["genmodel_runtime"]


def test_nothing_partial_is_left_and_other_commits_leftovers_go(hub: HubServer, tmp_path: Path) -> None:
    settings = fetch_settings(tmp_path, hub.url, PLAIN)
    stale = settings.paths.models_dir / ".partial" / ("f" * 40)
    stale.mkdir(parents=True)
    (stale / "half-a-file").write_bytes(b"x" * 1000)

    assert prepare(settings) == ExitCode.DONE
    assert list((settings.paths.models_dir / ".partial").iterdir()) == []


def test_another_commit_beside_it_is_left_alone(hub: HubServer, tmp_path: Path) -> None:
    other = fetch_settings(tmp_path, hub.url, SHARDED)
    prepare(other)
    before = fetched(other)

    prepare(fetch_settings(tmp_path, hub.url, PLAIN))

    assert fetched(other) == before


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"


def test_the_token_goes_to_the_hub_and_never_to_the_storage(hub: HubServer, tmp_path: Path, token_file: Path) -> None:
    token_file.write_text("hf_good\n")

    assert prepare(fetch_settings(tmp_path / "pod", hub.url, GATED, token_path=token_file)) == ExitCode.DONE
    log = hub.log()
    assert {entry.port for entry in log} == {"hub", "cdn"}
    assert all(entry.authorized == (entry.port == "hub") for entry in log)


def test_a_token_file_may_be_absent(hub: HubServer, tmp_path: Path, token_file: Path) -> None:
    settings = fetch_settings(tmp_path / "pod", hub.url, PLAIN, token_path=token_file)

    assert prepare(settings) == ExitCode.DONE
    assert not any(entry.authorized for entry in hub.log())


def test_no_token_of_the_machine_is_used(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")

    assert prepare(fetch_settings(tmp_path, hub.url, PLAIN)) == ExitCode.DONE
    assert not any(entry.authorized for entry in hub.log())
