"""The install bench: its floor is the operator's own image and probe, and a chart that helm renders."""

from pathlib import Path

import pytest
import yaml

from bench.install import ANSWERS, FLOOR, as_tree, figures, floor_deployment, write_small_chart
from tests.helm import NAMESPACE, Objects

PROBE = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 2}
CONTAINER = {
    "name": "operator",
    "image": "registry.test/operator:1",
    "imagePullPolicy": "IfNotPresent",
    "ports": [{"name": "http", "containerPort": 8080}],
    "readinessProbe": PROBE,
    "resources": {"requests": {"cpu": "100m"}},
    "livenessProbe": {"httpGet": {"path": "/livez", "port": "http"}},
    "volumeMounts": [{"name": "config", "mountPath": "/etc/genmodel"}],
    "env": [{"name": "A", "value": "b"}],
}


def rendered() -> Objects:
    pod = {"containers": [CONTAINER], "securityContext": {"runAsNonRoot": True}, "volumes": [{"name": "config"}]}
    return {
        ("ServiceAccount", "genmodel"): {"kind": "ServiceAccount"},
        ("Deployment", "genmodel"): {"kind": "Deployment", "spec": {"template": {"spec": pod}}},
    }


def test_the_floor_has_the_image_and_the_probe_and_no_operator() -> None:
    made = floor_deployment(rendered())
    pod = made["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"] == CONTAINER["image"]
    assert container["readinessProbe"] == PROBE
    assert container["command"] == ["python3", "-c", ANSWERS]
    assert not {"livenessProbe", "volumeMounts", "env"} & set(container)
    assert pod["securityContext"] == {"runAsNonRoot": True}
    assert "volumes" not in pod


def test_the_floor_is_a_deployment_that_selects_its_own_pods() -> None:
    made = floor_deployment(rendered())
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == (FLOOR, NAMESPACE)
    assert made["spec"]["selector"]["matchLabels"] == made["spec"]["template"]["metadata"]["labels"]


def test_the_program_of_the_floor_is_python() -> None:
    compile(ANSWERS, "floor", "exec")


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"a": "1"}, {"a": "1"}, id="one name"),
        pytest.param({"image.tag": "1", "image.registry": "r"}, {"image": {"tag": "1", "registry": "r"}}, id="beside"),
        pytest.param({"a.b.c": "1", "a.d": "2"}, {"a": {"b": {"c": "1"}, "d": "2"}}, id="in depth"),
    ],
)
def test_values_by_dotted_names_become_a_tree(values: dict[str, str], want: dict[str, object]) -> None:
    assert as_tree(values) == want


def test_figures_are_the_median_the_worst_and_the_ratio_to_the_floor() -> None:
    assert figures([3.0, 9.0, 4.0], [2.0, 1.0, 2.5], floor="floor: by hand") == {
        "runs": "3",
        "median": "4.00 s",
        "worst": "9.00 s",
        "floor: by hand": "2.00 s",
        "x floor": "2.00",
    }


def test_the_small_chart_is_one_that_helm_takes(tmp_path: Path) -> None:
    folder = write_small_chart(tmp_path / "small")
    assert yaml.safe_load((folder / "Chart.yaml").read_text())["apiVersion"] == "v2"
    assert yaml.safe_load((folder / "templates" / "config.yaml").read_text())["kind"] == "ConfigMap"
