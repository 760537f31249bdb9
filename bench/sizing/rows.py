"""Logged starts as requests for an estimate: what each row says, what it leaves open.

Only general readings of the columns' wording, nothing keyed to a row.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.sizing.configs import DATA, find_config

_TYPICAL_TOTALS = (
    (r"H100 94GB", 93.1), (r"GH200 96GB", 94.5), (r"H100", 79.19), (r"A100.?80", 79.25), (r"A100.?40", 39.4),
    (r"H20 141", 139.7), (r"H20", 95.0), (r"H200", 139.8), (r"L40S", 44.4), (r"A6000", 47.4), (r"A10G?\b", 22.07),
    (r"L4\b", 22.0), (r"\bT4\b", 14.56), (r"RTX 3090", 23.56), (r"RTX 4090", 23.5), (r"RTX 5090", 31.36),
    (r"RTX 5070 Ti", 15.5), (r"RTX PRO 6000", 94.97), (r"GB10", 121.7), (r"B200", 178.35), (r"V100", 15.77),
    (r"48GB NVIDIA", 44.4), (r"MI300X", 191.7),
)  # fmt: skip
"""What torch sees of a product where the row does not log it, in GiB: the smallest of the rows that do."""
_SOME_TOTAL, _SOME_RELEASE = 79.19, "0.11.0"
"""For rows that name neither: their weights and the tokens of their cache depend on them little or not."""
_RELEASE = re.compile(r"\d+\.\d+(?:\.\d+)*(?:\.?(?:rc|dev)\d*)*")
_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the server wrote; None where the source does not say."""

    weights_gib: float | None
    activation_gib: float | None
    non_torch_gib: float | None
    kv_cache_gib: float | None
    kv_tokens: int | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One logged start.

    Attributes:
        request: for the estimate; None where the model or the release is not known.
        is_old: from before 0.8, or with the engine V0, which counts otherwise.
        is_exact: the model's configuration was read from a file.
        open_inputs: inputs that change the result and that the row leaves open.
        mechanisms: what is special about the model or the server.
        about_memory: whether the outcome is one of memory and layout; other failures are no estimate's matter.
        has_device: the row names a device or its total; without one there is no budget to compare.
        any_length: the engine chose the length that fits ("max-model-len auto"), or the row does not say which was
            asked for: the longest that fits is what it was served with.
        needed_gib: what the engine said that one request of the wanted length needs.

    """

    id: str
    model: str
    request: dict[str, Any] | None
    is_old: bool
    is_exact: bool
    open_inputs: tuple[str, ...]
    mechanisms: tuple[str, ...]
    logged: Logged
    about_memory: bool
    has_device: bool
    any_length: bool = False
    needed_gib: float | None = None


def read_rows(path: Path = DATA / "ground_truth.csv") -> list[Row]:
    """Return the rows of a file with the columns of ``ground_truth.csv``."""
    with path.open(newline="") as file:
        return [read_row(record) for record in csv.DictReader(file)]


def read_row(record: dict[str, str]) -> Row:
    """Return one row."""
    release, is_range = read_release(record["vllm_version"])
    known = find_config(record["model"], record["dtype_or_quant"])
    total, is_typical = read_total(record["gpu"])
    old = is_old(record["vllm_version"], release)
    request = None
    if known is not None and not old:
        request = {
            "id": record["id"],
            "model": {"id": record["model"], "config": known.config, "parameters": known.parameters, "tensors": None},
            "gpu": {"product": record["gpu"].split(",")[0], "memory_gib": total or _SOME_TOTAL},
            "vllm_version": release or _SOME_RELEASE,
            **_flags(record),
        }
    return Row(
        id=record["id"],
        model=record["model"],
        request=request,
        is_old=old,
        is_exact=known is not None and known.exact and _is_named(record),
        open_inputs=tuple(_open_inputs(record, is_typical=is_typical, is_range=is_range)),
        mechanisms=() if known is None else tuple(_mechanisms(known.config, record)),
        logged=_logged(record),
        about_memory=record["outcome"] != "error" or "Mamba" in record["note"],
        has_device=total is not None,
        any_length=_is_auto(record) or not record["max_model_len"],
        needed_gib=_needed_gib(record["note"]),
    )


def read_release(text: str) -> tuple[str | None, bool]:
    """Return the release and whether it is only a range: the first of one; of "<0.21" the last before."""
    found = _RELEASE.search(text)
    if found is None:
        return None, True
    release = found[0]
    if text.startswith("<"):
        return f"0.{int(release.split('.')[1]) - 1}.0", True
    is_range = re.match(r"\d+\.\d+(\.\d+)*([-+]\d|\+|\.x|x)", text) is not None or text.startswith(">")
    return (f"{release}.dev0" if re.match(r"\d+\.\d+(\.\d+)?-dev", text) else release), is_range


def is_old(text: str, release: str | None) -> bool:
    """Whether the row is from before 0.8, from the engine V0, or from another engine than vLLM's for GPUs."""
    if "V0" in text or "ascend" in text:
        return True
    return release is not None and int(release.split(".")[1]) < 8


