"""The engine as its HTTP port shows it: does it answer, and does it go on."""

import http.client
import json
from dataclasses import dataclass

from genmodel_runtime.contract import TASK_EMBED, TASK_SCORE
from genmodel_runtime.guard import OWN_KEY_HEADER
from genmodel_runtime.metrics import EngineSample, read_sample

_SHORT_SECONDS = 5
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


class EngineSilent(Exception):
    """The engine cannot be reached or does not answer in time."""


@dataclass(frozen=True)
class EngineAnswer:
    """Status and body of one answer of the engine."""

    status: int
    body: bytes

    def error_text(self) -> str:
        """Return what the engine says is wrong, in one short line."""
        text = self.body.decode(errors="replace")
        try:
            error = json.loads(text)["error"]
            text = str(error["message"] if isinstance(error, dict) else error)
        except (ValueError, KeyError, TypeError):
            pass
        return f"{self.status} {' '.join(text.split())[:300]}"


class EngineClient:
    """Calls the engine on loopback; one connection per call, safe from any thread."""

    def __init__(self, port: int, *, task: str, served_name: str, own_key: str) -> None:
        self._port = port
        self._own_key = own_key
        self._task = task
        self._served_name = served_name

    def why_not_ready(self, *, answer_seconds: float) -> str:
        """Return why the engine does not serve yet; empty: a real request was answered just now.

        The model list must hold the served name, then one token or one embedding must come back
        within ``answer_seconds``: the engine's own health page is green before it can answer.
        """
        try:
            listed = self.call("GET", "/v1/models")
            if listed.status != 200:
                return f"the model list is not there: {listed.error_text()}"
            if self._served_name not in _model_ids(listed.body):
                return f"the model list does not hold {self._served_name}"
            answer = self._smallest_request(answer_seconds)
        except EngineSilent as error:
            return str(error)
        return "" if answer.status == 200 else f"the first request was refused: {answer.error_text()}"

    def version(self) -> str | None:
        """Return the engine's version, None where it does not say."""
        try:
            answer = self.call("GET", "/version")
            found = json.loads(answer.body).get("version") if answer.status == 200 else None
        except (EngineSilent, ValueError, AttributeError):
            return None
        return found if isinstance(found, str) else None

    def sample(self, *, answer_seconds: float = _SHORT_SECONDS) -> EngineSample | None:
        """Return the engine's load, None where its metrics lack a number; raises ``EngineSilent``."""
        answer = self.call("GET", "/metrics", answer_seconds=answer_seconds)
        return read_sample(answer.body.decode(errors="replace")) if answer.status == 200 else None

    def call(
        self, method: str, path: str, document: object = None, *, answer_seconds: float = _SHORT_SECONDS
    ) -> EngineAnswer:
        """Return the engine's answer; raises ``EngineSilent``."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=answer_seconds)
        try:
            body = None if document is None else json.dumps(document).encode()
            headers = {"Connection": "close", OWN_KEY_HEADER: self._own_key}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return EngineAnswer(response.status, response.read(_MAX_ANSWER_BYTES))
        except ConnectionRefusedError as error:
            raise EngineSilent("the engine's port is not open") from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineSilent(f"{method} {path}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _smallest_request(self, answer_seconds: float) -> EngineAnswer:
        if self._task == TASK_EMBED:
            document: dict[str, object] = {"model": self._served_name, "input": "ready"}
            return self.call("POST", "/v1/embeddings", document, answer_seconds=answer_seconds)
        if self._task == TASK_SCORE:
            document = {"model": self._served_name, "text_1": "ready", "text_2": "ready"}
            return self.call("POST", "/v1/score", document, answer_seconds=answer_seconds)
        document = {"model": self._served_name, "prompt": "ready", "max_tokens": 1, "temperature": 0}
        return self.call("POST", "/v1/completions", document, answer_seconds=answer_seconds)


def _model_ids(body: bytes) -> list[str]:
    try:
        return [str(entry["id"]) for entry in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError):
        return []
