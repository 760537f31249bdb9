"""Facts as a JSON document: written once, read offline by ``genmodel render``."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from genmodel_operator.hub.facts import ModelFacts, RepoFile, ServedTask, Tensor

VERSION = 1
"""Form of the document; raised by a change that an older reader would misread."""


def facts_to_json(facts: ModelFacts) -> dict[str, Any]:
    """Return the facts as a JSON object; ``facts_from_json`` gives back an equal value."""
    plain = {field.name: getattr(facts, field.name) for field in fields(facts)}
    return plain | {
        "version": VERSION,
        "task": facts.task.value,
        "tasks": [task.value for task in facts.tasks],
        "config": dict(facts.config),
        "provenance": dict(facts.provenance),
        "added_tokens": list(facts.added_tokens),
        "files": [_file_to_json(file) for file in facts.files],
        "tensors": [_tensor_to_json(tensor) for tensor in facts.tensors],
    }


def facts_from_json(document: Mapping[str, Any]) -> ModelFacts:
    """Return the facts that a document holds.

    Raises ``ValueError`` that names what is wrong with it.
    """
    if document.get("version") != VERSION:
        raise ValueError(f"version: {document.get('version')!r} is not {VERSION}")
    known = {field.name for field in fields(ModelFacts)}
    unknown = sorted(set(document) - known - {"version"})
    if unknown:
        raise ValueError(f"{unknown[0]}: not a field of a facts document")
    values: dict[str, Any] = {name: document[name] for name in known & set(document)}
    try:
        return ModelFacts(**(values | _parsed(values)))
    except KeyError as error:
        raise ValueError(f"{error.args[0]}: missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a facts document: {error}") from error


def _parsed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": ServedTask(values["task"]),
        "tasks": tuple(ServedTask(task) for task in values["tasks"]),
        "config": dict(values["config"]),
        "files": tuple(_file(entry) for entry in values["files"]),
        "tensors": tuple(_tensor(entry) for entry in values["tensors"]),
        "added_tokens": tuple(values.get("added_tokens", ())),
    }


def _file_to_json(file: RepoFile) -> dict[str, Any]:
    plain: dict[str, Any] = {"path": file.path, "size_bytes": file.size_bytes, "blob_id": file.blob_id}
    return plain if file.sha256 is None else plain | {"sha256": file.sha256}


def _file(entry: Mapping[str, Any]) -> RepoFile:
    return RepoFile(entry["path"], int(entry["size_bytes"]), entry["blob_id"], entry.get("sha256"))


def _tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "size_bytes": tensor.size_bytes,
    }


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    shape: Sequence[int] = entry["shape"]
    return Tensor(entry["name"], entry["dtype"], tuple(int(side) for side in shape), int(entry["size_bytes"]))
