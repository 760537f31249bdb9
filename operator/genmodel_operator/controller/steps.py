"""From the wish to a frozen revision: find one that matches, else resolve and size a new one."""

import base64
import binascii
from dataclasses import dataclass, replace

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.admission import admit_gated, admit_repository, admit_wish
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.errors import Stalled, Waiting
from genmodel_operator.controller.inspection import inspect
from genmodel_operator.controller.learn import known_corrections
from genmodel_operator.engines import engine_for
from genmodel_operator.engines.architectures import supports
from genmodel_operator.engines.protocol import Refusal
from genmodel_operator.hub.client import HubError
from genmodel_operator.hub.facts import ModelFacts, Refused, choose_task
from genmodel_operator.kube.errors import Forbidden, NotFound
from genmodel_operator.kube.kinds import SECRET
from genmodel_operator.resources.pod_patch import PodTemplateError
from genmodel_operator.resources.revision import Revision, freeze, inputs_hash, inputs_of, source_revision
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.plan import Misfit, plan_serving

HUB_RETRY_SECONDS = 15.0
"""How soon a Hub that could not be reached is asked again where it says nothing itself."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The token that the Hub is asked with, and how messages name it."""

    token: str | None
    words: str
    secret: str


async def match(ctx: Context) -> None:
    """Take the frozen revision whose inputs are the wished ones, so that neither Hub nor planner is asked.

    The commit stays the one that this repository and branch were resolved to first.
    """
    repository, wished = ctx.model.spec.model, source_revision(ctx.model)
    ctx.commit = pinned_commit(repository, wished, ctx.revisions) or _served_commit(ctx)
    if ctx.commit is not None:
        ctx.current = frozen_at(ctx, ctx.commit)


def pinned_commit(repository: str, wished: str, revisions: list[Revision]) -> str | None:
    """Return the commit that a branch, tag or commit was resolved to before; newest revision first."""
    for revision in revisions:
        if revision.model.repository == repository and revision.source_revision == wished:
            return revision.model.commit
    return None


def _served_commit(ctx: Context) -> str | None:
    """Return the commit that serves, where its revision was edited or deleted by hand: that starts no rollout.

    Only while nobody changed the spec since it was observed.
    """
    status = ctx.model.status
    same = status.model is not None and status.model.repository == ctx.model.spec.model
    if status.model is None or not same or ctx.serving is None:
        return None
    return status.model.commit if status.observed_generation == ctx.model.metadata.generation else None


def frozen_at(ctx: Context, commit: str) -> Revision | None:
    """Return the frozen revision with the wished inputs; it remembers the branch that it was wished by."""
    wanted = inputs_hash(inputs_of(ctx.model, commit))
    found = next((revision for revision in ctx.revisions if revision.hash == wanted), None)
    return found and replace(found, source_revision=source_revision(ctx.model))


async def resolve(ctx: Context) -> None:
    """Ask the Hub, or the user's own volume, what the model is, unless a frozen revision told already."""
    if ctx.current is not None:
        return
    admit_wish(ctx)
    facts = await _read_facts(ctx)
    if facts is None:
        return
    admit_repository(ctx, facts)
    try:
        ctx.task = choose_task(facts, ctx.model.spec.task)
    except Refused as refused:
        raise Stalled(refused.reason, **refused.values) from refused
    _refuse(supports(facts))
    ctx.facts, ctx.commit = facts, facts.commit
    ctx.current = frozen_at(ctx, facts.commit)


async def _read_facts(ctx: Context) -> ModelFacts | None:
    source = ctx.model.spec.claim_source
    if source is not None:
        return await inspect(ctx, source)
    return await _ask_hub(ctx, ctx.commit or ctx.model.spec.revision)


async def _ask_hub(ctx: Context, revision: str) -> ModelFacts:
    credential = await read_credential(ctx)
    try:
        return await ctx.tools.hub.resolve(
            ctx.model.spec.model,
            revision,
            endpoint=hub_endpoint(ctx),
            token=credential.token,
            credential=credential.words,
            secret=credential.secret,
        )
    except Refused as refused:
        raise Stalled(refused.reason, **refused.values) from refused
    except HubError as error:
        if error.reason is Reason.MODEL_GATED:
            admit_gated(ctx)
        if error.transient:
            after = error.retry_after_seconds or HUB_RETRY_SECONDS
            raise Waiting(error.reason, after_seconds=after, **error.values) from error
        raise Stalled(error.reason, **error.values) from error


def hub_endpoint(ctx: Context) -> str:
    """Return the Hub that the model comes from."""
    hub = ctx.model.spec.source.hub if ctx.model.spec.source else None
    return hub.endpoint if hub and hub.endpoint else ctx.tools.settings.hub.endpoint


async def read_credential(ctx: Context) -> Credential:
    """Return the token of the Secret that the spec names, or of the default one where it exists."""
    hub = ctx.model.spec.source.hub if ctx.model.spec.source else None
    ref = hub.token_secret_ref if hub else None
    name = ref.name if ref else ctx.tools.settings.hub.token_secret_name
    key = ref.key if ref else "token"
    place = f"{name} (key {key})"
    try:
        secret = await ctx.tools.client.get(SECRET, ctx.namespace, name)
    except NotFound as error:
        if ref is None:
            return Credential(None, "the anonymous user", place)
        raise _secret_missing(ctx, name, key) from error
    except Forbidden as error:
        raise Stalled(Reason.TOKEN_SECRET_FORBIDDEN, secret=name) from error
    token = _decode(secret.get("data", {}).get(key))
    if token is None:
        raise _secret_missing(ctx, name, key)
    return Credential(token, f"the token in the Secret {name}", place)


def _secret_missing(ctx: Context, name: str, key: str) -> Stalled:
    return Stalled(Reason.TOKEN_SECRET_MISSING, secret=name, key=key, namespace=ctx.namespace)


def _decode(value: str | None) -> str | None:
    """Return the text of a Secret's value without surrounding white space, None where there is none."""
    if not value:
        return None
    try:
        return base64.b64decode(value, validate=True).decode().strip() or None
    except (binascii.Error, UnicodeDecodeError):
        return None


async def size(ctx: Context) -> None:
    """Plan a new revision and freeze it, unless a frozen one matched."""
    if ctx.current is not None or ctx.facts is None or ctx.task is None:
        return
    plan = plan_serving(
        facts=ctx.facts,
        task=ctx.task,
        spec=ctx.model.spec,
        inventory=await ctx.tools.inventory.read(),
        policy=plan_policy(ctx.tools.settings, ctx.policy),
        corrections=await known_corrections(ctx, ctx.facts.commit),
    )
    if isinstance(plan, Misfit):
        raise Stalled(Reason(plan.reason), **dict(plan.values))
    _refuse(engine_for(plan).supports(ctx.facts))
    number = 1 + max((revision.number for revision in ctx.revisions), default=0)
    try:
        ctx.current = freeze(ctx.model, ctx.facts, ctx.task, plan, ctx.tools.settings, number=number, claim=ctx.claim)
    except PodTemplateError as error:
        raise Stalled(Reason.POD_TEMPLATE_REFUSED, path=error.path, detail=error.why) from error


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Stalled(Reason(refusal.reason), **dict(refusal.values))
