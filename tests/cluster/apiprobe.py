"""Asking the API server, from the host, whether something is there yet."""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ApiProbe:
    """Reads paths of the API server as its administrator."""

    port: int
    pki: Path

    def read(self, path: str) -> bytes | None:
        """Return what a GET of the path answers with 200; None for any other answer, or for none."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PROBE_SECONDS, context=self._trust())
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return content if response.status == http.HTTPStatus.OK else None

    def is_found(self, path: str) -> bool:
        """Return whether a GET of the path answers 200."""
        return self.read(path) is not None

    def is_node_ready(self, name: str) -> bool:
        """Return whether a node is there and ready for pods."""
        found = self.read(f"/api/v1/nodes/{name}")
        node: dict[str, Any] = json.loads(found) if found else {}
        conditions = node.get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context
