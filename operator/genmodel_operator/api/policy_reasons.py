"""Messages and remedies of what the platform team's policy refuses or reports."""

from genmodel_operator.api.reason_info import ReasonInfo, Severity
from genmodel_operator.api.reason_names import Reason

_PERSON = Severity.PERSON

POLICY_TABLE: dict[str, ReasonInfo] = {
    Reason.POLICY_INVALID: ReasonInfo(
        _PERSON,
        "the operator's policy cannot be used: {detail}; {effect}",
        "the platform team corrects the document; it is read again within seconds",
    ),
    Reason.PUBLISHER_NOT_ALLOWED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} is not of a publisher that the operator's policy allows ({allowed})",
        "choose a model of one of them, or have the platform team add {publisher} to policy.allowedPublishers",
    ),
    Reason.LICENSE_NOT_ALLOWED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} has {license}, which is of the class {license_class}; the operator's policy allows "
        "{allowed}",
        "choose a model with such a licence, or have the platform team read the terms and add {license_class} to "
        "policy.allowedLicenseClasses, or give this licence another class in policy.licenseClasses",
    ),
    Reason.GATED_NOT_ALLOWED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} is gated, and the operator's policy allows no gated repositories",
        "choose another model, or have the platform team set policy.allowGated to true",
    ),
    Reason.REMOTE_CODE_REQUIRED: ReasonInfo(
        _PERSON,
        "{repository} brings its own Python code (auto_map in {file}), which its pods run only where both the model "
        "and the operator's policy say so, for the commit {commit}",
        "choose a model that needs none; or {change}",
    ),
    Reason.REMOTE_CODE_NOT_ALLOWED: ReasonInfo(
        _PERSON,
        "spec.trust.remoteCode: the operator's policy does not allow the Python code of {repository} (auto_map in "
        "{file}) at the commit {commit}",
        "have the platform team read that code and add {entry} to policy.remoteCode",
    ),
    Reason.ENGINE_IMAGE_NOT_ALLOWED: ReasonInfo(
        _PERSON,
        "spec.engine.image: {image} is not an image that the operator's policy allows ({allowed})",
        "leave spec.engine.image out, or have the platform team add the image to policy.allowedEngineImages",
    ),
    Reason.DEVICE_LIMIT_REACHED: ReasonInfo(
        _PERSON,
        "{wanted} devices are too many: the namespace {namespace} may have {limit} by the operator's policy, and its "
        "other models have {used}",
        "suspend or delete a model there, or set spec.replicas or spec.accelerator to less, or have the platform team "
        "raise policy.devicesPerNamespace; it goes on by itself when there is room",
    ),
    Reason.NO_LONGER_ALLOWED: ReasonInfo(
        _PERSON,
        "it goes on as it is, but the operator's policy would refuse it as a new model: {detail}",
        "agree with the platform team on an exception, or replace the model; nothing is stopped",
    ),
    Reason.KNOWN_VULNERABILITIES: ReasonInfo(
        _PERSON,
        "its engine, vLLM {version}, has known vulnerabilities that it is open to: {ids}",
        "serve it with vLLM {fixed} or later: {change}",
    ),
    Reason.ENGINE_VERSION_UNKNOWN: ReasonInfo(
        _PERSON,
        "which vulnerabilities its engine has is not known: the image {image} names no release of vLLM in its tag, and "
        "its pods do not tell",
        "name the release in the image's tag, as in :v0.32.0, or let the operator reach port 8001 of the pods",
    ),
}
"""Message pattern, severity and remedy of each, keyed by its name."""
