"""``prepare``: puts the runtime and the weights where the server container finds them."""

import os
import signal
from collections.abc import Callable, Mapping

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, Phase
from genmodel_runtime.endpoints import METRICS_TYPE, Answer, Route, RuntimeServer, json_answer
from genmodel_runtime.install import install_runtime
from genmodel_runtime.metrics import own_metrics
from genmodel_runtime.present import wait_for_weights
from genmodel_runtime.proxies import without_proxy
from genmodel_runtime.settings import PrepareSettings
from genmodel_runtime.signals import on_end_signals
from genmodel_runtime.source import check_source
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.termination import Failure, report_failure
from genmodel_runtime.volume import Volume, VolumeBroken, is_complete

_TERMINATED = 128 + signal.SIGTERM


def prepare(settings: PrepareSettings) -> int:
    """Run the step; return the exit code of the container."""
    return run_step(settings, lambda state: _prepare(settings, state))


def run_step(settings: PrepareSettings, work: Callable[[RuntimeState], Failure | None]) -> int:
    """Do ``work``, and tell on the runtime's port how far it is; return the exit code of the container."""
    # What is written here is read by another container's user.
    os.umask(0o022)
    state = RuntimeState(Phase.CHECKING)
    with RuntimeServer(settings.port, _routes(state)):
        failure = work(state)
        if failure is None:
            return int(ExitCode.DONE)
        state.fail(failure)
        report_failure(settings.paths.termination_log, failure)
        return int(failure.exit_code)


def end_on_sigterm() -> None:
    """End at once on SIGTERM: every byte that came is on the volume and is resumed from."""
    # Threads may sit in reads of half a minute; os._exit waits for none of them.
    on_end_signals(lambda: os._exit(_TERMINATED))


def _prepare(settings: PrepareSettings, state: RuntimeState) -> Failure | None:
    volume = Volume(settings.paths.models_dir, settings.commit)
    try:
        say(f"the runtime is in {install_runtime(settings.paths.runtime_dir)}")
        if settings.is_mounted:
            return check_source(volume.model_dir, settings.commit)
        if is_complete(volume, settings):
            say(f"{settings.repository} at {settings.commit} is complete on the volume")
            return None
    except VolumeBroken as error:
        return error.failure
    return fetch(settings, state, volume) if settings.fetches else wait_for_weights(settings, state, volume)


def fetch(settings: PrepareSettings, state: RuntimeState, volume: Volume) -> Failure | None:
    """Bring the weights to the volume; return why that failed, None where they are there."""
    os.environ.update(without_proxy(os.environ, settings.endpoint))
    from genmodel_runtime.fetch import Fetch  # noqa: PLC0415
    from genmodel_runtime.refusals import FetchFailed  # noqa: PLC0415

    try:
        Fetch(settings, state=state, volume=volume).run()
    except (FetchFailed, VolumeBroken) as error:
        return error.failure
    return None


def _routes(state: RuntimeState) -> Mapping[str, Route]:
    return {
        "/livez": lambda: json_answer(200, {"alive": True}),
        "/status": lambda: json_answer(200, state.snapshot().document()),
        "/metrics": lambda: Answer(200, own_metrics(state.snapshot()).encode(), METRICS_TYPE),
    }
