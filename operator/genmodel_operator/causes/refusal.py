"""Why the cluster makes no pods for a Deployment: a quota, or a policy."""

import re

from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes.cause import Cause, Object, because

_QUOTA = re.compile(
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<wanted>.+?), used: (?P<used>.+?), limited: (?P<most>.+)$"
)


def creation_refused(deployment: Object | None) -> Cause | None:
    """Return why the Deployment's pods cannot be created, None where nothing is known to stop them."""
    conditions = (deployment or {}).get("status", {}).get("conditions") or []
    failure = next((c for c in conditions if c["type"] == "ReplicaFailure" and c["status"] == "True"), None)
    if failure is None:
        return None
    detail = str(failure.get("message") or failure.get("reason") or "")
    quota = _QUOTA.search(detail)
    if quota is not None:
        return because(Reason.QUOTA_EXCEEDED, quota=quota["quota"], numbers=_numbers(quota))
    return because(Reason.POD_CREATION_REFUSED, detail=detail)


def _numbers(quota: re.Match[str]) -> str:
    """Return a quota's figures per resource, such as ``requests.cpu: 4 wanted, 14 of 16 used``."""
    used, most = _amounts(quota["used"]), _amounts(quota["most"])
    return "; ".join(
        f"{name}: {amount} wanted, {used.get(name, '?')} of {most.get(name, '?')} used"
        for name, amount in _amounts(quota["wanted"]).items()
    )


def _amounts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): amount.strip() for name, _, amount in pairs}
