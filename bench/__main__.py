"""``python -m bench NAME``: run one benchmark; the results are printed and kept under ``bench/results/``."""

import argparse
import asyncio
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import control_plane
from tests.cluster import Cluster

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
HUB_PORT, CDN_PORT = 8090, 8091
GPUS_PER_NODE = 8
L4_LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-L4",
    "nvidia.com/gpu.memory": "23034",
    "nvidia.com/gpu.count": str(GPUS_PER_NODE),
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "9",
}
CAPACITY = {"nvidia.com/gpu": str(GPUS_PER_NODE), "cpu": "96", "memory": "768Gi", "pods": "110"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    outer = commands.add_parser("control-plane", help="N models at once beside a plain client")
    outer.add_argument("--models", default="1,200,1000", help="counts, comma separated")
    inner = commands.add_parser("inside", help=argparse.SUPPRESS)
    inner.add_argument("--kubeconfig", type=Path, required=True)
    inner.add_argument("--endpoint", required=True)
    inner.add_argument("--models", required=True)
    inner.add_argument("--log", type=Path, required=True)
    args = parser.parse_args()
    counts = [int(count) for count in args.models.split(",")]
    if args.command == "inside":
        rows = asyncio.run(control_plane.measure(args.kubeconfig, args.endpoint, counts, args.log))
        keep("control-plane", rows)
        return 0
    return outside(counts)


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


def keep(name: str, rows: dict[str, dict[str, str]]) -> None:
    """Write the rows with the machine's description beside them."""
    RESULTS.mkdir(exist_ok=True)
    document = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": rows,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
