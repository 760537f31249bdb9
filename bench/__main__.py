"""``python -m bench NAME``: run one benchmark; the results are printed and kept under ``bench/results/``."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import (
    control_plane,
    demo,
    demo_page,
    fetch,
    from_nothing,
    guard,
    install,
    planning,
    reasons,
    start_up,
    supervisor,
)
from bench.record import RESULTS, as_tables, keep
from bench.sizing import markdown, report
from bench.timings import lines_of
from examples.demo.steps import CHAT
from tests.cluster import Cluster
from tests.cluster.images.operator import operator_dependencies
from tests.cluster.namespace import FAKE_POD_RANGE
from tests.fakes.hand_node import HandNode
from tests.operator_world import L4_LABELS
from tests.platform import set_up
from tests.situations.patients import LABELS

ROOT = Path(__file__).parent.parent
HUB_PORT, CDN_PORT = 8090, 8091
GPUS_PER_NODE = int(L4_LABELS["nvidia.com/gpu.count"])
CAPACITY = {"nvidia.com/gpu": str(GPUS_PER_NODE), "cpu": "96", "memory": "768Gi", "pods": "110"}


HELP = {
    "sizing": "the planner's figures beside what real servers logged, and beside its peers",
    "planning": "the planner's own time: 1 000 nodes of 12 kinds, and the command",
    "control-plane": "N models at once beside a plain client",
    "reasons": "from an event in the cluster to the reason in the model's status",
    "start-up": "from apply to the first token with real vLLM, by stage, beside a pod made by hand",
    "demo": "make demo, part by part, with everything cached",
    "demo-from-nothing": "the same in a fresh clone with empty caches, which takes about 25 minutes",
    "install": "the chart rendered, and installed until the operator is ready, beside an install by hand",
    "supervisor": "memory and processor of the supervisor beside a real engine under load",
    "guard": "what the guard adds to a request and to each chunk of a stream",
    "fetch": "rate, hashing and resumption of the fetch step beside plain clients",
}
"""What can be measured, in the order in which all of it is."""


def main() -> int:
    args = arguments()
    (RESULTS / "logs").mkdir(parents=True, exist_ok=True)
    if args.command == "inside":
        return inside(args)
    parts: dict[str, Callable[[], int | None]] = {
        "sizing": run_sizing,
        "planning": lambda: publish("planning", planning.measure()),
        "control-plane": lambda: outside(counts_of(args.models), args.rounds),
        "reasons": run_reasons,
        "start-up": run_start_up,
        "demo": run_demo,
        "demo-from-nothing": run_from_nothing,
        "install": lambda: publish("install", install.measure(ROOT)),
        "supervisor": lambda: publish("supervisor", supervisor.measure()),
        "guard": lambda: publish("guard", guard.measure()),
        "fetch": lambda: publish("fetch", fetch.measure()),
    }
    wanted = list(HELP) if args.command == "all" else [args.command]
    return max(parts[name]() or 0 for name in wanted)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.set_defaults(command="all", models="1,200,1000", rounds=2)
    commands = parser.add_subparsers(dest="command", metavar="NAME")
    subparsers = {name: commands.add_parser(name, help=text) for name, text in HELP.items()}
    outer = subparsers["control-plane"]
    outer.add_argument("--models", default="1,200,1000", help="counts, comma separated")
    outer.add_argument("--rounds", type=int, default=2, help="runs of the operator for each count, between floors")
    inner = commands.add_parser("inside")
    inner.add_argument("--kubeconfig", type=Path, required=True)
    inner.add_argument("--endpoint", required=True)
    inner.add_argument("--part", choices=("control-plane", "reasons"), default="control-plane")
    inner.add_argument("--models", default="1")
    inner.add_argument("--rounds", type=int, default=1)
    inner.add_argument("--log", type=Path, required=True)
    return parser.parse_args()


def run_sizing() -> None:
    """Compute the planner's figures and write them into their page."""
    keep("sizing", report.main())
    markdown.update_page()


def run_demo() -> None:
    """Run the demo and write its screen into the README."""
    publish("demo", demo.measure())
    demo_page.update_page()


def run_from_nothing() -> None:
    """Run the demo from nothing and write its time into the README."""
    publish("demo-from-nothing", from_nothing.measure())
    demo_page.update_page()


def publish(name: str, rows: Mapping[str, Mapping[str, str]]) -> None:
    """Print what was measured and keep it among the results."""
    print("\n".join(as_tables(rows)))
    keep(name, rows)


def counts_of(text: str) -> list[int]:
    return [int(count) for count in text.split(",")]


def inside(args: argparse.Namespace) -> int:
    """Measure from inside the cluster's namespace."""
    if args.part == "reasons":
        publish("reasons", asyncio.run(reasons.measure(args.kubeconfig, args.endpoint, args.log)))
        return 0
    counts = counts_of(args.models)
    asyncio.run(control_plane.measure(args.kubeconfig, args.endpoint, counts, args.rounds, args.log))
    return 0


def run_start_up() -> None:
    """Serve the demo's chat model twice on a real node: with a cold and with a warm page cache."""
    with Cluster("bench", real_node=True) as cluster:
        platform = set_up(cluster, RESULTS / "logs" / "hub.log")
        rows = {run: start_up.measure(platform, CHAT) for run in ("first", "second")}
    print("\n".join(lines_of(rows)))
    keep("start-up", rows)


def run_reasons() -> int:
    """Start a control plane with a node whose kubelet is the bench, and run it inside its namespace."""
    with Cluster("bench") as cluster:
        # Nobody answers at the pods' addresses, and the operator is told so at once.
        cluster.run(["ip", "route", "add", "local", FAKE_POD_RANGE, "dev", "lo"])
        prepare(cluster)
        labels = {**LABELS, "nvidia.com/gpu.count": str(2 * reasons.MODELS)}
        with HandNode(cluster, reasons.NODE, labels=labels, devices=2 * reasons.MODELS):
            return run_inside(cluster, "--part", "reasons")


def outside(counts: list[int], rounds: int) -> int:
    """Start a control plane with enough fake GPU nodes and run the bench inside its namespace."""
    with Cluster("bench") as cluster:
        nodes = max(counts) // GPUS_PER_NODE + 1
        cluster.add_kwok_nodes(nodes, prefix="l4", labels=L4_LABELS, allocatable=CAPACITY)
        prepare(cluster)
        return run_inside(cluster, "--models", ",".join(map(str, counts)), "--rounds", str(rounds))


def prepare(cluster: Cluster) -> None:
    """Bring our kind, the bench's namespace and the local Hub to a control plane, and the operator's packages here."""
    operator_dependencies(ROOT)  # Inside of the cluster's namespace no package index can be reached.
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("create", "namespace", control_plane.NAMESPACE)
    hub = [sys.executable, "-m", "tests.fakes.hub", "--standard", "--port", str(HUB_PORT)]
    cluster.popen([*hub, "--cdn-port", str(CDN_PORT)], log=RESULTS / "logs" / "hub.log")


def run_inside(cluster: Cluster, *arguments: str) -> int:
    """Run a part of the bench inside the cluster's namespace; return its exit code."""
    inside = [sys.executable, "-m", "bench", "inside", "--kubeconfig", str(cluster.inner_kubeconfig)]
    inside += ["--endpoint", f"http://127.0.0.1:{HUB_PORT}", *arguments]
    inside += ["--log", str(RESULTS / "logs" / "operator.log")]
    return int(cluster.popen(inside, stdout=sys.stdout, stderr=sys.stderr).wait())


if __name__ == "__main__":
    sys.exit(main())
