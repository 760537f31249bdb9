"""The generators of the chart's and the reference's files."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.api.crd import build_crd
from genmodel_operator.settings import Settings
from scripts.generate import chart, reference
from scripts.generate.__main__ import main, not_current, write
from scripts.generate.parsers import describe_parser

SOURCE = (Path(chart.__file__).parent / "values.schema.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads(chart.values_schema(SOURCE))


def test_all_files_are_current() -> None:
    assert main(["--check"]) == 0


def test_a_file_that_is_not_current_is_found_and_written(tmp_path: Path) -> None:
    files = {tmp_path / "a" / "new": "1\n", tmp_path / "old": "2\n", tmp_path / "same": "3\n"}
    (tmp_path / "old").write_text("1\n")
    (tmp_path / "same").write_text("3\n")
    assert [path.name for path in not_current(files)] == ["new", "old"]
    write(files)
    assert not_current(files) == []


def test_values_keep_what_people_wrote_around_the_settings() -> None:
    text = f"a: 1\n{chart.BEGIN}old: 1\n{chart.END}b: 2\n"
    written = yaml.safe_load(chart.values(text))
    assert (written["a"], written["b"], "old" in written) == (1, 2, False)
    assert written["engines"]["cpuMaxModelGib"] == Settings().engines.cpu_max_model_gib
    assert chart.values(chart.values(text)) == chart.values(text)


def leaves(settings: dict[str, Any]) -> int:
    own = {name: value for name, value in settings.items() if name not in chart.COMPUTED}
    return sum(len(value.keys() - chart.COMPUTED) if isinstance(value, dict) else 1 for value in own.values())


def test_every_setting_but_the_derived_ones_is_a_value() -> None:
    written = yaml.safe_load(chart.values(chart.BEGIN + chart.END))
    assert leaves(written) == leaves(Settings().model_dump())


def objects(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = [(path, schema)] if schema.get("type") == "object" else []
    for name, member in schema.get("properties", {}).items():
        found += objects(member, f"{path}.{name}")
    return found + (objects(schema["items"], f"{path}[]") if isinstance(schema.get("items"), dict) else [])


@pytest.mark.parametrize(("path", "schema"), objects(SCHEMA), ids=[path or "values" for path, _ in objects(SCHEMA)])
def test_unknown_keys_are_refused_wherever_keys_are_named(path: str, schema: dict[str, Any]) -> None:
    if "properties" in schema:
        assert schema["additionalProperties"] is False


def test_the_schema_knows_every_value_and_no_other() -> None:
    written = yaml.safe_load((Path(chart.__file__).parents[2] / "charts/genmodel/values.yaml").read_text())
    assert set(SCHEMA["properties"]) == set(written)


def test_bounds_of_settings_are_bounds_of_values() -> None:
    properties = SCHEMA["properties"]
    assert properties["workers"] == {
        "description": "Models reconciled at once.",
        "type": "integer",
        "minimum": 1,
        "maximum": 256,
    }
    assert properties["hub"]["properties"]["timeoutSeconds"]["exclusiveMinimum"] == 0
    assert properties["httpPort"]["minimum"] == 1024


def test_the_crd_s_template_is_the_crd_between_its_conditions() -> None:
    text = chart.crd_template(build_crd())
    assert text.startswith("{{- if .Values.crds.enabled }}\n")
    assert text.endswith("{{- end }}\n")
    plain = "\n".join(line for line in text.splitlines() if "{{" not in line and line != "  labels:")
    assert yaml.safe_load(plain)["spec"] == build_crd()["spec"]


def test_a_crd_that_would_be_read_as_a_template_is_refused() -> None:
    crd = build_crd()
    crd["spec"]["names"]["categories"] = ["{{ evil }}"]
    with pytest.raises(ValueError, match="read as a template"):
        chart.crd_template(crd)


def test_settings_of_the_reference_name_their_variables() -> None:
    page = reference.settings()
    assert '| `hub.endpoint` | `GENMODEL_OPERATOR_HUB__ENDPOINT` | `"https://huggingface.co"` |' in page
    assert "| `workers` | `GENMODEL_OPERATOR_WORKERS` | `16` | Models reconciled at once. |" in page


def test_what_lists_hold_is_in_the_reference_and_in_the_schema() -> None:
    page = reference.settings()
    assert "| `accelerators.pools[].devices` |  | required | Devices of one node; 0 for the product CPU, " in page
    assert '| `accelerators.products[].interconnect` |  | `"pcie"` |' in page
    product = SCHEMA["properties"]["accelerators"]["properties"]["products"]["items"]
    assert product["required"] == ["name", "memoryGib"]
    assert product["properties"]["memoryGib"]["exclusiveMinimum"] == 0


def test_fields_of_the_reference() -> None:
    page = reference.api(build_crd())
    assert "| `spec.replicas` | integer, 0 to 1000 | `1` | Pods that serve; 0 keeps everything but the pods, " in page
    assert "| `spec.model` | string, at most 193 characters | required |" in page
    assert "| `status.conditions[].status` | `True`, `False`, `Unknown` | required |" in page


def test_bars_in_texts_do_not_break_a_table() -> None:
    crd = build_crd()
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["model"]["description"] = "a | b"
    assert "a \\| b" in reference.api(crd)


def test_help_is_the_same_on_every_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    narrow = reference.command_line()
    monkeypatch.setenv("COLUMNS", "300")
    assert narrow == reference.command_line()


def test_every_command_has_its_heading() -> None:
    parser = argparse.ArgumentParser(prog="p")
    commands = parser.add_subparsers()
    commands.add_parser("one", aliases=["eins"])
    commands.add_parser("two")
    headings = [block for block in describe_parser(parser) if block.startswith("#")]
    assert headings == ["## p", "## p one", "## p two"]
