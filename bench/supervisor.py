"""What the supervisor beside a real engine costs while that one serves under load: memory and processor."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from tests.cluster.images import vllm_site_packages
from tests.engine_failures import Refusal, write_model
from tests.real_engine import serving
from tests.saturation import ARGUMENTS, Saturation, saturate

SECONDS = 60.0


def measure() -> dict[str, dict[str, str]]:
    """Serve a tiny model under load for a minute; return the supervisor's figures."""
    with TemporaryDirectory(prefix="genmodel-bench-") as name:
        folder = Path(name)
        model = write_model(folder / "model", Refusal("none", "", ()))
        with serving(folder / "pod", vllm_site_packages(), *ARGUMENTS, model=model) as server:
            server.wait_until_ready()
            pid = server.pod.process.pid
            load: list[Saturation] = []
            # The load's own processor time is in this process, not in the supervisor's.
            loading = Thread(target=lambda: load.append(saturate(server, SECONDS + 5)))
            loading.start()
            before, started = cpu_seconds(pid), time.monotonic()
            time.sleep(SECONDS)
            used, took = cpu_seconds(pid) - before, time.monotonic() - started
            memory, shared = resident_mib(pid)
            loading.join()
    figures = {
        "memory": f"{memory:.1f} MiB",
        "of it files that the engine maps, too": f"{shared:.1f} MiB",
        "processor": f"{100 * used / took:.2f} % of a core",
        "answers meanwhile": str(load[0].answers["whole"]),
    }
    return {f"{SECONDS:.0f} s under load": figures}


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> tuple[float, float]:
    """Return a process's resident memory in MiB, and the part of it that is mapped files."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["RssFile"].split()[0]) / 1024
