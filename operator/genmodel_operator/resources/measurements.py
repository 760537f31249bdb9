"""The ConfigMap in which measurements of running servers outlive them: one entry per kind of server."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genmodel_operator.api import labels
from genmodel_operator.api.base import to_wire
from genmodel_operator.resources.hashing import canonical_json, sha256_of
from genmodel_operator.resources.revision import Revision
from genmodel_operator.sizing.corrections import Figures, Measurement, Origin, Placement, plain_version
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plausibility import Estimate

ENTRY_FORMAT = 1
"""Layout of an entry; raised where an older operator would misread it."""
MOST_ENTRIES = 256
"""An entry takes 700 bytes and an object may have 1 MiB."""
COMPONENT = "measurements"
_ROUNDING_GIB = 0.006

_REACHES_NO_FIGURE = {
    "model", "revision", "source", "context", "accelerator", "cache", "access", "updatePolicy", "trust",
}  # fmt: skip
"""Spec fields that change no figure, or only by what a placement says. A field that is not named here
keeps measurements apart until somebody has thought about it."""


class _Entry(BaseModel):
    """One entry, as people read it in the ConfigMap."""

    model_config = ConfigDict(alias_generator=to_wire, populate_by_name=True, extra="ignore", allow_inf_nan=False)

    format: int
    measured_at: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}T")
    commit: str = Field(min_length=1)
    engine_version: str = Field(min_length=1)
    image: str
    options: str = ""
    product: str
    tensor_parallel: int = Field(ge=1)
    pipeline_parallel: int = Field(ge=1)
    dtype: str
    max_num_seqs: int = Field(ge=1)
    max_num_batched_tokens: int = Field(ge=1)
    quantization: str = ""
    kv_cache_dtype: str = ""
    weights_gib: float | None = Field(default=None, ge=0)
    activation_gib: float | None = Field(default=None, ge=0)
    non_torch_gib: float | None = Field(default=None, ge=0)
    cuda_graph_gib: float | None = Field(default=None, ge=0)
    kv_tokens: int | None = Field(default=None, ge=1)
    kv_cache_bytes: int | None = Field(default=None, ge=1)
    max_model_len: int | None = Field(default=None, ge=1)


def build_measurements(namespace: str, name: str, measurements: Iterable[Measurement]) -> dict[str, Any]:
    """Return the ConfigMap; of too many measurements the oldest are left out."""
    newest = sorted(measurements, key=lambda found: found.measured_at, reverse=True)[:MOST_ENTRIES]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                labels.NAME_KEY: "genmodel",
                labels.COMPONENT_KEY: COMPONENT,
                labels.MANAGED_BY_KEY: labels.MANAGED_BY,
                labels.PART_OF_KEY: "genmodel",
            },
        },
        "data": {entry_name(found): _entry_text(found) for found in newest},
    }


def is_ours(config_map: Mapping[str, Any]) -> bool:
    """Whether a live ConfigMap is the operator's own, and not one that had the name before."""
    own = config_map["metadata"].get("labels") or {}
    return bool(own.get(labels.MANAGED_BY_KEY) == labels.MANAGED_BY and own.get(labels.COMPONENT_KEY) == COMPONENT)


def entry_name(found: Measurement) -> str:
    """Return the name of a measurement's entry: its commit, for people, and what tells the kind of server."""
    key = sha256_of({"origin": asdict(found.origin), "placement": asdict(found.placement)})
    return f"{found.origin.commit[:12]}.{key[:16]}"


def _entry_text(found: Measurement) -> str:
    values = asdict(found.origin) | asdict(found.placement) | asdict(found.figures)
    entry = _Entry(format=ENTRY_FORMAT, measured_at=found.measured_at, **values)
    return canonical_json(entry.model_dump(mode="json", by_alias=True, exclude_none=True))


