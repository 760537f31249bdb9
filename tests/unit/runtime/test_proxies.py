import pytest

from genmodel_runtime.proxies import without_proxy

ENDPOINT = "http://10.1.2.3:8080/hub"


@pytest.mark.parametrize(
    ("environ", "endpoint", "want"),
    [
        pytest.param({}, ENDPOINT, {}, id="no variable"),
        pytest.param(
            {"NO_PROXY": ".svc,10.0.0.0/8"}, ENDPOINT, {"NO_PROXY": ".svc,10.0.0.0/8,10.1.2.3"}, id="in a network"
        ),
        pytest.param({"NO_PROXY": ".svc,10.0.0.0/16"}, ENDPOINT, {}, id="in no network"),
        pytest.param(
            {"NO_PROXY": "x", "no_proxy": "10.1.2.3/8"},
            ENDPOINT,
            {"no_proxy": "10.1.2.3/8,10.1.2.3"},
            id="the lower-case name wins",
        ),
        pytest.param({"NO_PROXY": "10.0.0.0/8"}, "https://hub.example", {}, id="names are not looked up"),
        pytest.param(
            {"NO_PROXY": "a/b, fd00::/8"}, "http://[fd00::1]", {"NO_PROXY": "a/b, fd00::/8,fd00::1"}, id="IPv6"
        ),
        pytest.param({"NO_PROXY": "fd00::/8"}, ENDPOINT, {}, id="the other family"),
    ],
)
def test_networks_in_no_proxy(environ: dict[str, str], endpoint: str, want: dict[str, str]) -> None:
    assert without_proxy(environ, endpoint) == want
