"""``genmodel plan``, ``status.plan`` and ``genmodel estimate`` say the same of one server."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.cli import main
from genmodel_operator.cli.facts_file import facts_text
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.resources.revision import freeze
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.plan import ServingPlan, plan_serving, plan_status
from tests.builders import a_model
from tests.builders_plan import an_inventory
from tests.builders_sizing import LLAMA_31_8B, LLAMA_33_70B, QWEN3_30B_A3B, QWEN_25_7B, facts_of

CASES = [
    pytest.param(LLAMA_31_8B, "l4:1", {}, id="one L4, context solved"),
    pytest.param(LLAMA_31_8B, "h100:1", {}, id="one H100, all of the context"),
    pytest.param(LLAMA_33_70B, "h100:8", {}, id="several H100"),
    pytest.param(LLAMA_33_70B, "a100-80gb:4", {"max_model_len": 16384, "concurrency": 3}, id="several requests"),
    pytest.param(QWEN_25_7B, "l40s:2", {"max_model_len": 32768}, id="heads that are repeated"),
    pytest.param(LLAMA_31_8B, "l4:1", {"kv_cache_precision": "FP8"}, id="a cache in FP8"),
    pytest.param(QWEN3_30B_A3B, "h100:2", {}, id="a mixture of experts"),
]


def said_by_plan(facts: ModelFacts, gpu: str, wishes: Mapping[str, Any], folder: Path, capsys: Any) -> dict[str, Any]:
    file = folder / "facts.json"
    file.write_text(facts_text(facts))
    options = [part for name, value in wishes.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = ["plan", "--facts", str(file), "--gpu", gpu, *options, "-o", "json"]
    with ThreadPoolExecutor(max_workers=1) as thread:
        assert thread.submit(main, command, {"HOME": "/nowhere"}).result() == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def said_by_status(facts: ModelFacts, gpu: str, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """What the operator would write, frozen in a revision first."""
    settings = Settings()
    context = {name: value for name, value in wishes.items() if name != "kv_cache_precision"}
    cache = wishes.get("kv_cache_precision", "Auto")
    model = a_model(model=facts.repository, context=context, kv_cache_precision=cache)
    plan = plan_serving(
        facts=facts, task=facts.task, spec=model.spec, inventory=an_inventory(gpu), policy=plan_policy(settings)
    )
    assert isinstance(plan, ServingPlan)
    revision = freeze(model, facts, facts.task, plan, settings, number=1)
    return plan_status(revision.plan, revision.overridden).model_dump(mode="json", by_alias=True, exclude_none=True)


def said_by_estimate(facts: ModelFacts, answer: Mapping[str, Any]) -> dict[str, Any]:
    plan, server, (group,) = answer["plan"], answer["server"], answer["nodes"]["groups"]
    tensors = [{"name": one.name, "dtype": one.dtype, "shape": list(one.shape)} for one in facts.tensors]
    request = {
        "id": "plan",
        "model": {"id": facts.repository, "config": facts.config, "tensors": tensors},
        "gpu": {"product": group["product"], "memory_gib": group["memoryGiB"]},
        "vllm_version": server["engineVersion"],
        "dtype": server["dtype"],
        "quantization": server["quantization"],
        "kv_cache_dtype": server["kvCacheDtype"],
        "tensor_parallel_size": plan["tensorParallel"],
        "max_model_len": plan["maxModelLen"],
        "max_num_seqs": server["maxNumSeqs"],
        "max_num_batched_tokens": server["maxNumBatchedTokens"],
        "gpu_memory_utilization": server["gpuMemoryUtilization"],
        "kv_cache_memory_bytes": server["kvCacheBytes"],
    }
    return estimate(request).document()


@pytest.mark.parametrize(("config", "gpu", "wishes"), CASES)
def test_plan_status_and_estimate_agree(
    config: dict[str, Any],
    gpu: str,
    wishes: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = replace(facts_of(config), repository="acme/model")
    answer = said_by_plan(facts, gpu, wishes, tmp_path, capsys)
    plan, server = answer["plan"], answer["server"]
    assert plan == said_by_status(facts, gpu, wishes)
    figures = said_by_estimate(facts, answer)
    assert figures["starts"] is True, figures
    memory = plan["memory"]
    assert figures["weights_gib_per_gpu"] == pytest.approx(memory["weightsGiB"], abs=0.006)
    assert figures["activation_gib"] == pytest.approx(memory["activationGiB"], abs=0.006)
    assert figures["kv_cache_gib"] == pytest.approx(memory["kvCacheGiB"], abs=0.006)
    assert figures["kv_tokens"] == server["kvTokens"]
    assert figures["max_concurrency"] == pytest.approx(plan["concurrency"], abs=0.01)
