"""Why an engine ended: its log lines and exit status, turned into a reason and a sentence.

Entries of the catalogue are matched against the whole history, because the worker that knows the
cause prints it before the generic tracebacks of its parents: the earliest line that any entry knows
wins. Lines that the engine itself marks as harmless are left out.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from genmodel_runtime.catalogue import CATALOGUE, VAGUE, Rule
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.termination import Failure

HISTORY_LINES = 400
"""Lines of the log that are kept; the cause is always among them."""
_DECISIVE_LINES = 12
_HARMLESS = re.compile(r"^(?:\(\S+(?: pid=\d+)?\)\s*)?(?:DEBUG|INFO|WARNING) \d\d-\d\d ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(r"^(?:\(\S+(?: pid=\d+)?\)\s*)?(?:ERROR \S+ \S+ \[\S+?\]\s*)?")
_EXCEPTION = re.compile(
    r"^(?P<kind>(?:[A-Za-z_][\w]*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt))(?::\s*(?P<text>.*))?$"
)


class Stage(Enum):
    """How far the engine had come when it ended."""

    STARTING = "while starting"
    SERVING = "while serving"


@dataclass(frozen=True)
class Ending:
    """Everything known about an engine that ended.

    ``returncode`` as ``subprocess`` reports it: negative is a signal. ``is_oom_kill`` says that the
    kernel killed a process of the container for memory meanwhile.
    """

    lines: Sequence[str]
    returncode: int
    stage: Stage
    is_oom_kill: bool = False


def classify(ending: Ending) -> Failure:
    """Return the failure that an engine's end means; vLLM's own exit code says nothing (often 0)."""
    lines = [bare for line in ending.lines if not _HARMLESS.match(bare := _bare(line))]
    for rules in _tiers(ending.stage):
        found = _first_match(rules, lines)
        if found is not None:
            rule, match, index = found
            return _failure(rule, match, _evidence(lines, index))
    if ending.is_oom_kill:
        return _oom_killed(ending)
    return _died(ending, lines)


def hung(detail: str) -> Failure:
    """Return the failure of an engine that was killed because it did not go on."""
    return Failure(
        RuntimeReason.ENGINE_HUNG, detail, ExitCode.HUNG, "the container is restarted; open requests were lost"
    )


def no_folder(detail: str) -> Failure:
    """Return the failure of a pod without a folder for temporary files."""
    return Failure(
        RuntimeReason.ENGINE_ENVIRONMENT,
        f"no folder for temporary files may be written: {detail}",
        ExitCode.ENGINE_REFUSED,
    )


def start_timeout(seconds: float, lines: Sequence[str], why: str = "") -> Failure:
    """Return the failure of an engine that was killed because its start took too long.

    ``why`` is what the last look at it found.
    """
    last = next((bare for line in reversed(lines) if (bare := _bare(line).strip())), "")
    said = f"; its last line was: {last}" if last else ""
    return Failure(
        RuntimeReason.START_TIMEOUT,
        f"the engine gave no answer within {seconds:.0f} s of its start{f': {why}' if why else ''}{said}",
        ExitCode.START_TIMEOUT,
        "a slow disk or a large model needs a longer start",
        _tail(lines),
    )


_R = RuntimeReason
_EXIT_CODES: dict[RuntimeReason, ExitCode] = {
    _R.ACCESS_DENIED: ExitCode.NEEDS_A_PERSON,
    _R.FILE_NOT_FOUND: ExitCode.NEEDS_A_PERSON,
    _R.DEVICE_MEMORY_SHORT: ExitCode.OUT_OF_MEMORY,
    _R.CACHE_TOO_SMALL: ExitCode.OUT_OF_MEMORY,
    _R.ENGINE_DIED: ExitCode.ENGINE_DIED,
    _R.START_TIMEOUT: ExitCode.START_TIMEOUT,
}

_GENERIC = re.compile(
    r"EngineDeadError|EngineCore encountered an issue|Engine core initialization failed"
    r"|WorkerProc initialization failed|died unexpectedly|See root cause above"
    r"|SystemExit|KeyboardInterrupt|CancelledError|ProcessLookupError"
)


def _tiers(stage: Stage) -> tuple[tuple[Rule, ...], ...]:
    # An engine that served had a good configuration; what its log says of values then came from
    # a client's request. Only memory can run short later.
    if stage is Stage.STARTING:
        return CATALOGUE, VAGUE
    return (tuple(rule for rule in CATALOGUE if rule.reason is RuntimeReason.DEVICE_MEMORY_SHORT),)


def _first_match(rules: Sequence[Rule], lines: Sequence[str]) -> tuple[Rule, re.Match[str], int] | None:
    for index, line in enumerate(lines):
        for rule in rules:
            match = rule.pattern.search(line)
            if match is not None:
                return rule, match, index
    return None


def _failure(rule: Rule, match: re.Match[str], log: tuple[str, ...]) -> Failure:
    groups = match.groupdict()
    return Failure(
        rule.reason,
        _filled(rule.message, groups),
        _EXIT_CODES.get(rule.reason, ExitCode.ENGINE_REFUSED),
        _filled(rule.hint, groups),
        log,
    )


def _filled(pattern: str, groups: dict[str, str | None]) -> str:
    # A release that words its numbers differently still tells the main thing: the part of the
    # sentence that needs a missing group is left out.
    clauses = re.split(r"(?<=[^,:])(?=[,:] )", pattern)
    missing = [f"{{{name}}}" for name, value in groups.items() if value is None]
    kept = [clause for clause in clauses if not any(name in clause for name in missing)]
    return "".join(kept).format(**{name: (value or "").strip() for name, value in groups.items()})


def _oom_killed(ending: Ending) -> Failure:
    return Failure(
        RuntimeReason.DEVICE_MEMORY_SHORT,
        f"the kernel killed a process of the engine {ending.stage.value}: the container reached its memory limit",
        ExitCode.OUT_OF_MEMORY,
        log=_tail(ending.lines),
    )


def _died(ending: Ending, lines: Sequence[str]) -> Failure:
    cause, index = _root_cause(lines)
    said = f": {cause}" if cause else ""
    return Failure(
        RuntimeReason.ENGINE_DIED,
        f"the engine ended {ending.stage.value} ({_ending_text(ending.returncode)}){said}",
        ExitCode.ENGINE_DIED,
        log=_evidence(lines, index) if cause else _tail(ending.lines),
    )


def _root_cause(lines: Sequence[str]) -> tuple[str, int]:
    """Return the first exception that is not a mere consequence, else the first of any kind."""
    consequence: tuple[str, int] = ("", 0)
    for index, line in enumerate(lines):
        match = _EXCEPTION.match(_PREFIX.sub("", line).strip())
        if match is None:
            continue
        text = f"{match['kind']}: {match['text']}" if match["text"] else match["kind"]
        if not _GENERIC.search(line):
            return text, index
        if not consequence[0]:
            consequence = (text, index)
    return consequence


def _ending_text(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def _bare(line: str) -> str:
    return _COLOUR.sub("", line).rstrip()


def _evidence(lines: Sequence[str], index: int) -> tuple[str, ...]:
    # The deciding line first: where the document is too long, the lines after it go first.
    return tuple(line for line in lines[index : index + _DECISIVE_LINES] if line.strip())


def _tail(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(bare for line in lines[-_DECISIVE_LINES:] if (bare := _bare(line)).strip())
