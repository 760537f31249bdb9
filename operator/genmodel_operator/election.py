"""Whether this process leads: always where it is the only one, else while it holds the Lease."""

import asyncio
from uuid import uuid4

from genmodel_operator.configuration import ConfigurationError, variable_of
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.lease import Elector
from genmodel_operator.kube.own_namespace import own_namespace
from genmodel_operator.settings import Settings


class Election:
    """Runs beside the work; the work begins when ``won`` is set."""

    def __init__(self, elector: Elector | None) -> None:
        """Take what elects; None where there is nobody else."""
        self._elector = elector
        self.won = asyncio.Event()

    def is_leading(self) -> bool:
        """Return whether this process may write."""
        return self._elector is None or self._elector.seconds_left() > 0

    async def run(self) -> None:
        """Win, and hold what was won; raises ``LeaseLost``."""
        if self._elector is None:
            self.won.set()
            return
        await self._elector.acquire()
        self.won.set()
        await self._elector.hold()

    async def release(self) -> None:
        """Let another one lead; only when nothing more is to be written."""
        if self._elector is not None:
            await self._elector.release()


def build_election(settings: Settings, client: KubeClient, *, instance: str) -> Election:
    """Return the election that the settings want; with others the client then writes only while we lead.

    ``instance`` is the name of this process's pod. Raises ``ConfigurationError`` where the Lease has no namespace.
    """
    if settings.replicas == 1:
        return Election(None)
    wanted = settings.leader_election
    namespace = own_namespace(wanted.lease_namespace)
    if not namespace:
        variable = variable_of(("leader_election", "lease_namespace"))
        raise ConfigurationError(
            [f"{variable}: replicas is {settings.replicas}: outside a pod name the Lease's namespace"]
        )
    elector = Elector(
        client,
        namespace=namespace,
        name=wanted.lease_name,
        identity=f"{instance}_{uuid4()}",
        lease_seconds=wanted.lease_seconds,
    )
    client.fence(elector.seconds_left)
    return Election(elector)
