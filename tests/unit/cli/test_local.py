import json
from math import prod
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.cli import main
from genmodel_operator.cli.assumed import assumed_tensors
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.local import NO_COMMIT, is_path, local_facts
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.shape.model import Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.model import Layout
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_sizing import LLAMA_31_8B, LLAMA_32_1B, MINILM, QWEN3_30B_A3B, QWEN_25_7B, decoder_tensors
from tests.fakes.hub_models import LLAMA_CONFIG, bert_files, llama_files

COMMIT = "c" * 40
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}


def a_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def a_config(folder: Path, config: object, name: str = "config.json") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(config))
    return str(folder / name)


@pytest.mark.parametrize(
    ("text", "want"),
    [("./m", True), ("../m", True), ("/m", True), ("~/m", True), (".", True), ("a/b", False), ("a/b.json", False)],
)
def test_paths_start_like_paths(text: str, want: bool) -> None:
    assert is_path(text) is want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("c.json", True, id="a file here"),
        pytest.param("folder", True, id="a folder here"),
        pytest.param("folder/deep/config.json", True, id="a file in folders"),
        pytest.param("folder/config.json", False, id="may be org/name"),
        pytest.param("missing.json", False, id="not here"),
        pytest.param("x" * 5000, False, id="no name of a file"),
    ],
)
def test_what_exists_and_is_no_repository_is_a_path(
    text: str, want: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for name in ("c.json", "folder/config.json", "folder/deep/config.json"):
        (tmp_path / name).write_text("{}")
    assert is_path(text) is want


def test_a_bare_name_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(LLAMA_32_1B))
    assert main(["plan", "c.json", "--gpu", "l4"], {}) == 0
    assert "local/c" in capsys.readouterr().out


def test_a_folder_without_weights_hints_at_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_32_1B))
    with pytest.raises(CommandError) as refused:
        local_facts(str(tmp_path))
    assert f"genmodel plan {tmp_path / 'config.json'}" in refused.value.lines[1]


@pytest.mark.parametrize("shards", [1, 2], ids=["one file", "shards"])
def test_a_folder_is_read_like_a_repository(tmp_path: Path, shards: int) -> None:
    folder = a_folder(tmp_path / "My Llama", llama_files(shards=shards))
    facts, warnings = local_facts(str(folder))
    assert (facts.repository, facts.commit, facts.architecture) == ("local/My-Llama", NO_COMMIT, "LlamaForCausalLM")
    assert facts.weights_bytes == sum(tensor.size_bytes for tensor in facts.tensors) > 0
    assert facts.has_chat_template
    assert warnings == ()


def test_an_embedding_model_is_told_by_its_modules(tmp_path: Path) -> None:
    facts, _ = local_facts(str(a_folder(tmp_path, bert_files())))
    assert facts.tasks == (ServedTask.EMBED,)


def test_a_folder_of_the_hub_s_cache_names_repository_and_commit(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "models--acme--tiny-llama" / "snapshots" / COMMIT, llama_files())
    facts, _ = local_facts(str(folder))
    assert (facts.repository, facts.commit) == ("acme/tiny-llama", COMMIT)


def test_a_manifest_s_repository_goes_before_the_folder_s_name(tmp_path: Path) -> None:
    facts, _ = local_facts(str(a_folder(tmp_path, llama_files())), repository="acme/own")
    assert facts.repository == "acme/own"


@pytest.mark.parametrize(
    ("files", "want_code", "want"),
    [
        pytest.param({}, 2, "there is no config.json in this folder", id="an empty folder"),
        pytest.param({"config.json": b"{"}, 2, "config.json: no JSON", id="broken JSON"),
        pytest.param({**llama_files(), "chat_template.jinja": b"\xff"}, 2, "jinja: not UTF-8", id="a broken template"),
        pytest.param({"config.json": b"{}"}, 3, "NoWeights: ", id="no weights"),
        pytest.param(
            {**llama_files(), "model.safetensors": b"\xff" * 64}, 2, "its header would be", id="a broken weight file"
        ),
        pytest.param(
            {**llama_files(), "model.safetensors": llama_files()["model.safetensors"][:-8]},
            2,
            "but the file has",
            id="a weight file that ends too early",
        ),
        pytest.param({"config.json": b"{}", "pytorch_model.bin": b"\x80"}, 3, "PickleOnly: ", id="pickled weights"),
    ],
)
def test_a_folder_that_cannot_be_served_is_told(
    tmp_path: Path, files: dict[str, bytes], want_code: int, want: str
) -> None:
    with pytest.raises(CommandError) as refused:
        local_facts(str(a_folder(tmp_path, files)))
    assert refused.value.exit_code == want_code
    assert str(refused.value).startswith(str(tmp_path))
    assert want in str(refused.value)


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match=r"^/nowhere/at/all: there is no such file or folder$"):
        local_facts("/nowhere/at/all")


