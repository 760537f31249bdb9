"""Whether a branch has moved from the commit that a model is pinned to; asked rarely, for one number.

Pinned says so in the condition Drifted. Follow rolls to the new commit, where it can be served.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from string import hexdigits

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.api.v1alpha1 import ConditionType, UpdatePolicy, UpstreamStatus
from genmodel_operator.controller import steps
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.errors import StepError
from genmodel_operator.controller.queue import Key
from genmodel_operator.hub.client import HubError
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.settings import HubSettings
from genmodel_operator.status import Notice

log = logging.getLogger(__name__)

Count = Callable[[str], None]
"""Takes the result of a check: unchanged, moved or failed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a branch or tag of a repository on a Hub."""

    endpoint: str
    repository: str
    revision: str


@dataclass(slots=True)
class _Known:
    wish: Wish
    policy: UpdatePolicy
    due: float
    commit: str | None = None
    refused: dict[str, str] = field(default_factory=dict)


class Branches:
    """When each model's branch is asked for next, and what the last answers were; one for the process."""

    def __init__(
        self,
        settings: HubSettings,
        *,
        count: Count,
        clock: Callable[[], float] = time.monotonic,
        random_between: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Take how often is asked, who counts the results, a monotonic clock in seconds and the jitter."""
        self._settings = settings
        self._count = count
        self._clock = clock
        self._between = random_between
        self._known: dict[Key, _Known] = {}

    def seconds_left(self, key: Key, wish: Wish, policy: UpdatePolicy) -> float:
        """Return when a branch is to be asked for.

        Models that were not known, as all after a restart, are spread over the whole interval. Where a user
        has just asked to follow, it is now.
        """
        known = self._known.get(key)
        if known is None:
            due = self._clock() + self._between(0.0, self._interval(policy))
            known = self._known[key] = _Known(wish, policy, due)
        elif known.wish != wish:
            known = self._known[key] = _Known(wish, policy, self._next(policy))
        elif known.policy is not policy:
            known.policy = policy
            known.due = self._clock() if policy is UpdatePolicy.FOLLOW else self._next(policy)
        return known.due - self._clock()

    def answered(self, key: Key, commit: str, pinned: str) -> None:
        """Take where the branch points; what was refused before is tried once more."""
        known = self._known[key]
        known.commit, known.refused, known.due = commit, {}, self._next(known.policy)
        self._count("unchanged" if commit == pinned else "moved")

    def failed(self, key: Key) -> None:
        """Take that nobody could be asked; that changes nothing."""
        known = self._known[key]
        known.due = self._next(known.policy)
        self._count("failed")

    def commit(self, key: Key, wish: Wish) -> str | None:
        """Return where the branch pointed when it was asked for last, None where it was not yet."""
        known = self._known.get(key)
        return known.commit if known is not None and known.wish == wish else None

    def refuse(self, key: Key, commit: str, why: str) -> None:
        """Remember that a commit cannot be followed to (yet)."""
        if key in self._known:
            self._known[key].refused[commit] = why

    def refusal(self, key: Key, commit: str) -> str | None:
        """Return why a commit cannot be followed to, None where nothing is known against it."""
        known = self._known.get(key)
        return known.refused.get(commit) if known is not None else None

    def forget(self, key: Key) -> None:
        """Drop a model that is gone."""
        self._known.pop(key, None)

    def _interval(self, policy: UpdatePolicy) -> float:
        follows = policy is UpdatePolicy.FOLLOW
        return self._settings.follow_check_seconds if follows else self._settings.pinned_check_seconds

    def _next(self, policy: UpdatePolicy) -> float:
        return self._clock() + self._interval(policy) * self._between(0.9, 1.1)


async def follow(ctx: Context) -> None:
    """Wish the commit that the branch points to now, where a user follows it and it can be served."""
    branches, commit = ctx.tools.branches, _points_to(ctx)
    if branches is None or ctx.model.spec.update_policy is not UpdatePolicy.FOLLOW:
        return
    branches.seconds_left(_key(ctx), _wish(ctx), UpdatePolicy.FOLLOW)
    if commit is None or ctx.commit in (None, commit) or branches.refusal(_key(ctx), commit) is not None:
        return
    pinned, desired = ctx.commit, ctx.current
    ctx.commit, ctx.current = commit, steps.frozen_at(ctx, commit)
    if ctx.current is not None:
        # The newest revision tells which commit the branch is pinned to.
        ctx.current = replace(ctx.current, number=1 + max(revision.number for revision in ctx.revisions))
        return
    try:
        await steps.resolve(ctx)
        await steps.size(ctx)
    except (StepError, KubeError) as error:
        # Nobody asked for exactly this commit: what serves is still what was wished.
        log.info("a branch is not followed: %s", error, extra={"model": f"{ctx.namespace}/{ctx.name}"})
        branches.refuse(_key(ctx), commit, error.message)
        ctx.commit, ctx.current, ctx.facts, ctx.task = pinned, desired, None, None


async def check(ctx: Context) -> None:
    """Ask for the branch where it is time, and say what is known; nothing about it ever fails a reconcile."""
    branches, pinned, spec = ctx.tools.branches, ctx.commit, ctx.model.spec
    if branches is None or pinned is None or is_commit(spec.revision) or spec.claim_source is not None:
        return
    wish = _wish(ctx)
    if branches.seconds_left(_key(ctx), wish, spec.update_policy) <= 0:
        await _ask(ctx, branches, wish, pinned)
    ctx.look_again(branches.seconds_left(_key(ctx), wish, spec.update_policy))
    commit = _points_to(ctx)
    if commit not in (None, pinned):
        _tell(ctx, branches, commit=str(commit), pinned=pinned)


def is_commit(revision: str) -> bool:
    """Whether a revision is a whole commit id, which never moves."""
    return len(revision) == 40 and all(digit in hexdigits for digit in revision)


async def _ask(ctx: Context, branches: Branches, wish: Wish, pinned: str) -> None:
    try:
        async with asyncio.timeout(ctx.tools.settings.hub.timeout_seconds):
            credential = await steps.read_credential(ctx)
            commit = await ctx.tools.hub.commit_of(
                wish.repository,
                wish.revision,
                endpoint=wish.endpoint,
                token=credential.token,
                credential=credential.words,
                secret=credential.secret,
            )
    except (StepError, HubError, KubeError, TimeoutError) as error:
        log.info(
            "a branch could not be looked at: %s",
            str(error) or "no answer in time",
            extra={"model": f"{ctx.namespace}/{ctx.name}"},
        )
        branches.failed(_key(ctx))
        return
    branches.answered(_key(ctx), commit, pinned)


def _tell(ctx: Context, branches: Branches, *, commit: str, pinned: str) -> None:
    spec = ctx.model.spec
    values = {"repository": spec.model, "revision": spec.revision, "commit": commit, "pinned": pinned}
    refusal = branches.refusal(_key(ctx), commit)
    ctx.upstream = UpstreamStatus(repository=spec.model, revision=spec.revision, commit=commit)
    if spec.update_policy is not UpdatePolicy.FOLLOW:
        message = explain(Reason.BRANCH_MOVED, **values)
        ctx.notices.append(Notice(ConditionType.DRIFTED, Reason.BRANCH_MOVED, message))
    elif refusal is not None:
        message = explain(Reason.FOLLOWING_FAILED, detail=refusal, **values)
        ctx.notices.append(Notice(ConditionType.DRIFTED, Reason.FOLLOWING_FAILED, message))
    else:
        # It is followed in a run of its own.
        ctx.look_again(0.0)


def _points_to(ctx: Context) -> str | None:
    """Return where the branch points as far as is known: from the last answer, before a restart from status."""
    spec, before = ctx.model.spec, ctx.model.status.upstream
    if ctx.tools.branches is None or is_commit(spec.revision):
        return None
    known = ctx.tools.branches.commit(_key(ctx), _wish(ctx))
    if known is not None or before is None:
        return known
    same = (before.repository, before.revision) == (spec.model, spec.revision)
    return before.commit if same else None


def _wish(ctx: Context) -> Wish:
    return Wish(steps.hub_endpoint(ctx), ctx.model.spec.model, ctx.model.spec.revision)


def _key(ctx: Context) -> Key:
    return Key(ctx.namespace, ctx.name)
