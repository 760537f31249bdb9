"""A real Kubernetes cluster on one machine, for tests, benches and the demo."""

from tests.cluster.cluster import Cluster
from tests.cluster.environment import Environment, detect
from tests.cluster.errors import ClusterError
from tests.cluster.hosted import HostedCluster, KindCluster

__all__ = ["Cluster", "ClusterError", "Environment", "HostedCluster", "KindCluster", "detect"]
