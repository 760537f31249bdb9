"""Every reason that a condition or Event can carry, with its message and its remedy.

Reasons are part of the API. The documentation is generated from this table, and ``explain`` is
the only way to make a message, so that no message can leave out what its reason promises.
"""

from genmodel_operator.api.policy_reasons import POLICY_TABLE
from genmodel_operator.api.reason_info import ReasonInfo, Severity
from genmodel_operator.api.reason_names import AnyReason, Reason
from genmodel_operator.api.runtime_reasons import RUNTIME_TABLE
from genmodel_runtime.contract import RuntimeReason

__all__ = [
    "TABLE",
    "AnyReason",
    "Reason",
    "ReasonInfo",
    "Severity",
    "explain",
    "explain_runtime",
    "info",
    "reason_of",
    "while_another_serves",
]


_GOOD, _PROGRESS, _PERSON = Severity.GOOD, Severity.PROGRESS, Severity.PERSON

TABLE: dict[str, ReasonInfo] = {
    Reason.RESOLVED: ReasonInfo(_GOOD, "{repository} at {revision} is commit {commit}"),
    Reason.HUB_UNREACHABLE: ReasonInfo(
        _PROGRESS,
        "the Hub at {endpoint} cannot be reached: {detail}",
        "retried by itself; check the endpoint, the proxy and the network path from operator and pods to the Hub",
    ),
    Reason.HUB_RATE_LIMITED: ReasonInfo(
        _PROGRESS,
        "the Hub at {endpoint} limits the rate of requests for another {seconds} s",
        "retried by itself; an access token raises the limit",
    ),
    Reason.MODEL_NOT_FOUND: ReasonInfo(
        _PERSON,
        "spec.model: {repository} does not exist on {endpoint}, or it is private and {credential} has no access",
        "check the name; for a private repository put a token with access into the Secret {secret}",
    ),
    Reason.MODEL_GATED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} is gated and {credential} is not authorised",
        "accept the licence on the model's page, then put that account's token into the Secret {secret}",
    ),
    Reason.MODEL_DISABLED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} was disabled on {endpoint}",
        "choose another model; the Hub's staff disabled access to this one",
    ),
    Reason.REVISION_NOT_FOUND: ReasonInfo(
        _PERSON,
        "spec.revision: {repository} has no branch, tag or commit {revision}",
        "set spec.revision to one that exists; the default is main",
    ),
    Reason.SOURCE_CLAIM_NOT_FOUND: ReasonInfo(
        _PERSON,
        "spec.source.persistentVolumeClaim.claimName: the claim {claim} {detail}",
        "create it in the namespace {namespace} and put the model's files on its volume",
    ),
    Reason.INSPECTING: ReasonInfo(_PROGRESS, "a pod reads what is in {folder}"),
    Reason.TOKEN_REJECTED: ReasonInfo(
        _PERSON,
        "the Hub at {endpoint} does not accept the token in the Secret {secret}",
        "the token is wrong or expired: replace it; it is read again within a minute",
    ),
    Reason.TOKEN_SECRET_MISSING: ReasonInfo(
        _PERSON,
        "spec.source.hub.tokenSecretRef: the Secret {secret} has no key {key} "
        "or does not exist in namespace {namespace}",
        "create it, for example: kubectl -n {namespace} create secret generic {secret} --from-literal={key}=hf_...",
    ),
    Reason.TOKEN_SECRET_FORBIDDEN: ReasonInfo(
        _PERSON,
        "spec.source.hub.tokenSecretRef: the operator may not read the Secret {secret}",
        "add {secret} to the chart value hub.tokenSecretNames, or use the Secret genmodel-hub-token",
    ),
    Reason.METADATA_INVALID: ReasonInfo(
        _PERSON,
        "{repository}: {file}: {detail}",
        "the repository's own files are wrong or incomplete: choose another revision or model",
    ),
    Reason.TASK_UNSUPPORTED: ReasonInfo(
        _PERSON,
        "{field}: {repository} is made for {found}, which cannot be served as {wanted}",
        "{change}",
    ),
    Reason.PICKLE_ONLY: ReasonInfo(
        _PERSON,
        "{repository} has its weights only as pickle files ({example}), which can run code when loaded",
        "choose a revision or a model with safetensors files",
    ),
    Reason.GGUF_ONLY: ReasonInfo(
        _PERSON,
        "{repository} has its weights only as GGUF ({example}), which the engine does not read",
        "choose the original repository with safetensors files",
    ),
    Reason.NO_WEIGHTS: ReasonInfo(
        _PERSON,
        "{repository} has no model*.safetensors at commit {commit}",
        "choose a revision or a model with safetensors files",
    ),
    Reason.ADAPTER_REPOSITORY: ReasonInfo(
        _PERSON,
        "{repository} is an adapter for {base}, not a model",
        "serve {base}",
    ),
    Reason.DRAFT_MODEL: ReasonInfo(
        _PERSON,
        "{repository} ({architecture}) is a draft model for speculative decoding and cannot be served alone",
        "serve the model that it was made for",
    ),
    Reason.REMOTE_CODE_ELSEWHERE: ReasonInfo(
        _PERSON,
        "{repository} takes Python code from {place} (auto_map in {file}), which its commit does not pin and which is "
        "never run",
        "choose a model that brings its code itself, or that needs none",
    ),
    Reason.ARCHITECTURE_UNSUPPORTED: ReasonInfo(
        _PERSON,
        "{repository}: {architecture} is not served by vLLM {engine_version}{detail}",
        "choose a model of a supported architecture, or an operator with a newer engine",
    ),
    Reason.QUANTIZATION_UNSUPPORTED: ReasonInfo(
        _PERSON,
        "{repository} is quantised with {method}, which vLLM {engine_version} does not read",
        "choose a repository with one of: {supported}",
    ),
    Reason.PLANNED: ReasonInfo(_GOOD, "{explanation}"),
    Reason.CACHE_NOT_COMPUTABLE: ReasonInfo(
        _PERSON,
        "the memory of {architecture} cannot be computed: {detail}",
        "this operator refuses to guess; choose another model, or a newer operator",
    ),
    Reason.CONTEXT_TOO_LONG: ReasonInfo(
        _PERSON,
        "spec.context.maxModelLen: {wanted} is more than the {limit} tokens that the model was made for",
        "set it to {limit} or less, or leave it out",
    ),
    Reason.PRECISION_NOT_AVAILABLE: ReasonInfo(
        _PERSON,
        "spec.precision: {wanted} cannot be served from weights stored as {stored}",
        "leave spec.precision out, or choose a repository that is stored as {wanted}; 16 and 32 bit weights are "
        "narrowed to FP8 where the platform team lists it in policy.allowedPrecisions",
    ),
    Reason.NO_FIT: ReasonInfo(_PERSON, "{detail}", "{change}"),
    Reason.NO_CANDIDATE_NODES: ReasonInfo(
        _PERSON,
        "no node of the cluster may be used for this model: {detail}",
        "{change}",
    ),
    Reason.NAME_CONFLICT: ReasonInfo(
        _PERSON,
        "the {kind} {name} exists already and belongs to {owner}; it was left alone",
        "rename this model, or delete that {kind}",
    ),
    Reason.WAITING_FOR_CLEANUP: ReasonInfo(
        _PROGRESS,
        "the {kind} {name} of an earlier model of this name is still being removed",
        "wait; the cluster's garbage collector removes it",
    ),
    Reason.NAMESPACE_TERMINATING: ReasonInfo(
        _PROGRESS, "the namespace {namespace} is being deleted, and this model with it"
    ),
    Reason.REFUSED_BY_CLUSTER: ReasonInfo(
        _PERSON,
        "the cluster refused the {kind} {name}: {detail}",
        "change what the message names, or ask for an exception",
    ),
    Reason.OPERATOR_FORBIDDEN: ReasonInfo(
        _PERSON,
        "the operator may not {verb} {kind}: {detail}",
        "install the chart's RBAC again",
    ),
    Reason.POD_TEMPLATE_REFUSED: ReasonInfo(
        _PERSON,
        "{path}: {detail}",
        "correct spec.podTemplate; kubectl explain pod.spec tells what it takes",
    ),
    Reason.CLAIM_NOT_FOUND: ReasonInfo(
        _PERSON,
        "spec.cache.persistentVolumeClaim: the claim {claim} {detail}",
        "create it in the namespace {namespace}, or leave claimName out and the operator creates one",
    ),
    Reason.CLAIM_NOT_SHAREABLE: ReasonInfo(
        _PERSON,
        "spec.replicas: {replicas} pods cannot share the claim {claim}, which is ReadWriteOncePod",
        "set spec.replicas to 1, or use a claim that is ReadWriteMany (or ReadWriteOnce, for pods on one node)",
    ),
    Reason.SPEC_INVALID: ReasonInfo(
        _PERSON,
        "{detail}",
        "correct the field; kubectl explain gm.spec tells what it takes",
    ),
    Reason.CONTESTED: ReasonInfo(
        _PERSON,
        "the {kind} {name}: {fields} is changed again and again by {writers}; it is put back less and less often",
        "stop what changes it: change and scale the model itself, not its children",
    ),
    Reason.PODS_PENDING: ReasonInfo(_PROGRESS, "{detail}"),
    Reason.POD_CREATION_REFUSED: ReasonInfo(
        _PERSON,
        "pods cannot be created: {detail}",
        "raise the quota or change the policy that the message names",
    ),
    Reason.QUOTA_EXCEEDED: ReasonInfo(
        _PERSON,
        "pods cannot be created: the quota {quota} leaves no room ({numbers})",
        "raise the quota {quota}, or free what it counts; pods are then created within minutes",
    ),
    Reason.UNSCHEDULABLE: ReasonInfo(
        _PROGRESS,
        "no node takes the pod: {detail}",
        "free or add what is short; the pod is placed as soon as there is room",
    ),
    Reason.WAITING_FOR_NODE: ReasonInfo(
        _PROGRESS,
        "a node is being added for the pod ({growth}); now {detail}",
        "wait; a node with accelerators takes some minutes to come",
    ),
    Reason.IMAGE_PULL_FAILED: ReasonInfo(
        _PERSON,
        "the image {image} cannot be pulled: {detail}",
        "check the image's name and the node's path and credentials to its registry",
    ),
    Reason.CONTAINER_CONFIG_FAILED: ReasonInfo(
        _PERSON,
        "the container {container} cannot be created: {detail}",
        "create what the message names, for example a missing Secret",
    ),
    Reason.POD_SETUP_FAILED: ReasonInfo(
        _PERSON,
        "the node {node} cannot set the pod up: {detail}",
        "create or repair what the message names; the node tries again by itself",
    ),
    Reason.AUTHORITIES_MISSING: ReasonInfo(
        _PERSON,
        "the operator's setting hub.caConfigMap names the ConfigMap {name}, which is not in the namespace {namespace} "
        "or has no key {key}",
        "create it: kubectl -n {namespace} create configmap {name} --from-file={key}=FILE; the pod goes on by itself",
    ),
    Reason.DOWNLOADING: ReasonInfo(_PROGRESS, "downloading the weights: {progress}"),
    Reason.VERIFYING: ReasonInfo(_PROGRESS, "checking the downloaded files against the Hub's hashes"),
    Reason.LOADING: ReasonInfo(_PROGRESS, "the engine {stage}{more}"),
    Reason.COMPILING: ReasonInfo(_PROGRESS, "the engine {stage}{more}"),
    Reason.WARMING_UP: ReasonInfo(_PROGRESS, "the engine {stage}{more}"),
    Reason.WEIGHTS_READY: ReasonInfo(_GOOD, "the weights are on the node and verified"),
    Reason.WEIGHTS_ON_CLAIM: ReasonInfo(_GOOD, "the weights are on the claim {claim} and verified{more}"),
    Reason.WEIGHTS_KEPT: ReasonInfo(
        _GOOD,
        "the model {name} is deleted, and the claim {claim} keeps its weights for the next model of that name",
        "kubectl -n {namespace} delete pvc {claim} frees the space",
    ),
    Reason.OUT_OF_MEMORY: ReasonInfo(
        _PERSON,
        "the container {container} was killed at its memory limit of {limit}",
        "shorten spec.context.maxModelLen, or choose a smaller model",
    ),
    Reason.POD_CRASHED: ReasonInfo(
        _PERSON,
        "the container {container} ended with exit code {code} ({restarts} restarts): {detail}",
        "read its log: kubectl -n {namespace} logs {pod} -c {container} --previous",
    ),
    Reason.PROBE_FAILING: ReasonInfo(
        _PROGRESS,
        "the container {container} does not pass the kubelet's probes: {detail}",
        "the kubelet must reach port 8001 of the pod: look at the node and its network policies",
    ),
    Reason.API_KEYS_UNUSABLE: ReasonInfo(
        _PERSON,
        "spec.access.apiKeysSecretRef: the engine answers, and nobody is let in: {detail}",
        "put one API key into each entry of that Secret; it is seen within two minutes, without a restart",
    ),
    Reason.DEVICE_UNHEALTHY: ReasonInfo(
        _PERSON,
        "{resource} on the node {node} is not healthy: {detail}",
        "repair or cordon the node {node}, then delete the pod: it is placed on another one",
    ),
    Reason.POD_EVICTED: ReasonInfo(
        _PROGRESS, "the pod lost its place on the node {node}: {detail}", "it is placed again by itself"
    ),
    Reason.DISK_LIMIT_EXCEEDED: ReasonInfo(
        _PROGRESS,
        "the pod was evicted from the node {node}, because it wrote more to disk than it may: {detail}",
        "it is placed again by itself; where that happens again, {change}",
    ),
    Reason.NODE_LOST: ReasonInfo(
        _PROGRESS,
        "the node {node} is lost: {detail}",
        "the pod is placed elsewhere when the cluster gives the node up, after about 5 minutes",
    ),
    Reason.STARTING: ReasonInfo(_PROGRESS, "{detail}"),
    Reason.ROLLING_OUT: ReasonInfo(_PROGRESS, "revision {revision} comes up while {serving} serves: {detail}"),
    Reason.MAKING_ROOM: ReasonInfo(
        _PROGRESS,
        "revision {revision} finds no room beside {serving}, which is stopped at {time} to make room, and nothing "
        "answers from then until {revision} does: {detail}",
        "add or free what is short before that time, or take the change back, and nothing is stopped",
    ),
    Reason.SCALING: ReasonInfo(_PROGRESS, "{ready} of {desired} replicas answer: {detail}"),
    Reason.SERVING: ReasonInfo(_GOOD, "{ready} of {desired} replicas answer at {url}"),
    Reason.SUSPENDED: ReasonInfo(
        _GOOD, "no replicas are wanted", "set spec.suspend to false and spec.replicas to 1 or more to serve again"
    ),
    Reason.RETRYING: ReasonInfo(_PROGRESS, "{step} failed and is tried again: {detail}"),
    Reason.BRANCH_MOVED: ReasonInfo(
        _GOOD,
        "{repository}: {revision} has moved from the pinned commit {pinned} to {commit}",
        "set spec.revision to {commit} to serve it, or to {pinned} to stay; with spec.updatePolicy Follow the operator "
        "rolls to new commits by itself",
    ),
    Reason.FOLLOWING_FAILED: ReasonInfo(
        _PROGRESS,
        "{repository}: {revision} has moved to {commit}, which cannot be served, so {pinned} stays: {detail}",
        "tried again by itself; set spec.revision to {pinned} to stay with it",
    ),
    Reason.NEWER_ENGINE: ReasonInfo(
        _GOOD,
        "new revisions get the engine image {after} instead of {before}, with which this one goes on",
        "genmodel update {name} -n {namespace}, or a new value of the annotation genmodel.dev/update, rolls to it",
    ),
    Reason.NEWER_RENDERING: ReasonInfo(
        _GOOD,
        "this release of the operator, or its settings, make other pods than those of this revision, which go on",
        "genmodel update {name} -n {namespace}, or a new value of the annotation genmodel.dev/update, rolls to it",
    ),
    **POLICY_TABLE,
    **RUNTIME_TABLE,
}
"""Message pattern, severity and remedy of every reason, keyed by its name."""


def info(reason: AnyReason) -> ReasonInfo:
    """Return the documented behaviour of a reason."""
    return TABLE[reason.value]


def reason_of(name: str) -> AnyReason:
    """Return the reason of a name; raises ``ValueError`` where there is none."""
    try:
        return RuntimeReason(name)
    except ValueError:
        return Reason(name)


def explain(reason: AnyReason, **values: object) -> str:
    """Return the full message of a reason: what is the case, then what a person can do.

    Raises ``KeyError`` where a value that the pattern needs is missing: a bug of the caller.
    """
    entry = info(reason)
    said = entry.message.format(**values)
    if not entry.remedy:
        return said
    return f"{said}; {entry.remedy.format(**values)}"


def while_another_serves(message: str, serving: str) -> str:
    """Return the message of what keeps a revision from serving, with what goes on meanwhile."""
    return f"{message}; revision {serving} serves on"


def explain_runtime(reason: RuntimeReason, message: str, hint: str = "") -> str:
    """Return the full message of a failure that a pod's runtime reported: its words, its hint, our remedy."""
    return "; ".join(part for part in (message, hint, TABLE[reason.value].remedy) if part)
