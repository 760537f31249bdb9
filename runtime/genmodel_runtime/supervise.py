"""``serve``: runs the engine, says how it is, ends it when it fails, drains it when asked.

One thread decides: it takes events from a queue and walks through starting, serving and draining.
Everything else (output, the engine's end, looks at the engine, signals) only puts events there.
"""

import queue
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from genmodel_runtime.console import say
from genmodel_runtime.contract import STARTUP_ANSWER_SECONDS, STARTUP_PATH, ExitCode, Phase
from genmodel_runtime.drain import QuietDetector
from genmodel_runtime.endpoints import METRICS_TYPE, Answer, Route, RuntimeServer, json_answer
from genmodel_runtime.engine import EngineClient, EngineSilent
from genmodel_runtime.failures import Ending, Stage, classify, hung, no_folder, start_timeout
from genmodel_runtime.guard import child_environ
from genmodel_runtime.keys import read_keys
from genmodel_runtime.known_models import bring_known_models
from genmodel_runtime.launch import EngineProcess, count_oom_kills, engine_command
from genmodel_runtime.liveness import StallDetector
from genmodel_runtime.metrics import own_metrics
from genmodel_runtime.progress import StartProgress, read_line
from genmodel_runtime.settings import ServeSettings
from genmodel_runtime.signals import on_end_signals
from genmodel_runtime.state import Requests, RuntimeState
from genmodel_runtime.termination import Failure, report_failure
from genmodel_runtime.traffic import TrafficFolder

_DRAIN_POLL_SECONDS = 0.25
_METRICS_ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Terminate:
    """Somebody asked the process to end."""


@dataclass(frozen=True)
class EngineReady:
    """The engine answered a real request for the first time."""


@dataclass(frozen=True)
class EngineEnded:
    """The engine's first process ended; ``returncode`` as ``subprocess`` reports it."""

    returncode: int


@dataclass(frozen=True)
class EngineHangs:
    """The engine does not go on."""

    detail: str


Event = Terminate | EngineReady | EngineEnded | EngineHangs


