"""The life of the operator's process: start in order, run, end in order."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from genmodel_operator import __version__
from genmodel_operator.configuration import ConfigurationError
from genmodel_operator.controller.queue import Handle, Key, Outcome, WorkQueue
from genmodel_operator.election import Election, build_election
from genmodel_operator.first_watch import FirstWatch, InformerEndedError
from genmodel_operator.handlers import EndlessJitter, build_registry, build_settings, run_informer
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.events import EventRecorder
from genmodel_operator.kube.kinds import GENERATIVE_MODEL
from genmodel_operator.kube.lease import LeaseLost
from genmodel_operator.kube.optional import OptionalKind
from genmodel_operator.kube.startup import prime, wait_until_served
from genmodel_operator.observability.logging import configure_logging
from genmodel_operator.observability.metrics import Metrics
from genmodel_operator.observability.server import Health, HttpServer
from genmodel_operator.settings import Settings

logger = logging.getLogger(__name__)

OLDEST_SECONDS = 180.0
"""A key that waits longer for a worker means that the operator does not keep up."""
EVENTS_SECONDS = 3.0
"""How long the end waits for Events that are still to be posted."""
DRAIN_SECONDS = 15.0
"""How long reconciles that go on may take to end after SIGTERM."""
WATCHES_END_SECONDS = 5.0
"""How long the watches may take to end after that."""
NODES_SETTLE_SECONDS = 1.0
"""Changes of nodes within this time count as one."""
STARTUP_DELAY_CAP_SECONDS = 5.0
YOUNG_OBJECTS = 2_000
"""Objects that may be made before the garbage collector looks at them; one decoded answer makes a few hundred.
More would be faster and leave events of kopf, which are cycles, in memory for longer."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reconciler is made from, and the queue that it works for."""

    client: KubeClient
    cache: ChildCache
    events: EventRecorder
    metrics: Metrics
    settings: Settings
    queue: WorkQueue[Key]


@dataclass(frozen=True, slots=True)
class Work:
    """What the process does.

    Attributes:
        handle: one reconcile.
        nodes_changed: called when nodes changed; returns the keys to look at again.
        optional: kinds that are watched where the cluster has them.
        beside: what goes on beside the reconciles until the end, None where nothing does.
    """

    handle: Handle[Key]
    nodes_changed: Callable[[], Iterable[Key]]
    optional: Sequence[OptionalKind] = ()
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None


WorkFactory = Callable[[Parts], AbstractAsyncContextManager[Work]]


