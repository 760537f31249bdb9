"""A local Hub that speaks the real protocol, for the real client, the real fetch step and vLLM.

Two listeners: the hub, and a CDN on another port, which is another origin. Addresses in answers are
made from the request's Host header, so that it serves under every name that reaches it.

As a command: ``python -m tests.fakes.hub --port 8090 --cdn-port 8091 --model acme/tiny=DIRECTORY``
prints one line of JSON with its addresses and serves until it is told to stop. Control routes on the
hub's port: ``POST /_fault`` (a ``Fault`` as JSON), ``POST /_clear``, ``GET /_log`` (read and clear),
``POST /_move {"repository", "revision"}``, ``POST /_commit {"repository", "files": {path: text}}``,
``POST /_token {"token", "gated", "private", "remove"}``.
"""

import argparse
import json
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.hub_broken import broken_repositories
from tests.fakes.hub_faults import Entry, Fault
from tests.fakes.hub_handler import Listener, State
from tests.fakes.hub_kinds import repositories_of_kinds
from tests.fakes.hub_link import Link
from tests.fakes.hub_models import standard_repositories
from tests.fakes.hub_routes import Hub, Options
from tests.fakes.hub_store import Access, HubStore, Repository, repository_from_directory

__all__ = ["Access", "Fault", "HubServer", "Repository", "main", "repository_from_directory"]


class HubServer:
    """The server; a context manager that runs it in threads."""

    def __init__(
        self,
        repositories: Iterable[Repository] = (),
        *,
        tokens: Mapping[str, Access] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        cdn_port: int = 0,
        options: Options | None = None,
        bytes_per_second: float | None = None,
        link_bytes_per_second: float | None = None,
    ) -> None:
        self.store = HubStore(repositories, tokens)
        self._state = State(self.store, Hub(self.store, options or Options()), bytes_per_second=bytes_per_second)
        self._state.link = Link(link_bytes_per_second) if link_bytes_per_second else None
        self._hub = Listener((host, port), self._state, "hub")
        self._cdn = Listener((host, cdn_port), self._state, "cdn")
        self._state.cdn_port = self._cdn.server_address[1]
        self._name = "127.0.0.1" if host == "0.0.0.0" else host

    @property
    def url(self) -> str:
        return f"http://{self._name}:{self._hub.server_address[1]}"

    @property
    def cdn_url(self) -> str:
        return f"http://{self._name}:{self._cdn.server_address[1]}"

    def start(self) -> None:
        for listener in (self._hub, self._cdn):
            threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._state.stopping.set()
        for listener in (self._hub, self._cdn):
            listener.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def fault(self, match: str, **action: Any) -> None:
        """Add a fault; see ``Fault``."""
        self._state.faults.add(Fault(match, **action))

    def clear_faults(self) -> None:
        self._state.faults.clear()

    def log(self) -> list[Entry]:
        """The requests since the last call."""
        return self._state.log.take()

    def move(self, repository: str, revision: str) -> str:
        """Let ``main`` point at another commit."""
        return self.store.move(repository, revision)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.hub", description="A local Hub for tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--model", action="append", default=[], metavar="ORG/NAME=DIRECTORY")
    parser.add_argument("--standard", action="store_true", help="also serve the small built-in repositories")
    for kind in ("gated", "private", "disabled"):
        parser.add_argument(f"--{kind}", action="append", default=[], metavar="ORG/NAME")
    parser.add_argument("--pipeline-tag", action="append", default=[], metavar="ORG/NAME=TAG")
    parser.add_argument("--token", action="append", default=[], metavar="TOKEN[:gated][:private]")
    parser.add_argument("--bytes-per-second", type=float, default=None, help="limit on each file's body")
    parser.add_argument("--link-bytes-per-second", type=float, default=None, help="limit on all bodies together")
    return parser.parse_args(argv)


def _repositories(arguments: argparse.Namespace) -> list[Repository]:
    chosen = [*standard_repositories(), *repositories_of_kinds(), *broken_repositories()] if arguments.standard else []
    for entry in arguments.model:
        name, _, directory = entry.partition("=")
        if name.count("/") != 1 or not Path(directory).is_dir():
            raise SystemExit(f"--model {entry}: want ORG/NAME=DIRECTORY with a directory that exists")
        chosen.append(repository_from_directory(name, Path(directory)))
    tags = dict(entry.split("=", 1) for entry in arguments.pipeline_tag)
    for repository in chosen:
        repository.gated = repository.gated or ("manual" if repository.id in arguments.gated else False)
        repository.private = repository.private or repository.id in arguments.private
        repository.disabled = repository.disabled or repository.id in arguments.disabled
        repository.pipeline_tag = tags.get(repository.id, repository.pipeline_tag)
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = _arguments(argv)
    tokens = {}
    for entry in arguments.token:
        token, *flags = entry.split(":")
        tokens[token] = Access(gated="gated" in flags, private="private" in flags)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with HubServer(
        _repositories(arguments),
        tokens=tokens,
        host=arguments.host,
        port=arguments.port,
        cdn_port=arguments.cdn_port,
        bytes_per_second=arguments.bytes_per_second,
        link_bytes_per_second=arguments.link_bytes_per_second,
    ) as server:
        models = {one.id: one.refs["main"] for one in server.store.all()}
        print(json.dumps({"url": server.url, "cdn": server.cdn_url, "models": models}), flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
