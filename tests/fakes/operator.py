"""The operator's real process with a reconcile that only says what it was asked: ``python -m tests.fakes.operator``.

Each run is a line ``RUN namespace/name resync`` on standard output; ``--takes`` makes it last.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from genmodel_operator.configuration import load_settings
from genmodel_operator.controller.queue import Key, Outcome
from genmodel_operator.process import Parts, Work, exit_process, run_process


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=float, default=0.0, help="seconds of a run")
    arguments = parser.parse_args()

    @asynccontextmanager
    async def make_work(_parts: Parts) -> AsyncIterator[Work]:
        seen: set[Key] = set()

        async def handle(key: Key, resync: bool) -> Outcome:
            seen.add(key)
            print(f"RUN {key.namespace}/{key.name} {'resync' if resync else 'change'}", flush=True)
            await asyncio.sleep(arguments.takes)
            print(f"DONE {key.namespace}/{key.name}", flush=True)
            return Outcome()

        def nodes_changed() -> set[Key]:
            print("NODES", flush=True)
            return seen

        yield Work(handle=handle, nodes_changed=nodes_changed)

    exit_process(run_process(load_settings(os.environ), environ=os.environ, make_work=make_work))


if __name__ == "__main__":
    main()
