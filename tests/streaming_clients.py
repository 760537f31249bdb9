"""Clients that stream chat answers without a second try, as a program; every answer is accounted for.

``python -m tests.streaming_clients --url URL --model NAME --requests N --until FILE --report FILE``
asks until FILE exists and N answers have come. Half of the clients keep their connection from one
request to the next, half make a new one each time: the first kind meets a pod that goes away on a
connection of old, the second one that is not there yet.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from openai import OpenAI, OpenAIError

CLIENTS = 8
LONGEST_PAUSE_SECONDS = 3.0
"""Shorter than the client library keeps a connection, so that idle ones are used again."""
ANSWER_SECONDS = 600.0
QUESTION = "Tell me a fable."


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that did not come whole: when, by which kind of connection, and what the client saw."""

    at: float
    kind: str
    error: str


@dataclass(slots=True)
class Report:
    """What the clients saw; times are those of the wall clock."""

    answered: list[float] = field(default_factory=list)
    by_kind: dict[str, int] = field(default_factory=dict)
    chunks: int = 0
    failed: list[Failed] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Return what the program wrote."""
        found = json.loads(path.read_text())
        return cls(**{**found, "failed": [Failed(**one) for one in found["failed"]]})


class Clients:
    """All clients and what they have seen together."""

    def __init__(self, url: str, model: str, *, requests: int, until: Path, max_tokens: int) -> None:
        self._url, self._model, self._max_tokens = url, model, max_tokens
        self._requests, self._until = requests, until
        self._lock = threading.Lock()
        self.report = Report()

    def run(self) -> Report:
        """Ask until it is enough."""
        kinds = ["kept", "new"] * (CLIENTS // 2)
        threads = [threading.Thread(target=self._ask, args=(kind, index)) for index, kind in enumerate(kinds)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.report

    def _is_enough(self) -> bool:
        with self._lock:
            done = len(self.report.answered) + len(self.report.failed)
        return done >= self._requests and self._until.exists()

    def _ask(self, kind: str, seed: int) -> None:
        pauses = random.Random(seed)
        for api in self._connections(kind):
            if self._is_enough():
                return
            self._one_answer(api, kind)
            time.sleep(pauses.uniform(0, LONGEST_PAUSE_SECONDS))

    def _connections(self, kind: str) -> Iterator[OpenAI]:
        if kind == "kept":
            with self._api() as api:
                while True:
                    yield api
        while True:
            with self._api() as api:
                yield api

    @contextmanager
    def _api(self) -> Iterator[OpenAI]:
        with OpenAI(base_url=self._url, api_key="unused", timeout=ANSWER_SECONDS, max_retries=0) as api:
            yield api

    def _one_answer(self, api: OpenAI, kind: str) -> None:
        try:
            chunks, reason = self._stream(api)
            error = "" if reason in ("stop", "length") else f"the answer ended with {reason} after {chunks} chunks"
        except (OpenAIError, OSError) as problem:
            chunks, error = 0, f"{type(problem).__name__}: {problem} ({problem.__cause__!r})"
        with self._lock:
            if error:
                self.report.failed.append(Failed(time.time(), kind, error))
                return
            self.report.answered.append(time.time())
            self.report.by_kind[kind] = self.report.by_kind.get(kind, 0) + 1
            self.report.chunks += chunks

    def _stream(self, api: OpenAI) -> tuple[int, str | None]:
        """Return the chunks of one answer and how it says that it ended."""
        chunks, reason = 0, None
        stream = api.chat.completions.create(
            model=self._model,
            messages=[{"role": "user", "content": QUESTION}],
            max_tokens=self._max_tokens,
            stream=True,
        )
        for chunk in stream:
            chunks += 1
            if chunk.choices and chunk.choices[0].finish_reason:
                reason = chunk.choices[0].finish_reason
        return chunks, reason


def main() -> int:
    """Run the clients and write their report."""
    parser = argparse.ArgumentParser(prog="python -m tests.streaming_clients", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--max-tokens", type=int, default=16)
    parser.add_argument("--until", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    args = parser.parse_args()
    clients = Clients(args.url, args.model, requests=args.requests, until=args.until, max_tokens=args.max_tokens)
    args.report.write_text(json.dumps(asdict(clients.run())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
