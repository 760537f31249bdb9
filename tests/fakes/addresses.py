"""Every address that a Python process looks up or connects to, written down by the process itself."""

import json
from collections.abc import Mapping
from pathlib import Path

_NOTES = """
import json, os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[1] if event == "socket.connect" else arguments
        if isinstance(address, tuple):
            with open(os.environ["ADDRESSES_SEEN"], "a") as stream:
                print(json.dumps([str(address[0]), str(address[1])]), file=stream)

sys.addaudithook(note)
"""


def noting(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose processes write down their addresses; ``folder`` belongs on the Python path."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_NOTES)
    return {**environ, "ADDRESSES_SEEN": str(folder / "seen")}


def seen(folder: Path) -> set[tuple[str, str]]:
    """Return hosts and ports."""
    path = folder / "seen"
    lines = path.read_text().splitlines() if path.exists() else []
    return {(host, port) for host, port in map(json.loads, lines)}
