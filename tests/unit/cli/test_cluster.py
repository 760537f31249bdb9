from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.cli.cluster import current_namespace, read_cluster, with_kubeconfig
from genmodel_operator.cli.input import CommandError
from genmodel_operator.settings import Settings


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param(
            {"HOME": "/nowhere"},
            "no cluster to plan for: neither KUBECONFIG nor ~/.kube/config names one; name one, or name nodes with "
            "--gpu or --nodes",
            id="none",
        ),
        pytest.param({"KUBECONFIG": "/nowhere/config"}, "KUBECONFIG=/nowhere/config: there is no such file", id="gone"),
        pytest.param({"KUBECONFIG": "/nowhere/a:/nowhere/b"}, "there is no such file", id="several, all gone"),
    ],
)
async def test_without_cluster_the_ways_out_are_named(environ: dict[str, str], want: str) -> None:
    with pytest.raises(CommandError) as error:
        await read_cluster(Settings(), environ=environ, otherwise="--gpu or --nodes")
    assert error.value.exit_code == 2
    assert want in str(error.value)
    assert str(error.value).endswith("name nodes with --gpu or --nodes")


async def test_one_file_of_several_is_enough(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("{}")
    with pytest.raises(CommandError) as error:
        await read_cluster(Settings(), environ={"KUBECONFIG": f"/nowhere/a:{config}"}, otherwise="--gpu")
    assert "there is no such file" not in str(error.value)


def test_kubectl_s_own_default_is_taken(tmp_path: Path) -> None:
    config = tmp_path / ".kube" / "config"
    assert with_kubeconfig({"HOME": str(tmp_path)}) == {"HOME": str(tmp_path)}
    config.parent.mkdir()
    config.touch()
    assert with_kubeconfig({"HOME": str(tmp_path)})["KUBECONFIG"] == str(config)
    assert with_kubeconfig({"HOME": str(tmp_path), "KUBECONFIG": "mine"})["KUBECONFIG"] == "mine"


CONTEXTS = {
    "current-context": "b",
    "contexts": [{"name": "a", "context": {"namespace": "team-a"}}, {"name": "b", "context": {"namespace": "team-b"}}],
}


@pytest.mark.parametrize(
    ("files", "want"),
    [
        pytest.param([], "default", id="no kubeconfig"),
        pytest.param([CONTEXTS], "team-b", id="that of the current context"),
        pytest.param([{"current-context": "a"}, CONTEXTS], "team-a", id="the first of several files decides"),
        pytest.param([{**CONTEXTS, "current-context": "c"}], "default", id="a context that is not there"),
        pytest.param([{"current-context": "a", "contexts": [{"name": "a"}]}], "default", id="a context without one"),
        pytest.param(["text", CONTEXTS], "team-b", id="a file that is no kubeconfig"),
    ],
)
def test_the_namespace_is_kubectl_s(tmp_path: Path, files: list[Any], want: str) -> None:
    names = []
    for number, content in enumerate(files):
        file = tmp_path / f"config-{number}"
        file.write_text(yaml.safe_dump(content))
        names.append(str(file))
    environ = {"KUBECONFIG": ":".join(names)} if names else {}
    assert current_namespace({"HOME": "/nowhere", **environ}) == want
