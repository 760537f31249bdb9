"""The operator's Hub client: what is asked once, remembered, shared and kept apart."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.client import HubError
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import standard_repositories
from tests.fakes.hub_testing import GOOD, POOR, SHARDED, TINY, TOKENS, UNKNOWN, Asking, Clock, ask, kinds

BRANCH_SECONDS = 300


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(standard_repositories(), tokens=TOKENS) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def asking(hub: HubServer, clock: Clock) -> AsyncIterator[Asking]:
    made = ask(hub, clock=clock, branch_cache_seconds=BRANCH_SECONDS)
    yield made
    await made.client.close()


async def test_equal_questions_at_once_share_one_set_of_requests(hub: HubServer, asking: Asking) -> None:
    hub.fault("/api/models/", delay=0.1)
    answers = await asyncio.gather(*(asking.resolve() for _ in range(50)))
    assert len({id(answer) for answer in answers}) == 1
    assert sorted(kinds(hub.log())) == sorted(
        ["info", "tree", "tree", "config.json", "tokenizer_config.json", "model.safetensors", "cdn model.safetensors"]
    )


async def test_equal_questions_share_the_failure_too_and_each_names_its_own_secret(
    hub: HubServer, asking: Asking
) -> None:
    hub.fault("/api/models/", delay=0.1)

    async def error_of(secret: str) -> HubError:
        with pytest.raises(HubError) as error:
            await asking.client.resolve(
                "acme/nothing", "main", endpoint=hub.url, token=None, credential="nobody", secret=secret
            )
        return error.value

    errors = await asyncio.gather(*(error_of(f"secret-{number}") for number in range(5)))
    assert [error.values["secret"] for error in errors] == [f"secret-{number}" for number in range(5)]
    assert len(hub.log()) == 1


async def test_different_tokens_do_not_share(hub: HubServer, asking: Asking) -> None:
    hub.fault("/api/models/", delay=0.1, times=2)
    results = await asyncio.gather(
        asking.resolve("acme/gated-llama", token=GOOD),
        asking.resolve("acme/gated-llama", token=POOR),
        return_exceptions=True,
    )
    assert not isinstance(results[0], BaseException)
    assert isinstance(results[1], HubError)
    assert results[1].reason is Reason.MODEL_GATED


async def test_one_caller_that_gives_up_does_not_end_it_for_the_others(hub: HubServer, asking: Asking) -> None:
    hub.fault("/api/models/", delay=0.2)
    impatient, patient = asyncio.ensure_future(asking.resolve()), asyncio.ensure_future(asking.resolve())
    await asyncio.sleep(0.05)
    impatient.cancel()
    assert (await patient).repository == TINY
    assert kinds(hub.log()).count("info") == 1


async def test_a_second_question_makes_no_request(hub: HubServer, asking: Asking) -> None:
    first = await asking.resolve()
    hub.log()
    assert await asking.resolve() is first
    assert await asking.commit_of() == first.commit
    assert hub.log() == []


async def test_a_commit_is_remembered_for_ever(hub: HubServer, asking: Asking, clock: Clock) -> None:
    first = await asking.resolve()
    clock.now += 10**9
    hub.log()
    assert await asking.resolve(revision=first.commit) is first
    assert hub.log() == []


async def test_a_branch_is_looked_up_again_after_a_while(hub: HubServer, asking: Asking, clock: Clock) -> None:
    first = await asking.resolve()
    old = hub.move(TINY, "v1.0")
    hub.log()
    assert (await asking.resolve()).commit == first.commit
    clock.now += BRANCH_SECONDS + 1
    assert (await asking.resolve()).commit == old
    hub.move(TINY, first.commit)
    clock.now += BRANCH_SECONDS + 1
    hub.log()
    assert await asking.resolve() is first
    assert kinds(hub.log()) == ["info"], "the facts of that commit are known"


async def test_the_commit_of_a_branch_costs_one_request(hub: HubServer, asking: Asking) -> None:
    commit = await asking.commit_of()
    assert commit == hub.store.all()[0].refs["main"]
    assert kinds(hub.log()) == ["info"]
    await asking.commit_of()
    assert hub.log() == []


async def test_access_to_a_gated_model_is_checked_for_each_token(hub: HubServer, asking: Asking) -> None:
    first = await asking.resolve("acme/gated-llama", token=GOOD)
    for token in (POOR, None, UNKNOWN):
        for revision in ("main", first.commit):
            with pytest.raises(HubError):
                await asking.resolve("acme/gated-llama", revision, token)
    hub.store.set_token(POOR, TOKENS[GOOD])
    hub.log()
    assert await asking.resolve("acme/gated-llama", token=POOR) is first
    assert kinds(hub.log()) == ["info", "params.json"], "one file shows that it may be read"
    assert await asking.resolve("acme/gated-llama", token=POOR) is first
    assert hub.log() == []


async def test_access_to_a_private_model_is_checked_for_each_token(asking: Asking) -> None:
    facts = await asking.resolve("acme/private-llama", token=GOOD)
    for revision in ("main", facts.commit):
        with pytest.raises(HubError) as error:
            await asking.resolve("acme/private-llama", revision)
        assert error.value.reason is Reason.MODEL_NOT_FOUND


async def test_a_mended_token_is_used_at_once(hub: HubServer, asking: Asking) -> None:
    with pytest.raises(HubError):
        await asking.resolve("acme/gated-llama", token=UNKNOWN)
    hub.store.set_token(UNKNOWN, TOKENS[GOOD])
    assert (await asking.resolve("acme/gated-llama", token=UNKNOWN)).gated


async def test_two_hubs_are_kept_apart(hub: HubServer, asking: Asking) -> None:
    await asking.resolve()
    with HubServer(standard_repositories()) as other:
        await asking.client.resolve(TINY, "main", endpoint=other.url + "/", token=None, credential="x", secret="y")
        assert "info" in kinds(other.log())


async def test_many_models_at_once_use_a_bounded_number_of_threads(hub: HubServer) -> None:
    asking = ask(hub, threads=2)
    answers = await asyncio.gather(asking.resolve(TINY), asking.resolve(SHARDED), asking.resolve("acme/tiny-bert"))
    assert [answer.repository for answer in answers] == [TINY, SHARDED, "acme/tiny-bert"]
    await asking.client.close()


async def test_closing_ends_what_is_under_way(hub: HubServer) -> None:
    asking = ask(hub)
    hub.fault("/api/models/", delay=3)
    question = asyncio.ensure_future(asking.resolve())
    await asyncio.sleep(0.1)
    await asyncio.wait_for(asking.client.close(), 1)
    with pytest.raises(asyncio.CancelledError):
        await question


async def test_warming_up_asks_nobody_anything(hub: HubServer) -> None:
    made = ask(hub, threads=1)
    made.client.warm_up()
    # With one thread an answer comes only after the warming up.
    with pytest.raises(HubError):
        await made.resolve(repository="acme/none")
    assert kinds(hub.log()) == ["info"]
    await made.client.close()
