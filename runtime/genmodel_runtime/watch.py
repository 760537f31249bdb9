"""How far another pod is that brings a commit to the same volume, as the volume itself shows it."""

from dataclasses import replace

from genmodel_runtime.meter import Meter
from genmodel_runtime.state import Download
from genmodel_runtime.volume import Volume, volume_errors


class Watch:
    """Measures what grows on the volume; ``look`` is called again and again."""

    def __init__(self, volume: Volume, *, expected_bytes: int) -> None:
        self._volume = volume
        self._meter = Meter(total_bytes=expected_bytes)
        self._taken_bytes = self._measured()
        self._meter.count_present(self._taken_bytes)

    def look(self) -> None:
        """Take note of what came since the last look; raises ``VolumeBroken``."""
        taken, before = self._measured(), self._taken_bytes
        self._taken_bytes = taken
        if taken > before:
            self._meter.count_received(taken - before)
        else:
            # Less than before: it was found useless and comes once more.
            self._meter.count_present(taken - before)

    def download(self) -> Download:
        """Return the other pod's progress, never more than the whole."""
        found = self._meter.download()
        return replace(found, bytes_done=min(found.bytes_done, found.bytes_total), elsewhere=True)

    def _measured(self) -> int:
        with volume_errors(self._volume.models_dir):
            return self._volume.taken_bytes()
