"""The API server's client library: its asynchronous half, without the other one.

The package imports its synchronous client wherever anything of it is asked for, with requests, oauthlib and websocket:
230 modules, 7 MiB and a fifth of a second that nothing here uses. Those parts are found here, and loaded when somebody
touches them.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

_SYNCHRONOUS = frozenset(
    f"kubernetes.{part}"
    for part in ("client", "config", "dynamic", "informer", "leaderelection", "stream", "utils", "watch")
)


class _Later(MetaPathFinder):
    """Finds the synchronous parts so that they are loaded at their first use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a synchronous part is; None for everything else."""
        if fullname not in _SYNCHRONOUS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


_later = _Later()
sys.meta_path.insert(0, _later)
try:
    from kubernetes.aio import config
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.client.rest import RESTClientObject
finally:
    sys.meta_path.remove(_later)

__all__ = ["Configuration", "RESTClientObject", "config"]
