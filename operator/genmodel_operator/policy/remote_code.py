"""Code of repositories: run where the model and the policy say so, for one commit at a time."""

from collections.abc import Iterable

from genmodel_operator.api.reasons import Reason
from genmodel_operator.engines.protocol import Refusal
from genmodel_operator.policy.document import Policy


def refuse_code(policy: Policy, *, repository: str, commit: str, file: str, is_trusted: bool) -> Iterable[Refusal]:
    """Yield why code of a repository at a commit is not run.

    ``file`` names that code; empty where there is none to run. ``is_trusted``: the model's own word.
    """
    if not file:
        return
    entry = f"{{repository: {repository}, commits: [{commit}]}}"
    is_allowed = any(commit in one.commits for one in policy.remote_code if one.repository == repository)
    found = {"repository": repository, "file": file, "commit": commit}
    if not is_trusted:
        change = "set spec.trust.remoteCode to true"
        if not is_allowed:
            change += f", and have the platform team read that code and add {entry} to policy.remoteCode"
        yield _refusal(Reason.REMOTE_CODE_REQUIRED, **found, change=change)
    elif not is_allowed:
        yield _refusal(Reason.REMOTE_CODE_NOT_ALLOWED, **found, entry=entry)


def _refusal(reason: Reason, **values: str) -> Refusal:
    return Refusal(reason.value, tuple(values.items()))
