"""From the Hub's answers to facts, or to the reason why the model is not served."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmodel_operator.api.reasons import TABLE, Reason
from genmodel_operator.hub.document import facts_from_json, facts_to_json
from genmodel_operator.hub.facts import ModelFacts, Refused, RepoFile, ServedTask
from genmodel_operator.hub.parse import (
    DOCUMENTS,
    check_servable,
    header_paths,
    parse_facts,
    read_document,
    select_files,
)
from genmodel_operator.hub.tensors import decode_header, header_length
from tests.fakes.hub_models import (
    BERT_CONFIG,
    LLAMA_CONFIG,
    as_json,
    bert_files,
    llama_files,
    safetensors_file,
    without,
)
from tests.fakes.hub_store import Blob

COMMIT = "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"
INFO: Mapping[str, Any] = {
    "id": "acme/tiny",
    "sha": COMMIT,
    "gated": False,
    "private": False,
    "pipeline_tag": "text-generation",
    "cardData": {"license": "apache-2.0"},
    "tags": ["license:mit"],
}
CONFIGS: Mapping[str, Any] = json.loads(Path(__file__).with_name("configs.json").read_text())


def parse(files: Mapping[str, bytes], **info: Any) -> ModelFacts:
    """Facts from the files of a commit, as the client would read them."""
    tree = [RepoFile(path, len(content), Blob(content).git_id) for path, content in files.items()]
    documents = {path: read_document(path, files[path]) for path in DOCUMENTS if path in files}
    headers = {path: header_of(files[path]) for path in header_paths(tree, documents)}
    return parse_facts(info={**INFO, **info}, tree=tree, documents=documents, headers=headers)


def header_of(content: bytes) -> dict[str, Any]:
    length = header_length(content[:8], len(content))
    return decode_header(content[8 : 8 + length], len(content))


LLAMA = llama_files()
NOT_TEXT = {
    "field": "spec.model",
    "wanted": "Generate, Embed or Score",
    "change": "choose a text generation, embedding or reranking model",
}


def llama(**config: Any) -> dict[str, bytes]:
    return {**LLAMA, "config.json": as_json({**LLAMA_CONFIG, **config})}


def refusal(files: Mapping[str, bytes], **info: Any) -> Refused:
    with pytest.raises(Refused) as error:
        parse(files, **info)
    return error.value


def test_a_chat_model() -> None:
    facts = parse(LLAMA)
    assert (facts.repository, facts.commit) == ("acme/tiny", COMMIT)
    assert (facts.architecture, facts.model_type) == ("LlamaForCausalLM", "llama")
    assert (facts.task, facts.tasks) == (ServedTask.GENERATE, (ServedTask.GENERATE, ServedTask.EMBED))
    assert (facts.parameters, facts.weights_bytes) == (213_312, 426_624)
    assert (facts.stored_precision, facts.quantization, facts.max_context) == ("BFloat16", None, 512)
    assert (facts.license, facts.gated, facts.has_chat_template) == ("apache-2.0", False, True)
    assert facts.config == LLAMA_CONFIG
    assert [file.path for file in facts.files] == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert facts.download_bytes == sum(file.size_bytes for file in facts.files)


def test_shards_hold_the_same_as_one_file() -> None:
    one, two = parse(LLAMA), parse(llama_files(shards=2))
    assert {tensor.name for tensor in one.tensors} == {tensor.name for tensor in two.tensors}
    assert (one.parameters, one.weights_bytes) == (two.parameters, two.weights_bytes)
    assert len(two.files) == len(one.files) + 2


def test_an_embedding_model() -> None:
    facts = parse(bert_files(), pipeline_tag="sentence-similarity", cardData=None, tags=None)
    assert (facts.architecture, facts.tasks) == ("BertModel", (ServedTask.EMBED,))
    assert (facts.max_context, facts.stored_precision) == (32, "Float32")
    assert (facts.license, facts.has_chat_template) == (None, False)
    assert "1_Pooling/config.json" in [file.path for file in facts.files]
    assert facts.provenance["max_context"] == "sentence-transformers: max_seq_length"


def test_dense_layers_count_under_their_folders() -> None:
    dense = safetensors_file({"linear.weight": ("F32", (32, 32)), "linear.bias": ("F32", (32,))})
    files = {**bert_files(), "2_Dense/config.json": b"{}", "2_Dense/model.safetensors": dense}
    facts = parse({**files, "3_Dense/config.json": b"{}", "3_Dense/model.safetensors": dense})
    assert [tensor.name for tensor in facts.tensors[:2]] == ["2_Dense/linear.weight", "2_Dense/linear.bias"]
    assert facts.weights_bytes == parse(bert_files()).weights_bytes + 2 * 4 * (32 * 32 + 32)


@pytest.mark.parametrize(
    ("name", "want_precision", "want_quantization", "want_context", "want_task"),
    [
        pytest.param("BAAI/bge-large-en-v1.5", "BFloat16", None, 512, "Embed", id="an encoder"),
        pytest.param("Qwen/Qwen2.5-7B-Instruct", "BFloat16", None, 32768, "Generate", id="a chat model"),
        pytest.param("deepseek-ai/DeepSeek-V3", "FP8", "fp8", 163840, "Generate", id="stored as FP8"),
        pytest.param("openai/gpt-oss-20b", "INT4", "mxfp4", 131072, "Generate", id="stored as MXFP4"),
    ],
)
def test_published_configurations(
    name: str, want_precision: str, want_quantization: str | None, want_context: int, want_task: str
) -> None:
    weights = safetensors_file({"w": ("BF16", (4, 4))})
    facts = parse({"config.json": as_json(CONFIGS[name]), "model.safetensors": weights}, pipeline_tag=None)
    assert (facts.stored_precision, facts.quantization) == (want_precision, want_quantization)
    assert (facts.max_context, facts.task.value) == (want_context, want_task)


def test_a_language_model_with_pooling_is_an_embedding_model() -> None:
    modules = json.loads(bert_files()["modules.json"])
    files = {"config.json": as_json(CONFIGS["Qwen/Qwen3-Embedding-8B"]), "modules.json": as_json(modules)}
    facts = parse({**files, "model.safetensors": safetensors_file({"w": ("BF16", (4, 4))})})
    assert facts.tasks == (ServedTask.EMBED,)


def test_quantisation_settings_in_their_own_file() -> None:
    own = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}
    facts = parse({**LLAMA, "hf_quant_config.json": as_json(own)})
    assert (facts.quantization, facts.stored_precision) == ("modelopt", "FP8")


@pytest.mark.parametrize(
    ("info", "want"),
    [
        pytest.param({"cardData": {"license": "mit"}}, "mit", id="from the card"),
        pytest.param({"cardData": {"license": ["mit", "apache-2.0"]}}, "mit, apache-2.0", id="several"),
        pytest.param({"cardData": {"license": "other", "license_name": "acme-1"}}, "acme-1", id="one with a name"),
        pytest.param({"cardData": {"license": "other"}}, "other", id="one without a name"),
        pytest.param({"cardData": {}, "tags": ["a", "license:gemma"]}, "gemma", id="from the tags"),
        pytest.param({"cardData": None, "tags": None}, None, id="none"),
    ],
)
def test_the_licence_is_read(info: dict[str, Any], want: str | None) -> None:
    assert parse(LLAMA, **info).license == want


def test_the_chat_template_is_found() -> None:
    bare = without(LLAMA, "tokenizer_config.json")
    assert not parse(bare).has_chat_template
    facts = parse({**bare, "chat_template.jinja": b"{{ tools }}"})
    assert (facts.has_chat_template, facts.chat_template) == (True, "{{ tools }}")


BARE = without(LLAMA, "model.safetensors")
INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("files", "want_reason", "want_values"),
    [
        pytest.param(
            {**BARE, "pytorch_model.bin": b"x", "training_args.bin": b"x"},
            Reason.PICKLE_ONLY,
            {"example": "pytorch_model.bin"},
            id="pickle only",
        ),
        pytest.param({**BARE, "a/model.gguf": b"x"}, Reason.GGUF_ONLY, {"example": "a/model.gguf"}, id="GGUF only"),
        pytest.param({**BARE, "x.gguf": b"", "y.bin": b""}, Reason.GGUF_ONLY, {"example": "x.gguf"}, id="GGUF first"),
        pytest.param({**BARE, "training_args.bin": b"x"}, Reason.NO_WEIGHTS, {"commit": COMMIT}, id="no weights"),
        pytest.param({}, Reason.NO_WEIGHTS, {"commit": COMMIT}, id="an empty repository"),
        pytest.param(
            {**BARE, "consolidated.safetensors": b"", "params.json": b"{}"},
            Reason.NO_WEIGHTS,
            {"commit": COMMIT},
            id="another layout",
        ),
        pytest.param(
            {
                "adapter_config.json": as_json({"base_model_name_or_path": "acme/base"}),
                "adapter_model.safetensors": b"",
            },
            Reason.ADAPTER_REPOSITORY,
            {"base": "acme/base"},
            id="an adapter",
        ),
        pytest.param(
            {"adapter_config.json": b"{}", "adapter_model.bin": b""},
            Reason.ADAPTER_REPOSITORY,
            {"base": "another model"},
            id="an adapter that does not say of what",
        ),
        pytest.param(
            {"model_index.json": b"{}", "unet/diffusion_pytorch_model.safetensors": b""},
            Reason.TASK_UNSUPPORTED,
            NOT_TEXT | {"found": "image or video generation (a diffusers pipeline)"},
            id="a diffusers pipeline",
        ),
        pytest.param(
            llama(auto_map={"AutoConfig": "other/base--x.Y"}),
            Reason.REMOTE_CODE_ELSEWHERE,
            {"file": "config.json", "place": "other/base"},
            id="code of another repository",
        ),
        pytest.param(
            llama(speculators_config={"algorithm": "eagle3"}),
            Reason.DRAFT_MODEL,
            {"architecture": "LlamaForCausalLM"},
            id="a draft model",
        ),
        pytest.param(
            llama(model_type="medusa"), Reason.DRAFT_MODEL, {"architecture": "LlamaForCausalLM"}, id="medusa heads"
        ),
        pytest.param(
            llama(architectures=["LlamaForSequenceClassification"]),
            Reason.TASK_UNSUPPORTED,
            NOT_TEXT | {"found": "classification (LlamaForSequenceClassification)"},
            id="a classifier",
        ),
        pytest.param(
            {**bert_files(), "2_Dense/config.json": b"{}", "2_Dense/pytorch_model.bin": b"x"},
            Reason.PICKLE_ONLY,
            {"example": "2_Dense/pytorch_model.bin"},
            id="a dense layer as pickle",
        ),
    ],
)
def test_what_cannot_be_served_has_its_reason(
    files: dict[str, bytes], want_reason: Reason, want_values: dict[str, object]
) -> None:
    refused = refusal(files)
    assert (refused.reason, refused.values) == (want_reason, {"repository": "acme/tiny", **want_values})
    assert set(refused.values) == TABLE[want_reason].fields


def indexed(weight_map: object) -> dict[str, bytes]:
    return {**llama_files(shards=2), INDEX: as_json({"weight_map": weight_map})}


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
TWICE = safetensors_file({"w": ("BF16", (2,))})


@pytest.mark.parametrize(
    ("files", "want_file", "want_detail"),
    [
        pytest.param(without(LLAMA, "config.json"), "config.json", "the file is missing", id="no config"),
        pytest.param({**LLAMA, "config.json": b"[]"}, "config.json", "not a JSON object", id="a list"),
        pytest.param(llama(architectures=None), "config.json", "architectures is missing", id="no architectures"),
        pytest.param(llama(architectures=[]), "config.json", "architectures is missing", id="empty architectures"),
        pytest.param(llama(architectures=[1]), "config.json", "architectures is missing", id="wrong architectures"),
        pytest.param(llama(model_type=""), "config.json", "model_type is missing", id="no model_type"),
        pytest.param(
            llama(max_position_embeddings=None), "config.json", "max_position_embeddings is missing", id="no length"
        ),
        pytest.param(indexed({}), INDEX, "weight_map is missing or empty", id="an empty index"),
        pytest.param(
            indexed({"a": SHARDS[0], "b": "model-00003-of-00003.safetensors"}),
            INDEX,
            "it names model-00003-of-00003.safetensors, which is not in the repository",
            id="an index that names a missing shard",
        ),
        pytest.param(
            {**BARE, INDEX: as_json({"weight_map": {"a": SHARDS[0]}})},
            INDEX,
            "none of the files that it names is in the repository",
            id="an index without shards",
        ),
        pytest.param(
            indexed({"lm_head.weight": SHARDS[0], "nowhere": SHARDS[0]}),
            SHARDS[0],
            "tensor nowhere: the index names it, but it is not in the file",
            id="an index that names a missing tensor",
        ),
        pytest.param(
            {**BARE, SHARDS[0]: TWICE, SHARDS[1]: TWICE},
            "model*.safetensors",
            "tensor w: it is in 2 files",
            id="a tensor in two shards",
        ),
        pytest.param(
            {**BARE, "model.safetensors": safetensors_file({})},
            "model*.safetensors",
            "no tensor in any file",
            id="no tensors",
        ),
    ],
)
def test_wrong_metadata_is_named(files: dict[str, bytes], want_file: str, want_detail: str) -> None:
    refused = refusal(files)
    assert refused.reason is Reason.METADATA_INVALID
    assert refused.values == {"repository": "acme/tiny", "file": want_file, "detail": want_detail}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CONFIG_FIELDS = [
    *LLAMA_CONFIG,
    "quantization_config",
    "rope_scaling",
    "rope_parameters",
    "text_config",
    "auto_map",
    "model_max_length",
]


@given(
    config=st.dictionaries(st.sampled_from(CONFIG_FIELDS), JSON, max_size=4),
    info=st.dictionaries(st.sampled_from(["gated", "pipeline_tag", "cardData", "tags"]), JSON),
    extra=st.dictionaries(st.sampled_from([path for path in DOCUMENTS if path != "config.json"]), JSON, max_size=2),
)
@settings(max_examples=100)
def test_nonsense_of_any_kind_is_refused_or_read(
    config: dict[str, Any], info: dict[str, Any], extra: dict[str, Any]
) -> None:
    documents = {path: as_json(value) for path, value in extra.items()}
    with contextlib.suppress(Refused):
        facts = parse({**llama(**config), **documents}, **info)
        assert facts_from_json(facts_to_json(facts)) == facts


def test_a_header_that_does_not_fit_its_file_is_named() -> None:
    files = LLAMA
    tree = [RepoFile(path, 1000, "1" * 40) for path in files]
    headers = {"model.safetensors": header_of(files["model.safetensors"])}
    with pytest.raises(Refused) as error:
        parse_facts(info=INFO, tree=tree, documents={"config.json": dict(LLAMA_CONFIG)}, headers=headers)
    assert error.value.values["file"] == "model.safetensors"
    assert "its data ends after the file's 1000 bytes" in str(error.value)


def test_a_missing_header_is_named() -> None:
    tree = [RepoFile("model.safetensors", 1000, "1" * 40), RepoFile("config.json", 10, "2" * 40)]
    with pytest.raises(Refused, match="its header is missing"):
        parse_facts(info=INFO, tree=tree, documents={"config.json": dict(LLAMA_CONFIG)}, headers={})


def test_what_shows_early_is_refused_without_headers() -> None:
    tree = [RepoFile("model.safetensors", 1000, "1" * 40), RepoFile("config.json", 10, "2" * 40)]
    check_servable(info=INFO, tree=tree, documents={"config.json": dict(BERT_CONFIG)})
    with pytest.raises(Refused, match="'b' is no class of a file"):
        check_servable(info=INFO, tree=tree, documents={"config.json": {**LLAMA_CONFIG, "auto_map": {"a": "b"}}})


def test_files_are_selected_once_for_both_sides() -> None:
    tree = [RepoFile(path, 1, "1" * 40) for path in ("README.md", "model.safetensors", "config.json")]
    assert [file.path for file in select_files(tree, {})] == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("map_of_code", [{"AutoConfig": "own.Y"}, {}], ids=["named", "not named"])
def test_code_is_fetched_only_where_the_engine_has_to_run_it(map_of_code: dict[str, str]) -> None:
    facts = parse({**llama(auto_map=map_of_code), "own.py": b"pass", "part.py": b"pass"})
    assert facts.remote_code == ("config.json" if map_of_code else "")
    fetched = [file.path for file in facts.files if file.path.endswith(".py")]
    assert fetched == (["own.py", "part.py"] if map_of_code else [])
    assert facts_from_json(facts_to_json(facts)) == facts
