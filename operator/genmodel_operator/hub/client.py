"""The Hub as the operator sees it: a model's facts at a commit, or why they cannot be had."""

import asyncio
import hashlib
import math
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from string import hexdigits
from typing import Any, TypeVar

from genmodel_operator.api.reasons import Reason, info
from genmodel_operator.hub.cache import BranchCache, FactsCache, Known, Place
from genmodel_operator.hub.facts import ModelFacts, Refused, RepoFile
from genmodel_operator.hub.failures import Fault, FaultError, HubError
from genmodel_operator.hub.library import get_session
from genmodel_operator.hub.parse import DOCUMENTS, check_servable, header_paths, parse_facts
from genmodel_operator.hub.reader import HubReader, Observe
from genmodel_operator.settings import HubSettings

__all__ = ["HubClient", "HubError"]

GLITCH_DELAYS_SECONDS = (0.2, 1.0)
"""How soon a request is repeated that met a server error or a broken connection."""

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Caller:
    """A repository and who asks for it; ``identity`` stands for the token wherever it is kept."""

    place: Place
    identity: str
    token: str | None = field(repr=False)


class HubClient:
    """Reads models from Hubs in threads of its own; one for the process.

    Equal questions at the same time share one set of requests. ``observe(kind, status, seconds)``
    is called once per request from those threads; the status is an HTTP status or the name of an
    error. ``clock`` gives monotonic seconds.
    """

    def __init__(self, settings: HubSettings, *, observe: Observe | None = None, clock: Clock = time.monotonic) -> None:
        self._settings = settings
        self._observe: Observe = observe or (lambda *_: None)
        self._clock = clock
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="hub")
        self._facts = FactsCache()
        self._branches = BranchCache(seconds=settings.branch_cache_seconds, clock=clock)
        self._flights: dict[Hashable, asyncio.Task[Any]] = {}
        self._limited_until: dict[tuple[str, str], float] = {}

    def warm_up(self) -> None:
        """Make the HTTP session now, in a thread: it loads certificates, for which the first model would wait."""
        self._pool.submit(get_session)

    async def resolve(
        self, repository: str, revision: str, *, endpoint: str, token: str | None, credential: str, secret: str
    ) -> ModelFacts:
        """Return the facts of a repository at a branch, tag or commit.

        ``credential`` and ``secret`` are what messages call the token and the Secret that it is or
        would be in. Raises ``HubError`` or ``Refused``.
        """
        caller = _caller(endpoint, repository, token)
        flight = ("facts", caller.place, revision, caller.identity)
        try:
            known = await self._share(flight, lambda: self._resolve(caller, revision))
        except FaultError as error:
            raise _hub_error(error.fault, caller, revision, credential=credential, secret=secret) from None
        if isinstance(known.outcome, Refused):
            raise Refused(known.outcome.reason, **known.outcome.values)
        return known.outcome

    async def commit_of(
        self, repository: str, revision: str, *, endpoint: str, token: str | None, credential: str, secret: str
    ) -> str:
        """Return the commit of a branch, tag or commit: one small request at most. Raises ``HubError``."""
        caller = _caller(endpoint, repository, token)
        flight = ("commit", caller.place, revision, caller.identity)
        try:
            return await self._share(flight, lambda: self._commit(caller, revision))
        except FaultError as error:
            raise _hub_error(error.fault, caller, revision, credential=credential, secret=secret) from None

    async def close(self) -> None:
        """End what is under way and give the threads back; they end within the request timeout."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _share(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._bounded(start()))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: one caller that gives up must not end it for the others.
        return await asyncio.shield(flight)

    def _landed(self, key: Hashable, flight: asyncio.Task[Any]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # seen, even where all callers have given up

    async def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        seconds = self._settings.resolve_timeout_seconds
        try:
            return await asyncio.wait_for(work, seconds)
        except TimeoutError:
            fault = Fault(Reason.HUB_UNREACHABLE, detail=f"not all was answered within {seconds:g} s")
            raise FaultError(fault) from None

    async def _commit(self, caller: _Caller, revision: str) -> str:
        commit = self._branches.get(caller.place, revision, caller.identity)
        if commit is None:
            commit = await self._call(caller, lambda reader: reader.commit(revision))
            self._branches.put(caller.place, revision, caller.identity, commit)
        return commit

    async def _resolve(self, caller: _Caller, revision: str) -> Known:
        commit = revision if _is_commit(revision) else self._branches.get(caller.place, revision, caller.identity)
        if commit is not None:
            known = self._facts.get(caller.place, commit)
            if known is not None and caller.identity in known.identities:
                return known
        model = await self._info(caller, revision if commit is None else commit)
        known = self._facts.get(caller.place, model["sha"])
        if known is None:
            known = await self._read(caller, model)
            self._facts.put(caller.place, model["sha"], known)
        elif known.restricted and caller.identity not in known.identities:
            await self._probe(caller, model["sha"], known)
        known.identities.add(caller.identity)
        return known

    async def _info(self, caller: _Caller, revision: str) -> dict[str, Any]:
        model = await self._call(caller, lambda reader: reader.info(revision))
        if model.get("disabled"):
            raise FaultError(Fault(Reason.MODEL_DISABLED))
        self._branches.put(caller.place, revision, caller.identity, model["sha"])
        return model

    async def _probe(self, caller: _Caller, commit: str, known: Known) -> None:
        # Info is public even where files are not, so only a file shows whether they may be read.
        if (sample := known.sample) is not None:
            await self._call(caller, lambda reader: reader.probe(commit, sample))

    async def _read(self, caller: _Caller, model: dict[str, Any]) -> Known:
        commit: str = model["sha"]
        tree = await self._call(caller, lambda reader: reader.tree(commit))
        outcome: ModelFacts | Refused
        try:
            outcome = await self._read_facts(caller, model, tree)
        except Refused as refused:
            outcome = refused
        sample = min((file for file in tree if file.size_bytes), key=lambda file: file.size_bytes, default=None)
        return Known(outcome, restricted=bool(model.get("gated") or model.get("private")), sample=sample)

    async def _read_facts(self, caller: _Caller, model: dict[str, Any], tree: Sequence[RepoFile]) -> ModelFacts:
        commit: str = model["sha"]
        files = {file.path: file for file in tree}
        documents = await self._read_each(
            caller,
            [path for path in DOCUMENTS if path in files],
            lambda reader, path: reader.document(commit, files[path]),
        )
        check_servable(info=model, tree=tree, documents=documents)
        headers = await self._read_each(
            caller, header_paths(tree, documents), lambda reader, path: reader.header(commit, files[path])
        )
        # In a thread: checking a hundred thousand tensors takes the better part of a second.
        return await self._in_thread(lambda: parse_facts(info=model, tree=tree, documents=documents, headers=headers))

    async def _read_each(
        self, caller: _Caller, paths: Sequence[str], read: Callable[[HubReader, str], T]
    ) -> dict[str, T]:
        def reading(path: str) -> Awaitable[T]:
            return self._call(caller, lambda reader: read(reader, path))

        return dict(zip(paths, await _all([reading(path) for path in paths]), strict=True))

    async def _call(self, caller: _Caller, request: Callable[[HubReader], T]) -> T:
        """Make one request in a thread; a glitch is tried again at once, a rate limit is obeyed."""
        for delay_seconds in (*GLITCH_DELAYS_SECONDS, None):
            self._check_limit(caller)
            try:
                return await self._in_thread(lambda: request(self._reader(caller)))
            except FaultError as error:
                self._note_limit(caller, error.fault)
                if delay_seconds is None or not error.fault.glitch:
                    raise
                await asyncio.sleep(delay_seconds * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _reader(self, caller: _Caller) -> HubReader:
        return HubReader(
            endpoint=caller.place.endpoint,
            repository=caller.place.repository,
            token=caller.token,
            timeout_seconds=self._settings.timeout_seconds,
            observe=self._observe,
        )

    def _check_limit(self, caller: _Caller) -> None:
        left = self._limited_until.get((caller.place.endpoint, caller.identity), 0.0) - self._clock()
        if left > 0:
            raise FaultError(Fault(Reason.HUB_RATE_LIMITED, retry_after_seconds=left))

    def _note_limit(self, caller: _Caller, fault: Fault) -> None:
        if fault.reason is Reason.HUB_RATE_LIMITED and fault.retry_after_seconds is not None:
            until = self._clock() + fault.retry_after_seconds
            key = (caller.place.endpoint, caller.identity)
            self._limited_until[key] = max(until, self._limited_until.get(key, 0.0))


def _hub_error(fault: Fault, caller: _Caller, revision: str, *, credential: str, secret: str) -> HubError:
    seconds = fault.retry_after_seconds
    values: dict[str, object] = {
        "repository": caller.place.repository,
        "revision": revision,
        "endpoint": caller.place.endpoint,
        "credential": credential,
        "secret": secret,
        "detail": fault.detail,
        "seconds": math.ceil(seconds or 0),
    }
    wanted = info(fault.reason).fields
    said = {name: value for name, value in values.items() if name in wanted}
    return HubError(fault.reason, retry_after_seconds=seconds, **said)


def _caller(endpoint: str, repository: str, token: str | None) -> _Caller:
    token = token.strip() if token else None
    identity = hashlib.sha256(token.encode()).hexdigest() if token else ""
    return _Caller(Place(endpoint.rstrip("/"), repository), identity, token or None)


def _is_commit(revision: str) -> bool:
    return len(revision) == 40 and all(digit in hexdigits for digit in revision) and revision == revision.lower()


async def _all(readings: Sequence[Awaitable[T]]) -> list[T]:
    """Wait for all; the first failure ends the others and is raised."""
    tasks = [asyncio.ensure_future(reading) for reading in readings]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
