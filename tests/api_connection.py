"""The API server over one connection that stays open.

A test that waits looks again and again, and to start kubectl for each look costs a small machine more than the
operator under test does.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

Object = dict[str, Any]

_SELECTORS = {"-l": "labelSelector", "--field-selector": "fieldSelector"}
_MANAGED_FIELDS = "--show-managed-fields"


class RequestError(Exception):
    """The API server did not do what was asked for."""


class ApiConnection:
    """Finds kinds by the names that kubectl takes, and returns what `kubectl get -o json` prints."""

    def __init__(self, kubeconfig: Path) -> None:
        configuration = Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        self._api = ApiClient(configuration)
        self._resources: dict[str, tuple[str, Object]] = {}

    def get(self, namespace: str | None, kind: str, name: str) -> Object:
        """Return one object; RequestError where it is not there."""
        prefix, resource = self._find(kind)
        found = self._read(_path(prefix, resource, namespace, name))
        return _without_managed_fields(found)

    def list(self, namespace: str | None, kinds: str, *options: str) -> list[Object]:
        """Return the objects of one or several kinds (`pods`, `deployments,services`), of all namespaces for None.

        ``options`` are kubectl's: `-l`, `--field-selector`, `--show-managed-fields`.
        """
        query, managed = _query(options)
        found: list[Object] = []
        for kind in kinds.split(","):
            prefix, resource = self._find(kind)
            answer = self._read(_path(prefix, resource, namespace) + query)
            version = answer["apiVersion"]
            found += [{"apiVersion": version, "kind": resource["kind"], **item} for item in answer["items"]]
        return found if managed else [_without_managed_fields(item) for item in found]

    def delete_all(self, namespace: str, kind: str) -> None:
        """Ask for the end of all objects of a kind in a namespace, and wait for none of them."""
        prefix, resource = self._find(kind)
        self._ask("DELETE", _path(prefix, resource, namespace))

    def _find(self, kind: str) -> tuple[str, Object]:
        """Return the path of a kind's group and its resource; read anew where it is not known yet."""
        if kind not in self._resources:
            self._resources = self._discover()
        if kind not in self._resources:
            raise RequestError(f"the server has no resource type {kind!r}")
        return self._resources[kind]

    def _discover(self) -> dict[str, tuple[str, Object]]:
        groups = self._read("/apis")["groups"]
        prefixes = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        found: dict[str, tuple[str, Object]] = {}
        for prefix in prefixes:
            group = prefix.removeprefix("/apis/").partition("/")[0]
            for resource in self._read(prefix)["resources"]:
                if "/" in resource["name"]:
                    continue
                names = (resource["name"], resource["singularName"], *resource.get("shortNames", ()))
                for name in (*names, f"{resource['name']}.{group}"):
                    found.setdefault(name, (prefix, resource))
        return found

    def _read(self, path: str) -> Object:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str) -> Object:
        request = self._api.param_serialize(method, path, auth_settings=["BearerToken"])
        answer = self._api.call_api(*request, _request_timeout=30)
        data = answer.read()
        if answer.status != 200:
            raise RequestError(f"{method} {path}: {answer.status} {data.decode(errors='replace')[:500]}")
        found: Object = json.loads(data)
        return found


def _path(prefix: str, resource: Mapping[str, Any], namespace: str | None, name: str = "") -> str:
    place = f"/namespaces/{namespace}" if namespace and resource["namespaced"] else ""
    return f"{prefix}{place}/{resource['name']}" + (f"/{name}" if name else "")


def _query(options: tuple[str, ...]) -> tuple[str, bool]:
    """Return the query string of kubectl's options, and whether managed fields are wanted."""
    left, asked, managed = list(options), {}, False
    while left:
        option, joined, value = left.pop(0).partition("=")
        if option == _MANAGED_FIELDS:
            managed = True
        elif option in _SELECTORS and (joined or left):
            asked[_SELECTORS[option]] = value if joined else left.pop(0)
        else:
            raise RequestError(f"{option!r} is none of {', '.join((*_SELECTORS, _MANAGED_FIELDS))}")
    return ("?" + urlencode(asked) if asked else ""), managed


def _without_managed_fields(found: Object) -> Object:
    found["metadata"].pop("managedFields", None)
    return found
