"""The plainest client of the API server: what a hand-written script would use, and the floor of any operator."""

import asyncio
import base64
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

Object = dict[str, Any]
Item = TypeVar("Item")

PATHS = {
    "ControllerRevision": "apis/apps/v1/namespaces/{namespace}/controllerrevisions",
    "Deployment": "apis/apps/v1/namespaces/{namespace}/deployments",
    "Service": "api/v1/namespaces/{namespace}/services",
    "NetworkPolicy": "apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
    "Pod": "api/v1/namespaces/{namespace}/pods",
    "GenerativeModel": "apis/genmodel.dev/v1alpha1/namespaces/{namespace}/generativemodels",
}


class PlainClient:
    """One connection pool with a client certificate; creates, deletes, lists and watches."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        self._ssl = _context(config)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "PlainClient":
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=64)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json", **query: str
    ) -> Object:
        """Send one request; raise ``RuntimeError`` with the server's words where it refuses."""
        assert self._session is not None
        headers = {"Content-Type": content_type} if body is not None else None
        url = f"{self._server}/{path}"
        async with self._session.request(method, url, json=body, headers=headers, params=query) as answer:
            found: Object = await answer.json()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status}: {found.get('message', found)}")
            return found

    async def create(self, obj: Object) -> Object:
        path = PATHS[obj["kind"]].format(namespace=obj["metadata"]["namespace"])
        return await self.request("POST", path, obj)

    async def patch(self, path: str, body: Object) -> Object:
        """Merge fields into an object, lists by their keys."""
        return await self.request("PATCH", path, body, "application/strategic-merge-patch+json")

    async def list(self, kind: str, namespace: str) -> list[Object]:
        found = await self.request("GET", PATHS[kind].format(namespace=namespace))
        items: list[Object] = found["items"]
        return items

    async def delete_all(self, kind: str, namespace: str) -> None:
        await self.request("DELETE", PATHS[kind].format(namespace=namespace), propagationPolicy="Background")

    async def watch(self, kind: str, namespace: str) -> AsyncIterator[Object]:
        """Yield objects as they are added or changed, from now on, for ever."""
        assert self._session is not None
        path = PATHS[kind].format(namespace=namespace)
        start = (await self.request("GET", path, limit="1"))["metadata"]["resourceVersion"]
        query = {"watch": "true", "resourceVersion": start, "timeoutSeconds": "3600"}
        async with self._session.get(f"{self._server}/{path}", params=query) as answer:
            pending = b""
            async for chunk in answer.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] in ("ADDED", "MODIFIED"):
                        yield event["object"]


def _context(config: Mapping[str, Any]) -> ssl.SSLContext:
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    with tempfile.TemporaryDirectory() as folder:
        authority = _file(cluster, "certificate-authority", folder)
        certificate, key = _file(user, "client-certificate", folder), _file(user, "client-key", folder)
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
    return context


def _file(section: Mapping[str, str], name: str, folder: str) -> str:
    """Return the path of a kubeconfig's file, written out where the kubeconfig holds its content."""
    if name in section:
        return section[name]
    path = Path(folder) / name
    path.write_bytes(base64.b64decode(section[f"{name}-data"]))
    return str(path)


class Milestones:
    """When each of a set of names reached a mark, on the monotonic clock, told by a watch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._missing = set(names)
        self._times: dict[str, float] = {}
        self.reached = asyncio.Event()

    def note(self, name: str) -> None:
        if name in self._missing:
            self._missing.discard(name)
            self._times[name] = time.monotonic()
            if not self._missing:
                self.reached.set()

    def since(self, started: float) -> dict[str, float]:
        """Return the seconds from a moment until each name's mark."""
        return {name: reached - started for name, reached in self._times.items()}


async def spread(items: Sequence[Item], work: Callable[[Item], Awaitable[object]], *, at_once: int = 20) -> None:
    """Run ``work`` over all items, ``at_once`` at a time."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(items))):
            group.create_task(worker())
