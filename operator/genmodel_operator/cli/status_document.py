"""A model's story as one JSON object: the fields are documented in docs/status.md and are not renamed."""

from dataclasses import asdict
from typing import Any

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.causes import is_ready
from genmodel_operator.cli.story import Story, event_time
from genmodel_operator.cli.verdict import State, download_of, pod_phase, pod_restarts, verdict_of

VERSION = 1


def story_document(story: Story) -> dict[str, Any]:
    """Return the whole story of one model."""
    download = download_of(story.model, story.runtimes)
    return {
        "version": VERSION,
        **model_document(story.model),
        "download": _download(asdict(download)) if download else None,
        "pods": [_pod(pod, story) for pod in story.pods],
        "events": [_event(event) for event in story.events],
        "notes": list(story.notes),
        "status": story.raw.get("status") or {},
    }


def models_document(models: list[GenerativeModel]) -> dict[str, Any]:
    """Return the verdict on each model."""
    return {"version": VERSION, "models": [model_document(model) for model in models]}


def model_document(model: GenerativeModel) -> dict[str, Any]:
    """Return the verdict on one model."""
    verdict, endpoint = verdict_of(model), model.status.endpoint
    return {
        "namespace": model.metadata.namespace,
        "name": model.metadata.name,
        "model": model.spec.model,
        "commit": model.status.model.commit if model.status.model else None,
        "state": verdict.state.value,
        "ready": verdict.state is State.READY,
        "reason": verdict.reason,
        "message": verdict.message,
        "url": endpoint.url if endpoint else None,
    }


def _download(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "bytesDone": found["bytes_done"],
        "bytesTotal": found["bytes_total"],
        "bytesPerSecond": found["bytes_per_second"],
        "secondsLeft": found["seconds_left"],
    }


def _pod(pod: dict[str, Any], story: Story) -> dict[str, Any]:
    metadata = pod["metadata"]
    return {
        "name": metadata["name"],
        "node": pod.get("spec", {}).get("nodeName"),
        "phase": pod_phase(pod, story.runtimes.get(metadata["name"], {})),
        "ready": is_ready(pod),
        "restarts": pod_restarts(pod),
        "createdAt": metadata["creationTimestamp"],
    }


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": event_time(event),
        "type": event.get("type"),
        "reason": event.get("reason"),
        "message": event.get("note"),
    }
