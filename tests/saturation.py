"""More requests than an engine can run at once, for minutes, and whether it is left in peace."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException

from tests.real_engine import Server

CLIENTS = 24
RUNNING_AT_ONCE = 4
"""The engine is told to run so many; the other clients wait in its queue all the time."""
ARGUMENTS = ("--enforce-eager", "--max-num-seqs", str(RUNNING_AT_ONCE), "--max-num-batched-tokens", "512")
LONGEST_ANSWER_TOKENS = 400
PROMPT = "once upon a time there was a fox " * 40


@dataclass(slots=True)
class Saturation:
    """What happened: answers by how they ended, and what the runtime said meanwhile."""

    answers: Counter[str] = field(default_factory=Counter)
    most_waiting: int = 0
    not_ready: int = 0
    looks: int = 0

    def figures(self) -> dict[str, str]:
        """Return the figures to keep."""
        return {
            "clients": str(CLIENTS),
            "answers": str(self.answers["whole"]),
            "failed": str(self.answers.total() - self.answers["whole"]),
            "most requests waiting in the engine": str(self.most_waiting),
            "looks at which it was not ready": f"{self.not_ready} of {self.looks}",
        }


def saturate(server: Server, seconds: float) -> Saturation:
    """Keep the engine's queue full for so long; return what was seen."""
    found, over = Saturation(), threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for index in range(CLIENTS):
            pool.submit(_ask_until, server, over, found.answers, 50 + index * LONGEST_ANSWER_TOKENS // CLIENTS)
        try:
            _watch(server, time.monotonic() + seconds, found)
        finally:
            over.set()
    return found


def _ask_until(server: Server, over: threading.Event, answers: Counter[str], max_tokens: int) -> None:
    while not over.is_set():
        try:
            events = server.stream(max_tokens, threading.Event(), PROMPT)
            answers["whole" if events[-1:] == ["[DONE]"] else "cut"] += 1
        except (OSError, HTTPException) as error:
            answers[type(error).__name__] += 1


def _watch(server: Server, until: float, found: Saturation) -> None:
    while time.monotonic() < until:
        assert server.pod.process.poll() is None, server.pod.log
        found.looks += 1
        found.not_ready += not server.pod.is_ready()
        requests = server.pod.status().get("requests", {})
        found.most_waiting = max(found.most_waiting, requests.get("waiting", 0))
        time.sleep(1)
