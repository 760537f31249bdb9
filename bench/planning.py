"""The planner's own time: one plan on many nodes of many kinds, and ``genmodel plan`` from start to answer.

Each figure stands beside a baseline of the same run: reading the same nodes as JSON, and an interpreter that
only imports what parses a command line.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from genmodel_operator.sizing.accelerators import Inventory, read_inventory
from tests import builders_nodes as nodes
from tests.builders_nodes import Node, labelled
from tests.builders_sizing import LLAMA_33_70B, a_plan, facts_of
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import standard_repositories

KINDS = [
    (nodes.GFD_L4, {"nvidia.com/gpu": "8"}),
    (nodes.GFD_H100, {"nvidia.com/gpu": "8"}),
    (nodes.GFD_A100, {"nvidia.com/gpu": "8"}),
    (nodes.GFD_MIG_SINGLE, {"nvidia.com/gpu": "16"}),
    (nodes.GFD_MIG_MIXED, nodes.MIG_MIXED_DEVICES),
    (nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"}),
    (nodes.AMD_MI300X, {"amd.com/gpu": "8"}),
    (nodes.INTEL_MAX, {"gpu.intel.com/i915": "2"}),
    (nodes.KARPENTER_A10G, {"nvidia.com/gpu": "4"}),
    (nodes.AUTO_MODE_L40S, {"nvidia.com/gpu": "1"}),
    (nodes.GKE_L4, {"nvidia.com/gpu": "2"}),
    ({}, {}),
]
NODES = 1000
RUNS = 9


def a_cluster(size: int) -> list[Node]:
    """Return nodes whose labels differ in what differs between real nodes of one kind."""
    found = []
    for index in range(size):
        labels, devices = KINDS[index % len(KINDS)]
        own = {"kubernetes.io/hostname": f"n{index}", "nvidia.com/gfd.timestamp": str(1_724_632_719 + index)}
        found.append(labelled(labels | own, devices, f"n{index:04}"))
    return found


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median wall time of some runs."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times) * 1000


def row(took: float, baseline: float) -> dict[str, str]:
    return {"median": f"{took:.0f} ms", "baseline": f"{baseline:.0f} ms", "x baseline": f"{took / baseline:.2f}"}


def measure() -> dict[str, dict[str, str]]:
    """Return the rows of the table."""
    cluster, facts = a_cluster(NODES), facts_of(LLAMA_33_70B)
    text, inventory = json.dumps(cluster), read_inventory(cluster)
    parsing = milliseconds(lambda: json.loads(text))

    def first(found: Inventory) -> None:
        # Facts of its own: what was computed of a model is kept with its facts.
        a_plan(replace(facts, config=dict(facts.config)), inventory=found)

    return {
        f"inventory of {NODES} nodes of {len(KINDS)} kinds": row(
            milliseconds(lambda: read_inventory(cluster)), parsing
        ),
        "a model's first plan on it": row(milliseconds(lambda: first(inventory)), parsing),
        "both together": row(milliseconds(lambda: first(read_inventory(cluster))), parsing),
        "a model's next plan on it": row(milliseconds(lambda: a_plan(facts, inventory=inventory)), parsing),
        **commands(),
    }


def commands() -> dict[str, dict[str, str]]:
    """Return the times of the whole command beside an interpreter that parses arguments.

    Once for a configuration file, once with the Hub near: a local one that speaks the Hub's protocol.
    """
    least = run([sys.executable, "-c", "import argparse, json"])
    plan = [sys.executable, "-m", "genmodel_operator.cli", "plan"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(facts_of(LLAMA_33_70B).config))
        from_file = run([*plan, str(path), "--gpu", "h100", "--count", "8"])
    with HubServer(standard_repositories()) as hub:
        from_hub = run([*plan, "acme/tiny-llama", "--endpoint", hub.url, "--gpu", "l4"])
    return {
        "genmodel plan of a file, start to answer": row(from_file, least),
        "genmodel plan with the Hub near, start to answer": row(from_hub, least),
    }


def run(command: list[str]) -> float:
    """Return the milliseconds of a whole process; raises where it fails."""
    return milliseconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
