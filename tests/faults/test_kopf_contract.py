"""What kopf does when the API server fails: noticed here when an upgrade changes it.

The operator is built on these facts: it survives what it can and ends, to be started anew, where kopf ends.
"""

import asyncio
import time

import pytest

from genmodel_operator.api import labels
from genmodel_operator.kube.kinds import CHILD_KINDS, DEPLOYMENT
from tests.fakes.kube import MODELS, FakeApi, a_model
from tests.faults.informer import informing


@pytest.fixture
def api() -> FakeApi:
    found = FakeApi()
    found.objects[MODELS] = {"one": a_model("one"), "two": a_model("two")}
    return found


# -- what we build on


async def test_a_listing_and_then_each_change_wakes_its_key(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: len(informer.queue.added) == 2 and informer.watched)
        assert sorted(informer.queue.added) == [("one", False), ("two", False)]
        api.put(MODELS, a_model("three"))
        await informer.until(lambda: ("three", True) in informer.queue.added)
        api.remove(MODELS, "one")
        await informer.until(lambda: ("one", True) in informer.queue.added)
        assert ("DELETED", "one") in informer.seen


async def test_children_feed_the_cache_and_wake_their_owner(api: FakeApi) -> None:
    child = a_model("mistral-1") | {"spec": {"replicas": 1}}
    child["metadata"]["labels"] = labels.child_labels("mistral")
    async with informing(api) as informer:
        await informer.until(lambda: api.open_watches("deployments"))
        api.put("deployments", child)
        await informer.until(lambda: ("mistral", True) in informer.queue.added)
        assert informer.cache.get(DEPLOYMENT, "team-a", "mistral-1") is not None
        api.remove("deployments", "mistral-1")
        await informer.until(lambda: informer.queue.names.count("mistral") == 2)
        assert informer.cache.get(DEPLOYMENT, "team-a", "mistral-1") is None


async def test_nothing_is_written_and_nothing_else_is_read(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: all(api.open_watches(kind.plural) for kind in CHILD_KINDS) and informer.watched)
        api.put(MODELS, a_model("three"))
        await informer.until(lambda: "three" in informer.queue.names)
        await asyncio.sleep(0.3)
    assert api.others == []
    assert set(api.lists) == {kind.plural for kind in CHILD_KINDS} | {MODELS, "nodes"}


async def test_children_are_filtered_by_the_server(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: all(api.open_watches(kind.plural) for kind in CHILD_KINDS))
        await informer.until(lambda: informer.watched and api.open_watches("nodes"))
        selectors = {plural: query.get("labelSelector") for plural, query in api.queries.items()}
        assert selectors == {kind.plural: labels.OWNED_SELECTOR for kind in CHILD_KINDS} | {MODELS: None, "nodes": None}
        assert all(query["allowWatchBookmarks"] == "true" for query in api.queries.values())


async def test_each_namespace_has_its_watch_and_nodes_have_one(api: FakeApi) -> None:
    async with informing(api, namespaces=["team-a", "team-b"]) as informer:
        await informer.until(lambda: api.open_watches(MODELS) == 2 and api.open_watches("pods") == 2)
        await informer.until(lambda: api.open_watches("nodes") == 1)
        assert "namespaces" not in api.lists


