"""The control plane's own cost: N models at once on a real API server, beside a plain client.

The floor is a client that creates the very same children itself. Both run inside the cluster's
network namespace, against the same API server, on the same fake GPU nodes, in the same run.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.api import PATHS, Milestones, Object, PlainClient, spread
from bench.process import OperatorProcess
from genmodel_operator.api import labels
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.settings import Settings
from tests.builders import a_gpu_plan, a_model, some_facts

AT_ONCE = 20
QUIET_SECONDS = 60.0
MODEL = "acme/tiny-llama"
LIMIT_SECONDS = 900.0
NAMESPACE = "bench"


@dataclass(slots=True)
class Timings:
    """Seconds from the first request, per model."""

    children: dict[str, float] = field(default_factory=dict)
    pods: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, str]:
        """Return the last of each, and the spread of the one that users wait for."""
        waited = self.ready or self.pods
        return {
            "all children": seconds(max(self.children.values(), default=None)),
            "all pods ready": seconds(max(self.pods.values(), default=None)),
            "all Ready": seconds(max(self.ready.values(), default=None)),
            "p50": seconds(quantile(list(waited.values()), 0.5)),
            "p99": seconds(quantile(list(waited.values()), 0.99)),
        }

    @property
    def total(self) -> float:
        """Seconds until the last model was served."""
        return max((self.ready or self.pods).values())


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def quantile(values: list[float], share: float) -> float | None:
    """Return the value below which a share of the values lies; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def model_names(count: int) -> list[str]:
    return [f"m{index:04d}" for index in range(count)]


def children_of(name: str, namespace: str) -> list[Object]:
    """Return what the operator would create for a model, without an owner."""
    model = a_model(metadata={"name": name, "namespace": namespace}, model=MODEL)
    objects = build_all(model, some_facts(repository=MODEL), ServedTask.GENERATE, a_gpu_plan(), Settings())
    for found in objects:
        found["metadata"].pop("ownerReferences", None)
    return objects


def a_wish(name: str, namespace: str, endpoint: str) -> Object:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": MODEL, "source": {"hub": {"endpoint": endpoint}}},
    }


def has_condition(found: Mapping[str, Any], kind: str) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


class Observer:
    """Watches a namespace and notes when each model's children, pod and Ready came."""

    def __init__(self, client: PlainClient, namespace: str, names: list[str]) -> None:
        self._client, self._namespace = client, namespace
        kinds = ("Deployment", "Service", "Pod", "GenerativeModel")
        self.marks = {kind: Milestones(names) for kind in kinds}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch while the block runs; what was there before is not counted."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._follow(kind)) for kind in self.marks]
            await asyncio.sleep(1)
            yield
            for task in tasks:
                task.cancel()

    async def _follow(self, kind: str) -> None:
        needs_ready = kind in ("Pod", "GenerativeModel")
        async for found in self._client.watch(kind, self._namespace):
            if not needs_ready or has_condition(found, "Ready"):
                own = found["metadata"].get("labels", {}).get(labels.MODEL)
                self.marks[kind].note(own or found["metadata"]["name"])

    async def settled(self, started: float, *, wants_ready: bool) -> Timings:
        """Wait until every model got where it should; return the seconds since ``started``."""
        wanted = [kind for kind in self.marks if wants_ready or kind != "GenerativeModel"]
        async with asyncio.timeout(LIMIT_SECONDS):
            for kind in wanted:
                await self.marks[kind].reached.wait()
        since = {kind: self.marks[kind].since(started) for kind in self.marks}
        children = {name: max(at, since["Service"][name]) for name, at in since["Deployment"].items()}
        return Timings(children, since["Pod"], since["GenerativeModel"])


async def run_floor(client: PlainClient, namespace: str, count: int) -> Timings:
    """Create the children of ``count`` models with the plain client."""
    names = model_names(count)
    wanted = [children_of(name, namespace) for name in names]

    async def create(objects: list[Object]) -> None:
        for found in objects:
            await client.create(found)

    observer = Observer(client, namespace, names)
    async with observer.watching():
        started = time.monotonic()
        await spread(wanted, create, at_once=AT_ONCE)
        return await observer.settled(started, wants_ready=False)


