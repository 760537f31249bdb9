"""Files that a user hands to a command: read strictly, refused by field, value and way out."""

import json
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from genmodel_operator.api import labels
from genmodel_operator.api.crd import root_schema
from genmodel_operator.api.v1alpha1 import GenerativeModel, GenerativeModelSpec

NO_UID = "00000000-0000-0000-0000-000000000000"
"""Stands for the uid of an object that does not exist yet."""


REFUSED = 3
"""Exit code: the Hub or the model refuses."""
NOTHING_FITS = 4
"""Exit code: no node can hold the model as the spec demands."""


class CommandError(Exception):
    """A command could not do its work; ``exit_code`` as the command line documents it."""

    def __init__(self, *lines: str, exit_code: int = 2) -> None:
        """Take what to tell the user, one line per finding."""
        self.lines = lines
        self.exit_code = exit_code
        super().__init__("; ".join(lines))


def read_models(filename: str, namespace: str | None) -> list[GenerativeModel]:
    """Return the models in a YAML or JSON file; ``-`` reads standard input.

    ``namespace`` is that of models that name none. Raises ``CommandError``.
    """
    found = [document for document in read_documents(filename) if document is not None]
    if not found:
        raise CommandError(f"{filename}: no object in this file")
    return [parse_model(document, filename=filename, namespace=namespace) for document in found]


def refuse_claim_source(model: GenerativeModel, otherwise: str) -> None:
    """Raise ``CommandError`` where the files are on a claim, which no command reads; ``otherwise`` is the way out."""
    source = model.spec.claim_source
    if source is not None:
        raise CommandError(
            f"spec.source.persistentVolumeClaim: the files are in {source.words}, which only pods can read; {otherwise}"
        )


def read_documents(filename: str) -> list[Any]:
    """Return the documents of a YAML or JSON file; raise ``CommandError`` where it is neither."""
    text = read_text(filename)
    try:
        return list(yaml.load_all(text, Loader=_PlainLoader))
    except yaml.YAMLError as error:
        raise CommandError(f"{filename}: no valid YAML: {' '.join(str(error).split())}") from error


def read_text(filename: str) -> str:
    """Return a file's text, or that of standard input for ``-``; raise ``CommandError``."""
    try:
        return sys.stdin.read() if filename == "-" else Path(filename).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{filename}: cannot be read: {error}") from error


class _PlainLoader(yaml.SafeLoader):
    """Reads what looks like a date as the text that it is, as the API server's clients do."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_model(document: Any, *, filename: str, namespace: str | None) -> GenerativeModel:
    """Return one model; raise ``CommandError`` with every finding where the API server would refuse it."""
    if not isinstance(document, Mapping):
        raise CommandError(f"{filename}: holds {type(document).__name__}, not an object with apiVersion and kind")
    findings = [*_wrong_kind(document), *_unknown_fields(document, _schema(), "")]
    if findings:
        raise CommandError(*(f"{filename}: {finding}" for finding in findings))
    metadata = {"namespace": namespace or "default", "uid": NO_UID, **_metadata(document, filename)}
    try:
        return GenerativeModel.model_validate_json(json.dumps({**document, "metadata": metadata}), strict=True)
    except ValidationError as error:
        findings = [explain_finding(finding) for finding in error.errors()]
        raise CommandError(*(f"{filename}: {finding}" for finding in findings)) from error


def parse_options(*, model: str, revision: str, endpoint: str | None) -> GenerativeModelSpec:
    """Return the spec that a command's own options describe; raise ``CommandError`` that names the option."""
    source = {"hub": {"endpoint": endpoint}} if endpoint else None
    try:
        return GenerativeModelSpec.model_validate({"model": model, "revision": revision, "source": source})
    except ValidationError as error:
        options = {"model": "REPO", "revision": "--revision", "source": "--endpoint"}
        raise CommandError(
            *(f"{options[str(finding['loc'][0])]} {finding['input']!r}: {finding['msg']}" for finding in error.errors())
        ) from error


@cache
def _schema() -> Mapping[str, Any]:
    return root_schema()


def _metadata(document: Mapping[str, Any], filename: str) -> Mapping[str, Any]:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        raise CommandError(f"{filename}: metadata.name: is missing; it names the model's Service")
    return metadata


def _wrong_kind(document: Mapping[str, Any]) -> Iterator[str]:
    for name, want in (("apiVersion", labels.API_VERSION), ("kind", labels.KIND)):
        if document.get(name) != want:
            yield f"{name}: {document.get(name)!r} is not {want}"


def _unknown_fields(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield every field that the schema does not know, with the nearest one that it does."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown_fields(item, schema.get("items", {}), f"{path}[{number}]")
    known = schema.get("properties")
    if not isinstance(value, Mapping) or known is None:
        return
    for name, member in value.items():
        inner = f"{path}.{name}" if path else str(name)
        if name in known:
            yield from _unknown_fields(member, known[name], inner)
        else:
            yield f"{inner}: unknown field; {_suggestion(str(name), list(known))}"


def _suggestion(name: str, known: list[str]) -> str:
    near = get_close_matches(name.lower(), [field.lower() for field in known], n=1, cutoff=0.6)
    if near:
        return f"did you mean {next(field for field in known if field.lower() == near[0])}?"
    return f"known here: {', '.join(known)}"


def explain_finding(finding: ErrorDetails) -> str:
    """Return one finding of a validation as ``field: value: what is wrong``."""
    path = ""
    for part in finding["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    if finding["type"] == "missing":
        return f"{path}: is missing"
    value = finding["input"]
    if isinstance(value, Mapping | list | GenerativeModel) or value is None or not path:
        return f"{path}: {finding['msg']}" if path else finding["msg"]
    return f"{path}: {str(value)[:200]!r}: {finding['msg']}"
