"""Every configuration that the bench knows, as facts of a repository, and plans as requests for an estimate."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.sizing.configs import find_config
from genmodel_operator.hub.facts import ModelFacts, RepoFile, ServedTask, Tensor
from genmodel_operator.hub.tensors import stored_precision
from genmodel_operator.sizing.accelerators import Inventory, NodeGroup
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_operator.sizing.shape.model import Unsizable
from genmodel_operator.sizing.shape.read import read_dtype
from tests.builders import A_COMMIT

DATA = Path("bench/sizing/data/model_configs.json")
_WORDS = {"bfloat16": "BFloat16", "float16": "Float16", "float32": "Float32"}


def every_config() -> dict[str, dict[str, Any]]:
    """Each model's ``config.json`` by its repository."""
    names = [entry["repo_id"] for entry in json.loads(DATA.read_text())["models"]]
    found = {name: find_config(name, "") for name in names}
    return {name: known.config for name, known in found.items() if known is not None}


def facts_of_config(config: Mapping[str, Any], tensors: tuple[Tensor, ...] = (), **changes: Any) -> ModelFacts:
    """Facts of a repository with this configuration; what only headers tell is left open."""
    text = next((config[part] for part in ("text_config", "llm_config") if isinstance(config.get(part), dict)), config)
    declared = config.get("quantization_config") or text.get("quantization_config") or {}
    architecture = config["architectures"][0]
    task = ServedTask.EMBED if architecture.endswith("Model") else ServedTask.GENERATE
    values: dict[str, Any] = {
        "repository": "example/model",
        "commit": A_COMMIT,
        "architecture": architecture,
        "model_type": str(config.get("model_type", "")),
        "task": task,
        "tasks": (task,),
        "config": config,
        "files": (RepoFile("model.safetensors", 5_000_000_000, "2" * 40, "3" * 64),),
        "tensors": tensors,
        "parameters": 0,
        "weights_bytes": 0,
        "stored_precision": stored_precision((), declared) if declared else _WORDS[_dtype(config, text)],
        "quantization": declared.get("quant_method"),
        "max_context": text.get("max_position_embeddings") or 4096,
    }
    return ModelFacts(**values | changes)


def _dtype(config: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    try:
        return read_dtype(config, text)
    except Unsizable:
        return "bfloat16"


def group_of(plan: ServingPlan, inventory: Inventory) -> NodeGroup:
    """The group that a plan is for."""
    return next(group for group in inventory.groups if group.product == plan.product)


def as_request(plan: ServingPlan, facts: ModelFacts, group: NodeGroup, version: str) -> dict[str, Any]:
    """What ``genmodel estimate`` is asked with the explicit settings of a plan."""
    listed = [{"name": each.name, "dtype": each.dtype, "shape": list(each.shape)} for each in facts.tensors]
    return {
        "id": facts.repository,
        "model": {"id": facts.repository, "config": dict(facts.config), "tensors": listed or None},
        "gpu": {
            "product": group.product,
            "memory_gib": group.device_memory_gib,
            "interconnect": group.interconnect if group.interconnect in ("nvlink", "pcie") else None,
        },
        "vllm_version": version,
        "dtype": None if plan.dtype == "auto" else plan.dtype,
        "quantization": plan.quantization or None,
        "kv_cache_dtype": plan.kv_cache_dtype or None,
        "tensor_parallel_size": plan.tensor_parallel,
        "pipeline_parallel_size": plan.pipeline_parallel,
        "gpu_memory_utilization": plan.gpu_memory_utilization,
        "max_model_len": plan.max_model_len,
        "max_num_seqs": plan.max_num_seqs,
        "max_num_batched_tokens": plan.max_num_batched_tokens,
    }
