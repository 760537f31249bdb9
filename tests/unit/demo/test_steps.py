"""What the demo decides and says, without a cluster."""

import pytest

from examples.demo.__main__ import place
from examples.demo.screen import DemoError
from examples.demo.steps import how_to_go_on, image_values, look
from tests.cluster import Environment

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "want"),
    [
        pytest.param(
            "genmodel.local/operator:dev",
            {"image.registry": "genmodel.local", "image.repository": "operator", "image.tag": "dev"},
            id="a tag",
        ),
        pytest.param(
            f"registry.example:5000/team/operator@{DIGEST}",
            {"image.registry": "registry.example:5000", "image.repository": "team/operator", "image.digest": DIGEST},
            id="a digest, and a registry with a port",
        ),
    ],
)
def test_the_chart_s_values_for_an_image(image: str, want: dict[str, str]) -> None:
    assert image_values(image) == want


class Listing:
    """A cluster that answers kubectl with the command itself, and has two models."""

    def kubectl(self, *args: str) -> str:
        return "fables minilm" if "jsonpath" in args[-1] else f"answer to {' '.join(args)}\n"


def test_every_model_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    look(Listing())  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("answer")] == [
        "answer to get gm",
        "answer to describe gm fables",
        "answer to describe gm minilm",
    ]
    assert said.count("$ kubectl") == 3


def test_the_way_on_names_the_model_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    how_to_go_on("chosen", reach="export KUBECONFIG=here")
    said = capsys.readouterr().out
    assert "export KUBECONFIG=here\n" in said
    assert "kubectl scale gm chosen --replicas=2" in said
    assert "kubectl port-forward svc/chosen 8000:80" in said
    assert "fables" not in said


NOTHING = Environment("none", "", "a real node needs root; no container engine answers", "no engine")


@pytest.mark.parametrize(
    ("environ", "found", "want"),
    [
        pytest.param({}, Environment("node", "", "", ""), "local", id="root on Debian"),
        pytest.param({}, Environment("kind", "", "", ""), "kind", id="an engine with kind"),
        pytest.param({"IMAGE_REGISTRY": "r.example"}, Environment("node", "", "", ""), "foreign", id="a named cluster"),
        pytest.param({"IMAGE_REGISTRY": "r.example"}, NOTHING, "foreign", id="nothing but a named cluster"),
    ],
)
def test_where_the_demo_runs(environ: dict[str, str], found: Environment, want: str) -> None:
    assert place(environ, find=lambda: found) == want


def test_where_nothing_can_be_had_the_demo_says_what_is_missing() -> None:
    with pytest.raises(DemoError, match=r"needs root; no container engine answers\. Name another cluster: make demo"):
        place({}, find=lambda: NOTHING)
