"""``fetch``: the weights of one commit on a volume that several pods and models share; old ones go."""

from genmodel_runtime.console import say
from genmodel_runtime.prepare import fetch, run_step
from genmodel_runtime.settings import PrepareSettings
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.sweep import InUse, make_room, note_use, sweep
from genmodel_runtime.termination import Failure
from genmodel_runtime.volume import Volume, VolumeBroken, is_complete


def fetch_shared(settings: PrepareSettings, used: InUse) -> int:
    """Run the step; return the exit code of the container."""
    return run_step(settings, lambda state: _bring(settings, state, used))


def _bring(settings: PrepareSettings, state: RuntimeState, used: InUse) -> Failure | None:
    volume, models_dir = Volume(settings.paths.models_dir, settings.commit), settings.paths.models_dir
    try:
        note_use(models_dir, settings.commit, used.claim)
        if _is_there(volume, settings):
            say(f"{settings.repository} at {settings.commit} is complete on the volume")
        else:
            make_room(models_dir, settings.commit, used, needed_bytes=settings.expected_bytes)
            failure = fetch(settings, state, volume)
            if failure is not None:
                return failure
        note_use(models_dir, settings.commit, used.claim)
        sweep(models_dir, used, keep=used.serving | used.kept | {settings.commit})
    except VolumeBroken as error:
        return error.failure
    return None


def _is_there(volume: Volume, settings: PrepareSettings) -> bool:
    """Return whether the model is complete, looked at while nobody removes it; the fetch waits where somebody may."""
    volume.create()
    with volume.try_lock() as is_free:
        return is_free and is_complete(volume, settings)
