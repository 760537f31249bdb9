"""What the pods say of themselves, and how soon to look again."""

import asyncio
import json
from typing import Any

import aiohttp

from genmodel_operator.causes import has_weights, is_ready
from genmodel_operator.controller.context import Context, Object
from genmodel_runtime.contract import CONTRACT, PREPARE_CONTAINER, RUNTIME_PORT, SERVER_CONTAINER, Phase

POLL_SECONDS = 2.0
"""How often a pod that comes up is asked; its phases raise no event in the cluster."""
TIMEOUT_SECONDS = 2.0
MAX_DOCUMENT_BYTES = 64 * 1024


class HttpRuntimeReader:
    """Reads ``/status`` of a pod's runtime over HTTP."""

    def __init__(self, *, port: int = RUNTIME_PORT, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take the runtime's port and the bound on one request."""
        self._port = port
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def read(self, address: str) -> Object | None:
        """Return the status document at a pod's address, None where the path is closed or the answer is not one.

        Of an engine that warms up, ``readiness`` holds what the kubelet's probe is answered, which says why.
        """
        document = parse_document(await self._get(address, "/status"))
        if document is not None and document.get("phase") == Phase.WARMING_UP.value:
            return {**document, "readiness": parse_object(await self._get(address, "/readyz")) or {}}
        return document

    async def _get(self, address: str, path: str) -> bytes:
        """Return the body of a page, nothing where it cannot be had."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.get(f"http://{host}:{self._port}{path}") as answer:
                return await answer.content.read(MAX_DOCUMENT_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return b""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def parse_document(body: bytes) -> Object | None:
    """Return a runtime's status document, None where it is none of this contract."""
    document = parse_object(body)
    return document if document is not None and document.get("contract") == CONTRACT else None


def parse_object(body: bytes) -> Object | None:
    """Return a JSON object, None where the text is none."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


async def observe(ctx: Context) -> None:
    """Ask the pods that come up how far they are, and the first ready one what it measured."""
    asked = [pod for pod in (*ctx.pods, *ctx.fetchers) if _is_coming_up(pod)]
    if asked:
        ctx.look_again(POLL_SECONDS)
    if ctx.model.status.measured is None or _serves_another_revision(ctx):
        asked += [pod for pod in ctx.pods if is_ready(pod)][:1]
    answers = await asyncio.gather(*(ctx.tools.runtimes.read(pod["status"]["podIP"]) for pod in asked))
    for pod, document in zip(asked, answers, strict=True):
        if document is not None:
            ctx.runtimes[pod["metadata"]["name"]] = document


def _serves_another_revision(ctx: Context) -> bool:
    before = ctx.model.status.revision
    return before is None or before.serving != ctx.serving


def _is_coming_up(pod: Object) -> bool:
    """Return whether the pod runs a container whose progress only the runtime knows."""
    status = pod.get("status", {})
    if is_ready(pod) or pod["metadata"].get("deletionTimestamp") or not status.get("podIP"):
        return False
    wanted = SERVER_CONTAINER if has_weights(pod) else PREPARE_CONTAINER
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return any(found["name"] == wanted and "running" in found.get("state", {}) for found in statuses)
