"""Whether a Hub answers at all, asked as the operator asks it: with its proxies and certificates."""

from genmodel_operator.hub.library import get_session, httpx2

_ROUTE = "/api/models?limit=1"


class HubAwayError(Exception):
    """The Hub does not answer, or only with an error of its own."""


def reach(endpoint: str, *, timeout_seconds: float) -> int:
    """Return the HTTP status of the Hub's answer; one that wants a token is reached. Raises ``HubAwayError``."""
    try:
        request = httpx2.Request("GET", endpoint.rstrip("/") + _ROUTE)
        request.extensions["timeout"] = httpx2.Timeout(timeout_seconds).as_dict()
        status = get_session().send(request, follow_redirects=True).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise HubAwayError(str(error) or type(error).__name__) from error
    if status >= 500:
        raise HubAwayError(f"it answers {status}")
    return int(status)
