"""``python -m examples.demo up|down``."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Literal

from examples.demo import foreign, kind, local
from examples.demo.screen import DemoError, console
from tests.cluster import Environment, detect
from tests.cluster.errors import ClusterError

Where = Literal["foreign", "kind", "local"]


def place(environ: Mapping[str, str], *, find: Callable[[], Environment] = lambda: detect({})) -> Where:
    """Return where the demo runs: on the cluster that is named, else on the best that this machine can have."""
    if foreign.is_wanted(environ):
        return "foreign"
    found = find()
    if found.no_real_node:
        raise DemoError(
            f"the demo cannot run here: {found.no_real_node}. Name another cluster: "
            "make demo KUBECONFIG=FILE IMAGE_REGISTRY=HOST/PATH"
        )
    return "kind" if found.rung == "kind" else "local"


def run(action: str, environ: Mapping[str, str], model: str | None) -> None:
    """Bring the demo up, or end it."""
    where = place(environ)
    if where == "foreign":
        foreign.up(environ, model) if action == "up" else foreign.down(environ)
    elif where == "kind":
        kind.up(environ, model) if action == "up" else kind.down()
    else:
        local.up(model) if action == "up" else local.down()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="From nothing to a chat answer.")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--model", default=os.environ.get("MODEL") or None, help="a model of the public Hub, org/name")
    args = parser.parse_args()
    try:
        run(args.action, os.environ, args.model)
    except (DemoError, ClusterError) as error:
        console.print(f"\n[bold red]error:[/] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nstopped; `make demo-down` removes what was started")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