def parse_measurements(config_map: Mapping[str, Any]) -> tuple[list[Measurement], list[str]]:
    """Return what a live ConfigMap holds, and for each entry that is none of ours what is wrong with it."""
    found, problems = [], []
    for name, text in sorted((config_map.get("data") or {}).items()):
        try:
            measurement = _measurement(text)
        except ValueError as error:
            problems.append(f"{name}: {_first_line(error)}")
            continue
        if entry_name(measurement) == name:
            found.append(measurement)
        else:
            problems.append(f"{name}: it is not what its name says")
    return found, problems


def _measurement(text: str) -> Measurement:
    """Return the measurement of an entry; ``ValueError`` where it is none."""
    entry = _Entry.model_validate_json(text)
    if entry.format != ENTRY_FORMAT:
        raise ValueError(f"it has format {entry.format}, not {ENTRY_FORMAT}")
    values = entry.model_dump()
    return Measurement(
        origin=Origin(**{name: values[name] for name in Origin.__dataclass_fields__}),
        placement=Placement(**{name: values[name] for name in Placement.__dataclass_fields__}),
        figures=Figures(**{name: values[name] for name in Figures.__dataclass_fields__}),
        measured_at=entry.measured_at,
    )


def _first_line(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")
    return str(error)


def engine_options(inputs: Mapping[str, Any]) -> str:
    """Return a digest of what a revision's inputs pass on to the engine beside the plan; empty: nothing."""
    spec = {name: value for name, value in inputs["spec"].items() if name not in _REACHES_NO_FIGURE}
    return sha256_of(spec)[:12] if spec else ""


def measurement_from(revision: Revision, document: Mapping[str, Any], *, now: str) -> Measurement | None:
    """Return what a pod of this revision tells of itself in its status document; None where it tells nothing.

    The document comes from the pod and may hold anything.
    """
    told, engine = document.get("measured"), document.get("engine")
    version = engine.get("version") if isinstance(engine, dict) else None
    if not isinstance(told, dict) or not isinstance(version, str) or not version:
        return None
    figures = Figures(
        weights_gib=_number(told, "weightsGiB"),
        activation_gib=_number(told, "activationGiB"),
        non_torch_gib=_number(told, "nonTorchGiB"),
        cuda_graph_gib=_number(told, "cudaGraphGiB"),
    )
    if (tokens := _number(told, "kvTokens")) is not None and revision.plan.kv_cache_bytes > 0:
        figures = replace(
            figures,
            kv_tokens=int(tokens),
            kv_cache_bytes=_cache_bytes(revision, _number(told, "kvCacheGiB")),
            max_model_len=revision.plan.max_model_len,
        )
    origin = Origin(
        commit=revision.model.commit,
        engine_version=plain_version(version),
        image=revision.engine_image,
        options=engine_options(revision.inputs),
    )
    return Measurement(origin=origin, placement=_placement(revision), figures=figures, measured_at=now)


def _cache_bytes(revision: Revision, told_gib: float | None) -> int:
    """Return the bytes of the cache: those that were asked for, unless the engine says it took others.

    What it says is rounded to hundredths of a GiB.
    """
    asked = revision.plan.kv_cache_bytes
    if told_gib is None or abs(told_gib - asked / GIB) <= _ROUNDING_GIB:
        return asked
    return int(told_gib * GIB)


def _placement(revision: Revision) -> Placement:
    plan = revision.plan
    return Placement(
        product=plan.product,
        tensor_parallel=plan.tensor_parallel,
        pipeline_parallel=plan.pipeline_parallel,
        dtype=plan.dtype,
        max_num_seqs=plan.max_num_seqs,
        max_num_batched_tokens=plan.max_num_batched_tokens,
        quantization=plan.quantization,
        kv_cache_dtype=plan.kv_cache_dtype,
    )


def _number(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def estimate_of(revision: Revision) -> Estimate:
    """Return what a revision's plan says of one device."""
    memory = revision.plan.memory
    return Estimate(
        total_gib=memory.total_gib,
        weights_gib=memory.weights_gib,
        activation_gib=memory.activation_gib,
        kv_tokens=revision.plan.kv_tokens,
    )
