"""The control plane's own cost: N models at once on a real API server, beside a plain client.

The floor is a client that creates the very same children itself. Both run inside the cluster's
network namespace, against the same API server, on the same fake GPU nodes, in the same run.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.api import PATHS, Milestones, Object, PlainClient, spread
from bench.process import OperatorProcess, Requests, cpu_seconds_of_all
from bench.record import add
from bench.timings import Timings, lines_of, milliseconds, row_of, seconds, times_floor
from genmodel_operator.api import labels
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.settings import Settings
from tests.builders import a_gpu_plan, a_model, some_facts

AT_ONCE = 20
QUIET_SECONDS = 60.0
MODEL = "acme/tiny-llama"
LIMIT_SECONDS = 900.0
LONG_COUNT = 500
"""From here on a count has one round: it takes many minutes."""
NAMESPACE = "bench"


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
        self._cpu_before = 0.0
        kinds = ("Deployment", "Service", "Pod", "GenerativeModel")
        self.marks = {kind: Milestones(names) for kind in kinds}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch while the block runs; what was there before is not counted."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._follow(kind)) for kind in self.marks]
            await asyncio.sleep(1)
            self._cpu_before = cpu_seconds_of_all()
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
        return Timings(children, since["Pod"], since["GenerativeModel"], cpu_seconds_of_all() - self._cpu_before)


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


async def clear(client: PlainClient, namespace: str) -> None:
    """Delete everything that a run left in the namespace and wait until it is gone."""
    for kind in ("GenerativeModel", "Deployment", "ControllerRevision", "NetworkPolicy"):
        await client.delete_all(kind, namespace)
    for service in await client.list("Service", namespace):
        await client.request("DELETE", f"{PATHS['Service'].format(namespace=namespace)}/{service['metadata']['name']}")
    deadline = time.monotonic() + LIMIT_SECONDS
    while await client.list("Pod", namespace) and time.monotonic() < deadline:
        await asyncio.sleep(1)


@dataclass(frozen=True, slots=True)
class Rig:
    """Where it is measured: the API server, the Hub, and where the operator's log goes."""

    client: PlainClient
    kubeconfig: Path
    endpoint: str
    log: Path

    def operator(self) -> OperatorProcess:
        return OperatorProcess(self.kubeconfig, self.log)


@dataclass(frozen=True, slots=True)
class OperatorRun:
    """What one run of the operator took."""

    timings: Timings
    requests: Requests
    cpu_seconds: float
    empty_mib: float
    after_mib: float
    rest: Mapping[str, str] = field(default_factory=dict)


async def measure(kubeconfig: Path, endpoint: str, counts: Sequence[int], rounds: int, log: Path) -> None:
    """Measure each count; print and keep its rows as soon as they are there."""
    async with PlainClient(kubeconfig) as client:
        for count in counts:
            wanted = rounds if count < LONG_COUNT else 1
            rows = await measure_count(Rig(client, kubeconfig, endpoint, log), count, wanted)
            print("\n".join(lines_of(rows)), flush=True)
            add("control-plane", rows)


async def measure_count(rig: Rig, count: int, rounds: int) -> dict[str, dict[str, str]]:
    """Run floor, operator, floor, operator, ..., floor; return a row for each of the two."""
    load = f"{os.getloadavg()[0]:.2f}"
    floors, runs = [await floor_run(rig, count)], list[OperatorRun]()
    for left in reversed(range(rounds)):
        runs.append(await operator_run(rig, count, is_last=left == 0))
        floors.append(await floor_run(rig, count))
    timings = [run.timings for run in runs]
    before = {"load before": load}
    ratios = {
        "x floor": times_floor([floor.total for floor in floors], [run.total for run in timings]),
        "x floor's CPU": times_floor([floor.cpu_seconds for floor in floors], [run.cpu_seconds for run in timings]),
    }
    own = row_of(timings) | {name: f"{ratio:.2f}" for name, ratio in ratios.items()} | figures_of(runs, count)
    return {f"{count} floor": before | row_of(floors), f"{count} genmodel": before | own}


async def floor_run(rig: Rig, count: int) -> Timings:
    """Run the floor once and take everything away again."""
    timings = await run_floor(rig.client, NAMESPACE, count)
    await clear(rig.client, NAMESPACE)
    return timings


async def operator_run(rig: Rig, count: int, *, is_last: bool) -> OperatorRun:
    """Run the operator once from a fresh start; the last run also shows a quiet minute and a restart."""
    operator = rig.operator()
    try:
        await operator.ready()
        empty, before, cpu = operator.resident_mib, await operator.requests(), operator.cpu_seconds
        timings = await run_operator(rig.client, NAMESPACE, count, rig.endpoint)
        await operator.quiet()
        used = await operator.requests()
        found = OperatorRun(timings, used - before, operator.cpu_seconds - cpu, empty, operator.resident_mib)
        rest: dict[str, str] = {}
        if is_last:
            await asyncio.sleep(QUIET_SECONDS)
            rest = {"requests in a quiet minute": (await operator.requests() - used).per(1)}
    finally:
        operator.stop()
    if is_last:
        rest |= await measure_restart(rig)
    await clear(rig.client, NAMESPACE)
    return replace(found, rest=rest)


def figures_of(runs: Sequence[OperatorRun], count: int) -> dict[str, str]:
    """Return the medians over the runs; requests are those of the last run."""
    requests = runs[-1].requests
    return {
        "requests per model": requests.per(count),
        "reads per model": f"{requests.reads / count:.2f}",
        "writes per model": f"{requests.writes / count:.2f}",
        "CPU of the operator per model": milliseconds(median(run.cpu_seconds for run in runs) / count),
        "MiB empty": f"{median(run.empty_mib for run in runs):.0f}",
        "MiB after": f"{median(run.after_mib for run in runs):.0f}",
        **runs[-1].rest,
    }


async def measure_restart(rig: Rig) -> dict[str, str]:
    """Start the operator beside serving models; return its requests from its start until it is quiet."""
    operator = rig.operator()
    try:
        quiet_seconds = await operator.quiet()
        used = await operator.requests()
        return {
            "restart reads": f"{used.reads:.0f}",
            "restart writes": f"{used.writes:.0f}",
            "restart quiet": seconds(quiet_seconds),
            "MiB restarted": f"{operator.resident_mib:.0f}",
        }
    finally:
        operator.stop()
