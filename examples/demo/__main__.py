"""``python -m examples.demo up|down``."""

import argparse
import os
import sys

from examples.demo import foreign, local
from examples.demo.screen import DemoError, console
from tests.cluster.errors import ClusterError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="From nothing to a chat answer.")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--model", default=os.environ.get("MODEL") or None, help="a model of the public Hub, org/name")
    args = parser.parse_args()
    try:
        if foreign.is_wanted(os.environ):
            foreign.up(os.environ, args.model) if args.action == "up" else foreign.down(os.environ)
        elif args.action == "up":
            local.up(args.model)
        else:
            local.down()
    except (DemoError, ClusterError) as error:
        console.print(f"\n[bold red]error:[/] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nstopped; `make demo-down` removes what was started")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
