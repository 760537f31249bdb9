"""The client against a real API server: what is sent, what comes back, what each refusal becomes."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from genmodel_operator.api import labels
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    Unauthorized,
    Unreachable,
)
from genmodel_operator.kube.kinds import (
    DEPLOYMENT,
    EVENT,
    GENERATIVE_MODEL,
    NODE,
    POD,
    SECRET,
    SERVICE,
    Kind,
)
from genmodel_operator.settings import Settings
from tests.cluster import Cluster
from tests.extra_nodes import extra_nodes
from tests.kube_client import connected

pytestmark = pytest.mark.apiserver

Object = dict[str, Any]


def a_service(team: str, name: str | None = None, *, port: int = 80, **fields: Any) -> Object:
    metadata = {"name": name or f"s-{uuid4().hex[:8]}", "namespace": team, "labels": {"test": "client"}}
    spec = {"ports": [{"name": "http", "port": port}], "selector": {"app": "x"}}
    return {"metadata": metadata, "spec": spec | fields}


def token_config(control_plane: Cluster, folder: Path, token: str) -> Path:
    """A kubeconfig for the same server with this token instead of the administrator's certificate."""
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


class TestApply:
    async def test_it_creates_with_our_field_manager_and_returns_the_live_object(
        self, client: KubeClient, team: str
    ) -> None:
        live = await client.apply(SERVICE, a_service(team))
        assert live["kind"] == "Service"
        assert live["spec"]["clusterIP"]
        managers = [(entry["manager"], entry["operation"]) for entry in live["metadata"]["managedFields"]]
        assert managers == [(labels.FIELD_MANAGER, "Apply")]

    async def test_the_same_again_changes_nothing(self, client: KubeClient, team: str) -> None:
        wanted = a_service(team)
        first = await client.apply(SERVICE, wanted)
        second = await client.apply(SERVICE, wanted)
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    async def test_it_takes_fields_back_from_others_and_leaves_theirs(
        self, client: KubeClient, control_plane: Cluster, team: str
    ) -> None:
        wanted = a_service(team)
        name = wanted["metadata"]["name"]
        await client.apply(SERVICE, wanted)
        change = '{"metadata":{"annotations":{"theirs":"1"}},"spec":{"selector":{"app":"theirs"}}}'
        control_plane.kubectl("-n", team, "patch", "service", name, "--type=merge", "-p", change)
        live = await client.apply(SERVICE, wanted)
        assert live["spec"]["selector"] == {"app": "x"}
        assert live["metadata"]["annotations"] == {"theirs": "1"}

    async def test_a_field_that_we_no_longer_mean_goes(self, client: KubeClient, team: str) -> None:
        wanted = a_service(team, sessionAffinity="ClientIP")
        await client.apply(SERVICE, wanted)
        del wanted["spec"]["sessionAffinity"]
        assert (await client.apply(SERVICE, wanted))["spec"]["sessionAffinity"] == "None"

    async def test_a_field_of_the_first_create_goes_after_we_took_it_over(self, client: KubeClient, team: str) -> None:
        wanted = a_service(team, sessionAffinity="ClientIP")
        name = wanted["metadata"]["name"]
        await client.create(SERVICE, wanted)
        del wanted["spec"]["sessionAffinity"]
        assert (await client.apply(SERVICE, wanted))["spec"]["sessionAffinity"] == "ClientIP", "why it is needed"
        await client.delete(SERVICE, team, name)
        await client.create(SERVICE, a_service(team, name, sessionAffinity="ClientIP"))
        await client.take_over(SERVICE, team, name)
        live = await client.apply(SERVICE, wanted)
        assert live["spec"]["sessionAffinity"] == "None"
        managers = [(entry["manager"], entry["operation"]) for entry in live["metadata"]["managedFields"]]
        assert managers == [(labels.FIELD_MANAGER, "Apply")]

    async def test_nothing_is_taken_over_twice(self, client: KubeClient, team: str) -> None:
        wanted = a_service(team)
        name = wanted["metadata"]["name"]
        first = await client.apply(SERVICE, wanted)
        await client.take_over(SERVICE, team, name)
        assert await client.get(SERVICE, team, name) == first

    async def test_status_is_applied_apart_and_only_where_the_object_is(self, client: KubeClient, team: str) -> None:
        model = {"metadata": {"name": "tiny", "namespace": team}, "spec": {"model": "acme/tiny"}}
        status = {"metadata": model["metadata"], "status": {"observedGeneration": 1, "replicas": 2}}
        with pytest.raises(NotFound):
            await client.apply_status(GENERATIVE_MODEL, status)
        await client.create(GENERATIVE_MODEL, model)
        live = await client.apply_status(GENERATIVE_MODEL, status)
        assert live["status"]["replicas"] == 2
        assert live["metadata"]["generation"] == 1
        entry = next(e for e in live["metadata"]["managedFields"] if e.get("subresource") == "status")
        assert entry["manager"] == labels.FIELD_MANAGER


