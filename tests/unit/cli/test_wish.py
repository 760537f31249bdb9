import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.api.v1alpha1 import AcceleratorKind, AcceleratorPolicy, KVCachePrecision, Precision, Task
from genmodel_operator.cli import plan_parser
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.wish import name_of, wished_model
from tests.crd_samples import MODEL, manifest


def a_file(folder: Path, *documents: dict[str, Any]) -> str:
    file = folder / "model.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return str(file)


def test_a_repository_alone_is_a_model_with_the_defaults() -> None:
    model = wished_model("Qwen/Qwen3-8B", None, {})
    assert (model.metadata.name, model.spec.model, model.spec.revision) == ("qwen3-8b", "Qwen/Qwen3-8B", "main")


def test_options_are_fields_of_the_spec() -> None:
    options = {
        "revision": "v1", "task": "Embed", "precision": "FP8", "kv_cache_precision": "FP8", "max_model_len": 4096,
        "concurrency": 8, "accelerator": "GPU", "policy": "LargestContext", "endpoint": "http://hub", "gpu": ["l4"],
    }  # fmt: skip
    spec = wished_model("a/b", None, options).spec
    assert (spec.revision, spec.task, spec.precision) == ("v1", Task.EMBED, Precision.FP8)
    assert spec.kv_cache_precision is KVCachePrecision.FP8
    assert (spec.context.max_model_len, spec.context.concurrency) == (4096, 8)
    assert (spec.accelerator.kind, spec.accelerator.policy) == (AcceleratorKind.GPU, AcceleratorPolicy.LARGEST_CONTEXT)
    assert spec.source is not None
    assert spec.source.hub is not None
    assert spec.source.hub.endpoint == "http://hub"


def test_options_go_before_the_manifest_and_leave_the_rest_of_it(tmp_path: Path) -> None:
    file = a_file(tmp_path, manifest("m", context={"maxModelLen": 4096, "concurrency": 2}, precision="Float16"))
    model = wished_model(None, file, {"max_model_len": 8192, "concurrency": None})
    assert (model.metadata.name, model.spec.model, model.spec.precision) == ("m", MODEL, Precision.FLOAT16)
    assert (model.spec.context.max_model_len, model.spec.context.concurrency) == (8192, 2)


def test_a_manifest_may_be_json(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps(manifest("m")))
    assert wished_model(None, str(file), {}).metadata.name == "m"


@pytest.mark.parametrize(
    ("repository", "spec", "options", "want"),
    [
        pytest.param("llama", None, {}, "REPO 'llama': must be org/name as on the Hub", id="no organisation"),
        pytest.param("a/b", None, {"max_model_len": 8}, "--max-model-len 8: ", id="too short"),
        pytest.param("a/b", None, {"concurrency": 5000}, "--concurrency 5000: ", id="too many"),
        pytest.param("a/b", None, {"revision": "a..b"}, "--revision a..b: must be one branch", id="a range"),
        pytest.param("a/b", None, {"endpoint": "hub"}, "--endpoint hub: must be an address", id="no address"),
        pytest.param(
            "a/b",
            None,
            {"accelerator": "CPU", "kv_cache_precision": "FP8"},
            "spec: kvCachePrecision FP8 needs a GPU",
            id="wishes that exclude each other",
        ),
        pytest.param(
            None, {"context": {"maxModelLen": 8}}, {}, "model.yaml: spec.context.maxModelLen: '8'", id="in the manifest"
        ),
        pytest.param(
            None,
            {"accelerator": {"products": ["NVIDIA-L4"]}},
            {"accelerator": "CPU"},
            "products and count choose GPUs and cannot be set with kind CPU",
            id="an option against the manifest",
        ),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, repository: str | None, spec: dict[str, Any] | None, options: dict[str, Any], want: str
) -> None:
    file = a_file(tmp_path, manifest("m", **spec)) if spec is not None else None
    with pytest.raises(CommandError) as refused:
        wished_model(repository, file, options)
    assert want in str(refused.value)
    assert refused.value.exit_code == 2


def test_one_model_at_a_time(tmp_path: Path) -> None:
    file = a_file(tmp_path, manifest("one"), manifest("two"))
    with pytest.raises(CommandError, match=r"-f .*model.yaml: holds 2 models \(one, two\); plan takes one at a time"):
        wished_model(None, file, {})


@pytest.mark.parametrize(
    ("repository", "want"),
    [
        pytest.param("mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b-instruct-v0-3", id="as it is"),
        pytest.param("a/01-ai", "m-01-ai", id="a digit first"),
        pytest.param(f"a/{'x' * 60}", "x" * 52, id="too long"),
        pytest.param("a/_b_", "b", id="underscores"),
    ],
)
def test_the_name_is_one_that_an_object_may_have(repository: str, want: str) -> None:
    assert name_of(repository) == want


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (plan_parser.TASKS, Task),
        (plan_parser.PRECISIONS, Precision),
        (plan_parser.CACHE_PRECISIONS, KVCachePrecision),
        (plan_parser.KINDS, AcceleratorKind),
        (plan_parser.POLICIES, AcceleratorPolicy),
    ],
    ids=["task", "precision", "cache precision", "kind", "policy"],
)
def test_the_options_know_the_values_of_the_api(listed: tuple[str, ...], known: type) -> None:
    assert list(listed) == [str(value) for value in known]  # type: ignore[attr-defined]
