"""Code of a repository in a reconcile: it needs the word of the model and that of the policy."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.admission import hold
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.steps import resolve
from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import Settings
from tests.builders import A_COMMIT, some_facts
from tests.builders_admission import Hub, Source, a_context, frozen, policy, run

CODE: dict[str, Any] = {"repository": "acme/own", "remote_code": "config.json"}
ALLOWED = {"remoteCode": [{"repository": "acme/own", "commits": [A_COMMIT]}]}


@pytest.mark.parametrize(
    ("rules", "trusts", "want"),
    [
        pytest.param(ALLOWED, True, None, id="both agree"),
        pytest.param(ALLOWED, False, Reason.REMOTE_CODE_REQUIRED, id="the model does not say so"),
        pytest.param({}, True, Reason.REMOTE_CODE_NOT_ALLOWED, id="the policy does not say so"),
    ],
)
async def test_code_of_a_repository_needs_two_words(rules: dict[str, Any], trusts: bool, want: Reason | None) -> None:
    ctx = a_context(Source(policy(**rules)), hub=Hub(some_facts(**CODE)), trust={"remoteCode": trusts})
    if want is None:
        await resolve(ctx)
        assert ctx.facts is not None
        return
    with pytest.raises(Stalled) as caught:
        await resolve(ctx)
    assert caught.value.reason is want
    assert A_COMMIT in caught.value.message
    assert ctx.facts is None


async def test_without_a_policy_file_code_runs_only_where_the_settings_allow_it() -> None:
    trust = {"remoteCode": True}
    with pytest.raises(Stalled) as caught:
        await resolve(a_context(None, hub=Hub(some_facts(**CODE)), trust=trust))
    assert caught.value.reason is Reason.REMOTE_CODE_NOT_ALLOWED
    await resolve(
        a_context(None, hub=Hub(some_facts(**CODE)), settings=Settings(policy=policy(**ALLOWED)), trust=trust)
    )


async def test_code_that_runs_and_is_forbidden_now_is_reported_and_starts_no_more() -> None:
    ctx = a_context(Source(policy(**ALLOWED)), trust={"remoteCode": True})
    revision = frozen(ctx, **CODE)
    run(ctx, revision, 1)
    await hold(ctx)
    assert ctx.notices == []
    assert revision.model.remote_code == "config.json"

    ctx.tools.policy.current = Policy()  # type: ignore[union-attr, misc]
    await hold(ctx)
    (notice,) = ctx.notices
    assert notice.type == "PolicyViolated"
    assert "does not allow the Python code of acme/own (auto_map in config.json) at the commit" in notice.message
    assert ctx.current is revision

    run(ctx, revision, 0)
    with pytest.raises(Stalled) as caught:
        await hold(ctx)
    assert caught.value.reason is Reason.REMOTE_CODE_NOT_ALLOWED
