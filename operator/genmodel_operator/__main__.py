"""Composes the operator and runs it: settings, reconciler, exit code; nothing else."""

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.configuration import ConfigurationError, load_settings
from genmodel_operator.controller.branches import Branches
from genmodel_operator.controller.context import Tools
from genmodel_operator.controller.devices import DeviceLedger
from genmodel_operator.controller.evidence import EvidenceReader
from genmodel_operator.controller.inventory import NodeInventory
from genmodel_operator.controller.learn import Learning
from genmodel_operator.controller.measurements import MeasurementStore
from genmodel_operator.controller.observe import HttpRuntimeReader
from genmodel_operator.controller.policy_file import PolicyFile
from genmodel_operator.controller.progress import StatusPace
from genmodel_operator.controller.queue import Key
from genmodel_operator.controller.reconcile import Reconciler, event_note
from genmodel_operator.controller.updates import Updates
from genmodel_operator.controller.vulnerability import Vulnerabilities
from genmodel_operator.hub.client import HubClient
from genmodel_operator.kube.kinds import POD_MONITOR
from genmodel_operator.kube.optional import OptionalKind
from genmodel_operator.kube.own_namespace import own_namespace, own_pod
from genmodel_operator.policy.document import Policy
from genmodel_operator.process import EXIT_USAGE, Parts, Work, exit_process, run_process
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.pools_given import contradiction


@asynccontextmanager
async def reconciling(parts: Parts) -> AsyncIterator[Work]:
    """Make the reconciler with what it needs beside the parts, and close that in the end."""
    settings = _in_its_namespace(parts.settings)
    inventory = NodeInventory(parts.client, parts.cache, parts.settings)
    runtimes = HttpRuntimeReader()
    hub = HubClient(parts.settings.hub, observe=parts.metrics.hub_request)
    hub.warm_up()
    monitors = _monitors(parts)
    policy = _policy_file(parts, inventory)
    tools = Tools(
        client=parts.client,
        hub=hub,
        cache=parts.cache,
        inventory=inventory,
        runtimes=runtimes,
        settings=settings,
        now=_now,
        learning=_learning(parts),
        branches=Branches(parts.settings.hub, count=parts.metrics.branch_check),
        updates=Updates(parts.settings),
        evidence=EvidenceReader(parts.client, clock=time.monotonic, reads_nodes=settings.inventory.reads_nodes),
        monitors=monitors,
        policy=policy,
        devices=DeviceLedger(parts.cache, wake=_wake(parts)),
        vulnerabilities=Vulnerabilities(parts.settings, parts.metrics.advisories.observe),
    )
    reconciler = Reconciler(
        tools=tools, events=parts.events, pace=StatusPace(time.monotonic), is_busy=lambda: parts.queue.is_busy
    )

    def nodes_changed() -> frozenset[Key]:
        inventory.invalidate()
        return reconciler.concerned_by_nodes()

    async with AsyncExitStack() as stack:
        stack.push_async_callback(hub.close)
        stack.push_async_callback(runtimes.close)
        beside = None if policy is None else lambda: policy.watch(parts.queue.add_all)
        optional = (monitors,) if monitors else ()
        yield Work(handle=reconciler, nodes_changed=nodes_changed, optional=optional, beside=beside)


def _wake(parts: Parts) -> Callable[[Key], None]:
    """Return what lets a model be looked at, after what users ask for."""
    return lambda key: parts.queue.add(key, fresh=False)


def _monitors(parts: Parts) -> OptionalKind | None:
    if not parts.settings.pod_monitors.enabled:
        return None
    return OptionalKind(
        parts.client,
        parts.cache,
        POD_MONITOR,
        namespaces=parts.settings.watch_namespaces,
        look_seconds=parts.settings.resync_seconds,
        wake=lambda namespace, name: _wake(parts)(Key(namespace, name)),
        wake_all=parts.queue.add_all,
    )


def _in_its_namespace(settings: Settings) -> Settings:
    """Return the settings with the namespace that the operator is in, to which pods tell how far they are."""
    network = settings.network
    namespace = own_namespace(network.operator_namespace)
    return settings.model_copy(update={"network": network.model_copy(update={"operator_namespace": namespace})})


def _policy_file(parts: Parts, inventory: NodeInventory) -> PolicyFile | None:
    """Return the policy's file, read for the first time; None where the settings hold the policy."""
    if not parts.settings.policy_file:
        parts.metrics.prices(parts.settings.policy.prices)
        return None
    pod = own_pod(os.environ)

    def complain(problem: str, effect: str) -> None:
        if pod is not None:
            message = explain(Reason.POLICY_INVALID, detail=problem, effect=effect)
            parts.events.record_about(pod, event_note(Reason.POLICY_INVALID, message, _now()))

    def applied(policy: Policy) -> None:
        parts.metrics.prices(policy.prices)
        inventory.use(policy)

    path = Path(parts.settings.policy_file)
    found = PolicyFile(
        path,
        observe=parts.metrics.policy,
        complain=complain,
        applied=applied,
        contradicts=lambda policy: contradiction(parts.settings, policy),
    )
    found.look()
    return found


def _learning(parts: Parts) -> Learning:
    where = parts.settings.measurements
    store = MeasurementStore(parts.client, namespace=own_namespace(where.namespace), name=where.config_map)
    return Learning(store, observe_error=parts.metrics.sizing_error, observe_refusal=parts.metrics.measurement_refused)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(settings: Settings, *, environ: Mapping[str, str] | None = None) -> int:
    """Run the operator and return the process's exit code: 0 after SIGTERM, 1 after a failure, 2 on wrong settings."""
    return run_process(settings, environ=os.environ if environ is None else environ, make_work=reconciling)


def main() -> None:
    """Run with the settings of the environment and the file that it names."""
    try:
        settings = load_settings(os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"genmodel: {problem}\n")
        sys.exit(EXIT_USAGE)
    exit_process(run(settings))


if __name__ == "__main__":
    main()
