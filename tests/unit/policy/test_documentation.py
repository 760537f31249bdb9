"""What docs/policy.md shows is valid, and it leaves nothing out."""

import re
from pathlib import Path

import pytest
import yaml

from genmodel_operator.api.policy_reasons import POLICY_TABLE
from genmodel_operator.policy.document import Advisory, Exposure, LicenseClass, Policy
from genmodel_operator.policy.licenses import TABLE
from genmodel_operator.policy.parse import parse_policy
from genmodel_operator.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs/policy.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=[str(number) for number in range(len(EXAMPLES))])
def test_an_example_is_a_policy(text: str) -> None:
    values = yaml.safe_load(text)
    assert "policy" in values
    assert Settings.model_validate({name: part for name, part in values.items() if name != "policy"})
    assert parse_policy(yaml.safe_dump(values["policy"])) != Policy()


def test_every_key_has_an_example_and_a_word() -> None:
    shown = {key for text in EXAMPLES for key in yaml.safe_load(text)["policy"]}
    keys = {str(field.alias) for field in Policy.model_fields.values()}
    assert keys - shown == set()
    assert [key for key in keys if f"`{key}`" not in PAGE] == []
    assert [str(field.alias) for field in Advisory.model_fields.values() if str(field.alias) not in PAGE] == []


def test_every_class_exposure_and_reason_is_told() -> None:
    words = [f"`{word}`" for word in (*LicenseClass, *Exposure, *POLICY_TABLE) if word != "KnownVulnerabilities"]
    assert [word for word in words if word not in PAGE] == []


def test_the_licences_that_are_named_have_the_class_that_is_told() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    told = {
        name: row for row, text in rows if row in set(LicenseClass) for name in re.findall(r"`([a-z0-9.-]+)`", text)
    }
    known = {name: row for name, row in told.items() if name in TABLE}
    assert len(known) >= 14
    assert {name: TABLE[name].value for name in known} == known
