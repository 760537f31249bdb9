"""What clusters do to objects, undone at the end: policies, webhooks that are down, another schema."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster import Cluster

ROOT = Path(__file__).parents[2]
GATE = "team.example/hold"
POLICY_API = "admissionregistration.k8s.io/v1"
CRD = "generativemodels.genmodel.dev"


def _in_namespace(team: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": team}}


def _rule(group: str, resource: str, verb: str) -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": [verb], "resources": [resource]}


@contextmanager
def applied(cluster: Cluster, *objects: dict[str, Any]) -> Iterator[None]:
    """Create objects for a while."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    cluster.kubectl("create", "-f", "-", input=document)
    try:
        yield
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", input=document)


@contextmanager
def refusing(
    cluster: Cluster, team: str, *, resource: str, group: str, verb: str, why: str = "not here"
) -> Iterator[None]:
    """Refuse one verb on one resource in a namespace by policy."""
    name = f"refuse-{team}"
    policy = {
        "apiVersion": POLICY_API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [_rule(group, resource, verb)]},
            "validations": [{"expression": "false", "message": why}],
        },
    }
    binding = {
        "apiVersion": POLICY_API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": _in_namespace(team)},
        },
    }
    with applied(cluster, policy, binding):
        _wait_until_in_force(cluster, team, resource, verb)
        yield


def _wait_until_in_force(cluster: Cluster, team: str, resource: str, verb: str) -> None:
    """Try it out: a policy works some moments after it was created."""
    for _ in range(300):
        if verb == "DELETE":
            tried = ["kubectl", "-n", team, "delete", resource, "--all", "--dry-run=server"]
        else:
            tried = ["kubectl", "-n", team, "create", "deployment", "probe", "--image=x", "--dry-run=server"]
        if cluster.run(tried, check=False).returncode != 0:
            return
    raise AssertionError(f"the policy about {resource} never came into force")


@contextmanager
def gated_pods(cluster: Cluster, team: str) -> Iterator[None]:
    """Hold new pods of a namespace back from the scheduler by a policy, as queueing systems do."""
    name = f"gate-{team}"
    expression = f'Object{{spec: Object.spec{{schedulingGates: [Object.spec.schedulingGates{{name: "{GATE}"}}]}}}}'
    policy = {
        "apiVersion": POLICY_API,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [_rule("", "pods", "CREATE")]},
            "reinvocationPolicy": "Never",
            "failurePolicy": "Fail",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        },
    }
    binding = {
        "apiVersion": POLICY_API,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "matchResources": {"namespaceSelector": _in_namespace(team)}},
    }
    with applied(cluster, policy, binding):
        for _ in range(300):
            tried = ["kubectl", "-n", team, "run", "probe", "--image=x", "--dry-run=server", "-o", "json"]
            if GATE in cluster.run(tried).stdout:
                break
        else:
            raise AssertionError("the gate never came into force")
        yield


def open_gates(cluster: Cluster, team: str) -> None:
    """Let the pods of a namespace go on that are held back."""
    found = json.loads(cluster.kubectl("-n", team, "get", "pods", "-o", "json"))["items"]
    for pod in found:
        if pod["spec"].get("schedulingGates"):
            patch = json.dumps({"spec": {"schedulingGates": None}})
            cluster.kubectl("-n", team, "patch", "pod", pod["metadata"]["name"], "--type=merge", "-p", patch)


@contextmanager
def dead_webhook(cluster: Cluster, team: str, *, resource: str, group: str) -> Iterator[None]:
    """Send creations of a resource in a namespace to a webhook that nobody answers."""
    webhook = {
        "name": "dead.team.example",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [_rule(group, resource, "CREATE")],
        "namespaceSelector": _in_namespace(team),
    }
    found = {
        "apiVersion": POLICY_API,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"dead-{team}"},
        "webhooks": [webhook],
    }
    with applied(cluster, found):
        _wait_until_in_force(cluster, team, resource, "CREATE")
        yield


@contextmanager
def schema_without_rules(cluster: Cluster) -> Iterator[None]:
    """Let the API server take any spec for a while, as an older or newer release's schema may have."""
    model = {"model": {"type": "string"}}
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": model}
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
    patch = [{"op": "replace", "path": path, "value": loose}]
    cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(patch))
    try:
        yield
    finally:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
