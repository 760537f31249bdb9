import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.locks import file_lock, open_lock, try_lock
from tests.cluster.processes import ProcessId, end
from tests.cluster.progress import wait_until
from tests.cluster.signals import interrupted_by_sigterm, uninterrupted
from tests.cluster.state import RunState, Started, changed_state, read_state, write_state

IGNORES_SIGTERM = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(["sleep", "60"], text=True) as child:
        yield child
        child.kill()


def test_end_by_sigterm(sleeper: subprocess.Popen[str]) -> None:
    process = ProcessId.of(sleeper.pid)
    assert process.is_alive()
    end(process, grace_seconds=5)
    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_that_will_not_go_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", IGNORES_SIGTERM], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        end(ProcessId.of(child.pid), grace_seconds=0.2)
        assert child.wait() == -signal.SIGKILL


def test_a_number_that_was_used_again_is_spared(sleeper: subprocess.Popen[str]) -> None:
    now = ProcessId.of(sleeper.pid)
    before = ProcessId(pid=now.pid, start_ticks=now.start_ticks - 1)
    assert not before.is_alive()
    end(before, grace_seconds=1)
    assert now.is_alive()


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = ProcessId.of(child.pid)
    child.kill()
    wait_until("the zombie", lambda: not process.is_alive(), timeout_seconds=5)
    assert Path(f"/proc/{child.pid}").exists()
    end(process, grace_seconds=1)
    child.wait()


def test_no_such_process() -> None:
    with pytest.raises(ProcessLookupError):
        ProcessId.of(2**22 + 1)
    end(ProcessId(pid=2**22 + 1, start_ticks=1), grace_seconds=1)


HOLDS_LOCK = """
import sys, time
from pathlib import Path
from tests.cluster.locks import file_lock
with file_lock(Path(sys.argv[1]), what="test"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDS_LOCK, lock], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ClusterError, match=f"process {holder.pid} still holds the lock"):  # noqa: SIM117
            with file_lock(lock, what="waiting", timeout_seconds=0.3):
                pass
        holder.kill()
    with file_lock(lock, what="next", timeout_seconds=5):
        pass


def test_a_lock_is_held_once_even_in_one_process(tmp_path: Path) -> None:
    descriptor = open_lock(tmp_path / "lock")
    with file_lock(tmp_path / "lock", what="first"):
        assert not try_lock(descriptor)
    assert try_lock(descriptor)
    os.close(descriptor)


def started(name: str, process: ProcessId) -> Started:
    return Started(name=name, role="component", process=process, log="")


def test_state_survives_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    me = ProcessId.of(os.getpid())
    want = RunState(name="x", owner=me, real_node=True, started=[started("etcd", me)], sysctls={"a": "1"})
    write_state(path, want)
    assert read_state(path) == want
    with changed_state(path) as state:
        state.api_port = 7
    after = read_state(path)
    assert after is not None
    assert after.api_port == 7
    assert {file.name for file in tmp_path.iterdir()} == {"state.json", "state.lock"}


def test_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path / "state.json") is None


def test_a_run_without_its_owner_is_abandoned(sleeper: subprocess.Popen[str]) -> None:
    owner = ProcessId.of(sleeper.pid)
    me = ProcessId.of(os.getpid())
    state = RunState(name="x", owner=owner, started=[started("etcd", me)])
    assert not state.is_abandoned()
    sleeper.kill()
    sleeper.wait()
    assert state.is_abandoned()


def test_a_run_left_running_is_abandoned_when_nothing_of_it_lives(sleeper: subprocess.Popen[str]) -> None:
    state = RunState(name="x", started=[started("etcd", ProcessId.of(sleeper.pid))])
    assert not state.is_abandoned()
    sleeper.kill()
    sleeper.wait()
    assert state.is_abandoned()


def test_nothing_lives_of_a_run_before_the_last_boot() -> None:
    me = ProcessId.of(os.getpid())
    state = RunState(name="x", boot="another", owner=me, started=[started("etcd", me)])
    assert state.alive() == []
    assert state.is_abandoned()


@pytest.fixture
def _default_sigterm() -> Iterator[None]:
    # A cluster of the whole test run may have its handler in place.
    former = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.mark.usefixtures("_default_sigterm")
def test_sigterm_ends_a_block() -> None:
    with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_cleaning_is_not_broken_off() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), uninterrupted("cleaning"):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        done = True
    assert done


def test_waiting_ends_with_the_hint() -> None:
    with pytest.raises(ClusterError, match=r"the moon: not there after 0 s\. Look up"):
        wait_until("the moon", lambda: False, timeout_seconds=0.1, hint="Look up")
