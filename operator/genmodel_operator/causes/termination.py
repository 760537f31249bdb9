"""Why a container ended: the runtime's own words where it left some, else what the kubelet saw."""

import json

from genmodel_operator.api.reasons import Reason, explain_runtime
from genmodel_operator.causes.cause import Cause, Object, because
from genmodel_operator.causes.evidence import Evidence
from genmodel_operator.causes.pods import containers
from genmodel_runtime.contract import RuntimeReason

KILLED_CODES = (137, 143)
"""How a container ends that the kubelet kills."""
_PROBE_KILLS = ("failed startup probe", "failed liveness probe")


def parse_termination(text: str) -> Cause | None:
    """Return the cause that the runtime wrote to its termination log, or None where it is not one of ours."""
    try:
        document = json.loads(text)
        reason = RuntimeReason(document["reason"])
        hint = str(document.get("hint") or "")
        return Cause(reason, explain_runtime(reason, str(document["message"]), hint))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def termination_cause(pod: Object, container: Object, terminated: Object, evidence: Evidence) -> Cause:
    """Return the cause behind a container's end."""
    name = container["name"]
    if terminated.get("reason") == "OOMKilled":
        return because(Reason.OUT_OF_MEMORY, container=name, limit=_memory_limit(pod, name))
    message = str(terminated.get("message") or "")
    said = parse_termination(message)
    if said is not None:
        return said
    killed = evidence.latest(pod, _is_probe_kill) if terminated.get("exitCode") in KILLED_CODES else None
    if killed is not None:
        return because(Reason.PROBE_FAILING, container=name, detail=_probe_words(pod, killed, evidence))
    return because(
        Reason.POD_CRASHED,
        container=name,
        code=terminated.get("exitCode", "?"),
        restarts=container.get("restartCount", 0),
        detail=_last_line(message) or terminated.get("reason") or "no message",
        namespace=pod["metadata"]["namespace"],
        pod=pod["metadata"]["name"],
    )


def _is_probe_kill(event: Object) -> bool:
    note = str(event.get("note") or "")
    return event.get("reason") == "Killing" and any(words in note for words in _PROBE_KILLS)


def _probe_words(pod: Object, killed: Object, evidence: Evidence) -> str:
    seen = evidence.latest(pod, lambda event: event.get("reason") == "Unhealthy")
    why = f"; the last probe: {seen['note']}" if seen and seen.get("note") else ""
    return f"the kubelet killed it: {killed['note']}{why}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _memory_limit(pod: Object, name: str) -> str:
    found: Object = next((c for c in containers(pod) if c["name"] == name), {})
    return str(found.get("resources", {}).get("limits", {}).get("memory", "unknown size"))
