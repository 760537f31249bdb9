"""The only module that speaks to the API server: a few verbs over plain dicts.

Typed models of the client library are not used: they refuse what servers really send, after the
write has happened, and cost memory.
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from yaml import YAMLError

from genmodel_operator import __version__
from genmodel_operator.api.labels import FIELD_MANAGER
from genmodel_operator.kube.apply import as_applied, is_as_created
from genmodel_operator.kube.errors import Conflict, Expired, KubeError, NotFound, NotLeading, Unreachable, error_from
from genmodel_operator.kube.kinds import CONTROLLER_REVISION, LEASE, POD, Kind
from genmodel_operator.kube.kubernetes_aio import Configuration
from genmodel_operator.kube.kubernetes_aio import config as kube_config
from genmodel_operator.kube.transport import Transport
from genmodel_operator.settings import Settings

Object = dict[str, Any]
Body = Object | list[Object] | str

USER_AGENT = f"{FIELD_MANAGER}/{__version__}"
USER_MANAGER = "genmodel"
"""Field manager of what a person writes with the command line."""
PAGE_SIZE = 500
TIMEOUT_SECONDS = 30.0
_TAKE_OVER_TRIES = 5
_APPLY_PATCH = "application/apply-patch+yaml"
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_YAML = "application/yaml"
_YAML_BREAKS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029\ufeff"}
"""What ends a line in YAML, which applies are read as, and not in JSON; YAML knows no escaped halves of an emoji."""
_BACKGROUND = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}

RequestObserver = Callable[[str, str, str, float], None]
"""Takes verb, kind, HTTP status (or ``error``) and seconds of each request."""


class ConnectionConfigError(Exception):
    """There is no way to the API server: neither KUBECONFIG nor a service account."""


@dataclass(frozen=True, slots=True)
class WatchConnection:
    """What another HTTP client needs to reach the same API server with the same rights."""

    server: str
    headers: Mapping[str, str]
    ssl_context: ssl.SSLContext
    proxy: str | None


class KubeClient:
    """Reads and writes objects; every request has a time limit, a metric and typed errors."""

    def __init__(self, transport: Transport, *, observe: RequestObserver | None = None) -> None:
        self._transport = transport
        self._observe = observe
        self._seconds_left: Callable[[], float] | None = None

    @classmethod
    async def connect(
        cls,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        observe: RequestObserver | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Self:
        """Return a client for the cluster of KUBECONFIG, else of the pod's service account.

        Raises ``ConnectionConfigError`` where there is neither, or where it cannot be read. Sends nothing.
        """
        configuration = Configuration()
        configuration.connection_pool_maxsize = settings.workers + 4 + max(1, len(settings.watch_namespaces))
        await _load_configuration(configuration, environ)
        transport = Transport(configuration, user_agent=USER_AGENT, timeout_seconds=timeout_seconds)
        return cls(transport, observe=observe)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def fence(self, seconds_left: Callable[[], float]) -> None:
        """From now on write only while so many seconds are left, but for Leases; else raise ``NotLeading``."""
        self._seconds_left = seconds_left

    async def watch_connection(self) -> WatchConnection:
        """Return how the informer reaches the same server; with a fresh token each time."""
        headers = {"User-Agent": f"{USER_AGENT} (watch)", **await self._transport.credentials()}
        return WatchConnection(
            server=self._transport.server,
            headers=headers,
            ssl_context=self._transport.ssl_context,
            proxy=self._transport.proxy,
        )

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """Return one live object."""
        return await self._call("GET", "get", kind, _path(kind, namespace, name), name=name)

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        """Return all live objects of a kind, in one namespace or in all."""
        selectors: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        try:
            return [item async for page in self.pages(kind, namespace, **selectors) for item in page]
        except Expired:
            # A token can expire only between pages: without pages there is none.
            return [item async for page in self.pages(kind, namespace, page_size=0, **selectors) for item in page]

    async def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Object]]:
        """Yield live objects page by page; ``page_size`` 0 asks for one page. Raises ``Expired`` between pages."""
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        token = ""
        while True:
            paging = _query(limit=str(page_size or ""), **{"continue": token})
            answer = await self._call("GET", "list", kind, _path(kind, namespace), query=[*query, *paging])
            items = answer.get("items") or []
            for item in items:
                item["apiVersion"], item["kind"] = kind.api_version, kind.kind
            yield items
            token = answer.get("metadata", {}).get("continue") or ""
            if not token:
                return

    async def watch(
        self, kind: Kind, namespace: str | None = None, *, label_selector: str | None = None, seconds: float
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield what is there as ``ADDED``, then each change, until the server ends the watch after ``seconds``."""
        asked = _query(watch="true", labelSelector=label_selector, timeoutSeconds=str(int(seconds)))
        try:
            async with self._transport.stream(
                _path(kind, namespace), query=asked, timeout_seconds=seconds + TIMEOUT_SECONDS
            ) as answer:
                if answer.status != 200:
                    data = await answer.read()
                    raise error_from(answer.status, data, answer.headers, verb="watch", kind=kind.kind, name="")
                async for line in answer.content:
                    event = _decode(line, verb="watch", kind=kind.kind, name="")
                    if event.get("type") == "ERROR":
                        status = json.dumps(event["object"]).encode()
                        raise error_from(event["object"].get("code", 500), status, {}, verb="watch", kind=kind.kind)
                    yield event["type"], event["object"]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            said = str(error) or type(error).__name__
            raise Unreachable(said, verb="watch", kind=kind.kind, name="") from error

    async def may_list(self, kind: Kind, namespace: str | None = None, *, label_selector: str | None = None) -> None:
        """Ask for one object of a kind; raises what a list would raise."""
        query = _query(limit="1", labelSelector=label_selector)
        await self._call("GET", "list", kind, _path(kind, namespace), query=query)

    async def is_served(self, kind: Kind) -> bool:
        """Return whether the API server knows the kind, asked from its discovery."""
        try:
            found = await self._call("GET", "discover", kind, kind.api_path)
        except NotFound:
            return False
        return any(resource.get("name") == kind.plural for resource in found.get("resources", []))

    async def served_schema(self, kind: Kind) -> Object:
        """Return the schema by which the API server reads a kind of a definition; empty where it publishes none."""
        found = await self._call("GET", "discover", kind, f"/openapi/v3{kind.api_path}")
        wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        for schema in found.get("components", {}).get("schemas", {}).values():
            if wanted in schema.get("x-kubernetes-group-version-kind", []):
                return dict(schema)
        return {}

    async def apply(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Make the live object carry our fields (server-side apply, forced); returns it with its status."""
        return await self._apply(kind, obj, "apply")

    async def apply_status(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Apply ``status`` of an existing object; ``NotFound`` where it is gone."""
        return await self._apply(kind, obj, "apply_status", "/status")

    async def _apply(self, kind: Kind, obj: Mapping[str, Any], verb: str, subresource: str = "") -> Object:
        metadata = obj["metadata"]
        path = _path(kind, metadata.get("namespace"), metadata["name"]) + subresource
        body = {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
        query = _query(fieldManager=FIELD_MANAGER, force="true")
        return await self._call(
            "PATCH", verb, kind, path, name=metadata["name"], query=query, body=body, content_type=_APPLY_PATCH
        )

    async def read_page(self, namespace: str, pod: str, port: int, page: str) -> Object:
        """Return a JSON page of a pod, fetched through the API server; needs the right to get ``pods/proxy``."""
        path = f"{_path(POD, namespace, pod)}:{port}/proxy/{page}"
        return await self._call("GET", "proxy", POD, path, name=pod)

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Create an object; ``AlreadyExists`` where the name is taken."""
        metadata = obj["metadata"]
        body: Body = {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
        query = _query(fieldManager=FIELD_MANAGER)
        path = _path(kind, metadata.get("namespace"))
        content_type = _JSON
        if kind is CONTROLLER_REVISION:
            # Its data is kept byte by byte and may never change. What comes as YAML the server writes in its own form;
            # JSON of ours it would write anew at the next patch, find changed, and refuse that and every later one.
            content_type, body = _YAML, json.dumps(body, ensure_ascii=False)
        name = metadata.get("name", "")
        return await self._call(
            "POST", "create", kind, path, name=name, query=query, body=body, content_type=content_type
        )

    async def replace(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Replace an object as a whole; ``Conflict`` where it changed since its resource version."""
        metadata = obj["metadata"]
        body = {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
        path, query = _path(kind, metadata.get("namespace"), metadata["name"]), _query(fieldManager=FIELD_MANAGER)
        return await self._call("PUT", "replace", kind, path, name=metadata["name"], query=query, body=body)

    async def dry_run(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Return an object as it would be created, without creating it; unknown fields are refused."""
        metadata = obj["metadata"]
        body = {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
        query = _query(fieldManager=FIELD_MANAGER, dryRun="All", fieldValidation="Strict")
        path = _path(kind, metadata.get("namespace"))
        return await self._call("POST", "dry_run", kind, path, name=metadata.get("name", ""), query=query, body=body)

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> Object:
        """Set annotations of an existing object, on a person's behalf."""
        body = {"metadata": {"annotations": dict(annotations)}}
        path, query = _path(kind, namespace, name), _query(fieldManager=USER_MANAGER)
        return await self._call(
            "PATCH", "annotate", kind, path, name=name, query=query, body=body, content_type=_MERGE_PATCH
        )

    async def take_over(self, kind: Kind, namespace: str, name: str) -> None:
        """Let fields that we created count as applied, before the first apply to the object.

        ``NotFound`` where it is gone, ``Conflict`` where it changes again each time that it was read.
        """
        for left in reversed(range(_TAKE_OVER_TRIES)):
            live = await self.get(kind, namespace, name)
            if not is_as_created(live):
                return
            patch = [
                {"op": "replace", "path": "/metadata/managedFields", "value": as_applied(live)},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
            ]
            path = _path(kind, namespace, name)
            try:
                await self._call("PATCH", "take_over", kind, path, name=name, body=patch, content_type=_JSON_PATCH)
                return
            except Conflict:
                # Whoever edits a Deployment makes its controller write, too, at this very moment.
                if not left:
                    raise

    async def replace_spec(self, kind: Kind, obj: Mapping[str, Any], *, uid: str) -> Object:
        """Give the object with this uid the whole ``spec`` of ``obj``, whoever owns its fields; returns it."""
        metadata = obj["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "replace", "path": "/spec", "value": obj["spec"]},
        ]
        name, query = metadata["name"], _query(fieldManager=FIELD_MANAGER)
        path = _path(kind, metadata.get("namespace"), name)
        return await self._call(
            "PATCH", "replace_spec", kind, path, name=name, query=query, body=patch, content_type=_JSON_PATCH
        )

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object; ``Conflict`` where it is not the one with this uid or resource version any more."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in wanted.items() if value is not None}
        body = _BACKGROUND | ({"preconditions": preconditions} if preconditions else {})
        await self._call("DELETE", "delete", kind, _path(kind, namespace, name), name=name, body=body)

    async def _call(
        self,
        method: str,
        verb: str,
        kind: Kind,
        path: str,
        *,
        name: str = "",
        query: Sequence[tuple[str, str]] = (),
        body: Body | None = None,
        content_type: str = _JSON,
    ) -> Object:
        """Send one request and return its decoded answer; raises a ``KubeError``."""
        started = time.monotonic()
        code = "error"
        data_sent = None if body is None else _encode(body)
        limit_seconds = self._limit_seconds(method, verb, kind, name)
        try:
            async with asyncio.timeout(limit_seconds):
                status, headers, data = await self._transport.send(
                    method, path, query=query, body=data_sent, content_type=content_type
                )
            code = str(status)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            said = str(error) or type(error).__name__
            raise Unreachable(said, verb=verb, kind=kind.kind, name=name) from error
        finally:
            if self._observe is not None:
                self._observe(verb, kind.kind, code, time.monotonic() - started)
        if not 200 <= status < 300:
            raise error_from(status, data, headers, verb=verb, kind=kind.kind, name=name)
        return _decode(data, verb=verb, kind=kind.kind, name=name)

    def _limit_seconds(self, method: str, verb: str, kind: Kind, name: str) -> float | None:
        """Return how long a request may take beside the transport's own limit: a write, as long as we lead."""
        if self._seconds_left is None or method == "GET" or kind is LEASE:
            return None
        left_seconds = self._seconds_left()
        if left_seconds <= 0:
            raise NotLeading("this operator does not lead any more", verb=verb, kind=kind.kind, name=name)
        return left_seconds


async def _load_configuration(configuration: Configuration, environ: Mapping[str, str]) -> None:
    named = environ.get("KUBECONFIG")
    try:
        if named:
            # The loader itself answers a missing file with "no configuration found" and no name.
            if not await asyncio.to_thread(_any_is_file, named):
                raise ConnectionConfigError(f"KUBECONFIG={named}: there is no such file")
            await kube_config.load_kube_config(named, client_configuration=configuration, persist_config=False)
        else:
            kube_config.load_incluster_config(configuration)
    except (kube_config.ConfigException, OSError) as error:
        where = f"KUBECONFIG={named}" if named else "no KUBECONFIG, and the service account of a pod"
        raise ConnectionConfigError(f"{where}: {error}") from error
    except (YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        # The loader does not look at what it reads before it uses it.
        raise ConnectionConfigError(f"KUBECONFIG={named}: not a kubeconfig: {' '.join(str(error).split())}") from error


def _any_is_file(named: str) -> bool:
    """Whether one of the files of KUBECONFIG exists, which are merged."""
    return any(Path(name).is_file() for name in named.split(os.pathsep) if name)


def _path(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    scope = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{kind.api_path}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def _query(**values: str | None) -> list[tuple[str, str]]:
    return [(key, value) for key, value in values.items() if value]


def _encode(body: Body) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_YAML_BREAKS).encode()


def _decode(data: bytes, *, verb: str, kind: str, name: str) -> Object:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise Unreachable("the answer is not JSON", verb=verb, kind=kind, name=name) from error
    if not isinstance(found, dict):
        raise KubeError("the answer is no object", verb=verb, kind=kind, name=name)
    return found
