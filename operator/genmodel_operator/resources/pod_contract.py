"""What a user's part of the pod template may not touch: what operator, runtime and Service stand on. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from genmodel_operator.engines.overrides import is_our_variable
from genmodel_operator.resources.pod_patch import ROOT, PodTemplateError, patched
from genmodel_operator.resources.volumes import OWN_VOLUMES
from genmodel_runtime.contract import (
    HTTP_PORT,
    HTTP_PORT_NAME,
    KEYS_DIR,
    MODELS_DIR,
    PREPARE_CONTAINER,
    RUNTIME_DIR,
    RUNTIME_PORT,
    RUNTIME_PORT_NAME,
    SERVER_CONTAINER,
)

Object = Mapping[str, Any]

_SERVED = {HTTP_PORT: HTTP_PORT_NAME, RUNTIME_PORT: RUNTIME_PORT_NAME}
_HOMES = ((PREPARE_CONTAINER, "initContainers"), (SERVER_CONTAINER, "containers"))
_FIELDS = {
    "command": "the operator starts this container",
    "args": "the engine's arguments are spec.engine.args",
    "workingDir": "the runtime is found there",
    "image": "the engine's image is spec.engine.image, and the runtime's is that of the operator",
}
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_MOUNTS = (RUNTIME_DIR, MODELS_DIR, KEYS_DIR)


def with_pod_template(template: Object, patch: Object, *, resource: str) -> dict[str, Any]:
    """Return a pod template with the user's part laid over it.

    ``resource`` is what the plan's devices are asked by. Raises ``PodTemplateError`` for the first thing
    that would break the model's pods, with its path.
    """
    if not patch:
        return dict(template)
    after = patched(template, patch)
    for path, why in _broken(template, after, resource):
        raise PodTemplateError(f"{ROOT}.{path}", why)
    return after


def _broken(before: Object, after: Object, resource: str) -> Iterator[tuple[str, str]]:
    yield from _labels(before, after)
    for name, field in _HOMES:
        at = f"spec.{field}[{name}]"
        ours, theirs = _named(before, field, name), _named(after, field, name)
        if not theirs:
            yield at, "the model's pods need this container"
            return
        yield from _container(ours, theirs, at, resource)
    yield from _ports(after)
    for name in OWN_VOLUMES:
        if _named(before, "volumes", name) != _named(after, "volumes", name):
            yield f"spec.volumes[{name}]", "the operator's own volume"


def _labels(before: Object, after: Object) -> Iterator[tuple[str, str]]:
    theirs = _map(_map(after.get("metadata")).get("labels"))
    for key, value in before["metadata"]["labels"].items():
        if theirs.get(key) != value:
            yield f"metadata.labels[{key}]", "Services and Deployments select the pods by the operator's labels"


def _container(before: Object, after: Object, at: str, resource: str) -> Iterator[tuple[str, str]]:
    for field, why in _FIELDS.items():
        if before.get(field) != after.get(field):
            yield f"{at}.{field}", why
    for probe in _PROBES:
        if _map(before.get(probe)).get("httpGet") != _map(after.get(probe)).get("httpGet"):
            yield f"{at}.{probe}", "the runtime answers the probes; only their times can be changed"
    for path in _our_mounts(before, after):
        if _mount(before, path) != _mount(after, path):
            yield f"{at}.volumeMounts[{path}]", "the runtime, the weights and the API keys are there"
    for name in _changed_variables(before, after):
        yield f"{at}.env[{name}]", "the operator sets this variable"
    if _devices(before, resource) != _devices(after, resource):
        yield f"{at}.resources", f"the plan decides on {resource}; spec.accelerator limits it"


def _changed_variables(before: Object, after: Object) -> list[str]:
    ours, theirs = ({entry.get("name"): entry for entry in _entries(it, "env")} for it in (before, after))
    names = [str(name) for name in {**ours, **theirs}]
    return [name for name in names if is_our_variable(name) and ours.get(name) != theirs.get(name)]


def _ports(after: Object) -> Iterator[tuple[str, str]]:
    """Find who else claims the two ports, or gives them other names."""
    for field in ("initContainers", "containers"):
        for container in _entries(after["spec"], field):
            claimed = {port.get("containerPort"): port.get("name") for port in _entries(container, "ports")}
            at = f"spec.{field}[{container.get('name')}].ports"
            if container.get("name") == SERVER_CONTAINER:
                if {number: claimed.get(number) for number in _SERVED} != _SERVED:
                    yield at, f"the Service and the probes need the ports {HTTP_PORT} and {RUNTIME_PORT} by their names"
            elif set(claimed) & set(_SERVED):
                yield at, f"{HTTP_PORT} and {RUNTIME_PORT} are the ports of the model's own containers"


def _named(template: Object, field: str, name: str) -> Object:
    return next((entry for entry in _entries(template["spec"], field) if entry.get("name") == name), {})


def _our_mounts(*containers: Object) -> list[str]:
    """Return the places that are ours, and those below the models' that are mounted in any of the containers."""
    mounted = [str(mount.get("mountPath")) for container in containers for mount in _entries(container, "volumeMounts")]
    return [*_MOUNTS, *dict.fromkeys(path for path in mounted if path.startswith(f"{MODELS_DIR}/"))]


def _mount(container: Object, path: str) -> Object | None:
    return next((mount for mount in _entries(container, "volumeMounts") if mount.get("mountPath") == path), None)


def _devices(container: Object, resource: str) -> tuple[Any, Any]:
    """Return how many devices a container asks for; cores are no devices and may be changed."""
    if "/" not in resource:
        return None, None
    resources = _map(container.get("resources"))
    return _map(resources.get("requests")).get(resource), _map(resources.get("limits")).get(resource)


def _entries(holder: Object, field: str) -> list[Object]:
    """Return the entries of a list; what is of the wrong type is for the API server to refuse."""
    found = holder.get(field)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _map(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}
