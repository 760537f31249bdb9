"""From apply to the first token with real vLLM, split by stage; the part that is ours is what is left over.

Ours is everything but the image, the weights and the engine's own start: noticing the model, asking
the Hub, planning, writing objects, the scheduler and kubelet in between, noticing the answer.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from openai import OpenAI

from examples.demo.steps import QUESTION
from tests.platform import Platform

NAME = "bench"


def measure(platform: Platform, model: str) -> dict[str, str]:
    """Serve a model once and return its stages in seconds."""
    started = time.time()
    platform.wish(NAME, model)
    seen = follow(platform)
    answered = first_token(platform)
    pod = platform.pods(NAME)[0]
    stages = stages_of(pod, platform, started=started, ready=seen["Serving"], answered=answered)
    platform.delete(NAME)
    return {stage: f"{seconds:.2f} s" for stage, seconds in stages.items()}


def follow(platform: Platform, *, limit_seconds: float = 600.0) -> dict[str, float]:
    """Return when each reason was first seen, by the wall clock, until Ready."""
    seen: dict[str, float] = {}
    deadline = time.time() + limit_seconds
    while "Serving" not in seen:
        if time.time() > deadline:
            raise TimeoutError(f"not Ready after {limit_seconds:.0f} s; seen {json.dumps(seen)}")
        seen.setdefault(str(platform.ready(NAME).get("reason", "Accepted")), time.time())
        time.sleep(0.05)
    return seen


def first_token(platform: Platform) -> float:
    """Return when the first token of a chat answer came, by the wall clock."""
    with OpenAI(base_url=platform.endpoint(NAME), api_key="unused", timeout=120, max_retries=0) as api:
        stream = api.chat.completions.create(
            model=NAME, messages=[{"role": "user", "content": QUESTION}], max_tokens=16, stream=True
        )
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                return time.time()
    raise RuntimeError("the answer had no token")


def stages_of(
    pod: Mapping[str, Any], platform: Platform, *, started: float, ready: float, answered: float
) -> dict[str, float]:
    """Return seconds by stage; the kubelet's own times are whole seconds, so single stages are rough."""
    status = pod["status"]
    prepare = status["initContainerStatuses"][0]["state"]["terminated"]
    weights = seconds_of(prepare["finishedAt"]) - seconds_of(prepare["startedAt"])
    engine = float(platform.get("gm", NAME)["status"]["measured"]["startSeconds"])
    total = answered - started
    return {
        "apply to Ready": ready - started,
        "apply to first token": total,
        "weights (prepare)": weights,
        "engine start": engine,
        "first request": answered - ready,
        "ours: the rest": total - weights - engine,
    }


def seconds_of(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