class TestRead:
    async def test_a_missing_object_is_not_found(self, client: KubeClient, team: str) -> None:
        with pytest.raises(NotFound) as raised:
            await client.get(POD, team, "nobody")
        assert (raised.value.status, raised.value.reason) == (404, "NotFound")
        assert (raised.value.verb, raised.value.kind, raised.value.name) == ("get", "Pod", "nobody")
        assert raised.value.message == 'pods "nobody" not found'

    async def test_lists_are_filtered_by_the_server_and_say_what_they_hold(self, client: KubeClient, team: str) -> None:
        wanted = a_service(team)
        wanted["metadata"]["labels"] = {"only": "me"}
        await client.apply(SERVICE, wanted)
        found = await client.list(SERVICE, team, label_selector="only=me")
        assert [(obj["apiVersion"], obj["kind"]) for obj in found] == [("v1", "Service")]
        name = wanted["metadata"]["name"]
        assert len(await client.list(SERVICE, team, field_selector=f"metadata.name={name}")) == 1
        assert len(await client.list(SERVICE, label_selector="only=me")) == 1
        assert await client.list(SERVICE, team, label_selector="only=other") == []

    async def test_long_lists_come_in_pages(self, client: KubeClient, team: str) -> None:
        for number in range(7):
            secret = {"metadata": {"name": f"page-{number}", "namespace": team, "labels": {"page": "yes"}}}
            await client.create(SECRET, secret)
        pages = [page async for page in client.pages(SECRET, team, label_selector="page=yes", page_size=3)]
        assert [len(page) for page in pages] == [3, 3, 1]
        names = {obj["metadata"]["name"] for page in pages for obj in page}
        assert names == {f"page-{number}" for number in range(7)}

    async def test_objects_without_namespace(self, client: KubeClient, control_plane: Cluster) -> None:
        with extra_nodes(control_plane, 1, prefix="clientnode") as (name,):
            assert name in [node["metadata"]["name"] for node in await client.list(NODE)]
        await client.may_list(NODE)

    async def test_discovery_knows_our_kind_and_not_others(self, client: KubeClient, team: str) -> None:
        assert await client.is_served(GENERATIVE_MODEL)
        assert not await client.is_served(Kind("genmodel.dev", "v1alpha1", "others", "Other"))
        assert not await client.is_served(Kind("nobody.example", "v1", "things", "Thing"))


class TestCreateAndDelete:
    async def test_a_taken_name_is_told_apart_from_a_conflict(self, client: KubeClient, team: str) -> None:
        wanted = a_service(team)
        await client.create(SERVICE, wanted)
        with pytest.raises(AlreadyExists):
            await client.create(SERVICE, wanted)

    async def test_an_event_is_accepted(self, client: KubeClient, team: str) -> None:
        event = {
            "metadata": {"name": f"e.{uuid4().hex}", "namespace": team},
            "eventTime": "2026-11-24T12:00:00.000000Z",
            "reportingController": "genmodel.dev/genmodel-operator",
            "reportingInstance": "here",
            "action": "Reconcile",
            "type": "Normal",
            "reason": "Serving",
            "note": "x" * 1024,
            "regarding": {"apiVersion": "v1", "kind": "Service", "namespace": team, "name": "x"},
        }
        assert (await client.create(EVENT, event))["reason"] == "Serving"

    async def test_delete_removes(self, client: KubeClient, team: str) -> None:
        live = await client.apply(SERVICE, a_service(team))
        name = live["metadata"]["name"]
        await client.delete(SERVICE, team, name, uid=live["metadata"]["uid"])
        with pytest.raises(NotFound):
            await client.get(SERVICE, team, name)
        with pytest.raises(NotFound):
            await client.delete(SERVICE, team, name)

    @pytest.mark.parametrize(
        "precondition",
        [
            pytest.param({"uid": "00000000-0000-0000-0000-000000000000"}, id="another object of the name"),
            pytest.param({"resource_version": "1"}, id="changed meanwhile"),
        ],
    )
    async def test_a_precondition_that_does_not_hold_deletes_nothing(
        self, client: KubeClient, team: str, precondition: Mapping[str, str]
    ) -> None:
        live = await client.apply(SERVICE, a_service(team))
        with pytest.raises(Conflict):
            await client.delete(SERVICE, team, live["metadata"]["name"], **precondition)
        assert await client.get(SERVICE, team, live["metadata"]["name"])


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "obj", "want_words"),
        [
            pytest.param(SERVICE, {"spec": {"ports": [{"port": 70000}]}}, "70000", id="422 by validation"),
            pytest.param(SERVICE, {"spec": {"ports": "many"}}, "ports", id="500 by type"),
            pytest.param(DEPLOYMENT, {"spec": {"replicas": 1}}, "selector", id="missing fields"),
            pytest.param(GENERATIVE_MODEL, {"spec": {"model": "no slash"}}, "org/name", id="422 by our own rules"),
        ],
    )
    async def test_what_the_server_finds_wrong_is_invalid_in_its_words(
        self, client: KubeClient, team: str, kind: Kind, obj: Object, want_words: str
    ) -> None:
        with pytest.raises(Invalid, match=want_words):
            await client.apply(kind, {"metadata": {"name": "wrong", "namespace": team}, **obj})

    async def test_a_missing_namespace_is_not_found(self, client: KubeClient) -> None:
        with pytest.raises(NotFound, match="namespaces"):
            await client.apply(SERVICE, a_service("no-such-namespace"))

    async def test_a_user_without_rights_is_forbidden(self, control_plane: Cluster, team: str, tmp_path: Path) -> None:
        control_plane.kubectl("-n", team, "create", "serviceaccount", "weak")
        token = control_plane.kubectl("-n", team, "create", "token", "weak").strip()
        async with connected(token_config(control_plane, tmp_path, token)) as weak:
            with pytest.raises(Forbidden, match='cannot list resource "pods"'):
                await weak.list(POD, team)
            with pytest.raises(Forbidden, match='cannot patch resource "services"'):
                await weak.apply(SERVICE, a_service(team))
            assert await weak.is_served(GENERATIVE_MODEL), "discovery is open to everybody who is known"

    async def test_a_token_that_is_none_is_unauthorized(
        self, control_plane: Cluster, team: str, tmp_path: Path
    ) -> None:
        async with connected(token_config(control_plane, tmp_path, "invented")) as nobody:
            with pytest.raises(Unauthorized):
                await nobody.get(POD, team, "x")


