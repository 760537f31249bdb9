"""A model's folder on a volume that its user filled: what ``inspect`` tells of it, and what ``prepare`` compares."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.cli.local import local_facts
from genmodel_operator.hub.facts import ModelFacts, Refused
from genmodel_operator.hub.inspection import facts_of_inspection, read_inspection
from genmodel_runtime.contract import MODELS_DIR, ExitCode
from genmodel_runtime.source import open_source
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import a_repository, as_json, bert_files, llama_files, without
from tests.fakes.runtime_pod import prepare_environ, running

REPOSITORY = "acme/tiny"
REFUSED = int(ExitCode.NEEDS_A_PERSON)
INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"
SHARDED = llama_files(shards=2)
FIRST, SECOND = sorted(path for path in SHARDED if path.endswith(".safetensors"))

Files = dict[str, bytes]
Spoil = Callable[[Path], object]


def fill(folder: Path, files: Files) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def volume(root: Path) -> Path:
    return root / MODELS_DIR.lstrip("/")


def inspected(root: Path, path: str = "llama", *, prefix: Sequence[str] = ()) -> tuple[int, bytes]:
    """Run ``inspect`` on a folder of the volume; return its exit code and what it left."""
    environ = {"GENMODEL_CONTRACT": "1", "GENMODEL_SOURCE_PATH": path}
    with running("inspect", root=root, environ=environ, prefix=prefix) as pod:
        return pod.wait(), pod.termination_log()


def facts(root: Path, path: str = "llama") -> ModelFacts:
    code, message = inspected(root, path)
    assert code == 0, message
    return facts_of_inspection(REPOSITORY, read_inspection(message.decode()))


def comparable(found: ModelFacts) -> dict[str, Any]:
    """Facts without where they were read, and with tensors in an order of their own."""
    # A pod has no room to tell a chat template: parsers of tool calls are the user's to name.
    told = replace(found, chat_template="", added_tokens=())
    plain = replace(told, commit="", provenance={}, tensors=tuple(sorted(found.tensors, key=lambda one: one.name)))
    return {name: getattr(plain, name) for name in plain.__slots__}


@pytest.mark.parametrize(
    ("files", "path"),
    [
        pytest.param(llama_files(), "", id="at the volume's root"),
        pytest.param(llama_files(), "team/llama", id="in a folder"),
        pytest.param(SHARDED, "llama", id="shards with an index"),
        pytest.param(bert_files(), "minilm", id="modules of a sentence model"),
        pytest.param(llama_files() | {".git/config": b"x", "lost+found/1": b"x"}, "", id="hidden files"),
    ],
)
def test_the_operator_knows_of_a_folder_what_it_would_know_of_a_hub(tmp_path: Path, files: Files, path: str) -> None:
    folder = fill(volume(tmp_path) / path, files)
    found = facts(tmp_path, path)
    want, _ = local_facts(str(folder), repository=REPOSITORY)
    assert comparable(found) == comparable(want)
    assert found.commit == open_source(folder, name="it").digest()
    assert found.provenance["commit"] == "files on the claim"


def edit(path: str, change: Callable[[bytes], bytes]) -> Spoil:
    return lambda folder: (folder / path).write_bytes(change((folder / path).read_bytes()))


def link(path: str) -> Spoil:
    """Put a file where the Hub's cache has it, and a link to it in its place."""

    def spoil(folder: Path) -> None:
        blob = folder.parent / "blobs" / "1"
        blob.parent.mkdir()
        (folder / path).rename(blob)
        (folder / path).symlink_to(f"../blobs/{blob.name}")

    return spoil


def without_index_entry(content: bytes) -> bytes:
    index = json.loads(content)
    index["weight_map"]["model.extra.weight"] = FIRST
    return as_json(index)


