"""Why a model's pods do not answer yet: the first cause a person can act on. Pure.

Pods, Deployments, nodes and Events are the API server's own objects as dicts; runtime documents are
those of ``/status`` (see ``genmodel_runtime.contract``), where unknown fields are ignored.
"""

from genmodel_operator.causes.cause import Cause, Object
from genmodel_operator.causes.evidence import Evidence
from genmodel_operator.causes.first import first_cause, pod_cause
from genmodel_operator.causes.pods import has_weights, is_ready, is_unschedulable, lacks_only_room
from genmodel_operator.causes.progress import describe_download
from genmodel_operator.causes.termination import parse_termination

__all__ = [
    "Cause",
    "Evidence",
    "Object",
    "describe_download",
    "first_cause",
    "has_weights",
    "is_ready",
    "is_unschedulable",
    "lacks_only_room",
    "parse_termination",
    "pod_cause",
]
