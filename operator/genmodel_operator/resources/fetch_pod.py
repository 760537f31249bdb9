"""The pod that fills a claim: the ``prepare`` container of the model's own pods, alone. Pure."""

from collections.abc import Mapping
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.resources.containers import FETCH_COMMAND
from genmodel_operator.resources.pod import DEFAULT_CONTAINER
from genmodel_operator.resources.storage import Claim
from genmodel_runtime.contract import PREPARE_CONTAINER, RUNTIME_DIR

Object = Mapping[str, Any]

_KEPT = (
    "automountServiceAccountToken",
    "enableServiceLinks",
    "securityContext",
    "nodeSelector",
    "tolerations",
    "imagePullSecrets",
    "serviceAccountName",
    "priorityClassName",
    "schedulerName",
    "hostAliases",
    "dnsPolicy",
    "dnsConfig",
)
"""What it shares with the pods that serve, a user's part of them included."""


def fetch_pod_template(server: Object, *, model_name: str, commit: str, claim: Claim) -> dict[str, Any]:
    """Return the template of the Job's pod, made of a server's whose ``prepare`` container fetches.

    A volume for one node has to come to life where the model can run; one for many is filled anywhere.
    """
    spec = server["spec"]
    kept = {key: spec[key] for key in _KEPT if key in spec}
    if claim.is_for_one_node and "affinity" in spec:
        kept["affinity"] = spec["affinity"]
    container = _container(next(c for c in spec["initContainers"] if c["name"] == PREPARE_CONTAINER))
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    return {
        "metadata": _metadata(server["metadata"], model_name, commit, claim),
        "spec": {
            **kept,
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [volume for volume in spec["volumes"] if volume["name"] in mounted],
        },
    }


def _container(prepare: Object) -> dict[str, Any]:
    mounts = [mount for mount in prepare["volumeMounts"] if mount["mountPath"] != RUNTIME_DIR]
    return {**prepare, "command": list(FETCH_COMMAND), "volumeMounts": mounts}


def _metadata(server: Object, model_name: str, commit: str, claim: Claim) -> dict[str, Any]:
    """Return the labels of a download, without a revision: another revision of the commit needs it too."""
    own = labels.child_labels(model_name, labels.COMPONENT_FETCH)
    found: dict[str, Any] = {"labels": own | {labels.COMMIT: commit[:12], labels.CLAIM: claim.label}}
    annotations = {key: value for key, value in (server.get("annotations") or {}).items() if key != DEFAULT_CONTAINER}
    return found | ({"annotations": annotations} if annotations else {})
