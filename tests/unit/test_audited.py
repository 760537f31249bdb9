"""The audit log against what is granted: what is missing is seen, and what is no lack of rights is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audited import ACCOUNT, assert_rights_suffice
from tests.helm import RELEASE

EARLY, BROKEN, LATE = (f"2026-11-27T10:0{minute}:00.000000Z" for minute in (1, 2, 3))
RULES = [
    {"apiGroups": ["genmodel.dev"], "resources": ["generativemodels/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "create", "patch"]},
]


def entry(verb: str, resource: str, *, group: str = "", at: str = EARLY, code: int = 200, **more: Any) -> str:
    resource, _, subresource = resource.partition("/")
    about = {"resource": resource, "apiGroup": group, "name": "m"} | (
        {"subresource": subresource} if subresource else {}
    )
    decision = more.pop("decision", "allow")
    found = {
        "user": {"username": more.pop("user", ACCOUNT)},
        "verb": verb,
        "objectRef": about,
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": at,
        "annotations": {"authorization.k8s.io/decision": decision},
    }
    return json.dumps(found)


def refused(**more: Any) -> str:
    return entry("list", "secrets", code=403, decision="forbid", **more)


STATUS = entry("patch", "generativemodels/status", group="genmodel.dev")


class FakeCluster:
    """A cluster with this audit log and the roles of a release."""

    def __init__(self, folder: Path, *entries: str) -> None:
        self.audit_log = folder / "audit.json"
        self.audit_log.write_text("\n".join(entries))

    def kubectl(self, *_: str) -> str:
        about = {"metadata": {"name": RELEASE}}
        role = {"kind": "ClusterRole", **about, "rules": RULES}
        binding = {"kind": "ClusterRoleBinding", **about, "roleRef": {"kind": "ClusterRole", "name": RELEASE}}
        return json.dumps({"items": [role, binding]})


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([STATUS, entry("patch", "services", code=201)], id="all is granted"),
        pytest.param([STATUS, refused(at=BROKEN)], id="refused while a test had taken the rights away"),
        pytest.param([STATUS, entry("create", "services", code=403)], id="a quota, or a namespace that ends"),
        pytest.param([STATUS, refused(user="somebody")], id="somebody else was refused"),
        pytest.param(
            [STATUS, entry("create", "selfsubjectaccessreviews", group="authorization.k8s.io")], id="everybody may"
        ),
    ],
)
def test_rights_that_suffice(tmp_path: Path, entries: list[str]) -> None:
    assert_rights_suffice(FakeCluster(tmp_path, *entries), excused=[(BROKEN, BROKEN)])


@pytest.mark.parametrize(
    ("entries", "want"),
    [
        pytest.param([STATUS, refused(at=LATE)], "list secrets", id="refused"),
        pytest.param([STATUS, entry("list", "configmaps")], "granted by somebody else", id="another role grants it"),
        pytest.param([entry("get", "services")], "generativemodels/status", id="an operator that does nothing"),
        pytest.param([], "generativemodels/status", id="an empty log"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, entries: list[str], want: str) -> None:
    with pytest.raises(AssertionError, match=want):
        assert_rights_suffice(FakeCluster(tmp_path, *entries), excused=[(BROKEN, BROKEN)])
