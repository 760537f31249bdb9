"""The CustomResourceDefinition of ``GenerativeModel``, built from its pydantic models."""

from typing import Any

import yaml

from genmodel_operator.api import labels
from genmodel_operator.api.schema import Schema, structural_schema
from genmodel_operator.api.v1alpha1 import GenerativeModel, GenerativeModelSpec, GenerativeModelStatus

CRD_NAME = f"{labels.PLURAL}.{labels.GROUP}"
HEADER = "# Generated from operator/genmodel_operator/api/v1alpha1.py by `make generate`; do not edit.\n"

_UNOBSERVED = {"observedGeneration": -1}
"""Status of an object that nobody has looked at yet. Without it kstatus, and with it Helm and Flux, would take a model
that was just created for one that is done."""
_API_VERSION_TEXT = f"Version of this object's schema: {labels.API_VERSION}."
_KIND_TEXT = f"Kind of this object: {labels.KIND}."


def build_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition as a dictionary."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": labels.GROUP,
            "names": {
                "kind": labels.KIND,
                "listKind": f"{labels.KIND}List",
                "plural": labels.PLURAL,
                "singular": labels.KIND.lower(),
                "shortNames": ["gm"],
                "categories": ["all", "ai"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def to_yaml(crd: dict[str, Any]) -> str:
    """Return the definition as YAML, the same text for the same definition."""
    return HEADER + yaml.dump(crd, Dumper=_PlainDumper, sort_keys=False, width=110, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts in full: no anchors, which readers of a CRD do not expect."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _version() -> dict[str, Any]:
    return {
        "name": labels.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root_schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": _columns(),
        "selectableFields": [{"jsonPath": ".spec.model"}],
    }


def root_schema() -> Schema:
    """Return the schema of a whole object; of the metadata only what the API server allows there."""
    rules = [rule.as_schema() for rule in GenerativeModel.rules]
    return {
        "description": GenerativeModel.__doc__,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": _API_VERSION_TEXT, "type": "string"},
            "kind": {"description": _KIND_TEXT, "type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(GenerativeModelSpec),
            "status": {**_relaxed(structural_schema(GenerativeModelStatus)), "default": _UNOBSERVED},
        },
        "x-kubernetes-validations": rules,
    }


def _relaxed(schema: Schema) -> Schema:
    """Return a status schema without defaults inside, and with required fields only in keyed lists.

    Only the operator writes the status. A default there would be written by the API server and
    then belong to nobody; a field that a later version requires would make the stored status
    invalid, and with it every change of the spec.
    """
    result = {key: value for key, value in schema.items() if key not in ("default", "required")}
    if "properties" in result:
        result["properties"] = {name: _relaxed(member) for name, member in result["properties"].items()}
    if "items" in result:
        items = _relaxed(result["items"])
        if "x-kubernetes-list-map-keys" in result:
            items["required"] = schema["items"]["required"]
        result["items"] = items
    return result


def _column(name: str, path: str, text: str, *, kind: str = "string", is_wide: bool = False) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path, "description": text}
    return column | ({"priority": 1} if is_wide else {})


def _columns() -> list[dict[str, Any]]:
    return [
        _column("Model", ".spec.model", "Hub repository"),
        _column("Commit", ".status.display.commit", "Pinned commit"),
        _column("Accelerator", ".status.display.accelerator", "What one replica runs on"),
        _column("Replicas", ".status.display.replicas", "Ready and desired replicas"),
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the desired revision serves"),
        _column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not"),
        _column("URL", ".status.endpoint.url", "OpenAI-compatible base URL inside the cluster"),
        _column("Age", ".metadata.creationTimestamp", "Time since creation", kind="date"),
        _column("Precision", ".status.model.precision", "Number format of the weights as stored", is_wide=True),
        _column("Context", ".status.plan.maxModelLen", "Tokens per request", kind="integer", is_wide=True),
        _column("Revision", ".status.revision.current", "Desired revision", is_wide=True),
    ]
