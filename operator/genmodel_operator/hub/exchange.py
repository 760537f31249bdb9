"""One HTTP request with its redirects and the answer's body, bounded as a whole."""

import time
from dataclasses import dataclass

from genmodel_operator.hub.library import get_session, httpx2

REDIRECTS_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Body:
    """A complete answer, or its first bytes where fewer were wanted."""

    content: bytes
    next_url: str | None


class Exchange:
    """One request with its redirects and the answer's body, all before ``deadline``."""

    def __init__(self, request: httpx2.Request, *, deadline: float) -> None:
        self._request = request
        self._deadline = deadline
        self.commit: str | None = None
        self.response: httpx2.Response

    def __enter__(self) -> "Exchange":
        for _ in range(REDIRECTS_LIMIT + 1):
            # Cookies would carry one user's session into another's request.
            self._request.headers.pop("cookie", None)
            self.response = get_session().send(self._request, stream=True, follow_redirects=False)
            self.commit = self.commit or self.response.headers.get("x-repo-commit")
            following = self.response.next_request
            if following is None:
                return self
            self.response.close()
            self._check_time()
            self._request = following
        raise httpx2.TooManyRedirects("too many redirects", request=self._request)

    def __exit__(self, *_: object) -> None:
        self.response.close()

    def read(self, span: tuple[int, int] | None, limit_bytes: int, too_long: Exception) -> Body:
        """Return the body; with a span only its bytes, even where the server ignored the range."""
        skip = span[0] if span and self.response.status_code != 206 else 0
        content = bytearray()
        for chunk in self.response.iter_bytes():
            self._check_time()
            content += chunk
            if len(content) > skip + limit_bytes:
                if span is None:
                    raise too_long
                break
        link = self.response.links.get("next", {}).get("url")
        return Body(bytes(content[skip : skip + limit_bytes]), next_url=link)

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise httpx2.ReadTimeout("too slow", request=self._request)
