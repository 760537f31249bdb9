"""The policy's file: read at the start, and again whenever its content changes."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.parse import PolicyError, parse_policy

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""How often the file is looked at. The kubelet swaps it as a whole when the ConfigMap changes."""
KEPT = "the policy before it stays in force"


class PolicyFile:
    """The policy that holds now: that of the last document that was valid.

    Attributes:
        current: None where no document has been valid yet; then nothing new is admitted.
        problem: what is wrong with the present document; empty where nothing is.
    """

    def __init__(
        self,
        path: Path,
        *,
        observe: Callable[[str], None],
        complain: Callable[[str, str], None],
        applied: Callable[[Policy], None],
        contradicts: Callable[[Policy], str] = lambda _: "",
    ) -> None:
        """Take the file, who counts documents, who is told what is wrong, and who is told of what is in force.

        ``contradicts`` says what is wrong with a valid document beside the settings; empty where nothing is.
        """
        self._path = path
        self._observe = observe
        self._complain = complain
        self._applied = applied
        self._contradicts = contradicts
        self._seen: str | None = None
        self.current: Policy | None = None
        self.problem = ""

    def look(self) -> bool:
        """Read the file; return whether another policy than before holds now."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(f"{self._path}: {error}")
            return False
        if text == self._seen and not self.problem:
            return False
        self._seen = text
        try:
            found = parse_policy(text)
        except PolicyError as error:
            self._refuse(f"{self._path}: {error}")
            return False
        if wrong := self._contradicts(found):
            self._refuse(f"{self._path}: {wrong}")
            return False
        return self._take(found)

    async def watch(self, changed: Callable[[], None], *, poll_seconds: float = POLL_SECONDS) -> None:
        """Look at the file until cancelled, and tell when another policy holds."""
        while True:
            await asyncio.sleep(poll_seconds)
            if self.look():
                changed()

    def _take(self, found: Policy) -> bool:
        is_first, is_other = self.current is None, found != self.current
        if is_other or self.problem:
            self._observe("applied")
            log.info("the policy is in force", extra={"file": str(self._path), "again": not is_first})
        self.current, self.problem = found, ""
        self._applied(found)
        return is_other

    def _refuse(self, problem: str) -> None:
        """Say what is wrong, once for each problem."""
        if problem == self.problem:
            return
        self.problem = problem
        effect = KEPT if self.current is not None else "nothing new is admitted"
        log.error("the policy is not valid: %s; %s", problem, effect)
        self._observe("refused")
        self._complain(problem, effect)
