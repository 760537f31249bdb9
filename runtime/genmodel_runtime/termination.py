"""A failure of the runtime, and the termination log that tells the operator about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genmodel_runtime.contract import CONTRACT, TERMINATION_LOG_MAX_BYTES, ExitCode, RuntimeReason

_MESSAGE_MAX_CHARS = 900
_LINE_MAX_CHARS = 400


@dataclass(frozen=True)
class Failure:
    """Why a process of the pod ended: a reason of the contract and what a person reads.

    ``log`` holds the lines of the engine's log that decided, oldest first.
    """

    reason: RuntimeReason
    message: str
    exit_code: ExitCode
    hint: str = ""
    log: tuple[str, ...] = ()

    def summary(self) -> dict[str, str]:
        """Return the ``failure`` object of ``/status``."""
        return {"reason": self.reason.value, "message": self.message, "hint": self.hint}


def termination_document(failure: Failure) -> bytes:
    """Return the termination log as JSON in UTF-8, never longer than the kubelet keeps.

    Decisive lines are dropped from the end, then the message is cut, until it fits.
    """
    lines = [_shortened(line, _LINE_MAX_CHARS) for line in failure.log]
    message = _shortened(failure.message, _MESSAGE_MAX_CHARS)
    hint = _shortened(failure.hint, _MESSAGE_MAX_CHARS)
    encoded = _encode(failure, message, hint, lines)
    while len(encoded) > TERMINATION_LOG_MAX_BYTES and lines:
        lines.pop()
        encoded = _encode(failure, message, hint, lines)
    while len(encoded) > TERMINATION_LOG_MAX_BYTES:
        message, hint = message[: len(message) // 2], hint[: len(hint) // 2]
        encoded = _encode(failure, message, hint, lines)
    return encoded


def write_termination_log(path: Path, failure: Failure) -> None:
    """Write the termination log; raises ``OSError`` where the file cannot be written."""
    # Written in place: in a pod the file is a mount of its own and cannot be replaced.
    path.write_bytes(termination_document(failure))


def report_failure(path: Path, failure: Failure) -> None:
    """Say on standard output why the process ends and write the termination log."""
    print(f"genmodel_runtime: {failure.reason.value}: {failure.message}", flush=True)
    try:
        write_termination_log(path, failure)
    except OSError as error:
        print(f"genmodel_runtime: the termination log {path} cannot be written: {error}", flush=True)


def _encode(failure: Failure, message: str, hint: str, lines: Sequence[str]) -> bytes:
    document = {
        "contract": CONTRACT,
        "reason": failure.reason.value,
        "message": message,
        "hint": hint,
        "exitCode": int(failure.exit_code),
        "log": list(lines),
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace")


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
