"""The weights of one commit, from the Hub to the volume: complete and verified, or a reason."""

import json
import threading
import time
from collections.abc import Sequence

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, Phase, RuntimeReason
from genmodel_runtime.crew import Crew
from genmodel_runtime.hub import HubConnection
from genmodel_runtime.lease import Lease, LeaseLost
from genmodel_runtime.manifest import Manifest, RemoteFile, StoredFile, total_bytes
from genmodel_runtime.meter import Meter
from genmodel_runtime.patience import Patience
from genmodel_runtime.refusals import FetchFailed
from genmodel_runtime.selection import WEIGHT_INDEX, wanted_paths
from genmodel_runtime.settings import PrepareSettings
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.termination import Failure
from genmodel_runtime.transfer import Transfer
from genmodel_runtime.volume import Volume, VolumeBroken, is_complete, volume_errors
from genmodel_runtime.watch import Watch

_LOCK_POLL_SECONDS = 0.5


class Fetch:
    """One run of the fetch step; ``run`` may be called once."""

    def __init__(self, settings: PrepareSettings, *, state: RuntimeState, volume: Volume) -> None:
        self._settings, self._state, self._volume = settings, state, volume
        self._hub = HubConnection(
            endpoint=settings.endpoint,
            repository=settings.repository,
            commit=settings.commit,
            token_path=settings.token_path,
            connect_seconds=settings.connect_seconds,
            read_seconds=settings.read_seconds,
            on_answer=lambda: state.trouble(None),
        )

    def run(self) -> None:
        """Fetch what is missing and mark the model complete; raises ``FetchFailed`` and ``VolumeBroken``."""
        self._volume.create()
        lease, watch = self._volume.lease(), None
        while not self._run_leased(lease):
            # Another pod on the same volume fetches this commit; its work is used, not repeated.
            if watch is None:
                say("another pod fetches this commit into the volume; it is waited for")
                watch = Watch(self._volume, expected_bytes=self._settings.expected_bytes)
                self._state.track_download(watch.download)
                self._state.enter(Phase.DOWNLOADING)
            watch.look()
            time.sleep(_LOCK_POLL_SECONDS)

    def _run_leased(self, lease: Lease) -> bool:
        """Fetch where nobody else does so; return whether the model is complete."""
        with volume_errors(self._volume.models_dir):
            is_mine = lease.try_take()
        if not is_mine:
            return False
        try:
            if not is_complete(self._volume, self._settings):
                self._volume.create()
                Fetching(self._settings, state=self._state, volume=self._volume, hub=self._hub, lease=lease).run()
        except LeaseLost:
            say("another pod took over while this one stood still")
            return False
        except (FetchFailed, VolumeBroken):
            # Whoever lost the lease without knowing finds its files gone or changed.
            if lease.is_mine:
                raise
            return False
        finally:
            lease.release()
        return True


class Fetching:
    """The work of the one who holds the lease; ``run`` may be called once."""

    def __init__(
        self, settings: PrepareSettings, *, state: RuntimeState, volume: Volume, hub: HubConnection, lease: Lease
    ) -> None:
        self._settings, self._state, self._volume, self._hub, self._lease = settings, state, volume, hub, lease
        self._stop = threading.Event()
        self._meter = Meter(total_bytes=settings.expected_bytes)
        self._early: dict[str, StoredFile] = {}
        """What had to be fetched to know which files are wanted."""
        self._patience = Patience(
            meter=self._meter,
            state=state,
            stop=self._stop,
            patience_seconds=settings.patience_seconds,
            first_pause_seconds=settings.first_pause_seconds,
            longest_pause_seconds=settings.longest_pause_seconds,
        )

    def run(self) -> None:
        """Fetch what is missing; raises ``FetchFailed``, ``VolumeBroken`` and ``LeaseLost``."""
        self._volume.forget_manifest()
        self._volume.remove_stale()
        files = self._choose(self._patience.run(self._hub.list_files))
        self._meter.expect(total_bytes(files))
        self._volume.check_space(total_bytes(files) - self._volume.present_bytes(files))
        self._state.track_download(self._meter.download)
        self._state.enter(Phase.DOWNLOADING)
        say(f"fetching {len(files)} files, {total_bytes(files)} bytes, of {self._settings.repository}")
        stored = self._fetch_all(files)
        self._state.enter(Phase.VERIFYING)
        self._complete(stored)
        say(f"{self._settings.repository} at {self._settings.commit} is complete and verified")

    def _complete(self, stored: Sequence[StoredFile]) -> None:
        with volume_errors(self._volume.models_dir):
            self._lease.confirm()
        settings = self._settings
        self._volume.write_manifest(Manifest(settings.repository, settings.commit, settings.allow, tuple(stored)))
        self._volume.remove_partials()

    def _choose(self, listed: Sequence[RemoteFile]) -> list[RemoteFile]:
        """Return the files to fetch, by the rules that the operator sized the model with."""
        by_path = {file.path: file for file in listed}
        wanted = wanted_paths(
            list(by_path),
            allow_pickle=self._settings.allow_pickle,
            allow_remote_code=self._settings.allow_remote_code,
            index=self._read_index(by_path.get(WEIGHT_INDEX)),
        )
        if not wanted:
            message = f"{self._settings.repository} at {self._settings.commit} holds no file that can be served"
            raise FetchFailed(Failure(RuntimeReason.FILE_NOT_FOUND, message, ExitCode.NEEDS_A_PERSON))
        return [by_path[path] for path in wanted]

    def _read_index(self, file: RemoteFile | None) -> dict[str, object] | None:
        if file is None:
            return None
        (self._early[file.path],) = self._fetch([file])
        try:
            document = json.loads(self._volume.final_path(file).read_bytes())
        except ValueError:
            # The file is as the commit has it; the rules by name decide, and the engine complains.
            return None
        return document if isinstance(document, dict) else None

    def _fetch_all(self, files: Sequence[RemoteFile]) -> list[StoredFile]:
        """Fetch all files, the largest first."""
        missing = [file for file in files if file.path not in self._early]
        early = [self._early[file.path] for file in files if file.path in self._early]
        return sorted([*early, *self._fetch(missing)], key=lambda file: file.path)

    def _fetch(self, files: Sequence[RemoteFile]) -> list[StoredFile]:
        transfers = [self._transfer(file) for file in sorted(files, key=lambda file: file.size_bytes, reverse=True)]
        for transfer in transfers:
            transfer.load()
        connections = self._settings.connections
        return Crew(transfers, connections=connections, patience=self._patience, stop=self._stop).run()

    def _transfer(self, file: RemoteFile) -> Transfer:
        return Transfer(
            file,
            hub=self._hub,
            volume=self._volume,
            lease=self._lease,
            meter=self._meter,
            stop=self._stop,
            most_piece_bytes=self._settings.piece_bytes,
        )
