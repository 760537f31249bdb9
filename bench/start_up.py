"""From apply to the first token with real vLLM, split by stage.

Every stage ends with something that is seen to the millisecond: an object in a watch, or a line in a
container's log with the container runtime's own time. Host and node share one clock.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from openai import OpenAI

from bench import start_up_floor
from bench.timeline import Timeline
from examples.demo.steps import QUESTION
from tests.platform import Platform

NAME = "bench"

STAGES = {
    "operator: resolve, plan, write": "Deployment",
    "controllers, scheduler": "bound",
    "sandbox, prepare's container": "prepare runs",
    "prepare: ask the Hub": "fetch begins",
    "weights": "fetch ends",
    "server's container": "engine begins",
    "engine start": "engine answers",
    "readiness noticed": "pod ready",
    "readiness told": "Ready",
    "first request": "first token",
}
"""Stages in order, each with the mark that ends it; the first begins with the apply."""

NOT_OURS = ("weights", "engine start")
"""With the image, which is on the node already, all that is not counted as ours."""
CLUSTERS = ("controllers, scheduler", "sandbox, prepare's container", "server's container")
"""Stages of what is ours by that count in which Kubernetes works, or the image's Python starts."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What a line of a container's log holds, and the mark that it is."""

    container: str
    words: str
    mark: str


LINES = (
    _Line("prepare", "the runtime is in", "prepare runs"),
    _Line("prepare", "fetching", "fetch begins"),
    _Line("prepare", "is complete and verified", "fetch ends"),
    _Line("server", "starting", "engine begins"),
    _Line("server", "ready after", "engine answers"),
)


def measure(platform: Platform, model: str) -> dict[str, str]:
    """Serve a model once and return its stages in seconds, beside the floor."""
    with Timeline(platform.cluster.kubeconfig, "default", NAME) as timeline:
        started = time.time()
        timeline.create(platform.wished(NAME, model))
        timeline.until("bound", limit_seconds=60)
        # The way to the Service is asked for while the engine starts: a user knows the address already.
        with OpenAI(base_url=platform.endpoint(NAME), api_key="unused", timeout=120, max_retries=0) as api:
            marks = timeline.until("Ready", limit_seconds=600)
            marks["first token"] = first_token(api)
    marks |= told_by_logs(platform)
    pod = platform.pods(NAME)[0]
    platform.delete(NAME)
    return row_of(stages_of(started, marks), floor_seconds=start_up_floor.measure(platform, pod))


def first_token(api: OpenAI) -> float:
    """Return when the first token of a chat answer came, by the wall clock."""
    stream = api.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": QUESTION}], max_tokens=16, stream=True
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            return time.time()
    raise RuntimeError("the answer had no token")


def told_by_logs(platform: Platform) -> dict[str, float]:
    """Return the marks that the pod's logs hold, by the wall clock."""
    pod = platform.pods(NAME)[0]["metadata"]["name"]
    logs = {
        container: platform.cluster.kubectl("logs", pod, "--container", container, "--timestamps")
        for container in ("prepare", "server")
    }
    return {line.mark: moment_of(logs[line.container], line.words) for line in LINES}


def moment_of(log: str, words: str) -> float:
    """Return when the runtime said the words, in seconds since the epoch; ``ValueError`` where it did not."""
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        if text.startswith("genmodel_runtime:") and words in text:
            return datetime.fromisoformat(stamp).timestamp()
    raise ValueError(f"the log does not say {words!r}")


def stages_of(started: float, marks: Mapping[str, float]) -> dict[str, float]:
    """Return seconds by stage; together they are the time from apply to first token."""
    moments = [started, *(marks[mark] for mark in STAGES.values())]
    return {stage: moments[index + 1] - moments[index] for index, stage in enumerate(STAGES)}


def row_of(stages: Mapping[str, float], *, floor_seconds: float) -> dict[str, str]:
    """Return the stages, what they add up to, and that beside a pod of the same containers made by hand."""
    total = sum(stages.values())
    ours = total - sum(stages[stage] for stage in NOT_OURS)
    inside = ours - sum(stages[stage] for stage in CLUSTERS) - stages["first request"]
    sums = {
        "apply to Ready": total - stages["first request"],
        "apply to first token": total,
        "ours: all but image, weights, engine start": ours,
        "of it our own processes": inside,
        "floor: the same two containers by hand": floor_seconds,
    }
    row = {name: f"{seconds:.2f} s" for name, seconds in {**stages, **sums}.items()}
    return row | {"x floor": f"{ours / floor_seconds:.2f}"}
