"""Whatever an engine prints, reading it goes on: text of later releases, noise, numbers that are none."""

import json
import math
import sys
import threading
from dataclasses import astuple
from functools import reduce
from io import BytesIO
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from genmodel_runtime.contract import TERMINATION_LOG_MAX_BYTES
from genmodel_runtime.failures import Ending, Stage, classify, start_timeout
from genmodel_runtime.launch import EngineProcess
from genmodel_runtime.progress import StartProgress, read_line, split_lines
from genmodel_runtime.state import STARTING_PHASES
from genmodel_runtime.termination import termination_document

DATA = Path(__file__).parent / "data"
KNOWN = [
    line
    for file in sorted(DATA.rglob("*.txt"))
    for line in file.read_text(errors="replace").splitlines()
    if any(word in line for word in ("GiB", "took", "rror", "tokens", "shards"))
]
NUMBERS = st.sampled_from(["9" * 400, "1.2.3", "-", "1e999", "nan", "", ",,,", "٣", "0x10", "-0.0"])


@st.composite
def lines_like_known_ones(draw: st.DrawFn) -> str:
    """A line that an engine really printed, with its numbers and some of its text replaced."""
    words = draw(st.sampled_from(KNOWN)).split(" ")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(words) - 1))
        words[at] = draw(st.one_of(NUMBERS, st.text(max_size=8)))
    return " ".join(words)


LINES = st.one_of(lines_like_known_ones(), st.text(max_size=200))


@settings(deadline=None, max_examples=400)
@given(st.lists(LINES, max_size=12))
def test_no_line_breaks_the_progress_or_turns_it_back(lines: list[str]) -> None:
    progress = StartProgress()
    for line in lines:
        before = progress
        progress = read_line(before, line)
        assert STARTING_PHASES.index(progress.phase) >= STARTING_PHASES.index(before.phase)
    figures = [value for value in astuple(progress.measured) if value is not None]
    assert all(math.isfinite(value) for value in figures)
    json.dumps(progress.measured.document(), allow_nan=False)


@settings(deadline=None, max_examples=300)
@given(st.lists(LINES, max_size=20), st.integers(-64, 255), st.sampled_from(Stage))
def test_every_end_has_a_failure_that_the_kubelet_keeps(lines: list[str], returncode: int, stage: Stage) -> None:
    for failure in (classify(Ending(lines, returncode, stage)), start_timeout(1800, lines)):
        document = termination_document(failure)
        assert len(document) <= TERMINATION_LOG_MAX_BYTES
        said = json.loads(document)
        assert said["reason"]
        assert said["message"]
        assert said["exitCode"] == int(failure.exit_code) != 0


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"\r", b"\n", b"\r\n"])), max_size=20))
def test_output_in_any_pieces_is_split_without_a_loss(pieces: list[bytes]) -> None:
    rest, lines = b"", list[bytes]()
    for piece in pieces:
        found, rest = split_lines(rest + piece)
        lines += found
    assert b"".join(lines) + rest == b"".join(pieces)
    assert all(line.endswith((b"\n", b"\r")) for line in lines)


BINARY = """
import os, sys
sys.stdout.buffer.write(bytes(range(256)) * 40 + b"\\n")
for shard in range(11):
    line = b"\\rLoading safetensors checkpoint shards: %d%% Completed | %d/10" % (shard * 10, shard)
    sys.stdout.buffer.write(line)
sys.stdout.buffer.write(b"\\n" + b"x" * 1_000_000 + b"\\nGPU KV cache size: 1,000 tokens\\n\\xff\\xfe")
"""


def test_binary_output_and_a_line_of_a_megabyte_pass_through_unchanged() -> None:
    output, lines, ended = BytesIO(), list[str](), threading.Event()
    process = EngineProcess(
        [sys.executable, "-c", BINARY], environ={}, on_line=lines.append, on_exit=lambda _: ended.set(), output=output
    )
    assert ended.wait(60)
    process.drain_output(wait_seconds=60)
    written = output.getvalue()
    assert written.startswith(bytes(range(256)))
    assert written.count(b"x") == 1_000_000 + 40
    assert written.endswith(b"\xff\xfe")
    progress = reduce(read_line, lines, StartProgress())
    assert progress.measured.kv_tokens == 1000
    assert [line for line in lines if "100% Completed | 10/10" in line]
    assert max(map(len, lines)) < 200_000
