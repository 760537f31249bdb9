"""Schemas made of an API server's OpenAPI document: strict, and whole in themselves."""

import json
from pathlib import Path

from tests.scanners.schemas import file_name, write_schemas

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
DOCUMENT = {
    "definitions": {
        "Thing": {
            "type": "object",
            "properties": {
                "spec": {"$ref": "#/definitions/Spec"},
                "parts": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
            },
            "x-kubernetes-group-version-kind": [{"group": "apps.example", "version": "v1", "kind": "Thing"}],
        },
        "Spec": {"type": "object", "properties": {"size": {"$ref": f"#/definitions/{QUANTITY}"}}},
        QUANTITY: {"type": "string"},
        "Unused": {"type": "object"},
    }
}


def test_each_kind_has_a_strict_schema_with_all_that_it_refers_to(tmp_path: Path) -> None:
    assert write_schemas(DOCUMENT, tmp_path) == 1
    schema = json.loads((tmp_path / "thing-apps-v1.json").read_text())
    assert set(schema["definitions"]) == {"Thing", "Spec", QUANTITY}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["parts"]["items"]["additionalProperties"] is False
    assert "additionalProperties" not in schema["properties"]["free"]
    assert schema["definitions"]["Spec"]["additionalProperties"] is False
    assert schema["definitions"][QUANTITY] == {"type": ["string", "number"]}


def test_kinds_of_the_core_group_have_no_group_in_their_file_s_name() -> None:
    assert file_name(group="", version="v1", kind="Service") == "service-v1.json"
