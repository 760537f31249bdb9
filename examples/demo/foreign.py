"""The demo on a cluster that somebody else runs: KUBECONFIG names it, IMAGE_REGISTRY takes the images. Unproven.

The Hub with the demo's models runs there as a pod; the engine is upstream's own image. Chart, Hub, refusals and
removal are tried on a control plane with fake nodes (tests/apiserver/test_demo_foreign.py); pushing, and the whole,
need a registry that this machine and the cluster both reach.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.demo.models import chat_model, minilm_model
from examples.demo.outside import endpoint_of
from examples.demo.screen import DemoError, command, heading, show
from examples.demo.steps import (
    CDN_PORT,
    CHAT,
    EMBEDDINGS,
    HUB_PORT,
    NAMES,
    OPERATOR_NAMESPACE,
    ROOT,
    AnyCluster,
    how_to_go_on,
    image_values,
    install_chart,
    look,
    serve,
)
from tests.cluster import HostedCluster
from tests.cluster.environment import REGISTRY_VARIABLE
from tests.cluster.images.hub import hub_image
from tests.cluster.images.operator import operator_image

KUBECONFIG_VARIABLE = "KUBECONFIG"
HUB = "genmodel-demo-hub"
OURS = "genmodel.dev/demo"
"""The label of the namespace that the demo made; one without it is somebody's and stays as it is."""
DEFINITION = "generativemodels.genmodel.dev"
ROLLOUT_SECONDS = 300.0


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the demo shall run on another cluster than a local one."""
    return bool(environ.get(REGISTRY_VARIABLE))


def up(environ: Mapping[str, str], model: str | None) -> None:
    """Bring the demo up on the named cluster and show it; what is there already is brought up to date."""
    with _cluster(environ) as cluster:
        bring_up(cluster, environ, model)
        name = serve(cluster, model)
        look(cluster)
        how_to_go_on(name, reach=f"export KUBECONFIG={cluster.kubeconfig}")


def bring_up(
    cluster: HostedCluster, environ: Mapping[str, str], model: str | None, *, values: Mapping[str, str] | None = None
) -> str:
    """Bring the operator's image, a Hub and the chart, with `values` over the demo's, to a cluster that is not ours.

    Returns the Hub's endpoint for pods; where a model of an outer Hub is wanted it is that Hub's.
    """
    claim_namespace(cluster)
    heading("The operator's image")
    image = cluster.import_image(operator_image(ROOT))
    show(f"the cluster has it as {image}")
    endpoint = endpoint_of(environ) if model else demo_hub(cluster)
    install_chart(cluster, {**chart_values(image, endpoint), **(values or {})})
    return endpoint


def down(environ: Mapping[str, str]) -> None:
    """Remove what the demo made; the definition of models stays while models of other people need it."""
    with _cluster(environ) as cluster:
        if not _has_our_namespace(cluster):
            show("nothing of the demo is there")
            return
        remove(cluster)
    show("the demo is gone; the images that it pushed are still in the registry")


def remove(cluster: AnyCluster) -> None:
    """Remove the demo's models, the chart, the Hub and the namespace."""
    if cluster.kubectl("get", "customresourcedefinition", DEFINITION, "--ignore-not-found", "-o", "name"):
        cluster.kubectl("delete", "gm", *NAMES, "--ignore-not-found")
        if not cluster.kubectl("get", "gm", "--all-namespaces", "-o", "name"):
            cluster.kubectl("delete", "customresourcedefinition", DEFINITION)
    helm = ["helm", "uninstall", "genmodel", "--namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "--wait"]
    cluster.run(helm, timeout=ROLLOUT_SECONDS)
    delete = ["kubectl", "delete", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found"]
    cluster.run(delete, timeout=ROLLOUT_SECONDS)


def _cluster(environ: Mapping[str, str]) -> HostedCluster:
    named = environ.get(KUBECONFIG_VARIABLE, "")
    if not Path(named).is_file():
        raise DemoError(
            f"{REGISTRY_VARIABLE} asks for a cluster that runs already: let {KUBECONFIG_VARIABLE} name its kubeconfig, "
            f"one file ({named!r} is none)"
        )
    return HostedCluster(Path(named), registry=environ[REGISTRY_VARIABLE])


def claim_namespace(cluster: AnyCluster) -> None:
    """Make the operator's namespace; refuse one that the demo did not make, an operator in use may be in it."""
    heading("A cluster that runs already")
    command("kubectl get nodes")
    show(cluster.kubectl("get", "nodes"))
    found = cluster.kubectl("get", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "-o", "name")
    if found and not _has_our_namespace(cluster):
        raise DemoError(f"the cluster has a namespace {OPERATOR_NAMESPACE} that is not the demo's; it stays as it is")
    metadata = {"name": OPERATOR_NAMESPACE, "labels": {OURS: "true"}}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def _has_our_namespace(cluster: AnyCluster) -> bool:
    found = cluster.kubectl("get", "namespaces", "--selector", f"{OURS}=true", "-o", "json")
    return any(item["metadata"]["name"] == OPERATOR_NAMESPACE for item in json.loads(found)["items"])


def chart_values(image: str, endpoint: str) -> dict[str, str]:
    """Return the chart's values for an operator's image and a Hub, whose files come from another port."""
    return {**image_values(image), "hub.endpoint": endpoint, "network.extraEgress[0].ports[0]": str(CDN_PORT)}


def demo_hub(cluster: AnyCluster) -> str:
    """Run a Hub with the demo's two models in the cluster; return the endpoint for pods."""
    heading("A Hub with two models, as a pod")
    models = {CHAT: chat_model(), EMBEDDINGS: minilm_model()}
    image = cluster.import_image(hub_image(ROOT, models, port=HUB_PORT, cdn_port=CDN_PORT))
    endpoint = start_hub(cluster, image)
    show(f"{endpoint} holds {' and '.join(models)}")
    return endpoint


def start_hub(cluster: AnyCluster, image: str) -> str:
    """Run the Hub's image behind a Service, wait for it and return the endpoint for pods."""
    cluster.apply(hub_deployment(image), hub_service())
    wait = ["kubectl", "rollout", "status", f"deployment/{HUB}", "--namespace", OPERATOR_NAMESPACE]
    cluster.run([*wait, f"--timeout={ROLLOUT_SECONDS:.0f}s"], timeout=2 * ROLLOUT_SECONDS)
    address = cluster.kubectl("get", "service", HUB, "-n", OPERATOR_NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
    # By address, which also works where the cluster has no DNS; the Hub answers under any name.
    return f"http://[{address}]:{HUB_PORT}" if ":" in address else f"http://{address}:{HUB_PORT}"


def hub_deployment(image: str) -> dict[str, Any]:
    """Return the Hub's Deployment; its pod meets the restricted Pod Security Standard."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "hub",
        "image": image,
        "ports": [{"name": "hub", "containerPort": HUB_PORT}, {"name": "cdn", "containerPort": CDN_PORT}],
        "readinessProbe": {"httpGet": {"path": "/api/models", "port": "hub"}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": security,
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    spec = {
        "selector": {"matchLabels": _labels()},
        "template": {"metadata": {"labels": _labels()}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(), "spec": spec}


def hub_service() -> dict[str, Any]:
    """Return the Hub's Service; its ports are the pod's, because the Hub's answers name the port of its CDN."""
    ports = [{"name": "hub", "port": HUB_PORT}, {"name": "cdn", "port": CDN_PORT}]
    spec = {"selector": _labels(), "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(), "spec": spec}


def _labels() -> dict[str, str]:
    return {"app.kubernetes.io/name": HUB}


def _metadata() -> dict[str, Any]:
    return {"name": HUB, "namespace": OPERATOR_NAMESPACE, "labels": _labels()}
