"""The chart installed by real helm on a real API server of its own, since it owns the CRD there."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from genmodel_operator.api.crd import CRD_NAME, build_crd
from tests.cluster import Cluster, Environment
from tests.crd_cluster import install_crd
from tests.crd_samples import manifest
from tests.helm import CHART, NAMESPACE, RELEASE, Helm

pytestmark = pytest.mark.apiserver

DATA = Path(__file__).parent / "data"
EARLIER, RECORDED = DATA / "earlier_chart.tgz", DATA / "earlier_operator.json"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"


@pytest.fixture(scope="module")
def cluster(environment: Environment) -> Iterator[Cluster]:
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"chart-{os.getpid()}") as started:
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        started.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-b"}},
        )
        yield started


@pytest.fixture(scope="module")
def helm(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(cluster, tmp_path_factory.mktemp("helm"))


def install(helm: Helm, values: dict[str, Any], *more: str) -> str:
    answer = helm.run(
        "upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reset-values", *more, values=values
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def installed(cluster: Cluster, helm: Helm) -> Iterator[Cluster]:
    install(helm, {})
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CRD_NAME}")
    yield cluster
    remove(cluster, helm)


def remove(cluster: Cluster, helm: Helm) -> None:
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    cluster.kubectl("delete", "crd", CRD_NAME, "--ignore-not-found")


def can(cluster: Cluster, *request: str) -> bool:
    answer = cluster.run(["kubectl", "auth", "can-i", "--quiet", f"--as={ACCOUNT}", *request], check=False)
    return answer.returncode == 0


def test_a_dry_run_on_the_server_accepts_every_object(cluster: Cluster, helm: Helm) -> None:
    for values in ({}, {"watchNamespaces": ["team-a", "team-b"]}):
        install(helm, values, "--dry-run=server")
    assert CRD_NAME not in cluster.kubectl("get", "crd", "-o", "name")


def test_the_server_accepts_what_is_installed_and_the_kind_is_served(installed: Cluster) -> None:
    assert f"deployment.apps/{RELEASE}" in installed.kubectl("-n", NAMESPACE, "get", "deploy", "-o", "name")
    installed.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CRD_NAME}")
    installed.kubectl("-n", "team-a", "create", "--dry-run=server", "-f", "-", input=json.dumps(manifest()))


def keep(cluster: Cluster, name: str, *, namespace: str = NAMESPACE) -> subprocess.CompletedProcess[str]:
    """Write a ConfigMap as the operator does."""
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
    argv = ["kubectl", f"--as={ACCOUNT}", "apply", "--server-side", "--force-conflicts", "-f", "-"]
    return cluster.run(argv, input=json.dumps(wanted), check=False)


def test_the_operator_may_create_and_change_one_config_map_and_no_other(installed: Cluster) -> None:
    assert keep(installed, "genmodel-measurements").returncode == 0
    assert keep(installed, "genmodel-measurements").returncode == 0
    assert can(installed, "get", "configmap/genmodel-measurements", "-n", NAMESPACE)
    for refused in (keep(installed, RELEASE), keep(installed, "genmodel-measurements", namespace="team-a")):
        assert refused.returncode != 0
        assert "forbidden" in refused.stderr
    assert not can(installed, "list", "configmaps", "-n", NAMESPACE)
    assert not can(installed, "delete", "configmap/genmodel-measurements", "-n", NAMESPACE)


def test_a_namespace_that_enforces_the_restricted_standard_takes_the_pods(installed: Cluster, helm: Helm) -> None:
    deployment = json.loads(installed.kubectl("-n", NAMESPACE, "get", "deploy", RELEASE, "-o", "json"))
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    check = helm.objects()["Pod", f"{RELEASE}-check"]
    for document in (pod, check):
        installed.kubectl("-n", NAMESPACE, "create", "--dry-run=server", "-f", "-", input=json.dumps(document))


def test_the_pod_has_its_token_only_where_it_is_mounted(installed: Cluster) -> None:
    deployment = json.loads(installed.kubectl("-n", NAMESPACE, "get", "deploy", RELEASE, "-o", "json"))
    spec = deployment["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    (source,) = [volume for volume in spec["volumes"] if "projected" in volume]
    assert source["projected"]["sources"][0]["serviceAccountToken"]["path"] == "token"
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("request_", "want"),
    [
        pytest.param(("list", "generativemodels.genmodel.dev", "-A"), True, id="lists models"),
        pytest.param(
            ("patch", "generativemodels.genmodel.dev", "--subresource=status"), True, id="writes their status"
        ),
        pytest.param(("patch", "generativemodels.genmodel.dev"), False, id="never writes a model's spec"),
        pytest.param(("create", "deployments.apps", "-n", "team-a"), True, id="creates Deployments"),
        pytest.param(("get", "secrets/genmodel-hub-token", "-n", "team-a"), True, id="reads the token Secret"),
        pytest.param(("get", "secrets/other", "-n", "team-a"), False, id="reads no other Secret"),
        pytest.param(("list", "secrets", "-n", "team-a"), False, id="lists no Secrets"),
        pytest.param(("create", "pods", "-n", "team-a"), False, id="creates no pods itself"),
        pytest.param(("create", "pods", "-n", "team-a", "--subresource=exec"), False, id="enters no pod"),
        pytest.param(("list", "nodes"), True, id="reads nodes"),
        pytest.param(("update", "nodes"), False, id="changes no node"),
        pytest.param(("create", "events.events.k8s.io", "-n", "team-a"), True, id="writes Events"),
        pytest.param(("list", "customresourcedefinitions.apiextensions.k8s.io"), False, id="reads no definitions"),
        pytest.param(("create", "clusterrolebindings.rbac.authorization.k8s.io"), False, id="gives nobody rights"),
    ],
)
def test_rights_in_the_whole_cluster(installed: Cluster, request_: tuple[str, ...], want: bool) -> None:
    assert can(installed, *request_) is want


def test_two_namespaces_give_rights_only_there(installed: Cluster, helm: Helm) -> None:
    install(helm, {"watchNamespaces": ["team-a"]})
    assert can(installed, "create", "deployments.apps", "-n", "team-a")
    assert not can(installed, "create", "deployments.apps", "-n", "team-b")
    assert not can(installed, "list", "customresourcedefinitions.apiextensions.k8s.io")
    assert can(installed, "list", "nodes")
    install(helm, {})


def test_the_notes_tell_the_next_command(helm: Helm, installed: Cluster) -> None:
    said = install(helm, {})
    assert "kubectl apply -f - <<EOF" in said
    assert "kubectl get gm -w" in said
    assert "kubectl -n team-a get gm -w" in install(helm, {"watchNamespaces": ["team-a"]})
    install(helm, {})


def test_the_model_in_the_notes_is_accepted(helm: Helm, installed: Cluster) -> None:
    said = install(helm, {})
    model = said.split("<<EOF\n")[1].split("EOF")[0]
    installed.kubectl("-n", "team-a", "create", "--dry-run=server", "-f", "-", input=model)


def test_uninstalling_leaves_the_crd_and_the_models(installed: Cluster, helm: Helm) -> None:
    installed.kubectl("-n", "team-a", "create", "-f", "-", input=json.dumps(manifest("kept")))
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert "kept" in installed.kubectl("-n", "team-a", "get", "gm")
    install(helm, {})
    assert "kept" in installed.kubectl("-n", "team-a", "get", "gm")


def test_a_definition_that_somebody_else_installed_is_taken_over_only_when_told(installed: Cluster, helm: Helm) -> None:
    remove(installed, helm)
    install_crd(installed)
    args = ("upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE)
    refused = helm.run(*args)
    assert refused.returncode != 0
    assert CRD_NAME in refused.stderr
    install(helm, {}, "--take-ownership")
    install(helm, {})


def test_without_keep_uninstalling_removes_the_crd(installed: Cluster, helm: Helm) -> None:
    install(helm, {"crds": {"keep": False}})
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    assert CRD_NAME not in installed.kubectl("get", "crd", "-o", "name")


def owned(cluster: Cluster) -> set[tuple[str, str]]:
    """Return the kinds and names of all objects of the release."""
    kinds = "deploy,cm,sa,svc,role,rolebinding,clusterrole,clusterrolebinding,networkpolicy,crd"
    selector = f"app.kubernetes.io/instance={RELEASE}"
    listed = json.loads(cluster.kubectl("get", kinds, "-A", "-l", selector, "-o", "json"))["items"]
    return {(found["kind"], found["metadata"]["name"]) for found in listed}


def test_an_earlier_chart_is_upgraded_with_its_values_and_models(cluster: Cluster, helm: Helm) -> None:
    values = {"workers": 4, "hub": {"endpoint": "https://mirror.example.com"}}
    done = helm.run("install", RELEASE, str(EARLIER), "--namespace", NAMESPACE, values=values)
    assert done.returncode == 0, done.stderr
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{CRD_NAME}")
    model = earlier_model()
    for subresource in ((), ("--subresource=status",)):
        cluster.kubectl("-n", "team-a", "apply", "--server-side", *subresource, "-f", "-", input=json.dumps(model))
    before = json.loads(cluster.kubectl("-n", "team-a", "get", "gm", "tiny", "-o", "json"))

    args = ("upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE)
    refused = helm.run(*args, "--reuse-values")
    assert refused.returncode != 0
    assert "'/hub': additional properties 'xet' not allowed" in refused.stderr, "a default of then"
    done = helm.run(*args, "--reset-then-reuse-values")
    assert done.returncode == 0, done.stderr

    after = json.loads(cluster.kubectl("-n", "team-a", "get", "gm", "tiny", "-o", "json"))
    assert after["status"] == before["status"]
    assert after["spec"].items() >= before["spec"].items(), "only defaults of fields that are new are added"
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    crd = json.loads(cluster.kubectl("get", "crd", CRD_NAME, "-o", "json"))
    assert set(spec_fields(crd)) == set(spec_fields(build_crd())), "the definition is that of today"
    text = cluster.kubectl("-n", NAMESPACE, "get", "cm", RELEASE, "-o", "jsonpath={.data.settings\\.yaml}")
    settings = yaml.safe_load(text)
    assert (settings["workers"], settings["hub"]["endpoint"]) == (4, "https://mirror.example.com"), "kept"
    assert settings["inventory"] == {"mode": "nodes"}, "what is new has its default"
    rendered = {(kind, found["metadata"]["name"]) for (kind, _), found in helm.objects(values).items()}
    assert owned(cluster) == {one for one in rendered if one[1] != f"{RELEASE}-check"}, "nothing of before is left"
    remove(cluster, helm)


def earlier_model() -> dict[str, Any]:
    """Return the model that an operator of that chart left, in the form of an object without a history."""
    text = Template(RECORDED.read_text()).substitute(namespace="team-a", uid="")
    found: dict[str, Any] = json.loads(text)[0]
    return {**found, "metadata": {"name": found["metadata"]["name"]}}


def spec_fields(crd: dict[str, Any]) -> dict[str, Any]:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return fields
