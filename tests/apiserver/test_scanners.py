"""Scanners and helm lint find nothing beyond the waivers, in the chart and in models' objects."""

import json
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.crd_cluster import install_crd
from tests.helm import CHART, KUBE_VERSION, Helm
from tests.scanners.findings import Finding, checkov, kube_score, kubeconform
from tests.scanners.material import CANARY, VALUE_SETS, write_material
from tests.scanners.programs import scanner_programs
from tests.scanners.schemas import write_schemas
from tests.scanners.waivers import judge, read_waivers

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def helm(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(control_plane, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def findings(control_plane: Cluster, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    material, schemas = tmp_path_factory.mktemp("material"), tmp_path_factory.mktemp("schemas")
    write_material(material, helm)
    install_crd(control_plane)
    assert write_schemas(json.loads(control_plane.kubectl("get", "--raw", "/openapi/v2")), schemas) > 100
    programs = scanner_programs()
    return [
        *checkov(programs, material),
        *kube_score(programs, material, kubernetes=f"v{KUBE_VERSION.rpartition('.')[0]}"),
        *kubeconform(programs, material, schemas=schemas),
    ]


def is_canary(finding: Finding) -> bool:
    return finding.where.startswith(f"{CANARY}/")


def test_nothing_is_found_beyond_the_waivers_and_each_waiver_is_needed(findings: list[Finding]) -> None:
    unwaived, unused = judge([finding for finding in findings if not is_canary(finding)], read_waivers())
    assert not unwaived, "\n".join(map(str, sorted(unwaived)))
    assert not unused, "nothing is found any more that these would let pass: " + "\n".join(map(str, unused))


@pytest.mark.parametrize("tool", ["checkov", "kube-score", "kubeconform"])
def test_each_scanner_finds_fault_with_a_bad_pod(findings: list[Finding], tool: str) -> None:
    assert [finding for finding in findings if is_canary(finding) and finding.tool == tool]


@pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)
def test_helm_lint_is_strictly_clean(helm: Helm, values: Path) -> None:
    answer = helm.run("lint", "--strict", str(CHART), "--kube-version", KUBE_VERSION, "--values", str(values))
    assert answer.returncode == 0, answer.stdout + answer.stderr
