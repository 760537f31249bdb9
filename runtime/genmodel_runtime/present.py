"""Weights that a Job brings to a shared volume: waited for, never fetched."""

import time

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.settings import PrepareSettings
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.termination import Failure
from genmodel_runtime.volume import Volume, is_complete


def wait_for_weights(settings: PrepareSettings, state: RuntimeState, volume: Volume) -> Failure | None:
    """Wait until the volume holds all verified files; return why it does not.

    Pods of a shared volume are made when the Job is done, so something was lost since: the operator, which reads
    it from ``/status``, runs the Job again.
    """
    message = f"the volume does not hold all verified files of {settings.repository} at {settings.commit}"
    failure = Failure(RuntimeReason.WEIGHTS_INCOMPLETE, message, ExitCode.TEMPORARY)
    say(f"{message}; waiting for them")
    state.trouble(failure)
    deadline = time.monotonic() + settings.present_seconds
    while time.monotonic() < deadline:
        time.sleep(settings.present_poll_seconds)
        if is_complete(volume, settings):
            state.trouble(None)
            say(f"{settings.repository} at {settings.commit} is complete on the volume")
            return None
    return failure