def read_total(gpu: str) -> tuple[float | None, bool]:
    """Return the device's total in GiB as torch sees it, and whether it is the product's usual one, not the logged."""
    logged = re.search(r"([\d.]+) GiB(?! total\))", gpu)
    if logged is not None and "nvidia-smi" not in gpu:
        return float(logged[1]), False
    named = [
        next((gib for pattern, gib in _TYPICAL_TOTALS if re.search(pattern, part)), None) for part in gpu.split("+")
    ]
    return min((gib for gib in named if gib is not None), default=None), True


def _flags(record: dict[str, str]) -> dict[str, Any]:
    note, scheme = record["note"], record["dtype_or_quant"]
    drafted = re.search(r"\bmtp(?: speculative)?(?: (\d+))?", note, re.IGNORECASE)
    has_drafts = drafted is not None and not re.search(r"\b(no|without) MTP", note)
    expert_parallel = re.search(r"\bEP\d*\b", note) is not None
    replicas = re.search(r"\bDP(\d+)", note)
    return {
        "dtype": _DTYPES.get(scheme.split(" ")[0]),
        "quantization": _online(scheme),
        "kv_cache_dtype": _cache_dtype(note),
        "tensor_parallel_size": _tensor_parallel(record),
        "pipeline_parallel_size": _count(record["pp"]) or 1,
        "data_parallel_size": int(replicas[1]) if replicas else 1,
        "enable_expert_parallel": expert_parallel,
        "gpu_memory_utilization": _number(record["gpu_memory_utilization"]),
        "max_model_len": None if _is_auto(record) else _count(record["max_model_len"]),
        "max_num_seqs": _count(record["max_num_seqs"]) or _noted(r"max_num_seqs \(?(\d+)", note),
        "max_num_batched_tokens": _noted(r"max[_-]num[_-]batched[_-]tokens (\d+)", note),
        "block_size": _noted(r"\bblock-size (\d+)", note),
        "enforce_eager": re.search(r"\b(enforce_)?eager\b", note) is not None,
        "enable_prefix_caching": True if re.search(r"prefix caching on", note) else None,
        "num_speculative_tokens": (int(drafted[1] or 1) if drafted is not None and has_drafts else 0),
    }


def _is_auto(record: dict[str, str]) -> bool:
    """Whether the engine chose the length, so that the row's is a result and no input."""
    return re.search(r"max[_-]model[_-]len (auto|-1)\b", record["note"]) is not None


def _needed_gib(note: str) -> float | None:
    found = re.search(r"([\d.]+) GiB needed", note)
    return float(found[1]) if found else None


def _tensor_parallel(record: dict[str, str]) -> int:
    """Return the size, for one that is only bounded ("TP>=3") the next power of two, 1 where nothing is said."""
    stated = _count(record["tp"])
    if stated is not None:
        return stated
    least = _noted(r"\bTP>=(\d+)", record["note"]) or 1
    return int(1 << (least - 1).bit_length())