class TestConnection:
    async def test_every_request_is_counted_and_timed(self, control_plane: Cluster, team: str) -> None:
        seen: list[tuple[str, str, str]] = []

        def observe(verb: str, kind: str, code: str, seconds: float) -> None:
            assert 0 < seconds < 30
            seen.append((verb, kind, code))

        async with connected(control_plane.kubeconfig, observe=observe) as client:
            live = await client.apply(SERVICE, a_service(team))
            await client.delete(SERVICE, team, live["metadata"]["name"])
            with pytest.raises(NotFound):
                await client.get(POD, team, "x")
        assert seen == [("apply", "Service", "201"), ("delete", "Service", "200"), ("get", "Pod", "404")]

    async def test_the_informer_gets_the_same_server_and_rights(self, client: KubeClient) -> None:
        connection = await client.watch_connection()
        assert connection.server.startswith("https://127.0.0.1:")
        assert connection.headers["User-Agent"].startswith("genmodel-operator/")
        assert connection.ssl_context.get_ca_certs()

    async def test_a_server_that_is_away_is_unreachable(self, control_plane: Cluster, tmp_path: Path) -> None:
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        seen: list[str] = []
        async with connected(path, observe=lambda _verb, _kind, code, _seconds: seen.append(code)) as client:
            with pytest.raises(Unreachable):
                await client.get(POD, "x", "x")
        assert seen == ["error"]

    async def test_a_server_that_does_not_answer_is_given_up(self, control_plane: Cluster, tmp_path: Path) -> None:
        hung_up = asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            hung_up.set()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        async with connected(path, timeout_seconds=0.2) as client:
            with pytest.raises(Unreachable):
                await client.get(POD, "x", "x")
        await asyncio.wait_for(hung_up.wait(), 5)
        server.close()

    @pytest.mark.parametrize(
        ("environ", "want"),
        [
            pytest.param({}, "no KUBECONFIG, and the service account of a pod", id="neither"),
            pytest.param(
                {"KUBECONFIG": "/nonexistent"}, "KUBECONFIG=/nonexistent: there is no such file", id="missing"
            ),
        ],
    )
    async def test_no_way_to_a_server_is_said(self, environ: dict[str, str], want: str) -> None:
        with pytest.raises(ConnectionConfigError, match=want):
            await KubeClient.connect(Settings(), environ=environ)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("clusters: 3\n", id="wrong types"),
            pytest.param("- a\n", id="a list"),
            pytest.param("a: [", id="no YAML"),
            pytest.param("", id="empty"),
        ],
    )
    async def test_a_file_that_is_no_kubeconfig_is_said(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "kubeconfig"
        path.write_text(text)
        with pytest.raises(ConnectionConfigError, match=f"KUBECONFIG={path}"):
            await KubeClient.connect(Settings(), environ={"KUBECONFIG": str(path)})


async def test_many_requests_share_a_few_connections(client: KubeClient, team: str) -> None:
    answers = await asyncio.gather(*(client.get(POD, team, f"p-{n}") for n in range(200)), return_exceptions=True)
    assert all(isinstance(answer, NotFound) for answer in answers)
    assert all(isinstance(answer, KubeError) for answer in answers)
