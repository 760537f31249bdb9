"""What is to be planned: a manifest, or the options that stand for its fields, or both."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.input import NO_UID, CommandError, explain_finding, read_models

Path = tuple[str, ...]

OPTIONS: Mapping[str, Path] = {
    "revision": ("revision",),
    "task": ("task",),
    "precision": ("precision",),
    "kv_cache_precision": ("kvCachePrecision",),
    "max_model_len": ("context", "maxModelLen"),
    "concurrency": ("context", "concurrency"),
    "accelerator": ("accelerator", "kind"),
    "policy": ("accelerator", "policy"),
    "endpoint": ("source", "hub", "endpoint"),
}
"""Options and the field of the spec that each of them sets; they go before what a manifest says."""


def wished_model(repository: str | None, manifest: str | None, options: Mapping[str, Any]) -> GenerativeModel:
    """Return the model that a manifest describes, or a repository alone, with the options set.

    Raises ``CommandError`` that names the option or the field, its value and what is wrong.
    """
    base = _of_manifest(manifest) if manifest else _of_repository(repository or "")
    spec: dict[str, Any] = base["spec"]
    said = {name: value for name, value in options.items() if name in OPTIONS and value is not None}
    for name, value in said.items():
        _put(spec, OPTIONS[name], value)
    try:
        return GenerativeModel.model_validate_json(json.dumps(base), strict=True)
    except ValidationError as error:
        where = f"{manifest}: " if manifest else ""
        lines = dict.fromkeys(_finding(finding, said, where) for finding in error.errors())
        raise CommandError(*lines) from error


def _of_manifest(filename: str) -> dict[str, Any]:
    models: Sequence[GenerativeModel] = read_models(filename, None)
    if len(models) > 1:
        names = ", ".join(model.metadata.name for model in models)
        raise CommandError(f"-f {filename}: holds {len(models)} models ({names}); plan takes one at a time")
    return models[0].model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"})


def _of_repository(repository: str) -> dict[str, Any]:
    metadata = {"name": name_of(repository), "namespace": "default", "uid": NO_UID}
    return {"metadata": metadata, "spec": {"model": repository}}


def name_of(repository: str) -> str:
    """Return a name that an object for this repository may have."""
    words = re.sub(r"[^a-z0-9]+", "-", repository.rpartition("/")[2].lower()).strip("-")
    named = words if words[:1].isalpha() else f"m-{words}"
    return named[:52].rstrip("-")


def _put(spec: dict[str, Any], path: Path, value: Any) -> None:
    for part in path[:-1]:
        spec = spec.setdefault(part, {})
    spec[path[-1]] = value


def _finding(finding: ErrorDetails, said: Mapping[str, Any], where: str) -> str:
    path = tuple(str(part) for part in finding["loc"] if part != "spec")
    for name, value in said.items():
        if OPTIONS[name] == path:
            return f"--{name.replace('_', '-')} {value}: {finding['msg']}"
    if path == ("model",) and not where:
        hint = "; a folder or config.json of your own starts with ./ or /"
        return f"REPO {finding['input']!r}: {finding['msg']}{hint}"
    return f"{where}{explain_finding(finding)}"