def _online(scheme: str) -> str | None:
    found = re.search(r"online --quantization (\w+)", scheme)
    return found[1] if found else None


def _cache_dtype(note: str) -> str | None:
    found = re.search(r"\bkv (fp8\w*)|\b(nvfp4) KV|\b(fp8_ds_mla)", note)
    return next((group for group in found.groups() if group), None) if found else None


def _open_inputs(record: dict[str, str], *, is_typical: bool, is_range: bool) -> Iterable[str]:
    note = record["note"]
    if is_range:
        yield "vllm_version"
    if is_typical or "total taken" in note:
        yield "device total"
    if not record["tp"]:
        yield "tensor_parallel_size"
    if not record["gpu_memory_utilization"]:
        yield "gpu_memory_utilization"
    if not record["max_model_len"] and not _is_auto(record):
        yield "max_model_len"
    batch = ("max_num_seqs", record["max_num_seqs"]), ("max_num_batched_tokens", "batched" in note)
    yield from (name for name, given in batch if not given and "defaults" not in note)
    if "drafter" in note or "dflash" in note:
        yield "draft model"
    if "partition" in note:
        yield "layers of each stage"
    if _is_contradictory(record):
        yield "gpu_memory_utilization (the logged parts do not add up to it)"


def _is_contradictory(record: dict[str, str]) -> bool:
    """Whether weights, activation, non-torch memory and cache are not the share of the device that the row states."""
    total, is_typical = read_total(record["gpu"])
    release, _ = read_release(record["vllm_version"])
    names = ("model_load_gib_per_gpu", "activation_peak_gib", "non_torch_gib", "kv_cache_gib")
    parts = [_number(record[name]) for name in names]
    share = _number(record["gpu_memory_utilization"])
    if total is None or is_typical or share is None or None in parts or release is None:
        return False
    pays_for_graphs = int(release.split(".")[1]) >= 21
    return not pays_for_graphs and abs(share * total - sum(part for part in parts if part is not None)) > 0.3


def _is_named(record: dict[str, str]) -> bool:
    """Whether the row names the model itself, not a class of models or a guess."""
    return re.search(r"\b(class|inferred|fine-tune|small model|cut to)\b", record["model"]) is None


def _mechanisms(config: dict[str, Any], record: dict[str, str]) -> Iterable[str]:
    text = config.get("text_config", config)
    yield (
        "MoE"
        if any(
            text.get(name) for name in ("num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_tok")
        )
        else "dense"
    )
    if text.get("kv_lora_rank"):
        yield "MLA"
    if text.get("compress_ratios"):
        yield "compressed attention"
    if any(text.get(name) for name in ("linear_num_key_heads", "mamba_num_heads", "hybrid_override_pattern")):
        yield "state"
    if (
        text.get("sliding_window_pattern")
        or "sliding_attention" in text.get("layer_types", ())
        or "attention_chunk_size" in text
    ):
        yield "hybrid"
    if config.get("quantization_config") or _online(record["dtype_or_quant"]):
        yield "quantised"
    if config.get("vision_config"):
        yield "vision"
    if record["tp"] not in ("", "1"):
        yield "TP"
    if record["pp"] not in ("", "1"):
        yield "PP"


def _logged(record: dict[str, str]) -> Logged:
    """Return the figures; those of one pipeline stage only where they are of the rank that the estimate answers for."""
    first_stage = "rank0 (stage 0)" in record["note"]
    return Logged(
        weights_gib=_number(record["model_load_gib_per_gpu"]),
        activation_gib=None if first_stage else _number(record["activation_peak_gib"]),
        non_torch_gib=_number(record["non_torch_gib"]),
        kv_cache_gib=None if first_stage else _number(record["kv_cache_gib"]),
        kv_tokens=_count(record["kv_tokens"]),
        outcome=record["outcome"],
    )


def _noted(pattern: str, note: str) -> int | None:
    found = re.search(pattern, note)
    return int(found[1]) if found else None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _count(text: str) -> int | None:
    return int(text) if text else None
