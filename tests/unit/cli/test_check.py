"""The rights that ``genmodel check`` asks for; what it finds on real parts is in tests/apiserver and tests/e2e."""

from pathlib import Path

import pytest
import yaml

from genmodel_operator.cli.check import Right, read_rights
from genmodel_operator.cli.command import main
from genmodel_operator.cli.input import CommandError


def written(folder: Path, text: str) -> str:
    path = folder / "rights.yaml"
    path.write_text(text)
    return str(path)


def test_every_verb_on_every_resource_is_a_right_of_its_own(tmp_path: Path) -> None:
    grants = [
        {"name": "a", "rules": [{"apiGroups": ["apps"], "resources": ["deployments", "x"], "verbs": ["get", "list"]}]},
        {
            "name": "b",
            "namespace": "team-a",
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s", "t"], "verbs": ["get"]}],
        },
    ]
    found = list(read_rights(written(tmp_path, yaml.safe_dump(grants))))
    assert [str(right) for right in found] == [
        "get deployments.apps in the whole cluster",
        "list deployments.apps in the whole cluster",
        "get x.apps in the whole cluster",
        "list x.apps in the whole cluster",
        "get secrets s in team-a",
        "get secrets t in team-a",
    ]


@pytest.mark.parametrize(
    ("right", "want"),
    [
        pytest.param(
            Right("patch", "genmodel.dev", "generativemodels/status", "", ""),
            {"verb": "patch", "group": "genmodel.dev", "resource": "generativemodels", "subresource": "status"},
            id="a subresource in the whole cluster",
        ),
        pytest.param(
            Right("get", "", "secrets", "token", "team-a"),
            {"verb": "get", "resource": "secrets", "name": "token", "namespace": "team-a"},
            id="one object of a namespace",
        ),
    ],
)
def test_the_question_to_the_api_server(right: Right, want: dict[str, str]) -> None:
    assert right.review()["spec"] == {"resourceAttributes": want}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a word", id="a word"),
        pytest.param("- name: a", id="no rules"),
        pytest.param("- rules: 3", id="rules that are none"),
        pytest.param("- rules: [{verbs: [get]}]", id="a rule without resources"),
    ],
)
def test_a_file_that_holds_no_roles_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError, match=r"rights\.yaml: a list of roles with rules is wanted"):
        list(read_rights(written(tmp_path, text)))


def test_without_a_cluster_it_says_so_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"], {"KUBECONFIG": "/nowhere/config"}) == 2
    assert "genmodel: no API server: KUBECONFIG=/nowhere/config: there is no such file" in capsys.readouterr().err


def test_a_missing_file_of_rights_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--rights", "/nowhere/rights.yaml"], {}) == 2
    assert "/nowhere/rights.yaml" in capsys.readouterr().err
