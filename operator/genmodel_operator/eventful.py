"""Which changes of conditions deserve an Event. Pure."""

from collections.abc import Sequence

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import Condition, ConditionType
from genmodel_operator.status import MESSAGE_MAX_LENGTH

_TOLD_BY_EVENTS = {
    ConditionType.READY.value,
    ConditionType.MODEL_RESOLVED.value,
    ConditionType.PLANNED.value,
    ConditionType.DRIFTED.value,
    ConditionType.UPDATE_AVAILABLE.value,
    ConditionType.POLICY_VIOLATED.value,
    ConditionType.RUNTIME_VULNERABLE.value,
}
_TOLD_BY_OTHERS = {Reason.PODS_PENDING.value, Reason.STARTING.value}


def eventful_conditions(before: Sequence[Condition], after: Sequence[Condition]) -> list[Condition]:
    """Return the conditions whose status or reason changed and that deserve an Event.

    The others repeat the reason of ``Ready``; that pods are made and placed is told by the cluster itself.
    A model that is resolved and planned at once has one Event that says both.
    """
    known = {condition.type: (condition.status, condition.reason) for condition in before}
    changed = {
        condition.type: condition
        for condition in after
        if condition.type in _TOLD_BY_EVENTS
        and condition.reason not in _TOLD_BY_OTHERS
        and known.get(condition.type) != (condition.status, condition.reason)
    }
    planned, resolved = changed.get(ConditionType.PLANNED), changed.get(ConditionType.MODEL_RESOLVED)
    if planned and resolved and {planned.reason, resolved.reason} == {Reason.PLANNED, Reason.RESOLVED}:
        del changed[ConditionType.MODEL_RESOLVED]
        message = f"{resolved.message}; {planned.message}"[:MESSAGE_MAX_LENGTH]
        changed[ConditionType.PLANNED] = planned.model_copy(update={"message": message})
    return list(changed.values())


def is_told_by_the_cluster(conditions: Sequence[Condition]) -> bool:
    """Return whether ``Ready`` only says that pods are made and placed, which the cluster tells itself."""
    return any(found.type == ConditionType.READY and found.reason in _TOLD_BY_OTHERS for found in conditions)