def test_a_config_alone_gives_facts_with_a_warning(tmp_path: Path) -> None:
    path = a_config(tmp_path / "llama", LLAMA_31_8B)
    facts, (warning,) = local_facts(path)
    assert (facts.repository, facts.commit, facts.task) == ("local/llama", NO_COMMIT, ServedTask.GENERATE)
    assert (facts.parameters, facts.weights_bytes) == (8_030_261_248, 16_060_522_496)
    assert (facts.stored_precision, facts.quantization, facts.max_context) == ("BFloat16", None, 131072)
    assert warning == f"the files were not seen: sizes of tensors are those that {path} describes, and may differ"


@pytest.mark.parametrize(
    "config", [LLAMA_31_8B, QWEN_25_7B, QWEN3_30B_A3B], ids=["plain", "with biases and tied", "mixture of experts"]
)
def test_assumed_tensors_have_the_elements_of_the_real_ones(config: dict[str, Any]) -> None:
    real = sum(prod(tensor.shape) for tensor in decoder_tensors(config))
    assert sum(prod(tensor.shape) for tensor in assumed_tensors(config)) == real


@pytest.mark.parametrize("quantization", [None, GPTQ, FP8], ids=["wide", "gptq", "fp8 in blocks"])
@pytest.mark.parametrize("tensor_parallel", [1, 4])
def test_assumed_tensors_weigh_what_the_configuration_says(quantization: object, tensor_parallel: int) -> None:
    config = {**LLAMA_31_8B, **({"quantization_config": quantization} if quantization else {})}
    shape, layout = read_shape(config), Layout(tensor_parallel=tensor_parallel)
    by_tensors = read_weights(shape, assumed_tensors(config)).on_device(layout)
    by_shape = read_weights(shape).on_device(layout)
    assert [stage.total_bytes for stage in by_tensors.stages] == pytest.approx(
        [stage.total_bytes for stage in by_shape.stages], rel=1e-3
    )


def test_a_quantised_config_is_stored_as_it_declares(tmp_path: Path) -> None:
    facts, _ = local_facts(a_config(tmp_path, {**LLAMA_31_8B, "quantization_config": GPTQ}))
    assert (facts.stored_precision, facts.quantization) == ("INT4", "gptq")
    assert facts.weights_bytes < 6 * 2**30


def test_a_config_under_another_name_names_the_model(tmp_path: Path) -> None:
    facts, _ = local_facts(a_config(tmp_path, MINILM, name="minilm.json"))
    assert (facts.repository, facts.task) == ("local/minilm", ServedTask.EMBED)


@pytest.mark.parametrize(
    ("config", "want_code", "want"),
    [
        pytest.param([], 2, "must be a model's config.json, a JSON object", id="a list"),
        pytest.param({}, 2, "architectures: is missing", id="empty"),
        pytest.param({**LLAMA_CONFIG, "hidden_size": "x"}, 2, "hidden_size", id="a field of another kind"),
        pytest.param({**LLAMA_CONFIG, "vocab_size": None}, 2, "vocab_size", id="a size that is missing"),
        pytest.param({**LLAMA_CONFIG, "architectures": ["FooForCausalLM"]}, 2, "FooForCausalLM", id="unknown"),
        pytest.param(
            {**LLAMA_CONFIG, "architectures": ["LlamaForSequenceClassification"]},
            3,
            "TaskUnsupported: ",
            id="another task",
        ),
    ],
)
def test_a_config_that_does_not_do_is_named(tmp_path: Path, config: object, want_code: int, want: str) -> None:
    path = a_config(tmp_path, config)
    with pytest.raises(CommandError) as refused:
        local_facts(path)
    assert refused.value.exit_code == want_code
    assert str(refused.value).startswith(f"{path}: ")
    assert want in str(refused.value)


def test_without_all_sizes_nothing_is_assumed() -> None:
    config = {**LLAMA_31_8B, "architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2"}
    del config["intermediate_size"]
    with pytest.raises(Unsizable, match="has no intermediate_size, without which the weights cannot be computed"):
        assumed_tensors(config)
