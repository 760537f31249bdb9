"""``python -m bench NAME``: run one benchmark; the results are printed and kept under ``bench/results/``."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import control_plane, demo, demo_page, fetch, guard, planning, reasons, start_up, supervisor
from bench.record import RESULTS, as_tables, keep
from bench.sizing import markdown, report
from bench.timings import lines_of
from examples.demo.steps import CHAT
from tests.cluster import Cluster
from tests.cluster.namespace import FAKE_POD_RANGE
from tests.fakes.hand_node import HandNode
from tests.operator_world import L4_LABELS
from tests.platform import set_up
from tests.situations.patients import LABELS

ROOT = Path(__file__).parent.parent
HUB_PORT, CDN_PORT = 8090, 8091
GPUS_PER_NODE = int(L4_LABELS["nvidia.com/gpu.count"])
CAPACITY = {"nvidia.com/gpu": str(GPUS_PER_NODE), "cpu": "96", "memory": "768Gi", "pods": "110"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.set_defaults(command="all", models="1,200,1000", rounds=2)
    commands = parser.add_subparsers(dest="command", metavar="NAME")
    outer = commands.add_parser("control-plane", help="N models at once beside a plain client")
    outer.add_argument("--models", default="1,200,1000", help="counts, comma separated")
    outer.add_argument("--rounds", type=int, default=2, help="runs of the operator for each count, between floors")
    commands.add_parser("sizing", help="the planner's figures beside what real servers logged, and beside its peers")
    commands.add_parser("planning", help="the planner's own time: 1 000 nodes of 12 kinds, and the command")
    commands.add_parser("start-up", help="from apply to the first token with real vLLM, by stage")
    commands.add_parser("demo", help="make demo, part by part, with everything cached")
    commands.add_parser("reasons", help="from an event in the cluster to the reason in the model's status")
    commands.add_parser("supervisor", help="memory and processor of the supervisor beside a real engine under load")
    commands.add_parser("guard", help="what the guard adds to a request and to each chunk of a stream")
    commands.add_parser("fetch", help="rate, hashing and resumption of the fetch step beside plain clients")
    inner = commands.add_parser("inside")
    inner.add_argument("--kubeconfig", type=Path, required=True)
    inner.add_argument("--endpoint", required=True)
    inner.add_argument("--part", choices=("control-plane", "reasons"), default="control-plane")
    inner.add_argument("--models", default="1")
    inner.add_argument("--rounds", type=int, default=1)
    inner.add_argument("--log", type=Path, required=True)
    args = parser.parse_args()
    (RESULTS / "logs").mkdir(parents=True, exist_ok=True)
    if args.command == "inside":
        return inside(args)
    if args.command in ("all", "sizing"):
        keep("sizing", report.main())
        markdown.update_page()
    if args.command in ("all", "planning"):
        publish("planning", planning.measure())
    failed = outside(counts_of(args.models), args.rounds) if args.command in ("all", "control-plane") else 0
    if args.command in ("all", "reasons"):
        failed = run_reasons() or failed
    if args.command in ("all", "start-up"):
        run_start_up()
    if args.command in ("all", "demo"):
        publish("demo", demo.measure())
        demo_page.update_page()
    if args.command in ("all", "supervisor"):
        publish("supervisor", supervisor.measure())
    if args.command in ("all", "guard"):
        publish("guard", guard.measure())
    if args.command in ("all", "fetch"):
        publish("fetch", fetch.measure())
    return failed


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
    """Bring our kind, the bench's namespace and the local Hub to a control plane."""
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
