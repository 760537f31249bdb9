"""How far a running container is, in words."""

import json
from collections.abc import Mapping
from math import isfinite

from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes.cause import Cause, Object, because
from genmodel_operator.causes.evidence import NOTHING, Evidence, since_words
from genmodel_operator.causes.termination import parse_termination
from genmodel_runtime.contract import RUNTIME_PORT, SERVER_CONTAINER, Phase

_GIB = 1024**3
_STAGES = {
    Phase.COMPILING.value: (Reason.COMPILING, "compiles the model"),
    Phase.WARMING_UP.value: (Reason.WARMING_UP, "warms up"),
    Phase.SERVING.value: (Reason.WARMING_UP, "answers, and the cluster has not noticed yet"),
    Phase.LOADING.value: (Reason.LOADING, "loads the weights"),
    Phase.STARTING.value: (Reason.LOADING, "starts"),
}
UNHEARD_SECONDS = 15.0
"""How long a container may run before it is told that its runtime does not answer: its start takes some."""
_UNTOLD = f"how far it is cannot be read from the pod's port {RUNTIME_PORT}"


def progress(container: Object, runtime: Object, evidence: Evidence = NOTHING) -> Cause:
    """Return what a running container is at; without the runtime's word only its name tells."""
    said = parse_termination(json.dumps(runtime["failure"])) if runtime.get("failure") else None
    if said is not None:
        return said
    unheard = not runtime and _is_overdue(container, evidence)
    if container["name"] == SERVER_CONTAINER:
        return _of_engine(container, runtime, unheard=unheard)
    if runtime.get("phase") == Phase.VERIFYING.value:
        return because(Reason.VERIFYING)
    told = describe_download(member(runtime, "download")) if runtime else _UNTOLD if unheard else "the container starts"
    return because(Reason.DOWNLOADING, progress=told)


def _is_overdue(container: Object, evidence: Evidence) -> bool:
    """Return whether a container has run long enough to answer; so it is where nobody knows for how long."""
    seconds = evidence.seconds_since(container["state"]["running"].get("startedAt"))
    return seconds is None or seconds >= UNHEARD_SECONDS


def _of_engine(container: Object, runtime: Object, *, unheard: bool) -> Cause:
    unknown = (Reason.LOADING, f"starts; {_UNTOLD}" if unheard else "starts")
    reason, stage = _STAGES.get(str(runtime.get("phase")), unknown)
    since = runtime.get("since") or container["state"]["running"].get("startedAt")
    why = member(runtime, "readiness").get("reason") if reason is Reason.WARMING_UP else None
    words = [since_words(since), f"not ready: {why}" if why else "", *_last_end(container)]
    return because(reason, stage=stage, more=", ".join(["", *filter(None, words)]))


def _last_end(container: Object) -> list[str]:
    """Return how the container ended before this start, so that a loop of restarts is seen while it is tried again."""
    last = (container.get("lastState") or {}).get("terminated")
    if last is None:
        return []
    said = parse_termination(str(last.get("message") or ""))
    why = said.message if said else f"exit code {last.get('exitCode', '?')}"
    return [f"restart {container.get('restartCount', 1)}; before it: {why}"]


def describe_download(download: Object | None) -> str:
    """Return the progress in words, such as ``1.2 GiB of 14.2 GiB (8 %), 95.0 MiB/s, 140 s left``."""
    total = whole(download or {}, "bytesTotal")
    if not download or not total:
        return "asking the Hub for the list of files"
    done = whole(download, "bytesDone") or 0
    words = ["another pod brings them to the volume"] if download.get("elsewhere") is True else []
    words.append(f"{_amount(done)} of {_amount(total)} ({done * 100 // total} %)")
    rate, left = whole(download, "bytesPerSecond"), whole(download, "secondsLeft")
    if rate:
        words.append(f"{_amount(rate)}/s")
    if left is not None:
        words.append(f"{left} s left")
    return ", ".join(words)


def is_moving(runtime: Object) -> bool:
    """Return whether a pod has received bytes in its present try, or has all of them."""
    rate = whole(member(runtime, "download"), "bytesPerSecond")
    return bool(rate) or runtime.get("phase") == Phase.VERIFYING.value


def member(document: Object, name: str) -> Object:
    """Return an object inside a document that a pod told, an empty one where it is none."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def whole(document: Object, name: str) -> int | None:
    """Return a number that a pod told, as a whole one and not below 0; None where it is none."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return max(0, int(value))


def _amount(count_bytes: float) -> str:
    return f"{count_bytes / _GIB:.1f} GiB" if count_bytes >= _GIB else f"{count_bytes / 1024**2:.1f} MiB"
