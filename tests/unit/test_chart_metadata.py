"""What Chart.yaml says of the chart is what the chart holds."""

from pathlib import Path
from typing import Any

import yaml

from genmodel_operator import __version__
from genmodel_operator.api.crd import CRD_NAME, build_crd
from genmodel_operator.cli.input import parse_model
from genmodel_operator.settings import Settings

CHART: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "charts" / "genmodel" / "Chart.yaml").read_text()
)


def annotation(name: str) -> Any:
    return yaml.safe_load(CHART["annotations"][f"artifacthub.io/{name}"])


def test_chart_and_package_have_one_version() -> None:
    assert CHART["version"] == CHART["appVersion"] == __version__


def test_the_images_are_those_of_the_default_settings() -> None:
    settings = Settings()
    wanted = [settings.runtime_image, settings.engines.gpu_image, settings.engines.cpu_image]
    assert [entry["image"] for entry in annotation("images")] == wanted


def test_the_kinds_are_those_of_the_definition() -> None:
    (entry,) = annotation("crds")
    spec = build_crd()["spec"]
    assert (entry["name"], entry["kind"]) == (CRD_NAME, spec["names"]["kind"])
    assert entry["version"] in [version["name"] for version in spec["versions"]]


def test_the_examples_are_valid_models() -> None:
    for example in annotation("crdsExamples"):
        assert parse_model(example, filename="Chart.yaml", namespace=None).spec.model


def test_it_is_listed_as_a_prerelease_of_an_operator() -> None:
    assert annotation("operator") is True
    assert annotation("prerelease") is True
    assert annotation("containsSecurityUpdates") is False
    assert [change["kind"] for change in annotation("changes")]
