"""The waivers: each has a reason, none is wider than it must be, and what they let pass."""

import pytest

from tests.scanners.findings import Finding
from tests.scanners.waivers import Waiver, judge, read_waivers

LIMIT = Finding("checkov", "CKV_K8S_11", "model-gpu/Deployment/mistral", "CPU limits should be set")
OTHER = Finding("checkov", "CKV_K8S_11", "chart-default/Deployment/genmodel", "CPU limits should be set")


def waiver(tool: str = "checkov", check: str = "CKV_K8S_11", where: str = "model-*/Deployment/*") -> Waiver:
    return Waiver(tool, check, where, "because")


@pytest.mark.parametrize(
    ("waivers", "want_open", "want_unused"),
    [
        pytest.param([], [LIMIT, OTHER], 0, id="none"),
        pytest.param([waiver()], [OTHER], 0, id="only what it names"),
        pytest.param([waiver(where="*")], [], 0, id="everywhere"),
        pytest.param([waiver(tool="kube-score", where="*")], [LIMIT, OTHER], 1, id="another tool's"),
        pytest.param([waiver(check="CKV_K8S_1", where="*")], [LIMIT, OTHER], 1, id="another check"),
        pytest.param([waiver(), waiver(where="model-cpu/*")], [OTHER], 1, id="one that covers nothing is named"),
    ],
)
def test_judged(waivers: list[Waiver], want_open: list[Finding], want_unused: int) -> None:
    unwaived, unused = judge([LIMIT, OTHER], waivers)
    assert (unwaived, len(unused)) == (want_open, want_unused)


def test_each_waiver_says_why_and_none_is_there_twice() -> None:
    found = read_waivers()
    assert all(len(one.reason) > 20 for one in found)
    assert len({(one.tool, one.check, one.where) for one in found}) == len(found)


def test_no_waiver_is_for_everything() -> None:
    assert not [one for one in read_waivers() if one.where.startswith("*") or "*" in one.check]
