"""What must hold before the watches start: our kind is served, and every kind may be listed."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from genmodel_operator.api import labels
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.definition import definition_problem
from genmodel_operator.kube.errors import Forbidden, KubeError
from genmodel_operator.kube.kinds import CHILD_KINDS, GENERATIVE_MODEL, NODE, Kind

logger = logging.getLogger(__name__)

PAGE_SIZE = 20
"""Objects per page: what a page takes as dicts is never given back to the system."""

Report = Callable[[str | None], None]
"""Takes what is wrong, or None when nothing is any more."""


async def wait_until_served(client: KubeClient, *, report: Report, delays: Iterable[float]) -> None:
    """Return when the API server serves our kind with all fields that we know; tell meanwhile why not."""
    for delay in delays:
        try:
            problem = await definition_problem(client)
        except KubeError as error:
            problem = f"the API server does not answer: {error}"
        if problem is None:
            report(None)
            return
        _say(report, problem)
        await asyncio.sleep(delay)


async def prime(
    client: KubeClient,
    cache: ChildCache,
    *,
    namespaces: Sequence[str],
    report: Report,
    delays: Iterable[float],
    reads_nodes: bool = True,
) -> None:
    """Return when every watched kind was listed once; children are then in the cache.

    Without this a missing permission would go unnoticed (the informer tries for ever), and the first
    reconcile of each model would find an empty cache and ask for each child.
    """
    for delay in delays:
        try:
            if reads_nodes:
                await client.may_list(NODE)
            await _list_all(client, cache, namespaces)
        except Forbidden as error:
            _say(report, f"the operator lacks a permission: {error}; install the chart's RBAC again")
        except KubeError as error:
            _say(report, f"the API server does not answer: {error}")
        else:
            report(None)
            return
        await asyncio.sleep(delay)


async def _list_all(client: KubeClient, cache: ChildCache, namespaces: Sequence[str]) -> None:
    for namespace in namespaces or (None,):
        await client.may_list(GENERATIVE_MODEL, namespace)
        for kind in CHILD_KINDS:
            await _list_children(client, cache, kind, namespace)


async def _list_children(client: KubeClient, cache: ChildCache, kind: Kind, namespace: str | None) -> None:
    async for page in client.pages(kind, namespace, label_selector=labels.OWNED_SELECTOR, page_size=PAGE_SIZE):
        for obj in page:
            cache.put(kind, obj)


def _say(report: Report, problem: str) -> None:
    report(problem)
    logger.warning("waiting: %s", problem)
