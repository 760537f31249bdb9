"""What of a repository may be run: a part of the spec of ``GenerativeModel`` v1alpha1."""

from genmodel_operator.api.base import ApiModel


class Trust(ApiModel):
    """What of the repository may be run."""

    remote_code: bool = False
    """Runs Python code that the repository brings with it, at the commit that is served. Needs the permission of the
    operator's policy, too, for this repository and commit."""
