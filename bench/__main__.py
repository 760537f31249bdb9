"""``python -m bench NAME``: run one benchmark; the results are printed and kept under ``bench/results/``."""

import argparse
import asyncio
import sys
from pathlib import Path

from bench import control_plane, planning, start_up, supervisor
from bench.record import RESULTS, as_tables, keep
from bench.sizing import markdown, report
from examples.demo.steps import CHAT
from tests.cluster import Cluster
from tests.operator_world import L4_LABELS
from tests.platform import set_up

ROOT = Path(__file__).parent.parent
HUB_PORT, CDN_PORT = 8090, 8091
GPUS_PER_NODE = int(L4_LABELS["nvidia.com/gpu.count"])
CAPACITY = {"nvidia.com/gpu": str(GPUS_PER_NODE), "cpu": "96", "memory": "768Gi", "pods": "110"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.set_defaults(command="all", models="1,200,1000")
    commands = parser.add_subparsers(dest="command", metavar="NAME")
    outer = commands.add_parser("control-plane", help="N models at once beside a plain client")
    outer.add_argument("--models", default="1,200,1000", help="counts, comma separated")
    commands.add_parser("sizing", help="the planner's figures beside what real servers logged, and beside its peers")
    commands.add_parser("planning", help="the planner's own time: 1 000 nodes of 12 kinds, and the command")
    commands.add_parser("start-up", help="from apply to the first token with real vLLM, by stage")
    commands.add_parser("supervisor", help="memory and processor of the supervisor beside a real engine under load")
    inner = commands.add_parser("inside")
    inner.add_argument("--kubeconfig", type=Path, required=True)
    inner.add_argument("--endpoint", required=True)
    inner.add_argument("--models", required=True)
    inner.add_argument("--log", type=Path, required=True)
    args = parser.parse_args()
    (RESULTS / "logs").mkdir(parents=True, exist_ok=True)
    if args.command == "inside":
        return inside(args)
    if args.command in ("all", "sizing"):
        keep("sizing", report.main())
        markdown.update_page()
    if args.command in ("all", "planning"):
        rows = planning.measure()
        print("\n".join(as_tables(rows)))
        keep("planning", rows)
    failed = outside(counts_of(args.models)) if args.command in ("all", "control-plane") else 0
    if args.command in ("all", "start-up"):
        run_start_up()
    if args.command in ("all", "supervisor"):
        rows = supervisor.measure()
        print("\n".join(as_tables(rows)))
        keep("supervisor", rows)
    return failed


def counts_of(text: str) -> list[int]:
    return [int(count) for count in text.split(",")]


def inside(args: argparse.Namespace) -> int:
    """Measure from inside the cluster's namespace."""
    counts = counts_of(args.models)
    keep("control-plane", asyncio.run(control_plane.measure(args.kubeconfig, args.endpoint, counts, args.log)))
    return 0


def run_start_up() -> None:
    """Serve the demo's chat model twice on a real node: with a cold and with a warm page cache."""
    with Cluster("bench", real_node=True) as cluster:
        platform = set_up(cluster, RESULTS / "logs" / "hub.log")
        rows = {run: start_up.measure(platform, CHAT) for run in ("first", "second")}
    print("\n".join(control_plane.lines_of(rows)))
    keep("start-up", rows)


def outside(counts: list[int]) -> int:
    """Start a control plane with enough fake GPU nodes and run the bench inside its namespace."""
    with Cluster("bench") as cluster:
        nodes = max(counts) // GPUS_PER_NODE + 1
        cluster.add_kwok_nodes(nodes, prefix="l4", labels=L4_LABELS, allocatable=CAPACITY)
        cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        cluster.kubectl("create", "namespace", control_plane.NAMESPACE)
        hub = [sys.executable, "-m", "tests.fakes.hub", "--standard", "--port", str(HUB_PORT)]
        cluster.popen([*hub, "--cdn-port", str(CDN_PORT)], log=RESULTS / "logs" / "hub.log")
        inside = [sys.executable, "-m", "bench", "inside", "--kubeconfig", str(cluster.inner_kubeconfig)]
        inside += ["--endpoint", f"http://127.0.0.1:{HUB_PORT}", "--models", ",".join(map(str, counts))]
        inside += ["--log", str(RESULTS / "logs" / "operator.log")]
        return int(cluster.popen(inside, stdout=sys.stdout, stderr=sys.stderr).wait())


if __name__ == "__main__":
    sys.exit(main())
