"""The policy in a reconcile: new models are refused, those that run are reported and left alone."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.admission import hold
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.queue import Key
from genmodel_operator.controller.steps import resolve
from genmodel_operator.hub.client import HubError
from genmodel_operator.kube.kinds import DEPLOYMENT, SERVICE
from genmodel_operator.policy.document import Policy
from genmodel_operator.resources.deployment import build_deployment
from genmodel_operator.resources.revision import Revision
from genmodel_operator.resources.service import build_service
from genmodel_operator.settings import Settings
from tests.builders import some_facts
from tests.builders_admission import Client, Hub, Source, a_context, frozen, policy, run

OTHER = Key("team-a", "other")


def granted(ctx: Context) -> int:
    assert ctx.tools.devices is not None
    return ctx.tools.devices.used_by_others(OTHER)


# -- before anything is made


async def test_a_forbidden_publisher_is_refused_without_asking_the_hub() -> None:
    hub = Hub(some_facts())
    ctx = a_context(Source(policy(allowedPublishers=["acme"])), hub=hub)
    with pytest.raises(Stalled) as caught:
        await resolve(ctx)
    assert caught.value.reason is Reason.PUBLISHER_NOT_ALLOWED
    assert "have the platform team add mistralai to policy.allowedPublishers" in caught.value.message
    assert hub.asked == 0


@pytest.mark.parametrize(
    ("rules", "facts", "want"),
    [
        pytest.param({"allowedLicenseClasses": ["Custom"]}, {}, Reason.LICENSE_NOT_ALLOWED, id="licence"),
        pytest.param({"allowGated": False}, {"gated": True}, Reason.GATED_NOT_ALLOWED, id="gated"),
        pytest.param(
            {"allowedPublishers": ["mistralai"]},
            {"repository": "stranger/x"},
            Reason.PUBLISHER_NOT_ALLOWED,
            id="renamed to another publisher",
        ),
    ],
)
async def test_what_the_hub_tells_is_judged(rules: dict[str, Any], facts: dict[str, Any], want: Reason) -> None:
    ctx = a_context(Source(policy(**rules)), hub=Hub(some_facts(license="apache-2.0", **facts)))
    with pytest.raises(Stalled) as caught:
        await resolve(ctx)
    assert caught.value.reason is want
    assert ctx.current is None


async def test_who_may_not_have_a_gated_model_is_not_told_to_accept_its_licence() -> None:
    gated = HubError(Reason.MODEL_GATED, repository="a/b", credential="the anonymous user", secret="s")
    with pytest.raises(Stalled) as caught:
        await resolve(a_context(Source(policy(allowGated=False)), hub=Hub(gated)))
    assert caught.value.reason is Reason.GATED_NOT_ALLOWED
    with pytest.raises(Stalled) as caught:
        await resolve(a_context(Source(Policy()), hub=Hub(gated)))
    assert caught.value.reason is Reason.MODEL_GATED


async def test_without_a_policy_that_was_ever_valid_nothing_new_is_admitted() -> None:
    ctx = a_context(Source(None, "policy.yaml: allowGated: no"), hub=Hub(some_facts()))
    with pytest.raises(Stalled) as caught:
        await resolve(ctx)
    assert caught.value.reason is Reason.POLICY_INVALID
    assert "policy.yaml: allowGated: no; nothing new is admitted" in caught.value.message


async def test_without_a_file_the_settings_hold_the_policy() -> None:
    settings = Settings(policy=policy(allowedPublishers=["acme"]))
    with pytest.raises(Stalled) as caught:
        await resolve(a_context(None, hub=Hub(some_facts()), settings=settings))
    assert caught.value.reason is Reason.PUBLISHER_NOT_ALLOWED


async def test_what_is_allowed_goes_through() -> None:
    ctx = a_context(
        Source(policy(allowedPublishers=["*"], allowedLicenseClasses=["Open"])), hub=Hub(some_facts(license="mit"))
    )
    await resolve(ctx)
    assert ctx.facts is not None


# -- what is frozen already


async def test_a_model_that_runs_is_reported_and_nothing_of_it_changes() -> None:
    ctx = a_context(Source(policy(allowedPublishers=["acme"], allowedLicenseClasses=["Custom"])), replicas=3)
    revision = frozen(ctx, license="apache-2.0")
    run(ctx, revision, 3)
    await hold(ctx)
    (notice,) = ctx.notices
    assert (notice.type, notice.reason, notice.status) == ("PolicyViolated", Reason.NO_LONGER_ALLOWED, "True")
    assert notice.message.startswith("it goes on as it is, but the operator's policy would refuse it as a new model: ")
    assert "is not of a publisher" in notice.message
    assert "the class Open" in notice.message
    assert ctx.current is revision
    assert ctx.model.spec.replicas == 3


async def test_going_back_to_a_revision_that_is_forbidden_now_is_refused() -> None:
    ctx = a_context(Source(policy(allowedPublishers=["acme"])))
    old = frozen(ctx)
    run(ctx, replace(old, id="f" * 10), 1)
    with pytest.raises(Stalled) as caught:
        await hold(ctx)
    assert caught.value.reason is Reason.PUBLISHER_NOT_ALLOWED
    assert ctx.current is None, "what serves stays"
    assert ctx.notices == []


async def test_a_forbidden_model_that_was_suspended_stays_so() -> None:
    ctx = a_context(Source(policy(allowedPublishers=["acme"])), replicas=2)
    run(ctx, frozen(ctx), 0)
    with pytest.raises(Stalled):
        await hold(ctx)
    assert ctx.model.spec.replicas == 0


async def test_a_forbidden_model_that_is_suspended_is_reported() -> None:
    ctx = a_context(Source(policy(allowedPublishers=["acme"])), suspend=True)
    run(ctx, frozen(ctx), 0)
    await hold(ctx)
    assert [notice.type for notice in ctx.notices] == ["PolicyViolated"]


async def test_what_runs_is_left_alone_while_there_is_no_policy() -> None:
    ctx = a_context(Source(None, "gone"))
    run(ctx, frozen(ctx), 1)
    await hold(ctx)
    assert ctx.notices == []
    assert ctx.current is not None


async def test_an_image_of_the_user_s_own_is_judged_and_the_platform_s_is_not() -> None:
    rules = Source(policy(allowedEngineImages=["registry.example.com/*"]))
    own = a_context(rules, engine={"image": "docker.io/own/vllm:v0.32.0"})
    run(own, frozen(own), 1)
    await hold(own)
    assert "spec.engine.image: docker.io/own/vllm:v0.32.0 is not an image" in own.notices[0].message
    theirs = a_context(rules)
    run(theirs, frozen(theirs), 1)
    await hold(theirs)
    assert theirs.notices == []


@pytest.mark.parametrize("replicas", [1, 3])
async def test_what_the_watch_cache_has_missed_is_not_stopped(replicas: int) -> None:
    rules = Source(policy(allowedPublishers=["acme"], devicesPerNamespace={"team-a": 0}))
    ctx = a_context(rules, replicas=replicas)
    revision = frozen(ctx)
    run(ctx, revision, replicas)
    assert isinstance(ctx.tools.client, Client)
    ctx.tools.client.live = {
        DEPLOYMENT: [live(build_deployment(ctx.model, revision, replicas))],
        SERVICE: [live(build_service(ctx.model, revision.id))],
    }
    ctx.deployments.clear()
    ctx.resync = False
    await hold(ctx)
    assert ctx.current is revision
    assert ctx.model.spec.replicas == replicas
    assert [notice.type for notice in ctx.notices] == ["PolicyViolated"]


def live(made: dict[str, Any]) -> dict[str, Any]:
    """An object as the API server stores it."""
    metadata = made["metadata"]
    return {**made, "metadata": {**metadata, "uid": metadata["name"], "resourceVersion": "1"}}


# -- devices


def limited(limit: int, others: int, **spec: Any) -> Context:
    ctx = a_context(Source(policy(devicesPerNamespace={"team-a": limit})), **spec)
    assert ctx.tools.devices is not None
    ctx.tools.devices.grant(Key("team-a", "neighbour"), others)
    return ctx


@pytest.mark.parametrize(
    ("limit", "others", "replicas", "count", "want_replicas"),
    [
        pytest.param(8, 2, 3, 2, 3, id="there is room"),
        pytest.param(8, 3, 5, 2, 2, id="there is room for some replicas"),
        pytest.param(0, 0, 1, 0, 1, id="on CPU it has no devices"),
    ],
)
async def test_a_new_model_takes_the_devices_for_which_there_is_room(
    limit: int, others: int, replicas: int, count: int, want_replicas: int
) -> None:
    ctx = limited(limit, others, replicas=replicas)
    new = frozen(ctx, count=count)
    with nullcontext() if want_replicas == replicas else pytest.raises(Stalled):
        await hold(ctx)
    assert ctx.current is new
    assert ctx.model.spec.replicas == want_replicas
    assert granted(ctx) == others + want_replicas * count


async def test_a_new_model_for_which_there_is_no_room_is_not_made() -> None:
    ctx = limited(4, 3)
    frozen(ctx, count=2)
    with pytest.raises(Stalled) as caught:
        await hold(ctx)
    assert caught.value.reason is Reason.DEVICE_LIMIT_REACHED
    assert "1 x 2 devices are too many: the namespace team-a may have 4" in caught.value.message
    assert ctx.current is None
    assert granted(ctx) == 3


async def test_scaling_beyond_the_limit_keeps_what_runs() -> None:
    ctx = limited(4, 0, replicas=5)
    run(ctx, frozen(ctx, count=2), 2)
    with pytest.raises(Stalled):
        await hold(ctx)
    assert ctx.model.spec.replicas == 2


async def test_what_is_stopped_short_is_read_live_first() -> None:
    ctx = limited(4, 3)
    frozen(ctx, count=2)
    ctx.resync = False
    with pytest.raises(Stalled):
        await hold(ctx)
    assert ctx.resync, "it was read live"
    assert ctx.current is None


async def test_a_limit_below_what_runs_is_reported_and_stops_nothing() -> None:
    ctx = limited(2, 2, replicas=2)
    run(ctx, frozen(ctx, count=2), 2)
    await hold(ctx)
    assert ctx.model.spec.replicas == 2
    assert "devices are too many" in ctx.notices[0].message
    assert granted(ctx) == 2 + 4


async def test_another_revision_needs_no_more_room_than_the_one_whose_place_it_takes() -> None:
    ctx = limited(2, 0)
    new = frozen(ctx, count=2)
    run(ctx, replace(new, id="f" * 10), 1)
    await hold(ctx)
    assert ctx.current is new
    assert granted(ctx) == 2


def serve_another(ctx: Context, *, count: int, replicas: int) -> Revision:
    """Let an older revision serve, beside the desired one that is made afterwards."""
    old = frozen(ctx, count=count)
    run(ctx, replace(old, id="f" * 10), replicas)
    ctx.revisions.clear()
    return old


async def test_a_refused_revision_leaves_what_serves_and_its_devices() -> None:
    ctx = limited(4, 2, replicas=1)
    serve_another(ctx, count=2, replicas=1)
    frozen(ctx, count=4)
    with pytest.raises(Stalled):
        await hold(ctx)
    assert ctx.current is None
    assert ctx.model.spec.replicas == 1
    assert granted(ctx) == 2 + 2


async def test_a_rollout_below_a_limit_that_fell_takes_nothing_from_what_serves() -> None:
    ctx = limited(2, 0, replicas=4)
    serve_another(ctx, count=1, replicas=4)
    new = frozen(ctx, count=1)
    await hold(ctx)
    assert ctx.current is new
    assert ctx.model.spec.replicas == 4


async def test_a_change_of_spec_and_replicas_at_once_is_no_way_around_the_limit() -> None:
    ctx = limited(4, 0, replicas=9)
    serve_another(ctx, count=2, replicas=2)
    frozen(ctx, count=4)
    with pytest.raises(Stalled):
        await hold(ctx)
    assert ctx.current is None
    assert ctx.model.spec.replicas == 2


async def test_scaling_while_the_wish_cannot_be_resolved_is_no_way_around_the_limit() -> None:
    ctx = limited(4, 1, replicas=9)
    serve_another(ctx, count=1, replicas=2)
    ctx.current = None
    await hold(ctx)
    assert ctx.model.spec.replicas == 3
    assert granted(ctx) == 1 + 3


async def test_a_suspended_model_gives_its_devices_back() -> None:
    ctx = limited(4, 0, suspend=True)
    run(ctx, frozen(ctx, count=2), 0)
    await hold(ctx)
    assert granted(ctx) == 0
    assert ctx.notices == []