@pytest.mark.parametrize(
    ("spoil", "want_reason", "want_words"),
    [
        pytest.param(lambda f: f.rename(f.parent / "other"), "SourceEmpty", "does not exist", id="no such folder"),
        pytest.param(
            lambda f: (f.rename(f.parent / "o"), f.mkdir()), "SourceEmpty", "holds no files", id="an empty folder"
        ),
        pytest.param(
            lambda f: (f.rename(f.parent / "o"), f.write_bytes(b"")), "SourceEmpty", "is not a folder", id="a file"
        ),
        pytest.param(edit("config.json", lambda _: b"{"), "SourceInvalid", "config.json: it is not JSON", id="config"),
        pytest.param(edit(FIRST, lambda raw: raw[:-1]), "SourceInvalid", "header describes", id="a cut shard"),
        pytest.param(edit(FIRST, lambda _: b"x"), "SourceInvalid", "no safetensors header", id="no weight file at all"),
        pytest.param(
            edit(FIRST, lambda raw: raw[:8] + b"}" + raw[9:]), "SourceInvalid", "its header is not JSON", id="header"
        ),
        pytest.param(
            lambda f: (f / SECOND).unlink(), "SourceInvalid", f"it names {SECOND}, which is not", id="a missing shard"
        ),
        pytest.param(edit(INDEX, without_index_entry), "SourceInvalid", "the index names it", id="a missing tensor"),
        pytest.param(
            lambda f: (f / SECOND).write_bytes((f / FIRST).read_bytes()),
            "SourceInvalid",
            "the index names it",
            id="the same shard twice",
        ),
        pytest.param(link(FIRST), "SourceInvalid", "a link that leads out of the folder", id="the Hub's cache"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, spoil: Spoil, want_reason: str, want_words: str
) -> None:
    spoil(fill(volume(tmp_path) / "llama", SHARDED))
    code, message = inspected(tmp_path)
    document = json.loads(message)
    assert (code, document["reason"]) == (REFUSED, want_reason)
    assert want_words in document["message"]


@pytest.mark.parametrize("path", [FIRST, "config.json", "."], ids=["weights", "config", "the folder itself"])
def test_what_others_may_not_read_is_refused_with_the_way_out(tmp_path: Path, path: str) -> None:
    folder = fill(volume(tmp_path) / "llama", SHARDED)
    (folder / path).chmod(0)
    # Even root then needs the permission that its user has.
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    code, message = inspected(tmp_path, prefix=bound if os.geteuid() == 0 else ())
    (folder / path).chmod(0o755)
    document = json.loads(message)
    assert (code, document["reason"]) == (REFUSED, "SourceInvalid")
    assert "cannot read" in document["message"]
    assert "chmod -R a+rX" in document["hint"]


@pytest.mark.parametrize(
    ("files", "want"),
    [
        pytest.param(without(llama_files(), WEIGHTS), Reason.NO_WEIGHTS, id="no weights"),
        pytest.param(
            without(llama_files(), WEIGHTS) | {"pytorch_model.bin": b"x"}, Reason.PICKLE_ONLY, id="pickle only"
        ),
        pytest.param(without(llama_files(), WEIGHTS) | {"m.gguf": b"x"}, Reason.GGUF_ONLY, id="GGUF only"),
        pytest.param(without(llama_files(), "config.json"), Reason.METADATA_INVALID, id="no config"),
        pytest.param(
            llama_files() | {"tokenizer_config.json": as_json({"auto_map": {"AutoTokenizer": "a.b"}})},
            Reason.REMOTE_CODE_ELSEWHERE,
            id="code of its own",
        ),
    ],
)
def test_what_is_not_served_is_refused_as_on_a_hub(tmp_path: Path, files: Files, want: Reason) -> None:
    fill(volume(tmp_path) / "llama", files)
    code, message = inspected(tmp_path)
    assert code == 0, message
    with pytest.raises(Refused) as refused:
        facts_of_inspection(REPOSITORY, read_inspection(message.decode()))
    assert refused.value.reason is want


def test_the_path_never_leaves_the_volume(tmp_path: Path) -> None:
    code, message = inspected(tmp_path, "../secrets")
    assert (code, json.loads(message)["reason"]) == (REFUSED, "ContractMismatch")


def test_prepare_compares_what_is_mounted_and_asks_no_hub(tmp_path: Path) -> None:
    other = a_repository(REPOSITORY, llama_files())
    digest = facts_root(tmp_path / "first")
    folder = fill(volume(tmp_path) / digest, SHARDED)
    with HubServer([other]) as hub:
        environ = prepare_environ(hub.url, other, GENMODEL_COMMIT=digest, GENMODEL_WEIGHTS="Mounted")
        assert prepared(tmp_path, environ) == (0, b"")
        assert (tmp_path / "genmodel" / "genmodel_runtime").is_dir(), "the server's runtime is in its place"

        edit("generation_config.json", lambda raw: raw.replace(b"{", b"{ ", 1))(folder)
        code, message = prepared(tmp_path, environ)
        assert (code, json.loads(message)["reason"]) == (REFUSED, "SourceChanged")
        assert f"not {digest[:10]}" in json.loads(message)["message"]
        link("config.json")(folder)
        assert json.loads(prepared(tmp_path, environ)[1])["reason"] == "SourceInvalid"
        assert hub.log() == []


def facts_root(root: Path) -> str:
    """Fill a volume of its own, and return the digest of what is on it."""
    fill(volume(root) / "llama", SHARDED)
    return facts(root).commit


def prepared(root: Path, environ: dict[str, str]) -> tuple[int, bytes]:
    with running("prepare", root=root, environ=environ) as pod:
        return pod.wait(), pod.termination_log()


@pytest.mark.parametrize(
    ("change", "want_same"),
    [
        pytest.param(edit("config.json", lambda raw: raw + b" "), False, id="config.json"),
        pytest.param(edit("tokenizer.json", lambda raw: raw.replace(b"1", b"2", 1)), False, id="same size"),
        pytest.param(lambda f: (f / SECOND).rename(f / f"x-{SECOND}"), False, id="another name"),
        pytest.param(lambda f: (f / "README.md").write_bytes(b"new"), True, id="a file that is not served"),
        pytest.param(lambda f: (f / "config.json").touch(), True, id="only the time"),
    ],
)
def test_the_digest_is_that_of_what_is_served(tmp_path: Path, change: Spoil, want_same: bool) -> None:
    folder = fill(tmp_path / "llama", without(SHARDED, INDEX))
    before = open_source(folder, name="it").digest()
    change(folder)
    assert (open_source(folder, name="it").digest() == before) is want_same
    assert len(before) == 40
