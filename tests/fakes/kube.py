"""A few routes of the API server, for faults that a real one does not produce on demand.

Discovery, lists and watches of the kinds that the operator watches; everything else is refused and
remembered. What a real API server does is tested on a real one.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from aiohttp import web

from genmodel_operator.kube.client import WatchConnection
from genmodel_operator.kube.kinds import CHILD_KINDS, GENERATIVE_MODEL, NODE, Kind

Object = dict[str, Any]
T = TypeVar("T")

NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
KINDS = (GENERATIVE_MODEL, *CHILD_KINDS, NODE, NAMESPACE, CRD)
MODELS = GENERATIVE_MODEL.plural
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def a_model(name: str, *, uid: str = "", version: int = 1) -> Object:
    """A stored model with just what an informer reads."""
    metadata = {"namespace": "team-a", "name": name, "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata | {"generation": 1}, "spec": {"model": "a/b"}}


class FakeApi:
    """Serves ``objects`` by plural and name; ``lists`` and ``watches`` count what was asked by plural.

    ``refuse[verb, plural]`` (verb list or watch) is the HTTP status that is answered instead, while set.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {kind.plural: {} for kind in KINDS}
        self.served = {kind.plural for kind in KINDS}
        self.refuse: dict[tuple[str, str], int] = {}
        self.accepted_tokens: set[str] | None = None
        self.lists: dict[str, int] = {}
        self.watches: dict[str, int] = {}
        self.queries: dict[str, Mapping[str, str]] = {}
        self.others: list[tuple[str, str]] = []
        self.refused_logins = 0
        self.version = 100
        self._streams: dict[str, set[asyncio.Queue[Object | None]]] = {}
        self._loop = asyncio.new_event_loop()

    # -- what a test makes happen

    def put(self, plural: str, obj: Object, *, silent: bool = False) -> None:
        """Store an object and tell the open watches, unless it happens while nobody looks."""
        name = obj["metadata"]["name"]
        type_ = "MODIFIED" if name in self.objects[plural] else "ADDED"
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.objects[plural][name] = obj
        if not silent:
            self.emit(plural, {"type": type_, "object": obj})

    def remove(self, plural: str, name: str, *, silent: bool = False) -> None:
        """Delete an object likewise."""
        obj = self.objects[plural].pop(name)
        if not silent:
            self.emit(plural, {"type": "DELETED", "object": obj})

    def emit(self, plural: str, event: Object | None) -> None:
        """Send something through the open watches; None closes them."""
        self._loop.call_soon_threadsafe(self._emit, plural, json.dumps(event))

    def _emit(self, plural: str, event: str) -> None:
        for stream in self._streams.get(plural, ()):
            stream.put_nowait(json.loads(event))

    def emit_error(self, plural: str, code: int) -> None:
        """Send an error through the open watches, as the API server does."""
        said = {"kind": "Status", "status": "Failure", "code": code, "message": f"error {code}"}
        self.emit(plural, {"type": "ERROR", "object": said})

    def cut(self, plural: str) -> None:
        """Close the open watches."""
        self.emit(plural, None)

    def open_watches(self, plural: str) -> int:
        """How many watches are open."""
        return len(self._streams.get(plural, ()))

    # -- HTTP

    @contextmanager
    def run(self) -> Iterator[str]:
        """Serve on loopback in a thread of its own, as kopf ends every task of its own loop; yields the URL."""
        thread = threading.Thread(target=self._loop.run_forever, name="fake API server")
        thread.start()
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        try:
            port = self._wait(self._start(runner))
            yield f"http://127.0.0.1:{port}"
        finally:
            self._wait(runner.cleanup())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self, runner: web.AppRunner) -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._check_token])
        app.add_routes([web.get("/api", self._core), web.get("/apis", self._groups)])
        for path in {kind.api_path for kind in KINDS}:
            app.router.add_get(path, self._resources)
            app.router.add_get(path + "/{plural}", self._list_or_watch)
            app.router.add_get(path + "/namespaces/{namespace}/{plural}", self._list_or_watch)
        app.router.add_route("*", "/{rest:.*}", self._other)
        return app

    @web.middleware
    async def _check_token(self, request: web.Request, handler: Any) -> web.StreamResponse:
        token = request.headers.get("Authorization", "")
        if self.accepted_tokens is not None and token not in self.accepted_tokens:
            self.refused_logins += 1
            return _status(401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _core(self, _request: web.Request) -> web.Response:
        return web.json_response({"versions": ["v1"]})

    async def _groups(self, _request: web.Request) -> web.Response:
        groups = {kind.group: kind for kind in KINDS if kind.group and kind.plural in self.served}
        listed = [_group(kind) for kind in groups.values()]
        return web.json_response({"groups": listed})

    async def _resources(self, request: web.Request) -> web.Response:
        kinds = [kind for kind in KINDS if kind.api_path == request.path and kind.plural in self.served]
        return web.json_response({"resources": [_resource(kind) for kind in kinds]}) if kinds else _status(404)

    async def _list_or_watch(self, request: web.Request) -> web.StreamResponse:
        plural = request.match_info["plural"]
        if plural not in self.served:
            return _status(404)
        self.queries[plural] = dict(request.query)
        if "watch" in request.query:
            return await self._watch(request, plural)
        self.lists[plural] = self.lists.get(plural, 0) + 1
        if ("list", plural) in self.refuse:
            return _status(self.refuse["list", plural])
        items = list(self.objects[plural].values())
        return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        self.watches[plural] = self.watches.get(plural, 0) + 1
        if ("watch", plural) in self.refuse:
            return _status(self.refuse["watch", plural])
        stream: asyncio.Queue[Object | None] = asyncio.Queue()
        self._streams.setdefault(plural, set()).add(stream)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(request)
            while (event := await stream.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._streams[plural].discard(stream)
        return response

    async def _other(self, request: web.Request) -> web.Response:
        self.others.append((request.method, request.path))
        return _status(404)


def connection(url: str, *, token: str = "") -> WatchConnection:
    """How an informer reaches the fake."""
    headers = {"Authorization": token} if token else {}
    return WatchConnection(server=url, headers=headers, ssl_context=_PLAIN, proxy=None)


def _group(kind: Kind) -> Object:
    version = {"groupVersion": kind.api_version, "version": kind.version}
    return {"name": kind.group, "versions": [version], "preferredVersion": version}


def _resource(kind: Kind) -> Object:
    return {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "kind": kind.kind,
        "namespaced": kind.namespaced,
        "verbs": ["get", "list", "watch", "patch"],
    }


def _status(code: int) -> web.Response:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": f"answer {code}"}
    return web.json_response(said, status=code)
