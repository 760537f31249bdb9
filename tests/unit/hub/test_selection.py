"""Which files are fetched."""

import pytest

from genmodel_runtime.selection import indexed_shards, wanted_paths, weight_paths

TWO_SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("paths", "want"),
    [
        pytest.param(
            ["README.md", ".gitattributes", "LICENSE", "config.json", "model.safetensors", "tokenizer.json"],
            ["config.json", "model.safetensors", "tokenizer.json"],
            id="one weight file and what the engine reads beside it",
        ),
        pytest.param(
            [*TWO_SHARDS, INDEX, "consolidated.safetensors", "params.json", "tokenizer.model.v3"],
            [*TWO_SHARDS, INDEX, "params.json", "tokenizer.model.v3"],
            id="shards without the second copy in one file",
        ),
        pytest.param(
            ["original/params.json", "original/consolidated.00.pth", "onnx/model.onnx", "model.safetensors"],
            ["model.safetensors"],
            id="no copies in other formats",
        ),
        pytest.param(
            ["model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"],
            ["model.safetensors"],
            id="one of several weight files",
        ),
        pytest.param(
            [
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "2_Dense/pytorch_model.bin",
                "model.safetensors",
                "modules.json",
                "vocab.txt",
            ],
            [
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "model.safetensors",
                "modules.json",
                "vocab.txt",
            ],
            id="the layers of sentence-transformers in their folders",
        ),
        pytest.param(
            [
                "chat_template.jinja",
                "additional_chat_templates/tools.jinja",
                "merges.txt",
                "spiece.model",
                "qwen.tiktoken",
                "model.safetensors",
            ],
            [
                "additional_chat_templates/tools.jinja",
                "chat_template.jinja",
                "merges.txt",
                "model.safetensors",
                "qwen.tiktoken",
                "spiece.model",
            ],
            id="tokenizers and templates of every kind",
        ),
        pytest.param(
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            TWO_SHARDS,
            id="shards without an index",
        ),
        pytest.param(["model.safetensors", INDEX], ["model.safetensors", INDEX], id="an index of one file"),
        pytest.param(["pytorch_model.bin", "pytorch_model.bin.index.json"], [], id="pickle is not fetched"),
        pytest.param(["config.json", "tiny.Q4_K_M.gguf"], ["config.json"], id="GGUF is not fetched"),
        pytest.param(["modeling_own.py", "tokenization_own.py"], [], id="code is not fetched"),
        pytest.param(
            [
                "../config.json",
                "/etc/passwd.json",
                "a/../b.json",
                "a\\b.json",
                "config.json\n",
                "x/y/config.json",
                ".json",
            ],
            [],
            id="names that lead elsewhere",
        ),
        pytest.param(
            ["tokenizer_config.json", "tokenizer.py", "tokenizer.md", "tokenizer.bin"],
            ["tokenizer_config.json"],
            id="not all that is called tokenizer",
        ),
        pytest.param([], [], id="an empty repository"),
    ],
)
def test_the_wanted_files_are_selected(paths: list[str], want: list[str]) -> None:
    assert wanted_paths(paths) == want


def test_an_index_names_the_shards_exactly() -> None:
    paths = [*TWO_SHARDS, "model-00001-of-00003.safetensors", INDEX]
    index = {"weight_map": {"a": TWO_SHARDS[0], "b": TWO_SHARDS[1], "c": TWO_SHARDS[1]}}
    assert wanted_paths(paths, index=index) == [*TWO_SHARDS, INDEX]
    assert weight_paths(paths, index=index) == TWO_SHARDS


def test_an_index_may_name_shards_oddly() -> None:
    paths = ["part-a.safetensors", "part-b.safetensors", INDEX]
    assert weight_paths(paths, index={"weight_map": {"a": "part-a.safetensors"}}) == ["part-a.safetensors"]
    assert weight_paths(["out-00001-of-00002.safetensors", INDEX]) == ["out-00001-of-00002.safetensors"]


def test_an_index_cannot_lead_out_of_the_folder() -> None:
    paths = ["../../evil.safetensors", "model.safetensors", INDEX]
    assert weight_paths(paths, index={"weight_map": {"a": "../../evil.safetensors"}}) == []


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(None, id="no index"),
        pytest.param({}, id="no weight_map"),
        pytest.param({"weight_map": ["a"]}, id="a list"),
        pytest.param({"weight_map": {"a": 1}}, id="numbers"),
    ],
)
def test_a_broken_index_names_nothing(index: dict[str, object] | None) -> None:
    assert indexed_shards(index) == set()


def test_pickle_is_fetched_only_where_it_is_allowed_and_nothing_else_is_there() -> None:
    pickled = ["config.json", "pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json", "training_args.bin"]
    assert wanted_paths(pickled, allow_pickle=True) == pickled[:3]
    assert wanted_paths([*pickled, "model.safetensors"], allow_pickle=True) == ["config.json", "model.safetensors"]


def test_code_is_fetched_only_where_it_is_allowed() -> None:
    paths = ["modeling_own.py", "scripts/train.py", "model.safetensors"]
    assert wanted_paths(paths, allow_remote_code=True) == ["model.safetensors", "modeling_own.py"]