class Supervisor:
    """One engine from start to end; ``run`` returns the exit code of the container."""

    def __init__(self, settings: ServeSettings, *, environ: Mapping[str, str], output: IO[bytes]) -> None:
        self._settings = settings
        self._environ = environ
        self._output = output
        self.state = RuntimeState(Phase.STARTING, engine_name=settings.engine)
        self._own_key = secrets.token_urlsafe(32)
        self.client = EngineClient(
            settings.engine_port,
            task=settings.guard.task,
            served_name=settings.served_names[0],
            own_key=self._own_key,
        )
        asked = settings.guard.asks_for_keys
        self._guard_keys = partial(read_keys, settings.guard.keys_dir) if asked else None
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._is_decided = threading.Event()
        self._progress = StartProgress()
        self._stage = Stage.STARTING
        self._why_not_ready = "the engine is starting"
        self._is_unkillable = False

    def request_end(self) -> None:
        """Ask for a drain; from any thread."""
        self._events.put(Terminate())

    def run(self) -> int:
        """Run the engine until it ends; return the exit code of the container."""
        tmp_dir = self._settings.paths.tmp_dir
        try:
            tmp_dir.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix="genmodel-", dir=tmp_dir, ignore_cleanup_errors=True)
        except OSError as error:
            return int(self._fail(no_folder(str(error))).exit_code)
        with folder as path:
            return self._run(TrafficFolder(Path(path)))

    def _run(self, traffic: TrafficFolder) -> int:
        self._traffic = traffic
        self._oom_kills = count_oom_kills()
        self._started = time.monotonic()
        command = engine_command(self._settings)
        say(f"starting {' '.join(command)}")
        self._engine = EngineProcess(
            command,
            environ={**self._environ, **traffic.environ(), **child_environ(self._settings.guard, self._own_key)},
            on_line=self._read_line,
            on_exit=lambda returncode: self._events.put(EngineEnded(returncode)),
            output=self._output,
        )
        threading.Thread(target=self._watch, name="engine-watch", daemon=True).start()
        # It imports itself for seconds before it looks for them.
        bring_known_models(self._settings.engine_args, self._environ)
        try:
            failure = self._supervise()
        finally:
            self._stop.set()
            self._is_decided.set()
            self._end_engine()
        if failure is None:
            return int(ExitCode.DONE)
        return int(failure.exit_code)

    def routes(self) -> dict[str, Route]:
        """Return the pages of the runtime's port."""
        return {
            "/livez": self._livez,
            "/readyz": self._readyz,
            STARTUP_PATH: self._startupz,
            "/status": self._status,
            "/metrics": self._metrics,
        }

    # The walk: each returns the failure that ends the container, or None for a wanted end --------

    def _supervise(self) -> Failure | None:
        event = self._next(self._started + self._settings.startup_seconds)
        if event is None:
            seconds = self._settings.startup_seconds
            return self._fail(start_timeout(seconds, self._engine.history(), self._why_not_ready))
        if isinstance(event, Terminate):
            # While it loads, vLLM ignores SIGTERM; nobody waits for an answer yet.
            say("asked to end before the engine was ready")
            return None
        if not isinstance(event, EngineReady):
            return self._broken(event)
        self._enter_serving()
        event = self._events.get()
        return self._drain() if isinstance(event, Terminate) else self._broken(event)

    def _drain(self) -> Failure | None:
        """Serve on until nobody needs this pod any more, then end without asking the engine.

        Told to end, vLLM stops its engine first and answers 500 on connections that are still open;
        killed, it closes them, and a client's next request goes to another pod.
        """
        settings = self._settings
        self._why_not_ready = "the pod is ending"
        self.state.enter(Phase.DRAINING)
        self._traffic.close_connections()
        say(f"draining: answering {settings.propagation_seconds:g} s more while endpoints propagate")
        event = self._wait_until_quiet(time.monotonic() + settings.propagation_seconds)
        return None if event is None else self._broken(event)

    def _wait_until_quiet(self, propagated: float) -> Event | None:
        """Return None when the clients are done or have had their time, else what came between."""
        deadline = propagated + self._settings.drain_seconds
        quiet_seconds = self._settings.quiet_seconds
        detector = QuietDetector(self._traffic.read(), quiet_seconds=quiet_seconds, now=time.monotonic())
        while True:
            now = time.monotonic()
            if detector.observe(self._traffic.read(), now=now) and now >= propagated:
                return None
            if now >= deadline:
                say(f"requests are cut off after {self._settings.drain_seconds:g} s of draining")
                return None
            if event := self._next(now + _DRAIN_POLL_SECONDS):
                return event

    def _next(self, deadline: float) -> Event | None:
        """Return the next event, None at the deadline (monotonic)."""
        try:
            event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if isinstance(event, Terminate) and self.state.snapshot().phase is Phase.DRAINING:
            # Asked again: it is already under way.
            return self._next(deadline)
        return event

    # What the walk does -------------------------------------------------------------------------

    def _enter_serving(self) -> None:
        self._stage = Stage.SERVING
        seconds = time.monotonic() - self._started
        self.state.update(
            measured=replace(self._progress.measured, start_seconds=seconds), engine_version=self.client.version()
        )
        self.state.enter(Phase.SERVING)
        self._is_decided.set()
        say(f"ready after {seconds:.1f} s")

    def _broken(self, event: Event) -> Failure:
        if isinstance(event, EngineHangs):
            return self._fail(hung(event.detail))
        if not isinstance(event, EngineEnded):
            raise TypeError(f"nobody expected {event}")
        # Orphans of the engine hold its output open and would hide its last lines.
        self._engine.kill()
        self._engine.drain_output()
        return self._fail(
            classify(
                Ending(
                    lines=self._engine.history(),
                    returncode=event.returncode,
                    stage=self._stage,
                    is_oom_kill=count_oom_kills() > self._oom_kills,
                )
            )
        )

    def _fail(self, failure: Failure) -> Failure:
        self.state.fail(failure)
        report_failure(self._settings.paths.termination_log, failure)
        return failure

    def _end_engine(self) -> None:
        while not self._engine.kill():
            # From here on only the kubelet can help: liveness fails until it does.
            self._is_unkillable = True
            say("the engine's processes cannot be killed")
        self._engine.drain_output()

    # Other threads ------------------------------------------------------------------------------

    def _read_line(self, line: str) -> None:
        if self._stage is not Stage.STARTING:
            return
        self._progress = read_line(self._progress, line)
        self.state.update(measured=self._progress.measured, engine_version=self._progress.engine_version)
        self.state.advance(self._progress.phase)

    def _watch(self) -> None:
        while why := self.client.why_not_ready(answer_seconds=self._settings.startup_seconds):
            self._why_not_ready = why
            if self._stop.wait(self._settings.ready_poll_seconds):
                return
        self._events.put(EngineReady())
        detector = StallDetector(stall_seconds=self._settings.stall_seconds, now=time.monotonic())
        while not self._stop.wait(self._settings.poll_seconds):
            if why := self._look(detector):
                self._events.put(EngineHangs(why))
                return

    def _look(self, detector: StallDetector) -> str:
        try:
            # A busy engine may answer late; only the next look tells whether it went on.
            patience = min(_METRICS_ANSWER_SECONDS, self._settings.stall_seconds)
            sample = self.client.sample(answer_seconds=patience)
        except EngineSilent:
            return detector.observe_silence(now=time.monotonic())
        if sample is None:
            return ""
        self.state.update(requests=Requests(sample.running, sample.waiting))
        now = time.monotonic()
        why = detector.observe(sample, under_way=self._traffic.read().under_way, now=now)
        if seconds := detector.seconds_for_proof(now=now):
            # The next look sees the step that it took.
            self.client.why_not_ready(answer_seconds=seconds)
        return why

    # Pages --------------------------------------------------------------------------------------

    def _livez(self) -> Answer:
        if self._is_unkillable:
            return json_answer(503, {"alive": False, "reason": "the engine's processes cannot be killed"})
        return json_answer(200, {"alive": True})

    def _status(self) -> Answer:
        document = self.state.snapshot().document()
        access = {} if self._guard_keys is None else {"access": self._guard_keys().document()}
        return json_answer(200, {**document, **access})

    def _readyz(self) -> Answer:
        """Ready is a pod whose requests are answered: not one that nobody has a key to."""
        problem = "" if self._guard_keys is None else self._guard_keys().problem()
        if problem and self.state.snapshot().phase is Phase.SERVING:
            return json_answer(503, {"ready": False, "phase": Phase.SERVING.value, "reason": f"API keys: {problem}"})
        return self._engine_ready()

    def _engine_ready(self) -> Answer:
        snapshot = self.state.snapshot()
        if snapshot.phase is Phase.SERVING:
            return json_answer(200, {"ready": True})
        reason = snapshot.failure.message if snapshot.failure else self._why_not_ready
        return json_answer(503, {"ready": False, "phase": snapshot.phase.value, "reason": reason})

    def _startupz(self) -> Answer:
        self._is_decided.wait(STARTUP_ANSWER_SECONDS)
        return self._engine_ready()

    def _metrics(self) -> Answer:
        own = own_metrics(self.state.snapshot()).encode()
        try:
            engine = self.client.call("GET", "/metrics")
        except EngineSilent:
            return Answer(200, own, METRICS_TYPE)
        return Answer(200, engine.body + own if engine.status == 200 else own, METRICS_TYPE)


def serve(settings: ServeSettings, *, environ: Mapping[str, str]) -> int:
    """Serve until asked to end or until the engine fails; return the exit code of the container.

    Must run in the main thread, because it takes SIGTERM and SIGINT.
    """
    supervisor = Supervisor(settings, environ=environ, output=sys.stdout.buffer)
    on_end_signals(supervisor.request_end)
    with RuntimeServer(settings.port, supervisor.routes()):
        return supervisor.run()
