"""Whether the informer watches models: where our kind goes at the wrong moment it runs and watches nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from genmodel_operator.kube.errors import Unreachable

logger = logging.getLogger(__name__)

SILENT_SECONDS = 30.0
"""How long the informer may be silent before its first watch of models is open; it lists them all before."""


class InformerEndedError(Exception):
    """The watches ended, or never began, though nobody asked for it."""


class FirstWatch:
    """Waits for the first open watch of models; all methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._heard_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether models were watched at least once."""
        return self._opened.is_set()

    def open(self) -> None:
        """Take note that models are watched."""
        self._opened.set()

    def hear(self) -> None:
        """Take note of a model that was listed: listing thousands takes longer than any silence may."""
        self._heard_at = asyncio.get_running_loop().time()

    async def confirm(self, is_served: Callable[[], Awaitable[object]]) -> None:
        """Return when models are watched; raise ``InformerEndedError`` where nothing comes though the server answers.

        ``is_served`` asks the API server anything and raises ``Unreachable`` where it does not answer.
        """
        while not await self._opens_within(SILENT_SECONDS):
            if self._heard_at > asyncio.get_running_loop().time() - SILENT_SECONDS:
                continue
            logger.warning("models are not watched yet")
            with suppress(Unreachable):
                await is_served()
                raise InformerEndedError("the API server answers, but models are not watched")

    async def _opens_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._opened.wait()
        except TimeoutError:
            return False
        return True
