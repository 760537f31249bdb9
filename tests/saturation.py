"""More requests than an engine can run at once, for minutes, and whether it is left in peace."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.client import HTTPException

from tests.real_engine import Server

CLIENTS = 24
RUNNING_AT_ONCE = 4
"""The engine is told to run so many; the other clients wait in its queue all the time."""
ARGUMENTS = ("--enforce-eager", "--max-num-seqs", str(RUNNING_AT_ONCE), "--max-num-batched-tokens", "512")
LONGEST_ANSWER_TOKENS = 400
SLICE_SECONDS = 0.1
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


@contextmanager
def slowed(server: Server, share: float) -> Iterator[None]:
    """Let the engine's core and worker run for this share of the time only, as on a slower processor.

    That leaves the rest of the machine to other tests.
    """
    processes, over = [server.process("VLLM::EngineCore"), server.process("VLLM::Worker")], threading.Event()

    def slow() -> None:
        while not over.wait(share * SLICE_SECONDS):
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            over.wait((1 - share) * SLICE_SECONDS)
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slow)
        try:
            yield
        finally:
            over.set()
    done.result()


def saturate(server: Server, seconds: float, *, share: float = 1.0) -> Saturation:
    """Keep the queue full for so long, of an engine that has this share of a processor; return what was seen."""
    found, over = Saturation(), threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for index in range(CLIENTS):
            pool.submit(_ask_until, server, over, found.answers, 50 + index * LONGEST_ANSWER_TOKENS // CLIENTS)
        try:
            with slowed(server, share) if share < 1 else nullcontext():
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