async def test_it_stops_at_once_and_without_an_error(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        started = time.monotonic()
        informer.stop.set()
        assert await informer.end() is None
        assert time.monotonic() - started < 3


# -- faults of watches


@pytest.mark.parametrize("code", [pytest.param(500, id="internal"), pytest.param(504, id="time-out")])
async def test_k1_an_error_inside_a_watch_ends_the_informer(api: FakeApi, code: int) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        started = time.monotonic()
        api.emit_error(MODELS, code)
        error = await informer.end()
        assert type(error).__name__ == "WatchingError"
        assert time.monotonic() - started < 8


async def test_k2_gone_as_the_answer_to_a_watch_ends_the_informer(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        api.refuse["watch", MODELS] = 410
        api.cut(MODELS)
        assert await informer.end() is not None


async def test_k3_an_outage_of_any_length_is_outlived(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        before = len(informer.watched)
        api.refuse["watch", MODELS] = 503
        api.cut(MODELS)
        await asyncio.sleep(1)
        assert informer.is_running
        del api.refuse["watch", MODELS]
        await informer.until(lambda: len(informer.watched) > before)
        api.put(MODELS, a_model("after"))
        await informer.until(lambda: "after" in informer.queue.names)


async def test_k3_finite_delays_would_end_it(api: FakeApi) -> None:
    async with informing(api, backoffs=[0.01, 0.01]) as informer:
        await informer.until(lambda: informer.watched)
        api.refuse["watch", MODELS] = 503
        api.cut(MODELS)
        assert await informer.end() is not None


async def test_k4_what_is_deleted_in_a_gap_makes_no_event(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: len(informer.seen) == 2 and informer.watched)
        api.remove(MODELS, "one", silent=True)
        api.emit_error(MODELS, 410)
        await informer.until(lambda: api.lists[MODELS] == 2)
        await informer.until(lambda: informer.seen.count((None, "two")) == 2)
        assert ("DELETED", "one") not in informer.seen
        assert informer.queue.names.count("one") == 1


async def test_a_watch_that_is_cut_goes_on_where_it_was(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        api.cut(MODELS)
        await informer.until(lambda: len(informer.watched) == 2)
        assert api.lists[MODELS] == 1
        assert api.queries[MODELS]["resourceVersion"] == "100"


async def test_a_watch_without_a_sign_of_life_is_opened_anew(api: FakeApi) -> None:
    def shorten(settings: object) -> None:
        settings.watching.inactivity_timeout = 0.3  # type: ignore[attr-defined]

    async with informing(api, configure=shorten) as informer:
        await informer.until(lambda: len(informer.watched) >= 3)
        assert informer.is_running


# -- permissions, credentials, kinds that come and go


async def test_a_missing_permission_is_retried_for_ever(api: FakeApi) -> None:
    api.refuse["list", "pods"] = 403
    async with informing(api) as informer:
        await informer.until(lambda: api.lists.get("pods", 0) > 5)
        assert informer.is_running
        assert informer.watched
        del api.refuse["list", "pods"]
        await informer.until(lambda: api.open_watches("pods"))


async def test_refused_credentials_are_waited_out_without_a_storm(api: FakeApi) -> None:
    api.accepted_tokens = {"Bearer new"}
    async with informing(api, token="Bearer old") as informer:
        await informer.until(lambda: api.refused_logins >= 2)
        await asyncio.sleep(0.5)
        assert api.refused_logins <= 4
        informer.token = "Bearer new"
        await informer.until(lambda: informer.watched)


async def test_a_token_that_expires_is_replaced_without_an_interruption(api: FakeApi) -> None:
    api.accepted_tokens = {"Bearer old"}
    async with informing(api, token="Bearer old") as informer:
        await informer.until(lambda: all(api.open_watches(kind.plural) for kind in CHILD_KINDS) and informer.watched)
        informer.token = "Bearer new"
        api.accepted_tokens = {"Bearer new"}
        for kind in CHILD_KINDS:
            api.cut(kind.plural)
        await informer.until(lambda: all(api.watches[kind.plural] >= 2 for kind in CHILD_KINDS))
        assert api.refused_logins == 0
        assert api.watches[MODELS] == 1


async def test_credentials_that_are_refused_later_are_waited_out(api: FakeApi) -> None:
    api.accepted_tokens = {"Bearer old"}
    async with informing(api, token="Bearer old") as informer:
        await informer.until(lambda: all(api.open_watches(kind.plural) for kind in CHILD_KINDS) and informer.watched)
        api.accepted_tokens = set()
        for plural in (MODELS, "pods", "services"):
            api.cut(plural)
        await informer.until(lambda: api.refused_logins >= 3)
        api.accepted_tokens = {"Bearer old"}
        await informer.until(lambda: len(informer.watched) == 2)


async def test_a_kind_that_is_not_served_at_the_start_is_never_watched(api: FakeApi) -> None:
    api.served.discard(MODELS)
    async with informing(api) as informer:
        await informer.until(lambda: api.open_watches("pods"))
        api.served.add(MODELS)
        await asyncio.sleep(0.5)
        assert informer.is_running
        assert informer.watched == []


async def test_a_kind_that_goes_ends_the_informer(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        api.served.discard(MODELS)
        api.cut(MODELS)
        assert type(await informer.end()).__name__ == "APINotFoundError"


@pytest.mark.parametrize("plural", [MODELS, "nodes", *(kind.plural for kind in CHILD_KINDS)])
async def test_k14_a_failure_of_one_watch_ends_all_of_them_soon(api: FakeApi, plural: str) -> None:
    """kopf's own end would hang: see ``handlers._cancel_younger``."""
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched and api.open_watches(plural))
        started = time.monotonic()
        api.refuse["watch", plural] = 404
        api.cut(plural)
        assert await informer.end() is not None
        assert time.monotonic() - started < 5


async def test_cancelling_the_informer_ends_its_watches(api: FakeApi) -> None:
    async with informing(api) as informer:
        await informer.until(lambda: informer.watched)
        assert informer.task is not None
        informer.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await informer.task
        assert asyncio.all_tasks() == {asyncio.current_task()}
