"""A signal that the kernel gives to another thread than the one that waits."""

import subprocess
import sys

import pytest

from tests.fakes.runtime_pod import ROOT

WAITS = """
import queue, signal, sys, threading, time
from genmodel_runtime.signals import on_end_signals

events = queue.SimpleQueue()
on_end_signals(lambda: events.put("asked to end"))

def elsewhere():
    time.sleep(0.3)
    for _ in range(int(sys.argv[2])):
        signal.pthread_kill(threading.get_ident(), signal.Signals[sys.argv[1]])

threading.Thread(target=elsewhere).start()
for _ in range(int(sys.argv[2])):
    print(events.get(), flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("times", [1, 2])
def test_it_wakes_a_main_thread_that_waits(name: str, times: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITS, name, str(times)],
        env={"PYTHONPATH": str(ROOT / "runtime")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["asked to end"] * times
    assert done.stderr == ""
