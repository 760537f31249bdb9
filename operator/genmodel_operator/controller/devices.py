"""How many devices the models of each namespace have been granted, so that two new ones do not take the same room."""

from collections.abc import Callable

from genmodel_operator.api import labels
from genmodel_operator.controller.queue import Key
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.kinds import DEPLOYMENT
from genmodel_operator.policy.devices import devices_of


class DeviceLedger:
    """Devices by model; one for the process. What was granted before a restart is read from the Deployments."""

    def __init__(self, cache: ChildCache, *, wake: Callable[[Key], None]) -> None:
        """Take what was last seen of Deployments, and who looks at a model again when there may be room for it."""
        self._cache = cache
        self._wake = wake
        self._granted: dict[Key, int] = {}
        self._waiting: set[Key] = set()
        self._read: dict[tuple[str, str], tuple[int, str, int]] = {}

    def used_by_others(self, key: Key) -> int:
        """Return the devices of all other models of the namespace."""
        counted: dict[str, int] = {}
        for model, devices in self._from_deployments(key.namespace):
            counted[model] = counted.get(model, 0) + devices
        counted |= {other.name: devices for other, devices in self._granted.items() if other.namespace == key.namespace}
        return sum(devices for name, devices in counted.items() if name != key.name)

    def grant(self, key: Key, devices: int) -> None:
        """Remember what a model has from now on."""
        before = self._granted.get(key)
        self._granted[key] = devices
        self._waiting.discard(key)
        if before is not None and devices < before:
            self._wake_those_of(key.namespace)

    def wait(self, key: Key) -> None:
        """Have a model looked at again when another one of its namespace gives devices back."""
        self._waiting.add(key)

    def forget(self, key: Key) -> None:
        """Drop a model that is gone."""
        self._granted.pop(key, None)
        self._waiting.discard(key)
        self._wake_those_of(key.namespace)

    def _wake_those_of(self, namespace: str) -> None:
        for key in [waiting for waiting in self._waiting if waiting.namespace == namespace]:
            self._wake(key)

    def _from_deployments(self, namespace: str) -> list[tuple[str, int]]:
        """Return model and devices of each Deployment of a namespace; each is read once for each change of it."""
        before, self._read = self._read, {}
        for place, digest in self._cache.digests(DEPLOYMENT):
            known = before.get(place)
            if known is not None and known[0] == digest:
                self._read[place] = known
            elif (found := self._cache.get(DEPLOYMENT, *place)) is not None:
                model = str((found["metadata"].get("labels") or {}).get(labels.MODEL, ""))
                self._read[place] = (digest, model, devices_of(found))
        return [(model, devices) for (place, _), (_, model, devices) in self._read.items() if place == namespace]