class Operator:
    """Holds the running parts together; ``run`` returns after SIGTERM and raises when a part fails."""

    def __init__(self, *, parts: Parts, work: Work, health: Health, election: Election) -> None:
        """Take the parts; all are closed by the caller."""
        self._parts = parts
        self._election = election
        self._work = work
        self._queue = queue = parts.queue
        self._health = health
        self._stop = asyncio.Event()
        self._stop_informer = asyncio.Event()
        self._first_watch = FirstWatch()
        self._nodes_timer: asyncio.TimerHandle | None = None
        self._is_informing = False
        self._lost: LeaseLost | None = None
        health.set("start", "the operator starts")
        health.add_check("queue", self._check_queue)
        parts.metrics.watch_queue(
            depth=lambda: queue.depth, oldest_seconds=queue.oldest_seconds, models=lambda: len(queue)
        )
        parts.metrics.watch_leadership(election.is_leading)

    def stop(self) -> None:
        """Begin to end, as SIGTERM does."""
        self._stop.set()

    async def run(self) -> None:
        """Run until ``stop`` or a signal; raises an ``ExceptionGroup`` when a part fails, or ``LeaseLost``."""
        self._take_signals()
        async with asyncio.TaskGroup() as group:
            # These exist before the informer starts: at its end it cancels every younger task.
            electing = group.create_task(self._lead(), name="election")
            workers = group.create_task(self._queue.run(self._parts.settings.workers, self._handle), name="workers")
            beside = group.create_task(self._work.beside(), name="beside") if self._work.beside else None
            informer = group.create_task(self._inform(), name="informer")
            await self._stop.wait()
            if beside is not None:
                beside.cancel()
            await self._end(workers, informer)
            electing.cancel()
        if self._lost is not None:
            raise self._lost

    async def _lead(self) -> None:
        """Hold the Lease; without it the process ends in order, but nothing is finished any more."""
        try:
            await self._election.run()
        except LeaseLost as error:
            self._lost = error
            self._stop.set()

    async def _end(self, workers: asyncio.Task[None], informer: asyncio.Task[None]) -> None:
        """Let reconciles finish, then end the watches; in this order nothing is left for kopf to cancel."""
        logger.info("stopping")
        self._health.set("start", "the operator stops")
        self._queue.close()
        drain_seconds = DRAIN_SECONDS if self._lost is None else 0.0
        _, late = await asyncio.wait({workers}, timeout=drain_seconds)
        if late:
            logger.warning("reconciles did not end within %s s and are cancelled", drain_seconds)
            workers.cancel()
            await asyncio.wait({workers})
        if self._nodes_timer is not None:
            self._nodes_timer.cancel()
        self._stop_informer.set()
        if self._is_informing:
            await asyncio.wait({informer}, timeout=WATCHES_END_SECONDS)
        informer.cancel()

    async def _inform(self) -> None:
        namespaces = self._parts.settings.watch_namespaces
        await wait_until_served(
            self._parts.client, report=self._report("kind"), delays=EndlessJitter(cap_seconds=STARTUP_DELAY_CAP_SECONDS)
        )
        await self._stand_by()
        await prime(
            self._parts.client,
            self._parts.cache,
            namespaces=namespaces,
            report=self._report("lists"),
            delays=EndlessJitter(cap_seconds=STARTUP_DELAY_CAP_SECONDS),
            reads_nodes=self._parts.settings.inventory.reads_nodes,
        )
        for kind in self._work.optional:
            await kind.look()
        registry = build_registry(
            self._queue,
            self._parts.cache,
            self._on_nodes_changed if self._parts.settings.inventory.reads_nodes else None,
            login=self._parts.client.watch_connection,
            watching=self._on_watching,
            observe_model=self._observe_model,
        )
        self._is_informing = True
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._first_watch.confirm(self._is_served), name="confirm watching")]
            beside += [group.create_task(kind.run(), name="optional kind") for kind in self._work.optional]
            await run_informer(
                registry,
                build_settings(),
                namespaces=namespaces,
                stop=self._stop_informer,
                started=self._take_signals,
            )
            for task in beside:
                task.cancel()
        if not self._stop.is_set():
            raise InformerEndedError("the watches ended by themselves")

    async def _stand_by(self) -> None:
        """Return when this process leads; a standby is ready, and watches nothing."""
        if not self._election.won.is_set():
            self._health.set("start", None)
        await self._election.won.wait()

    def _observe_model(self, type_: str | None, model: Mapping[str, Any]) -> None:
        self._first_watch.hear()
        self._parts.metrics.models.observe(type_, model)

    async def _is_served(self) -> bool:
        return await self._parts.client.is_served(GENERATIVE_MODEL)

    def _on_watching(self) -> None:
        if not self._first_watch.is_open and not self._stop.is_set():
            self._health.set("start", None)
            logger.info("watching")
        self._first_watch.open()

    async def _handle(self, key: Key, resync: bool) -> Outcome:  # noqa: FBT001 - the queue's signature
        outcome = await self._work.handle(key, resync)
        if outcome.forget:
            self._parts.metrics.models.forget(key.namespace, key.name)
            self._parts.metrics.advisories.forget(key.namespace, key.name)
        return outcome

    def _report(self, name: str) -> Callable[[str | None], None]:
        return lambda problem: self._health.set(name, problem)

    def _check_queue(self) -> str | None:
        oldest = self._queue.oldest_seconds()
        if oldest <= OLDEST_SECONDS:
            return None
        return f"a model has waited {oldest:.0f} s for a worker ({self._queue.depth} wait)"

    def _on_nodes_changed(self) -> None:
        if self._nodes_timer is None:
            loop = asyncio.get_running_loop()
            self._nodes_timer = loop.call_later(NODES_SETTLE_SECONDS, self._wake_for_nodes)

    def _wake_for_nodes(self) -> None:
        self._nodes_timer = None
        for key in self._work.nodes_changed():
            self._queue.add(key, fresh=False)

    def _take_signals(self) -> None:
        """Make SIGTERM and SIGINT end the process in order; kopf takes them too, and would end first."""
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)


