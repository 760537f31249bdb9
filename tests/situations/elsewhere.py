"""Reasons that tests of other things bring about: the file in which each is seen on a real control plane."""

from genmodel_operator.api.reasons import AnyReason, Reason
from genmodel_runtime.contract import RuntimeReason

ELSEWHERE: dict[AnyReason, str] = {
    Reason.BRANCH_MOVED: "tests/apiserver/test_drift.py",
    Reason.CLAIM_NOT_FOUND: "tests/apiserver/test_weights_on_claim.py",
    Reason.CLAIM_NOT_SHAREABLE: "tests/apiserver/test_weights_on_claim.py",
    Reason.CONTESTED: "tests/apiserver/test_operator_contests.py",
    Reason.DEVICE_LIMIT_REACHED: "tests/apiserver/test_policy.py",
    Reason.ENGINE_IMAGE_NOT_ALLOWED: "tests/apiserver/test_policy.py",
    Reason.ENGINE_VERSION_UNKNOWN: "tests/apiserver/test_policy.py",
    Reason.FOLLOWING_FAILED: "tests/apiserver/test_reasons_follow.py",
    Reason.GATED_NOT_ALLOWED: "tests/apiserver/test_policy.py",
    Reason.INSPECTING: "tests/apiserver/test_model_on_claim.py",
    Reason.KNOWN_VULNERABILITIES: "tests/apiserver/test_policy.py",
    Reason.LICENSE_NOT_ALLOWED: "tests/apiserver/test_policy.py",
    Reason.MAKING_ROOM: "tests/apiserver/test_rollout.py",
    Reason.NEWER_ENGINE: "tests/apiserver/test_updates.py",
    Reason.NEWER_RENDERING: "tests/apiserver/test_updates.py",
    Reason.NO_LONGER_ALLOWED: "tests/apiserver/test_policy.py",
    Reason.OPERATOR_FORBIDDEN: "tests/apiserver/test_reasons_rights.py",
    Reason.POD_TEMPLATE_REFUSED: "tests/apiserver/test_pod_template.py",
    Reason.POLICY_INVALID: "tests/apiserver/test_policy.py",
    Reason.PUBLISHER_NOT_ALLOWED: "tests/apiserver/test_policy.py",
    Reason.REMOTE_CODE_NOT_ALLOWED: "tests/apiserver/test_policy.py",
    Reason.SOURCE_CLAIM_NOT_FOUND: "tests/apiserver/test_model_on_claim.py",
    Reason.TOKEN_SECRET_FORBIDDEN: "tests/apiserver/test_reasons_rights.py",
    Reason.WEIGHTS_KEPT: "tests/apiserver/test_weights_on_claim.py",
    Reason.WEIGHTS_ON_CLAIM: "tests/apiserver/test_weights_on_claim.py",
    RuntimeReason.SOURCE_CHANGED: "tests/apiserver/test_model_on_claim.py",
    RuntimeReason.SOURCE_EMPTY: "tests/apiserver/test_model_on_claim.py",
    RuntimeReason.SOURCE_INVALID: "tests/apiserver/test_model_on_claim.py",
    RuntimeReason.WEIGHTS_INCOMPLETE: "tests/e2e/test_weights_on_claim.py",
}
