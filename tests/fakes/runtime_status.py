"""The runtime's status page of every fake pod of a cluster: ``python -m tests.fakes.runtime_status FILE``.

kwok's pods have addresses that exist nowhere. Where the pods' whole range is local to the cluster's
network namespace, this one process answers for all of them, with what the file holds at that moment;
``readiness`` in it is what the kubelet's probe would be answered.
"""

import json
import signal
import sys
from pathlib import Path

from genmodel_runtime.contract import RUNTIME_PORT
from genmodel_runtime.endpoints import JSON_TYPE, Answer, RuntimeServer


def main(path: Path) -> None:
    """Serve until the process is ended."""

    def status() -> Answer:
        return Answer(200, path.read_bytes(), JSON_TYPE)

    def readiness() -> Answer:
        found = json.loads(path.read_bytes()).get("readiness", {"ready": True})
        return Answer(200 if found["ready"] else 503, json.dumps(found).encode(), JSON_TYPE)

    with RuntimeServer(RUNTIME_PORT, {"/status": status, "/readyz": readiness}):
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