async def run_operator(client: PlainClient, namespace: str, count: int, endpoint: str) -> Timings:
    """Create ``count`` models and let the operator do the rest."""
    names = model_names(count)
    observer = Observer(client, namespace, names)
    async with observer.watching():
        started = time.monotonic()
        await spread([a_wish(name, namespace, endpoint) for name in names], client.create, at_once=AT_ONCE)
        return await observer.settled(started, wants_ready=True)


async def quiet(operator: OperatorProcess, *, still_seconds: float = 5.0, limit_seconds: float = 300.0) -> float:
    """Wait until no request was made for a while; return the seconds until the last one."""
    started = last = time.monotonic()
    before = await operator.requests()
    while time.monotonic() - last < still_seconds:
        if time.monotonic() - started > limit_seconds:
            raise TimeoutError("the operator never got quiet")
        await asyncio.sleep(0.25)
        now = await operator.requests()
        if now != before:
            before, last = now, time.monotonic()
    return last - started


def lines_of(rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield a table: a line per figure, a column per run."""
    figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
    first = max(map(len, figures), default=0)
    yield " " * first + "".join(f"  {name:>34}" for name in rows)
    for figure in figures:
        yield f"{figure:<{first}}" + "".join(f"  {row.get(figure, '-'):>34}" for row in rows.values())


async def clear(client: PlainClient, namespace: str) -> None:
    """Delete everything that a run left in the namespace and wait until it is gone."""
    for kind in ("GenerativeModel", "Deployment", "ControllerRevision"):
        await client.delete_all(kind, namespace)
    for service in await client.list("Service", namespace):
        await client.request("DELETE", f"{PATHS['Service'].format(namespace=namespace)}/{service['metadata']['name']}")
    deadline = time.monotonic() + LIMIT_SECONDS
    while await client.list("Pod", namespace) and time.monotonic() < deadline:
        await asyncio.sleep(1)


async def measure(kubeconfig: Path, endpoint: str, counts: list[int], log: Path) -> dict[str, dict[str, str]]:
    """Run floor and operator for each count; print as it goes, return all rows."""
    rows: dict[str, dict[str, str]] = {}
    async with PlainClient(kubeconfig) as client:
        for count in counts:
            floor = await run_floor(client, NAMESPACE, count)
            rows[f"{count} floor"] = floor.row()
            await clear(client, NAMESPACE)
            rows[f"{count} genmodel"] = await measure_operator(client, kubeconfig, endpoint, count, log, floor.total)
            await clear(client, NAMESPACE)
            print(
                "\n".join(lines_of({name: row for name, row in rows.items() if name.startswith(f"{count} ")})),
                flush=True,
            )
    return rows


async def measure_operator(
    client: PlainClient, kubeconfig: Path, endpoint: str, count: int, log: Path, floor_seconds: float
) -> dict[str, str]:
    """Return the operator's row for one count, with its requests, restart, processor time and memory."""
    operator = OperatorProcess(kubeconfig, log)
    try:
        await operator.ready()
        empty, before, cpu = operator.resident_mib, await operator.requests(), operator.cpu_seconds
        timings = await run_operator(client, NAMESPACE, count, endpoint)
        await quiet(operator)
        used, cpu_used = await operator.requests() - before, operator.cpu_seconds - cpu
        settled = await operator.requests()
        await asyncio.sleep(QUIET_SECONDS)
        idle = await operator.requests() - settled
        row = timings.row() | {
            "x floor": f"{timings.total / floor_seconds:.2f}",
            "reads per model": f"{used.reads / count:.2f}",
            "writes per model": f"{used.writes / count:.2f}",
            "requests in a quiet minute": idle.per(1),
            "CPU per model": f"{cpu_used / count * 1000:.0f} ms",
            "MiB empty": f"{empty:.0f}",
            "MiB after": f"{operator.resident_mib:.0f}",
        }
    finally:
        operator.stop()
    return row | await measure_restart(kubeconfig, log)


async def measure_restart(kubeconfig: Path, log: Path) -> dict[str, str]:
    """Start the operator beside serving models; return its requests until it is quiet."""
    operator = OperatorProcess(kubeconfig, log)
    try:
        await operator.ready()
        elapsed = await quiet(operator)
        used = await operator.requests()
        return {
            "restart reads": f"{used.reads:.0f}",
            "restart writes": f"{used.writes:.0f}",
            "restart quiet": seconds(elapsed),
            "MiB restarted": f"{operator.resident_mib:.0f}",
        }
    finally:
        operator.stop()