async def serve(settings: Settings, *, environ: Mapping[str, str], make_work: WorkFactory) -> None:
    """Run the operator until SIGTERM; raises an ``ExceptionGroup`` when a part of it fails.

    ``ConnectionConfigError`` where there is no way to an API server, ``OSError`` where the port is taken.
    """
    metrics, health, cache = Metrics(), Health(), ChildCache()
    async with AsyncExitStack() as stack:
        client = await KubeClient.connect(settings, environ=environ, observe=metrics.kube_request)
        stack.push_async_callback(client.close)
        instance = environ.get("HOSTNAME") or socket.gethostname()
        events = EventRecorder(client, instance=instance, count=metrics.event)
        election = build_election(settings, client, instance=instance)
        queue = WorkQueue[Key](resync_seconds=settings.resync_seconds, observer=metrics)
        parts = Parts(client=client, cache=cache, events=events, metrics=metrics, settings=settings, queue=queue)
        work = await stack.enter_async_context(make_work(parts))
        operator = Operator(parts=parts, work=work, health=health, election=election)
        server = HttpServer(port=settings.http_port, health=health, metrics=metrics)
        await server.start()
        stack.push_async_callback(server.stop)
        logger.info("started", extra={"version": __version__, "port": server.port})
        # The task is older than the informer, which cancels every younger one at its end.
        posting = asyncio.create_task(events.run(), name="events")
        try:
            await operator.run()
            await events.finish(within_seconds=EVENTS_SECONDS)
            await election.release()
        finally:
            posting.cancel()


def run_process(settings: Settings, *, environ: Mapping[str, str], make_work: WorkFactory) -> int:
    """Run the operator and return the process's exit code: 0 after SIGTERM, 1 after a failure, 2 on wrong settings."""
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    _spare_garbage_collection()
    try:
        asyncio.run(serve(settings, environ=environ, make_work=make_work))
    except ConnectionConfigError as error:
        logger.error("no API server: %s", error)  # noqa: TRY400 - the message says it all
        return EXIT_USAGE
    except ConfigurationError as error:
        logger.error("the settings cannot be used: %s", error)  # noqa: TRY400 - the message says it all
        return EXIT_USAGE
    except Exception as error:  # noqa: BLE001 - the end of the process: whatever failed is logged and exits non-zero
        _log_failure(error)
        return EXIT_FAILED
    logger.info("stopped")
    return EXIT_OK


def _spare_garbage_collection() -> None:
    """Keep the collector from looking again and again at what the imports made, and at each decoded answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 5, 5)


def _log_failure(error: BaseException) -> None:
    """Log every failure in a group on its own; the process ends and its supervisor starts it anew."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            _log_failure(inner)
        return
    # To lose the Lease is no fault of the program: there is nothing to trace.
    trace = None if isinstance(error, LeaseLost) else error
    logger.error("the operator ends: %s: %s", type(error).__name__, error, exc_info=trace)


def exit_process(code: int) -> None:
    """End the process with this code; threads that still wait for a Hub do not hold it up."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)
