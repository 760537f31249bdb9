"""Reasons that tests of other things bring about: the file in which each is seen on a real control plane."""

from genmodel_operator.api.reasons import Reason

ELSEWHERE: dict[Reason, str] = {
    Reason.BRANCH_MOVED: "tests/apiserver/test_drift.py",
    Reason.CONTESTED: "tests/apiserver/test_operator_contests.py",
    Reason.FOLLOWING_FAILED: "tests/apiserver/test_reasons_follow.py",
    Reason.MAKING_ROOM: "tests/apiserver/test_rollout.py",
    Reason.NEWER_ENGINE: "tests/apiserver/test_updates.py",
    Reason.NEWER_RENDERING: "tests/apiserver/test_updates.py",
    Reason.OPERATOR_FORBIDDEN: "tests/apiserver/test_reasons_rights.py",
    Reason.POD_TEMPLATE_REFUSED: "tests/apiserver/test_pod_template.py",
    Reason.TOKEN_SECRET_FORBIDDEN: "tests/apiserver/test_reasons_rights.py",
}
