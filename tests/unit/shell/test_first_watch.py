"""The wait for the first watch of models: silence ends it, a long listing does not."""

import asyncio

import pytest

from genmodel_operator.first_watch import SILENT_SECONDS, FirstWatch, InformerEndedError
from genmodel_operator.kube.errors import Unreachable

pytestmark = pytest.mark.looptime


class Server:
    """An API server that answers, or not yet."""

    def __init__(self, *, away_for: int = 0) -> None:
        self.asked = 0
        self._away_for = away_for

    async def is_served(self) -> bool:
        self.asked += 1
        if self.asked <= self._away_for:
            raise Unreachable("nobody there", verb="discover", kind="GenerativeModel", name="")
        return True


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_an_open_watch_ends_the_wait() -> None:
    watch, server = FirstWatch(), Server()
    asyncio.get_running_loop().call_later(5, watch.open)
    await watch.confirm(server.is_served)
    assert (now(), server.asked, watch.is_open) == (5, 0, True)


async def test_silence_is_an_end_where_the_server_answers() -> None:
    watch, server = FirstWatch(), Server()
    with pytest.raises(InformerEndedError):
        await watch.confirm(server.is_served)
    assert (now(), server.asked, watch.is_open) == (SILENT_SECONDS, 1, False)


async def test_a_server_that_is_away_is_waited_for() -> None:
    watch, server = FirstWatch(), Server(away_for=3)
    with pytest.raises(InformerEndedError):
        await watch.confirm(server.is_served)
    assert (now(), server.asked) == (4 * SILENT_SECONDS, 4)


async def test_a_listing_may_take_as_long_as_it_goes_on() -> None:
    watch, server = FirstWatch(), Server()
    for at in range(0, 300, 10):
        asyncio.get_running_loop().call_later(at, watch.hear)
    asyncio.get_running_loop().call_later(300, watch.open)
    await watch.confirm(server.is_served)
    assert (now(), server.asked) == (300, 0)


async def test_a_listing_that_stops_is_an_end() -> None:
    watch, server = FirstWatch(), Server()
    for at in range(0, 100, 10):
        asyncio.get_running_loop().call_later(at, watch.hear)
    with pytest.raises(InformerEndedError):
        await watch.confirm(server.is_served)
    assert 90 + SILENT_SECONDS <= now() <= 90 + 2 * SILENT_SECONDS
