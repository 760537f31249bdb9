"""`python -m tests.cluster up|down|status`: the local cluster from the command line."""

import argparse
import sys
from collections.abc import Sequence

from tests.cluster.cleanup import clean_abandoned, namespace_of, stop_run
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder, runs_folder
from tests.cluster.signals import interrupted_by_sigterm, uninterrupted
from tests.cluster.state import RunState, read_state

DEFAULT_NAME = "local"


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real Kubernetes on this machine.")
    commands = top.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a cluster and leave it running")
    up.add_argument("--real-node", action="store_true", help="with containerd, kubelet and kube-proxy")
    up.add_argument("--audit", action="store_true", help="with an audit log of all API requests")
    down = commands.add_parser("down", help="stop a cluster and remove all it made")
    status = commands.add_parser("status", help="say what runs")
    for command in (up, down):
        command.add_argument("--name", default=DEFAULT_NAME, help=f"the cluster's name (default {DEFAULT_NAME})")
    status.add_argument("--name", help="the cluster's name (default: all)")
    return top


def up(*, name: str, real_node: bool, audit: bool) -> int:
    """Start a cluster, leave it running, say how to use it."""
    cluster = Cluster(name, real_node=real_node, audit=audit)
    with interrupted_by_sigterm():
        cluster.start(detached=True)
    print(f"cluster {name} runs; use it with\n  export KUBECONFIG={cluster.kubeconfig} PATH={cluster.bin}:$PATH")
    print(f"its network: {' '.join(namespace_of(RunFolder.of(name)).entering([]))}")
    return 0


def down(*, name: str) -> int:
    """Stop a cluster; fine when none runs."""
    folder = RunFolder.of(name)
    runs = read_state(folder.state) is not None
    with uninterrupted(f"stopping {name}"):
        stop_run(folder)
        clean_abandoned()
    print(f"cluster {name} is stopped; its logs: {folder.logs}" if runs else f"no cluster {name} runs")
    return 0


def status(*, name: str | None) -> int:
    """Print what runs; 0 if all of it is well, 3 if something has died, 4 if nothing runs."""
    names = [name] if name else sorted(path.name for path in runs_folder().iterdir() if path.is_dir())
    states = [state for one in names if (state := read_state(RunFolder.of(one).state))]
    if not states:
        print(f"no cluster {name} runs" if name else "no cluster runs")
        return 4
    well = [_print_status(state) for state in states]
    return 0 if all(well) else 3


def _print_status(state: RunState) -> bool:
    folder = RunFolder.of(state.name)
    kept = "left running" if state.owner is None else f"belongs to process {state.owner.pid}"
    print(f"cluster {state.name}: {'real node, ' if state.real_node else ''}{kept}")
    print(f"  kubeconfig {folder.root / 'kubeconfig'}\n  logs       {folder.logs}")
    alive = set(state.alive())
    for one in state.started:
        word = "runs" if one in alive else ("ended" if one.role == "guest" else "DIED")
        to = f" to {one.target}" if one.target else ""
        print(f"  {word:<6} {one.name}{to} (pid {one.process.pid}{', log ' + one.log if word == 'DIED' else ''})")
    return all(one in alive or one.role == "guest" for one in state.started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors are one line on standard error and exit code 1."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "up":
            return up(name=given.name, real_node=given.real_node, audit=given.audit)
        return down(name=given.name) if given.command == "down" else status(name=given.name)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; everything that was started is stopped again", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
