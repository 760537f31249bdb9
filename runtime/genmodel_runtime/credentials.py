"""The Hub's token: read for every request, so that a mended or rotated Secret is noticed."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.refusals import FetchFailed, TryAgain
from genmodel_runtime.termination import Failure

ROTATION_SECONDS = 150.0
"""How long a new Secret may take to reach the pod: the kubelet looks once a minute, and its cache ages as long."""


class Credentials:
    """The token's file, and what is known of the token in it."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._accepted = False
        self._refused_at: float | None = None

    def token(self) -> str | None:
        """Return the token, None where there is none; raises ``FetchFailed``."""
        return read_token(self._path)

    def accepted(self) -> None:
        """Take note that the Hub took the token."""
        with self._lock:
            self._accepted, self._refused_at = True, None

    def refused(self, sent: str, failed: FetchFailed) -> FetchFailed | TryAgain:
        """Return what a refused token means.

        One that was replaced meanwhile is tried at once. One that the Hub took before was revoked,
        most often because there is a new one that is still on its way to this pod.
        """
        message = failed.failure.message
        if self.token() != sent:
            return TryAgain(RuntimeReason.ACCESS_DENIED, message, after_seconds=0)
        with self._lock:
            if not self._accepted:
                return failed
            if self._refused_at is None:
                self._refused_at = self._clock()
            if self._clock() - self._refused_at >= ROTATION_SECONDS:
                return failed
        return TryAgain(RuntimeReason.ACCESS_DENIED, f"{message}; the token worked before, a new one is waited for")


def read_token(path: Path | None) -> str | None:
    """Return the token in the file, None where there is no file or it is empty; raises ``FetchFailed``."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"the token file {path} cannot be read: {error.strerror}"
        raise FetchFailed(Failure(RuntimeReason.ACCESS_DENIED, message, ExitCode.NEEDS_A_PERSON)) from error
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        message = f"the token file {path} holds more than one word"
        raise FetchFailed(Failure(RuntimeReason.ACCESS_DENIED, message, ExitCode.NEEDS_A_PERSON))
    return token or None
