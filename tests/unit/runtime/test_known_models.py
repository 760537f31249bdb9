"""What is known of a model's classes is laid where the engine looks for it, and never in its way."""

import json
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.settings import ENGINE_VERSION
from genmodel_runtime import known_models
from genmodel_runtime.known_models import (
    KNOWN,
    architectures,
    bring_known_models,
    engine_version,
    known_of,
    model_folder,
)
from scripts.known_models import as_text, table_of

RELEASE = json.loads(KNOWN.read_bytes())["vllm"]
LLAMA, BERT = "vllm-model_executor-models-llama-LlamaForCausalLM", "vllm-model_executor-models-bert-BertEmbeddingModel"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    return folder


@pytest.fixture(autouse=True)
def _the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_models, "engine_version", lambda: RELEASE)


def brought(root: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_bytes()) for path in (root / "modelinfos").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(["--model", "/models/a", "--port", "8000"], Path("/models/a"), id="named"),
        pytest.param(["--model", "/models/a", "--model", "/models/b"], Path("/models/b"), id="the last one counts"),
        pytest.param(["--port", "8000"], None, id="not named"),
        pytest.param(["--model"], None, id="without a value"),
        pytest.param([], None, id="no arguments"),
    ],
)
def test_the_folder_is_the_engine_s(arguments: list[str], want: Path | None) -> None:
    assert model_folder(arguments) == want


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param({"architectures": ["A", "B"]}, ["A", "B"], id="several"),
        pytest.param({"architectures": ["A", 7]}, ["A"], id="one that is no name"),
        pytest.param({"architectures": "A"}, [], id="no list"),
        pytest.param({}, [], id="none"),
        pytest.param(["A"], [], id="no object"),
    ],
)
def test_architectures_are_read_from_any_configuration(model: Path, config: object, want: list[str]) -> None:
    (model / "config.json").write_text(json.dumps(config))
    assert architectures(model) == want


@pytest.mark.parametrize(
    ("names", "release", "want"),
    [
        pytest.param(["LlamaForCausalLM"], RELEASE, {LLAMA}, id="one"),
        pytest.param(["MistralForCausalLM", "BertModel"], RELEASE, {"mistral", BERT}, id="two, one by another name"),
        pytest.param(["FooForCausalLM"], RELEASE, set(), id="unknown"),
        pytest.param(["LlamaForCausalLM"], "0.1.0", set(), id="another release"),
        pytest.param(["LlamaForCausalLM"], "", set(), id="no engine"),
    ],
)
def test_what_is_known_is_of_one_release(names: list[str], release: str, want: set[str]) -> None:
    found = known_of(names, release)
    assert len(found) == len(want)
    assert all(any(word in name for name in found) for word in want)
    for document in found.values():
        assert set(document) == {"hash", "modelinfo"}
        assert document["modelinfo"]["supports_multimodal"] is False


def test_it_lies_where_the_engine_looks(model: Path, tmp_path: Path) -> None:
    bring_known_models(["--model", str(model)], {"VLLM_CACHE_ROOT": str(tmp_path / "cache")})
    (document,) = brought(tmp_path / "cache").values()
    assert document["modelinfo"]["architecture"] == "LlamaForCausalLM"
    assert list(brought(tmp_path / "cache")) == [f"{LLAMA}.json"]


def test_what_the_engine_wrote_itself_stays(model: Path, tmp_path: Path) -> None:
    own = tmp_path / "modelinfos" / f"{LLAMA}.json"
    own.parent.mkdir()
    own.write_text('"its own"')
    bring_known_models(["--model", str(model)], {"VLLM_CACHE_ROOT": str(tmp_path)})
    assert brought(tmp_path) == {own.name: "its own"}


@pytest.mark.parametrize(
    "environ", [pytest.param({}, id="no cache folder"), pytest.param({"VLLM_CACHE_ROOT": "{}"}, id="no model named")]
)
def test_nothing_is_written_where_nothing_is_looked_for(tmp_path: Path, environ: dict[str, str]) -> None:
    bring_known_models(["--port", "8000"], {name: value.format(tmp_path) for name, value in environ.items()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(None, id="no configuration"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"\xff\xfe{", id="no text"),
        pytest.param(b"[" * 100_000, id="nested for ever"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_the_engine_s_to_refuse(
    model: Path, tmp_path: Path, config: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "config.json").unlink() if config is None else (model / "config.json").write_bytes(config)
    bring_known_models(["--model", str(model)], {"VLLM_CACHE_ROOT": str(tmp_path / "cache")})
    assert "so the engine finds it out" in "".join(capsys.readouterr())
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_only_costs_the_time(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file")
    bring_known_models(["--model", str(model)], {"VLLM_CACHE_ROOT": str(tmp_path / "cache")})
    assert "cannot be brought along" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("told", "want"),
    [
        pytest.param("__version__ = version = '0.32.0'\n", "0.32.0", id="as its builds write it"),
        pytest.param('__version__ = "0.32.0"\n', "0.32.0", id="plain"),
        pytest.param("# made\n\n__version__: str\n__version__ = '0.32.0+cu129'\n", "0.32.0", id="of a build"),
        pytest.param("commit_id = None\n", "", id="not told"),
    ],
)
def test_the_release_is_told_by_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, want: str
) -> None:
    monkeypatch.undo()
    package = tmp_path / "vllm"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('it is imported')")
    (package / "_version.py").write_text(told)
    monkeypatch.syspath_prepend(tmp_path)
    assert engine_version() == want


def test_without_an_engine_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert engine_version() == ""


def test_it_is_of_the_release_that_is_served_by_default() -> None:
    assert RELEASE == ENGINE_VERSION, "run: python -m scripts.known_models"


def test_what_is_said_once_is_there_for_every_class(tmp_path: Path) -> None:
    infos = {
        "a-A": {"pooling": False, "kind": "x"},
        "b-B": {"pooling": False, "kind": "y"},
        "c-C": {"pooling": True, "kind": "z"},
    }
    told = {
        "vllm": "1.2.3",
        "architectures": {"A": "a-A", "Also": "a-A", "B": "b-B", "C": "c-C", "Gone": "d-D"},
        "models": {name: {"hash": name[0], "modelinfo": info} for name, info in infos.items()},
    }
    known = tmp_path / "known.json"
    known.write_text(as_text(table_of(told)))
    found = known_of(["A", "Also", "B", "C", "Gone"], "1.2.3", known)
    assert found == {f"{name}.json": {"hash": name[0], "modelinfo": info} for name, info in infos.items()}
    assert json.loads(known.read_text())["usual"] == {"pooling": False}
