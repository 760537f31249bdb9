"""Why the weights are not on their claim yet: the download Job and its pods."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason, reason_of
from genmodel_operator.causes.cause import Cause, Object, because
from genmodel_operator.causes.evidence import NOTHING, Evidence
from genmodel_operator.causes.first import first_cause
from genmodel_operator.causes.node import lost_place
from genmodel_operator.causes.pods import container_statuses
from genmodel_operator.causes.progress import is_moving
from genmodel_operator.causes.termination import parse_termination, termination_cause

_UNBOUND, _APART = "PersistentVolumeClaim", "pod affinity"
"""Words of the scheduler."""
_OVER = ("Failed", "Succeeded")


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the desired revision on their claim.

    Attributes:
        claim: name of the claim.
        is_kept: the operator created the claim, and leaves it when the model goes.
        is_complete: the Job for the commit has succeeded.
        is_for_one_node: all pods that use the claim must be on one node.
        pods: the Job's pods.
        failed_before: why the Job before this one failed, where it is this try's forerunner.
    """

    claim: str
    is_kept: bool
    is_complete: bool
    is_for_one_node: bool = False
    pods: Sequence[dict[str, Any]] = ()
    failed_before: Cause | None = None

    def cause(self, runtimes: Mapping[str, Object], evidence: Evidence = NOTHING) -> Cause:
        """Return what the download is at, or why it does not go on.

        A failure is told until another try has received bytes: it may meet the same again in a moment.
        """
        alive = [pod for pod in self.pods if _phase(pod) not in _OVER]
        now = self.told_of(first_cause(None, alive, runtimes, evidence)) if alive else None
        before = last_failure(self.pods, evidence) or self.failed_before
        if now is None or now.says_little:
            return before or now or because(Reason.PODS_PENDING, detail="the pod that downloads the weights is created")
        if before is None or not now.is_progress:
            return now
        if any(is_moving(runtimes.get(pod["metadata"]["name"], {})) for pod in alive):
            return Cause(now.reason, f"{now.message}; the try before it failed: {before.message}")
        return before

    def told_of(self, cause: Cause) -> Cause:
        """Return the cause with what the claim has to do with it."""
        if cause.reason is not Reason.UNSCHEDULABLE:
            return cause
        if _UNBOUND in cause.message:
            words = f"the claim {self.claim} has no volume yet: kubectl describe pvc {self.claim} says why"
        elif _APART in cause.message and self.is_for_one_node:
            words = (
                f"all pods that use the claim {self.claim} have to be on one node; a ReadWriteMany claim allows more"
            )
        else:
            return cause
        return Cause(cause.reason, f"{cause.message}; {words}")


def last_failure(pods: Sequence[Object], evidence: Evidence = NOTHING) -> Cause | None:
    """Return why the newest failed pod of a download failed, None where none did."""
    failed = [pod for pod in pods if _phase(pod) == "Failed"]
    if not failed:
        return None
    pod = max(failed, key=lambda found: str(found["metadata"].get("creationTimestamp", "")))
    for container in container_statuses(pod):
        ended = container.get("state", {}).get("terminated")
        if ended and ended.get("exitCode") != 0:
            return termination_cause(pod, container, ended, evidence)
    return lost_place(pod)


def failed_before(job: Object | None) -> Cause | None:
    """Return why the Job before this one failed, None where there was none or nobody can read what it left."""
    try:
        document = json.loads(((job or {})["metadata"].get("annotations") or {})[labels.FAILED_BEFORE])
        return Cause(reason_of(document["reason"]), str(document["message"]))
    except (ValueError, KeyError, TypeError):
        return None


def told_reason(ended: Object | None) -> str | None:
    """Return the reason in the words that a container left when it ended, None where it left none of ours."""
    said = parse_termination(str((ended or {}).get("message") or ""))
    return said.reason.value if said else None


def _phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase") or "")
