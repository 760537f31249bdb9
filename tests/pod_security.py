"""The restricted Pod Security Standard as a checker, after its published list of controls."""

from collections.abc import Iterator, Mapping
from typing import Any

ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def restricted_violations(pod: Mapping[str, Any]) -> list[str]:
    """Return one line for each control that the pod's spec does not meet."""
    return [
        *_pod_violations(pod),
        *(v for container in _containers(pod) for v in _container_violations(pod, container)),
    ]


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(group, [])


def _pod_violations(pod: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{field} is set" for field in HOST_FIELDS if pod.get(field))
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= ALLOWED_VOLUMES:
            yield f"volume {volume['name']} is {kinds}"
    if pod.get("securityContext", {}).get("sysctls"):
        yield "sysctls are set"


def _container_violations(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    name, own, whole = container["name"], container.get("securityContext", {}), pod.get("securityContext", {})
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield f"{name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may escalate privileges"
    if (
        own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True
        or own.get("runAsUser", whole.get("runAsUser")) == 0
    ):
        yield f"{name} may run as root"
    if own.get("seccompProfile", whole.get("seccompProfile", {})).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield f"{name} has no seccomp profile"
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{name} keeps capabilities"
    if own.get("procMount", "Default") != "Default" or any(port.get("hostPort") for port in container.get("ports", [])):
        yield f"{name} uses the host's /proc or ports"
    if any(container.get(probe, {}).get("httpGet", {}).get("host") for probe in PROBES):
        yield f"{name} probes another host"
    if not name:
        yield "a container has no name"
