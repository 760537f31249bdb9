"""The weights of one commit, from the Hub to the volume: complete and verified, or a reason."""

import json
import threading
from collections import deque
from collections.abc import Sequence

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, Phase, RuntimeReason
from genmodel_runtime.hub import FetchFailed, HubConnection
from genmodel_runtime.manifest import Manifest, RemoteFile, StoredFile, total_bytes
from genmodel_runtime.meter import Meter
from genmodel_runtime.patience import Interrupted, Patience
from genmodel_runtime.selection import WEIGHT_INDEX, wanted_paths
from genmodel_runtime.settings import PrepareSettings
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.termination import Failure
from genmodel_runtime.transfer import Stopped, Transfer
from genmodel_runtime.volume import Volume, is_complete

_LOCK_POLL_SECONDS = 0.5


class Fetch:
    """One run of the fetch step; ``run`` may be called once."""

    def __init__(self, settings: PrepareSettings, *, state: RuntimeState, volume: Volume) -> None:
        self._settings, self._state, self._volume = settings, state, volume
        self._stop = threading.Event()
        self._meter = Meter(total_bytes=settings.expected_bytes)
        self._early: dict[str, StoredFile] = {}
        """What had to be fetched to know which files are wanted."""
        self._hub = HubConnection(
            endpoint=settings.endpoint,
            repository=settings.repository,
            commit=settings.commit,
            token_path=settings.token_path,
            connect_seconds=settings.connect_seconds,
            read_seconds=settings.read_seconds,
            on_answer=lambda: state.trouble(None),
        )
        self._patience = Patience(
            meter=self._meter,
            state=state,
            stop=self._stop,
            patience_seconds=settings.patience_seconds,
            first_pause_seconds=settings.first_pause_seconds,
            longest_pause_seconds=settings.longest_pause_seconds,
        )

    def run(self) -> None:
        """Fetch what is missing and mark the model complete; raises ``FetchFailed`` and ``VolumeBroken``."""
        self._volume.create()
        while not self._run_locked():
            # Another pod on the same volume fetches this commit; its work is used, not repeated.
            self._stop.wait(_LOCK_POLL_SECONDS)

    def _run_locked(self) -> bool:
        with self._volume.try_lock() as is_free:
            if is_free and not is_complete(self._volume, self._settings):
                self._volume.create()
                self._fetch()
            return is_free

    def _fetch(self) -> None:
        self._volume.forget_manifest()
        self._volume.remove_stale()
        files = self._choose(self._patience.run(self._hub.list_files))
        self._meter.expect(total_bytes(files))
        self._volume.check_space(total_bytes(files) - self._volume.present_bytes(files))
        self._state.track_download(self._meter.download)
        self._state.enter(Phase.DOWNLOADING)
        say(f"fetching {len(files)} files, {total_bytes(files)} bytes, of {self._settings.repository}")
        stored = self._transfer_all(files)
        self._state.enter(Phase.VERIFYING)
        self._volume.write_manifest(self._manifest(stored))
        self._volume.remove_partials()
        say(f"{self._settings.repository} at {self._settings.commit} is complete and verified")

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
        self._early[file.path] = self._transfer(file)
        try:
            document = json.loads(self._volume.final_path(file).read_bytes())
        except ValueError:
            # The file is as the commit has it; the rules by name decide, and the engine complains.
            return None
        return document if isinstance(document, dict) else None

    def _transfer_all(self, files: Sequence[RemoteFile]) -> list[StoredFile]:
        """Fetch all files, the largest first; the first failure ends the others and is raised."""
        missing = [file for file in files if file.path not in self._early]
        waiting = deque(sorted(missing, key=lambda file: file.size_bytes, reverse=True))
        results: deque[StoredFile] = deque(self._early[file.path] for file in files if file.path in self._early)
        errors: deque[Exception] = deque()
        threads = [
            threading.Thread(target=self._work, args=(waiting, results, errors), name=f"fetch-{number}", daemon=True)
            for number in range(min(self._settings.connections, len(missing)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            # A thread may sit in a silent connection for long; the failure of another must not wait.
            while thread.is_alive() and not errors:
                thread.join(0.1)
        if errors:
            raise errors[0]
        return sorted(results, key=lambda file: file.path)

    def _work(self, waiting: deque[RemoteFile], results: deque[StoredFile], errors: deque[Exception]) -> None:
        while not self._stop.is_set():
            try:
                results.append(self._transfer(waiting.popleft()))
            except IndexError:
                return
            except (Interrupted, Stopped):
                return
            except Exception as error:  # noqa: BLE001 - handed to the thread that joins, which raises it
                errors.append(error)
                self._stop.set()

    def _transfer(self, file: RemoteFile) -> StoredFile:
        transfer = Transfer(file, hub=self._hub, volume=self._volume, meter=self._meter, stop=self._stop)
        return transfer.run(self._patience.run)

    def _manifest(self, stored: Sequence[StoredFile]) -> Manifest:
        settings = self._settings
        return Manifest(settings.repository, settings.commit, settings.allow, tuple(stored))
