"""The operator as its image has it, as a process, with the figures that its own metrics and the kernel tell."""

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench import shipped
from examples.demo.steps import ROOT

METRICS_PORT = 8080
WRITES = ("apply", "apply_status", "create", "delete", "replace_spec", "take_over")
START_SECONDS = 300.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of the operator to the API server, by verb."""

    by_verb: dict[str, float]

    def __sub__(self, other: "Requests") -> "Requests":
        verbs = sorted({*self.by_verb, *other.by_verb})
        return Requests({verb: self.by_verb.get(verb, 0) - other.by_verb.get(verb, 0) for verb in verbs})

    @property
    def writes(self) -> float:
        return sum(count for verb, count in self.by_verb.items() if verb in WRITES)

    @property
    def reads(self) -> float:
        return sum(self.by_verb.values()) - self.writes

    def per(self, count: int) -> str:
        """Return the mean over ``count`` models, by verb."""
        return ", ".join(f"{verb} {value / count:.2f}" for verb, value in self.by_verb.items() if value) or "none"


def requests_in(metrics: str) -> Requests:
    """Return the requests that the operator's metrics tell, by verb."""
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "genmodel_kube_requests_total":
                counted[sample.labels["verb"]] += int(sample.value)
    return Requests({verb: float(count) for verb, count in sorted(counted.items())})


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_all() -> float:
    """Return the processor time of everything in this network namespace: control plane, nodes, clients, operator.

    Unlike a wall clock it does not tell what else the machine was doing.
    """
    own, total = Path("/proc/self/ns/net").readlink(), 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "ns" / "net").readlink() == own:
                total += cpu_seconds_of(int(folder.name))
    return total


class OperatorProcess:
    """``genmodel run`` with a kubeconfig; stopped with SIGTERM, or killed."""

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        self._log = log.open("ab")
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            [*shipped.COMMAND, "run"],
            env={**os.environ, "KUBECONFIG": str(kubeconfig), **shipped.environment(ROOT)},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    async def ready(self) -> None:
        """Wait until the operator says that it serves."""
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
            while True:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the operator ended with code {self.process.returncode}; see {self._log.name}")
                try:
                    async with session.get(f"http://127.0.0.1:{METRICS_PORT}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    async def quiet(self, *, still_seconds: float = 5.0, limit_seconds: float = 300.0) -> float:
        """Wait until it serves and made no request for a while; return the seconds from its start to the last one."""
        await self.ready()
        last = time.monotonic()
        deadline, before = last + limit_seconds, await self.requests()
        while time.monotonic() - last < still_seconds:
            if time.monotonic() > deadline:
                raise TimeoutError("the operator never got quiet")
            await asyncio.sleep(0.5)
            now = await self.requests()
            if now != before:
                before, last = now, time.monotonic()
        return last - self._started

    async def requests(self) -> Requests:
        """Return the requests so far, as the operator's own metrics count them; watches are not among them."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{METRICS_PORT}/metrics") as answer,
        ):
            text = await answer.text()
        return requests_in(text)

    @property
    def resident_mib(self) -> float:
        """Resident memory now, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(found for found in status.splitlines() if found.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    @property
    def cpu_seconds(self) -> float:
        """Processor time used so far."""
        return cpu_seconds_of(self.process.pid)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(STOP_SECONDS)
        self._log.close()
