"""The chart's release on the shared platform, by real helm."""

import subprocess
from pathlib import Path

from examples.demo.steps import OPERATOR_NAMESPACE, ROOT
from tests.platform import Platform

RELEASE = "genmodel"


class Release:
    """The release as it is now, and ways to change it."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._platform = platform
        self._values = folder / "values.json"
        self._values.write_text(self.run("get", "values", RELEASE, "-o", "json").stdout)

    def run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        cluster = self._platform.cluster
        argv = [str(cluster.bin / "helm"), *args, "--namespace", OPERATOR_NAMESPACE]
        env = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": str(cluster.bin), "HOME": str(self._values.parent)}
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, env=env, check=False, timeout=240)
        assert not check or done.returncode == 0, f"helm {' '.join(args)}: {done.stdout}{done.stderr}"
        return done

    def upgrade(self, *settings: str) -> str:
        """Install or upgrade to the platform's own values and these, and wait for the operator."""
        args = ["upgrade", "--install", RELEASE, "charts/genmodel", "--reset-values", "--values", str(self._values)]
        return self.run(*args, *settings, "--wait", "--timeout", "3m").stdout

    def check(self, *, passes: bool = True) -> str:
        """Run ``helm test``; return what the check said."""
        done = self.run("test", RELEASE, "--logs", "--timeout", "2m", check=False)
        assert (done.returncode == 0) is passes, done.stdout + done.stderr
        return done.stdout
