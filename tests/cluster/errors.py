"""The one error of the local cluster."""


class ClusterError(Exception):
    """The local cluster cannot do what was asked; the message says why and what helps."""
