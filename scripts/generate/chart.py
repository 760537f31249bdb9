"""The generated parts of the chart: its CRD, and the values that are settings of the operator."""

import json
from collections.abc import Iterable
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from genmodel_operator.api.crd import HEADER, to_yaml
from genmodel_operator.api.schema import structural_schema
from genmodel_operator.settings import Settings

COMPUTED = frozenset({"runtime_image", "lease_name", "pod_monitors", "policy_file"})
"""Settings that the chart derives from other values."""
OWN_DOCUMENT = frozenset({"policy"})
"""Settings that are in a file of their own, which is read again without a restart."""
NARROWED: dict[str, dict[str, Any]] = {"httpPort": {"minimum": 1024}, "watchNamespaces": {"uniqueItems": True}}
"""Bounds of the chart alone: the pod must know its port and runs without root; each namespace has one Role."""
BEGIN = "# BEGIN settings (generated from operator/genmodel_operator/settings.py by `make generate`)\n"
END = "# END settings\n"

_CONDITION = "{{- if .Values.crds.enabled }}\n"
_KEEP = """  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
  labels:
    {{- include "genmodel.labels" . | nindent 4 }}
"""


def crd_template(crd: dict[str, Any]) -> str:
    """Return the chart's template of the CRD: switched by ``crds.enabled``, kept by ``crds.keep``."""
    text = to_yaml(crd).removeprefix(HEADER)
    if "{{" in text:
        raise ValueError("the CRD's text would be read as a template")
    name = f"  name: {crd['metadata']['name']}\n"
    before, _, after = text.partition(name)
    return f"{_CONDITION}{HEADER}{before}{name}{_KEEP}{after}{{{{- end }}}}\n"


def settings_template() -> str:
    """Return the templates that name the values which are settings, and those of them that have parts."""
    fields = {name: field for name, field in _fields(Settings).items() if name not in OWN_DOCUMENT}
    sections = [name for name, field in fields.items() if isinstance(field.default, BaseModel)]
    head = "{{/* Generated from operator/genmodel_operator/settings.py by `make generate`; do not edit. */}}\n"
    return head + _names("genmodel.settingsKeys", fields) + "\n" + _names("genmodel.settingsSections", sections)


def _names(template: str, names: Iterable[str]) -> str:
    keys = json.dumps([to_camel(name) for name in names])
    return f'{{{{- define "{template}" -}}}}\n{keys}\n{{{{- end -}}}}\n'


def values(current: str) -> str:
    """Return values.yaml with the block of settings written anew."""
    before, _, rest = current.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(_values_of(Settings, "")) + "\n" + END + after


def _values_of(model: type[BaseModel], indent: str) -> list[str]:
    lines: list[str] = []
    for name, field in _fields(model).items():
        lines.append(f"{indent}# {' '.join((field.description or '').split())}")
        key = to_camel(name)
        if isinstance(field.default, BaseModel):
            lines += [f"{indent}{key}:", *_values_of(type(field.default), indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {json.dumps(field.default)}")
    return lines


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {name: field for name, field in model.model_fields.items() if name not in COMPUTED}


def values_schema(source: str) -> str:
    """Return values.schema.json: the written part, and the settings with their bounds."""
    schema = yaml.safe_load(source)
    settings = structural_schema(Settings)
    schema["properties"] |= {
        name: member | NARROWED.get(name, {}) for name, member in _camel(settings)["properties"].items()
    }
    return json.dumps(_closed(schema), indent=2) + "\n"


def _camel(schema: dict[str, Any]) -> dict[str, Any]:
    """Name fields as values are named; helm fills in defaults from values.yaml, not from here."""
    result = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in result:
        members = {name: member for name, member in result["properties"].items() if name not in COMPUTED}
        result["properties"] = {to_camel(name): _camel(member) for name, member in members.items()}
    if isinstance(result.get("items"), dict):
        result["items"] = _camel(result["items"])
    if result.pop("x-kubernetes-int-or-string", False):
        result["type"] = ["integer", "string"]
    if isinstance(result.get("exclusiveMinimum"), bool):
        result["exclusiveMinimum"] = result.pop("minimum")
    return result


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Refuse unknown keys in every object that names its keys."""
    result = dict(schema)
    for container in ("properties", "$defs"):
        if container in result:
            result[container] = {name: _closed(member) for name, member in result[container].items()}
    if isinstance(result.get("items"), dict):
        result["items"] = _closed(result["items"])
    if "properties" in result:
        result["additionalProperties"] = False
    return result
