"""What all our Jobs have in common: made and dropped as a whole, and read for how they ended."""

from collections.abc import Iterable
from datetime import datetime

from genmodel_operator.causes.pods import condition
from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.kube.errors import AlreadyExists, Forbidden, Invalid
from genmodel_operator.kube.kinds import JOB

SOON_SECONDS = 2.0


async def create_job(ctx: Context, wanted: Object) -> Object | None:
    """Return the Job after making it, or the one that has its name."""
    try:
        job = await ctx.tools.client.create(JOB, wanted)
    except AlreadyExists:
        # The one that was just deleted, or one that the cache has not seen: both are news in a moment.
        ctx.look_again(SOON_SECONDS)
        return await children.read_live(ctx, JOB, wanted["metadata"]["name"])
    except (Invalid, Forbidden) as error:
        raise children.refusal(ctx, JOB, wanted, error) from error
    ctx.tools.cache.put(JOB, job)
    ctx.jobs[job["metadata"]["name"]] = job
    return job


async def drop_job(ctx: Context, job: Object) -> None:
    """Delete a Job and its pods."""
    await children.delete(ctx, JOB, job)
    ctx.jobs.pop(job["metadata"]["name"], None)


def pods_of(pods: Iterable[Object], job: Object | None) -> list[Object]:
    """Return the Job's pods; one of an earlier Job of its name is on its way out."""
    uid = (job or {}).get("metadata", {}).get("uid")
    return [pod for pod in pods if uid in _owner_uids(pod)] if uid else []


def is_complete(job: Object | None) -> bool:
    """Whether a Job has succeeded."""
    return job is not None and condition_time(job, "Complete") is not None


def ended_at(job: Object) -> str | None:
    """Return when a Job succeeded or failed, None where it goes on."""
    complete = condition_time(job, "Complete")
    return condition_time(job, "Failed") if complete is None else complete


def condition_time(job: Object, kind: str) -> str | None:
    """Return when a condition of the Job became true, None where it is not."""
    found = condition(job, kind)
    return str(found.get("lastTransitionTime") or "") if found is not None and found["status"] == "True" else None


def seconds_since(ctx: Context, stamp: str) -> float:
    """Return the time since a stamp of the API server; 0 where there is none."""
    now = datetime.fromisoformat(ctx.tools.now())
    return (now - datetime.fromisoformat(stamp)).total_seconds() if stamp else 0.0


def annotation(found: Object, key: str) -> str | None:
    """Return one annotation, None where it is not there."""
    value = (found["metadata"].get("annotations") or {}).get(key)
    return None if value is None else str(value)


def _owner_uids(pod: Object) -> list[str]:
    return [str(owner.get("uid")) for owner in pod["metadata"].get("ownerReferences") or []]
