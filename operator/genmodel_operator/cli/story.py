"""What there is to tell about a model, read with the user's own rights."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.input import CommandError
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import Forbidden, KubeError, NotFound, Unauthorized
from genmodel_operator.kube.kinds import EVENT, GENERATIVE_MODEL, POD
from genmodel_runtime.contract import CONTRACT, RUNTIME_PORT

Object = dict[str, Any]

PODS_FORBIDDEN = "pods may not be listed with your rights"
EVENTS_FORBIDDEN = "Events may not be listed with your rights"
RUNTIME_SECONDS = 2.0
"""A pod that takes longer to tell its progress is not asked again."""
_MOST_ASKED = 8
"""Pods that are asked for their progress at once."""


@dataclass(frozen=True, slots=True)
class Story:
    """One model, as it was at one moment.

    Attributes:
        raw: the object as the API server gave it.
        model: the same, parsed.
        pods: its pods, oldest first.
        runtimes: the runtime's status document by pod name, where it could be read.
        events: Events about the model, oldest first.
        notes: what could not be read, and why.
        now: when it was read.

    """

    raw: Object
    model: GenerativeModel
    pods: Sequence[Object] = ()
    runtimes: Mapping[str, Object] = field(default_factory=dict)
    events: Sequence[Object] = ()
    notes: Sequence[str] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


class Reporter:
    """Reads stories; what the user may not do is asked once and then left out."""

    def __init__(self, client: KubeClient) -> None:
        """Take the client, which the caller closes."""
        self._client = client
        self._is_proxy_closed = False
        self._silent: set[str] = set()

    async def story(self, namespace: str, name: str) -> Story:
        """Return what there is to tell about one model; raise ``CommandError``."""
        try:
            raw = await self._client.get(GENERATIVE_MODEL, namespace, name)
        except NotFound as error:
            raise await self._missing(namespace, name) from error
        except KubeError as error:
            raise unreadable(error) from error
        (pods, no_pods), (events, no_events) = await asyncio.gather(
            self._pods(namespace, name), self._events(namespace, raw)
        )
        notes = tuple(note for note in (no_pods, no_events) if note)
        return Story(raw, parse(raw), pods, await self._runtimes(pods), events, notes)

    async def models(self, namespace: str | None) -> list[GenerativeModel]:
        """Return the models of a namespace, or of all; raise ``CommandError``."""
        try:
            found = await self._client.list(GENERATIVE_MODEL, namespace)
        except NotFound as error:
            raise _not_installed() from error
        except KubeError as error:
            raise unreadable(error) from error
        models = [parse(raw) for raw in found]
        return sorted(models, key=lambda model: (model.metadata.namespace, model.metadata.name))

    async def _missing(self, namespace: str, name: str) -> CommandError:
        try:
            is_served = await self._client.is_served(GENERATIVE_MODEL)
        except KubeError as error:
            return unreadable(error)
        if not is_served:
            return _not_installed()
        where = f"NAME {name}: there is no {labels.KIND} {name} in namespace {namespace}"
        return CommandError(f"{where}; genmodel status -A lists those of all namespaces")

    async def _pods(self, namespace: str, name: str) -> tuple[list[Object], str | None]:
        selector = f"{labels.OWNED_SELECTOR},{labels.MODEL}={name}"
        try:
            found = await self._client.list(POD, namespace, label_selector=selector)
        except Forbidden:
            return [], PODS_FORBIDDEN
        except KubeError as error:
            raise unreadable(error) from error
        return sorted(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"])), None

    async def _events(self, namespace: str, raw: Object) -> tuple[list[Object], str | None]:
        metadata = raw["metadata"]
        selector = f"regarding.kind={labels.KIND},regarding.name={metadata['name']},regarding.uid={metadata['uid']}"
        try:
            found = await self._client.list(EVENT, namespace, field_selector=selector)
        except Forbidden:
            return [], EVENTS_FORBIDDEN
        except KubeError as error:
            raise unreadable(error) from error
        return sorted(found, key=event_time), None

    async def _runtimes(self, pods: Sequence[Object]) -> dict[str, Object]:
        """Ask pods that come up how far they are; what cannot be read is left out, status tells it more coarsely."""
        asked = [pod for pod in pods if _is_coming_up(pod)][:_MOST_ASKED]
        documents = await asyncio.gather(*(self._runtime(pod["metadata"]) for pod in asked))
        found = zip(asked, documents, strict=True)
        return {pod["metadata"]["name"]: document for pod, document in found if document.get("contract") == CONTRACT}

    async def _runtime(self, metadata: Object) -> Object:
        if self._is_proxy_closed or metadata["uid"] in self._silent:
            return {}
        try:
            async with asyncio.timeout(RUNTIME_SECONDS):
                return await self._client.read_page(metadata["namespace"], metadata["name"], RUNTIME_PORT, "status")
        except (Forbidden, Unauthorized):
            self._is_proxy_closed = True
        except TimeoutError:
            # The network does not let the API server through; asking again would only make the screen slow.
            self._silent.add(metadata["uid"])
        except KubeError:
            pass  # not there yet
        return {}


def event_time(event: Object) -> str:
    """Return when an Event was last seen, RFC 3339."""
    times = ((event.get("series") or {}).get("lastObservedTime"), event.get("eventTime"))
    return next((str(time) for time in times if time), str(event.get("deprecatedLastTimestamp") or ""))


def _is_coming_up(pod: Object) -> bool:
    status = pod.get("status", {})
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return not is_ready and any("running" in one.get("state", {}) for one in statuses)


def parse(raw: Object) -> GenerativeModel:
    """Return a stored model; raise ``CommandError`` where this version cannot read it."""
    try:
        return GenerativeModel.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        name = raw["metadata"]["name"]
        raise CommandError(f"{name}: {path}: {first['msg']}; is this genmodel older than the operator?") from error


def _not_installed() -> CommandError:
    return CommandError(
        f"the cluster has no {labels.PLURAL}.{labels.GROUP}: genmodel is not installed there; "
        "helm install brings it, and genmodel crd prints the definition",
        exit_code=1,
    )


def unreadable(error: KubeError) -> CommandError:
    """Return the error of a cluster that cannot be asked, with the way out."""
    if isinstance(error, Forbidden):
        way = "ask for the right; the cluster roles view and edit have it"
    elif isinstance(error, Unauthorized):
        way = "log in again"
    else:
        way = "check the current context of kubectl"
    return CommandError(f"the cluster cannot be asked: {error}; {way}", exit_code=1)
