"""Which of several operators leads: the one whose name a Lease holds.

As other controllers do it: nobody compares clocks of two machines. A standby takes the Lease when *it* has seen no
change of it for the whole term; the leader gives up when *it* has not renewed for two thirds of the term, which is
earlier however the clocks of the two are set.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from genmodel_operator.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from genmodel_operator.kube.kinds import LEASE, Kind

logger = logging.getLogger(__name__)

RENEWALS_PER_TERM = 5
"""How often the leader renews within the time that others wait for it."""
HELD_SHARE = 2 / 3
"""Part of the term for which the leader trusts its last renewal; the rest is room for requests under way."""
RELEASED_SECONDS = 1
"""Term of a Lease that was given back, as other electors write it; 0 is not allowed."""

Object = dict[str, Any]


class LeaseLost(Exception):
    """The Lease could not be renewed in time, or somebody else holds it: this process must write nothing more."""


class LeaseClient(Protocol):
    """The verbs that an elector needs."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """Return the live object."""
        ...

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Create it; ``AlreadyExists`` where somebody was faster."""
        ...

    async def replace(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Replace it; ``Conflict`` where it changed since it was read."""
        ...


def steady_seconds() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the process or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Elector:
    """Takes, holds and gives back one Lease; ``seconds_left`` says how long this process may still write."""

    def __init__(
        self,
        client: LeaseClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        lease_seconds: int,
        clock: Callable[[], float] = steady_seconds,
    ) -> None:
        """Take the Lease's place, a name that no other process has, and the term in seconds."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._term_seconds = lease_seconds
        self._clock = clock
        self._live: Object | None = None
        self._seen_version: str | None = None
        self._seen_at = 0.0
        self._seen_term_seconds = 0.0
        self._until: float | None = None

    @property
    def renew_seconds(self) -> float:
        """How often the leader renews."""
        return self._term_seconds / RENEWALS_PER_TERM

    def seconds_left(self) -> float:
        """Return for how long this process still leads; not above 0 where it does not."""
        return 0.0 if self._until is None else self._until - self._clock()

    async def acquire(self) -> None:
        """Return when this process leads."""
        while True:
            if await self._try_to_take():
                break
            await asyncio.sleep(self.renew_seconds * random.uniform(0.75, 1.25))
        logger.info("leading", extra={"lease": self._shown, "identity": self._identity})

    async def hold(self) -> None:
        """Renew for ever; raises ``LeaseLost`` where that fails for too long or somebody else leads."""
        delay_seconds = self.renew_seconds
        while True:
            await asyncio.sleep(delay_seconds)
            # A process that was frozen must not renew what others may have taken meanwhile.
            self._check_time()
            is_renewed = await self._renew()
            self._check_time()
            delay_seconds = self.renew_seconds if is_renewed else self.renew_seconds / 2

    async def release(self) -> None:
        """Give the Lease back, so that another may lead at once."""
        left_seconds = self.seconds_left()
        self._until = None
        if left_seconds <= 0 or self._live is None:
            return
        try:
            async with asyncio.timeout(left_seconds):
                await self._client.replace(LEASE, self._lease(self._live, holder="", term_seconds=RELEASED_SECONDS))
        except (KubeError, TimeoutError) as error:
            logger.warning("the Lease %s was not given back, others wait for its end: %s", self._shown, error)

    @property
    def _shown(self) -> str:
        return f"{self._namespace}/{self._name}"

    def _check_time(self) -> None:
        if self.seconds_left() <= 0:
            self._until = None
            raise LeaseLost(f"the Lease {self._shown} was not renewed in time; another operator may lead now")

    # -- as a standby

    async def _try_to_take(self) -> bool:
        try:
            async with asyncio.timeout(self._term_seconds):
                live = await self._read()
                self._observe(live)
                return self._is_free(live) and await self._write(live)
        except (AlreadyExists, Conflict):
            return False
        except (KubeError, TimeoutError) as error:
            logger.warning("the Lease %s cannot be had: %s", self._shown, error)
            return False

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(LEASE, self._namespace, self._name)
        except NotFound:
            return None

    def _observe(self, live: Object | None) -> None:
        """Note when the Lease was last seen to change, by the clock of this process."""
        if live is None or live["metadata"]["resourceVersion"] == self._seen_version:
            return
        if self._seen_version is None:
            logger.info("standing by", extra={"lease": self._shown, "leader": _holder(live)})
        self._seen_version = live["metadata"]["resourceVersion"]
        self._seen_at = self._clock()
        self._seen_term_seconds = float(live.get("spec", {}).get("leaseDurationSeconds") or self._term_seconds)

    def _is_free(self, live: Object | None) -> bool:
        """Return whether nobody can hold it; one that was deleted may still be held by whom it named last."""
        if live is not None and not _holder(live):
            return True
        if self._seen_version is None:
            return True
        return self._clock() >= self._seen_at + max(self._seen_term_seconds, self._term_seconds)

    # -- as the leader

    async def _renew(self) -> bool:
        """Return whether it was renewed; raises ``LeaseLost`` where somebody else holds it."""
        try:
            async with asyncio.timeout(self.seconds_left()):
                return await self._write(self._live)
        except NotFound:
            # Whoever has seen it waits for the whole term, so it is still ours to make anew.
            self._live = None
        except (AlreadyExists, Conflict):
            await self._look()
        except (KubeError, TimeoutError) as error:
            logger.warning("the Lease %s was not renewed: %s", self._shown, error)
        return False

    async def _look(self) -> None:
        """Take note of a Lease that somebody changed."""
        try:
            async with asyncio.timeout(max(0.0, self.seconds_left())):
                self._live = await self._read()
        except (KubeError, TimeoutError) as error:
            logger.warning("the Lease %s cannot be read: %s", self._shown, error)
            return
        if self._live is not None and _holder(self._live) != self._identity:
            self._until = None
            raise LeaseLost(f"the Lease {self._shown} is held by {_holder(self._live) or 'nobody'} now")

    async def _write(self, live: Object | None) -> bool:
        """Write our name and the present time; the term counts from before the request."""
        sent = self._clock()
        wanted = self._lease(live, holder=self._identity, term_seconds=self._term_seconds)
        send = self._client.create if live is None else self._client.replace
        self._live = await send(LEASE, wanted)
        self._until = sent + self._term_seconds * HELD_SHARE
        return True

    def _lease(self, live: Object | None, *, holder: str, term_seconds: int) -> Object:
        metadata = live["metadata"] if live else {"namespace": self._namespace, "name": self._name}
        before = (live or {}).get("spec") or {}
        # For people only: nothing is decided by it.
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": term_seconds, "renewTime": now}
        if before.get("holderIdentity") == holder:
            spec |= {key: before[key] for key in ("acquireTime", "leaseTransitions") if key in before}
        else:
            transitions = int(before.get("leaseTransitions") or 0) + (1 if live and holder else 0)
            spec |= {"acquireTime": now, "leaseTransitions": transitions}
        return {"metadata": metadata, "spec": spec}


def _holder(live: Object) -> str:
    return str(live.get("spec", {}).get("holderIdentity") or "")
