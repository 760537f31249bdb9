"""Which fields differ, by their paths; that nothing differs is `is_applied`, see test_apply."""

from typing import Any

import pytest

from genmodel_operator.kube.apply import Difference, differences, is_applied

PORT = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "m"}, "spec": {"ports": [PORT], "selector": {"a": "1"}, **spec}}


def deployment(replicas: int = 1, *, args: list[str] | None = None, env: list[Any] | None = None) -> dict[str, Any]:
    server = {"name": "server", "image": "e:1", "args": args or ["--x"], "env": env or [{"name": "A", "value": "1"}]}
    return {"spec": {"replicas": replicas, "template": {"spec": {"containers": [server]}}}}


SERVER = "spec.template.spec.containers[server]"


@pytest.mark.parametrize(
    ("live", "desired", "want"),
    [
        pytest.param(deployment(4), deployment(1), [("spec.replicas", 4)], id="a value"),
        pytest.param({"spec": {}}, {"spec": {"replicas": 1}}, [("spec.replicas", None)], id="an absent value"),
        pytest.param(deployment(args=["--y"]), deployment(), [(f"{SERVER}.args", ["--y"])], id="a list of values"),
        pytest.param(
            deployment(env=[{"name": "B"}]), deployment(), [(f"{SERVER}.env[A]", None)], id="an entry that is gone"
        ),
        pytest.param(
            deployment(env=[{"name": "A", "value": "2"}, {"name": "B"}]),
            deployment(),
            [(f"{SERVER}.env[A].value", "2")],
            id="an entry that was changed, beside one of somebody else",
        ),
        pytest.param(
            service(ports=[{**PORT, "port": 81}]),
            service(),
            [("spec.ports[http]", None)],
            id="a port of another number",
        ),
        pytest.param(
            service(selector={"a": "1", "b": "2"}),
            service(),
            [("spec.selector", {"a": "1", "b": "2"})],
            id="one label more in a selector, which would select nothing",
        ),
        pytest.param(service(selector=None), service(), [("spec.selector", None)], id="no selector"),
        pytest.param(
            deployment(3, args=["--y"]),
            deployment(),
            [("spec.replicas", 3), (f"{SERVER}.args", ["--y"])],
            id="two of them",
        ),
    ],
)
def test_the_fields_that_differ(live: dict[str, Any], desired: dict[str, Any], want: list[tuple[str, Any]]) -> None:
    assert [(found.path, found.live) for found in differences(live, desired)] == want
    assert not is_applied(live, desired)


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(service(ports=[PORT, {"name": "theirs", "port": 9}]), id="a port of somebody else"),
        pytest.param(service(clusterIP="10.0.0.1", sessionAffinity="None"), id="what the server fills in"),
        pytest.param(service() | {"metadata": {"name": "m", "labels": {"x": "y"}}}, id="a label of somebody else"),
    ],
)
def test_what_is_not_ours_is_no_difference(live: dict[str, Any]) -> None:
    assert differences(live, service()) == ()
    assert is_applied(live, service())


def test_differences_are_values() -> None:
    assert Difference("a", 1) == Difference("a", 1)
