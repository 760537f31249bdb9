"""Builders of models with the status that the operator writes, and of what a person is told about them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.cli.story import Story, parse
from genmodel_runtime.contract import CONTRACT
from tests.builders import A_COMMIT, A_UID

NOW = datetime(2026, 11, 24, 10, 10, 0, tzinfo=UTC)
BORN = "2026-11-24T10:00:00Z"
URL = "http://mistral.team-a.svc/v1"
GIB = 1024**3

FACTS: dict[str, Any] = {
    "repository": "mistralai/Mistral-7B-Instruct-v0.3",
    "commit": A_COMMIT,
    "architecture": "MistralForCausalLM",
    "task": "Generate",
    "license": "apache-2.0",
}
MEMORY = {
    "totalGiB": 22.02,
    "weightsGiB": 13.5,
    "kvCacheGiB": 5.1,
    "activationGiB": 0.42,
    "overheadGiB": 1.6,
    "marginGiB": 1.4,
}
PLAN: dict[str, Any] = {
    "accelerator": {"resource": "nvidia.com/gpu", "product": "NVIDIA-L4", "count": 1},
    "tensorParallel": 1,
    "maxModelLen": 32768,
    "concurrency": 1.3,
    "memory": MEMORY,
    "explanation": "arithmetic",
}


def a_condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """One condition of generation 1."""
    said = {"type": kind, "status": status, "reason": reason, "message": message or f"{reason} is the case"}
    return said | {"lastTransitionTime": BORN, "observedGeneration": 1}


def not_ready(reason: Reason, *, stalled: bool = False, **values: object) -> list[dict[str, Any]]:
    """The conditions of a model that does not serve for this reason."""
    message = explain(reason, **values)
    return [
        a_condition("Ready", "False", reason.value, message),
        a_condition("Stalled" if stalled else "Reconciling", "True", reason.value, message),
    ]


SERVING = [a_condition("Ready", "True", "Serving", f"1 of 1 replicas answer at {URL}")]


def a_raw_model(conditions: Sequence[dict[str, Any]] = (), *, name: str = "mistral", **changes: Any) -> dict[str, Any]:
    """A stored model; ``changes`` are of metadata, spec and status."""
    metadata = {"name": name, "namespace": "team-a", "uid": A_UID, "generation": 1, "creationTimestamp": BORN}
    status = {"observedGeneration": 1, "conditions": list(conditions)} if conditions else {}
    return {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": metadata | changes.get("metadata", {}),
        "spec": {"model": FACTS["repository"]} | changes.get("spec", {}),
        "status": status | changes.get("status", {}),
    }


PLANNED: dict[str, Any] = {
    "model": FACTS,
    "plan": PLAN,
    "endpoint": {"url": URL, "servedModelName": "mistral"},
    "display": {"commit": "e0bc86c", "accelerator": "1 x NVIDIA L4", "replicas": "1/1"},
    "readyReplicas": 1,
}


def a_story(raw: dict[str, Any], *pods: dict[str, Any], **more: Any) -> Story:
    """What there is to tell about a stored model ten minutes after it was made."""
    for pod in pods:
        pod["metadata"].setdefault("creationTimestamp", BORN)
    return Story(raw, parse(raw), pods, now=NOW, **more)


def a_download(done: int, total: int, **more: Any) -> dict[str, Any]:
    """A runtime's document while it downloads."""
    return {"contract": CONTRACT, "phase": "Downloading", "download": {"bytesDone": done, "bytesTotal": total, **more}}


def an_event(
    reason: str, note: str, *, kind: str = "Normal", at: str = "2026-11-24T10:09:15.000000Z"
) -> dict[str, Any]:
    """One Event about the model."""
    return {"reason": reason, "note": note, "type": kind, "eventTime": at}
