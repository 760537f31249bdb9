"""The kinds of objects that the operator speaks about, and where the API serves them."""

from dataclasses import dataclass

from genmodel_operator.api import labels


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the API in one version.

    ``group`` is empty for the core group; ``plural`` is the name in URLs.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def api_path(self) -> str:
        """URL path of its group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


GENERATIVE_MODEL = Kind(labels.GROUP, labels.VERSION, labels.PLURAL, labels.KIND)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
CONTROLLER_REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision")
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
JOB = Kind("batch", "v1", "jobs", "Job")
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
SERVICE = Kind("", "v1", "services", "Service")
POD = Kind("", "v1", "pods", "Pod")
SECRET = Kind("", "v1", "secrets", "Secret")
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
POD_MONITOR = Kind("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor")
"""Prometheus Operator's; not every cluster has it."""
NODE = Kind("", "v1", "nodes", "Node", namespaced=False)
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
ACCESS_REVIEW = Kind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
EVENT = Kind("events.k8s.io", "v1", "events", "Event")

CHILD_KINDS = (DEPLOYMENT, SERVICE, CONTROLLER_REVISION, DISRUPTION_BUDGET, NETWORK_POLICY, JOB, CLAIM, POD)
"""Kinds that are watched by our label and remembered in the cache."""
